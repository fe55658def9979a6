//! Gates before the server: a statement of the client waits there, and a test decides what happens before it runs.
//!
//! A gate knows its statements by a text in them, and may ask that another one went over the same connection before.
//! Statements that come to it are counted over all connections. Only what is not encrypted can be told.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use tokio::{sync::watch, time::timeout};

/// Where statements wait; dropped, it lets all of them through.
#[derive(Debug)]
pub struct Gate(Arc<Place>);

#[derive(Debug)]
struct Place {
    behind: Option<String>,
    text: String,
    came: watch::Sender<u64>,
    /// So many may pass, of all that come.
    passes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<Vec<Arc<Place>>>);

/// What one connection has said.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The end of what came, in which the begin of a text may lie.
    tail: Vec<u8>,
    /// Gates for whose statements it is ready.
    ready: HashSet<usize>,
}

impl Gates {
    pub(super) fn add(&self, behind: Option<&str>, text: &str) -> Gate {
        let place = Arc::new(Place {
            behind: behind.map(str::to_owned),
            text: text.to_owned(),
            came: watch::Sender::new(0),
            passes: watch::Sender::new(0),
        });
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.push(Arc::clone(&place));
        Gate(place)
    }

    /// Waits where the piece has a statement of a gate that is shut.
    pub(super) async fn pass(&self, said: &mut Said, piece: &[u8]) {
        let places = {
            let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            places.retain(|place| *place.passes.borrow() < u64::MAX);
            places.clone()
        };
        let before = said.tail.len();
        said.tail.extend_from_slice(piece);
        let mut numbers = Vec::new();
        for place in &places {
            // Not what was found in the piece before.
            let from = before.saturating_sub(place.text.len().saturating_sub(1));
            let new = said.tail.get(from..).unwrap_or_default();
            let is_ready = match &place.behind {
                None => true,
                Some(first) => {
                    let address = Arc::as_ptr(place).addr();
                    let was_ready = said.ready.contains(&address);
                    if holds(&said.tail, first) {
                        said.ready.insert(address);
                    }
                    was_ready
                }
            };
            if is_ready && holds(new, &place.text) {
                let mut number = 0;
                place.came.send_modify(|came| {
                    *came += 1;
                    number = *came;
                });
                numbers.push((Arc::clone(place), number));
            }
        }
        let rest = said.tail.len().saturating_sub(TAIL_BYTES);
        said.tail.drain(..rest);
        for (place, number) in numbers {
            let mut passes = place.passes.subscribe();
            // The sender lives in `place`.
            drop(passes.wait_for(|passes| number <= *passes).await);
        }
    }
}

impl Gate {
    /// Waits until so many statements have come, of which those that may not pass stand at it.
    ///
    /// # Errors
    /// When they do not come in time.
    pub async fn reached(&self, count: u64) -> anyhow::Result<()> {
        let mut came = self.0.came.subscribe();
        let waited = timeout(WITHIN, came.wait_for(|came| count <= *came)).await;
        let text = &self.0.text;
        waited.with_context(|| {
            format!(
                "{} of {count} statements with `{text}` came",
                *self.0.came.borrow()
            )
        })??;
        Ok(())
    }

    /// Statements that have come so far.
    pub fn came(&self) -> u64 {
        *self.0.came.borrow()
    }

    /// So many of all that come may pass.
    pub fn pass(&self, count: u64) {
        self.0.passes.send_replace(count);
    }

    /// Those that stand at it pass, the next one waits.
    pub fn pass_all(&self) {
        self.pass(self.came());
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.pass(u64::MAX);
    }
}

const WITHIN: Duration = Duration::from_secs(240);
/// Texts may be so long.
const TAIL_BYTES: usize = 256;

fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}
