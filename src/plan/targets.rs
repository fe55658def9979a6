//! The target that a route or a run of snapshots names for itself.

use super::Error;
use crate::sinks::{self, Facts, SinkPlan, Template};

/// What `text` has for the setting of the pipeline's own sink; the setting of another kind of sink is refused. `whose`
/// begins a sentence: "a run has".
pub(super) fn own_target(
    sink: &SinkPlan,
    whose: &str,
    text: impl Fn(&str) -> Option<String>,
) -> Result<Option<Template>, Error> {
    let Facts { name, target, .. } = sink.facts();
    let is_other = |setting: &sinks::TargetSetting| Some(*setting) != *target;
    if let Some(other) = sinks::targets().find(|it| is_other(it) && text(it.key).is_some()) {
        return Err(Error::new(
            other.key,
            format!("has no effect with sink.type = \"{name}\""),
            format!("{whose} the sink of the top level; remove the key"),
        ));
    }
    let own = target.and_then(|target| Some((target, text(target.key)?)));
    own.map(|(target, text)| Template::new(target, &text))
        .transpose()
}
