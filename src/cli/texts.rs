//! The texts of settings that `-c` names: files, standard input, objects of S3, parameters of SSM.
//!
//! What AWS keeps is read with the SDK's own configuration, for there are no settings yet. Trouble that may pass is
//! tried again for a few seconds, less than an orchestrator waits after its signal. Not here: what the text means
//! (`settings`).

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::runtime::Builder;

use super::Error;
use crate::{
    aws::{self, AwsPlan, KeptAt},
    settings::{self, Document},
};

/// No call begins later.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(1);

/// In the order of the arguments.
pub(super) fn of(arguments: &[PathBuf]) -> Result<Vec<Document>, Error> {
    let of_stdin = arguments.iter().filter(|path| settings::is_stdin(path));
    if of_stdin.count() > 1 {
        let text = "-c - is given twice; standard input can be read once";
        return Err(Error::Plan(text.to_owned()));
    }
    let mut documents = Vec::new();
    for argument in arguments {
        let text = argument.to_str().unwrap_or_default();
        documents.push(match KeptAt::of_argument(text) {
            None => Document::of_argument(argument),
            Some(Ok(place)) => Document::of_elsewhere(text, fetch(&place)?),
            Some(Err(problem)) => return Err(Error::Plan(format!("-c: {problem}"))),
        });
    }
    Ok(documents)
}

/// The text, or why it could not be had and what to do.
fn fetch(place: &KeptAt) -> Result<Result<String, String>, Error> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start the runtime")?;
    Ok(runtime.block_on(async {
        let plan = AwsPlan::default();
        let begun = Instant::now();
        loop {
            let failure = match aws::read(place, &plan).await {
                Ok(text) => return Ok(text),
                Err(failure) => failure,
            };
            if failure.is_definite() || begun.elapsed() + PAUSE >= PATIENCE {
                return Err(match &failure.hint {
                    Some(hint) => format!("{failure}; {hint}"),
                    None => failure.to_string(),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }))
}
