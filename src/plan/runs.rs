//! `[[snapshot.runs]]` beside the sink: where the rows of each run go.

use super::{Error, targets::own_target};
use crate::{
    settings::Loaded,
    sinks::{SinkPlan, Template},
    snapshot::RunOptions,
};

/// The runs as they were written, each with its own target.
pub(super) fn runs(
    loaded: &Loaded,
    sink: &SinkPlan,
) -> Result<Vec<(RunOptions, Option<Template>)>, Error> {
    let runs = loaded.runs.iter().enumerate().map(|(number, run)| {
        let target = own_target(sink, "a run has", |key| run.text(key));
        let target = target.map_err(|error| error.under(&format!("snapshot.runs[{number}]")))?;
        Ok((run.read()?, target))
    });
    runs.collect()
}
