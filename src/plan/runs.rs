//! `[[snapshot.runs]]` beside the sink: where the rows of each run go.

use super::Error;
use crate::{
    settings::{Loaded, Run},
    sinks::{self, Facts, SinkPlan, Template},
    snapshot::{RunOptions, run_key},
};

/// The runs as they were written, each with its own target.
pub(super) fn runs(
    loaded: &Loaded,
    sink: &SinkPlan,
) -> Result<Vec<(RunOptions, Option<Template>)>, Error> {
    let runs = loaded.runs.iter().enumerate();
    runs.map(|(number, run)| Ok((run.read()?, target(number, run, sink)?)))
        .collect()
}

/// The run's own target; one of another kind of sink than the pipeline's is refused.
fn target(number: usize, run: &Run, sink: &SinkPlan) -> Result<Option<Template>, Error> {
    let Facts { name, target, .. } = sink.facts();
    let mut given = sinks::targets().filter_map(|it| Some((it, run.target(it.key)?)));
    let Some((setting, text)) = given.next() else {
        return Ok(None);
    };
    if *target != Some(setting) {
        return Err(Error::new(
            run_key(number, setting.key),
            format!("has no effect with sink.type = \"{name}\""),
            "a run has the sink of the top level; remove the key",
        ));
    }
    let template = Template::new(setting, &text);
    template
        .map(Some)
        .map_err(|error| error.under(&format!("snapshot.runs[{number}]")))
}
