//! The store: keeps the newest position and checks, at every save, that all before it is durable.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use headwater_actors::{
    checkpoint::Checkpoint,
    failure::Failure,
    ports::{
        BoxFuture,
        dead_letters::{DeadLetter, DeadLetters},
        store::{CheckpointStore, LastEnd, Stored},
    },
    progress::Mark,
};
use tokio::sync::watch;

use super::{
    fixture::{Change, Log},
    sink::ScriptedSink,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Fails,
    Definite,
    Panic,
}

/// Whether the change lies before the mark.
pub fn covers(mark: &Mark, change: &Change) -> bool {
    let offset = mark.position.offset;
    change.end <= offset || (change.start == offset && change.n < mark.rows_done)
}

#[derive(Clone)]
pub struct MemoryStore {
    log: Arc<Log>,
    sink: ScriptedSink,
    /// All saves, the newest last.
    pub saves: watch::Sender<Vec<Checkpoint>>,
    faults: Arc<Mutex<Vec<(usize, Fault)>>>,
    /// No save succeeds while it is set.
    pub is_down: Arc<AtomicBool>,
    calls: Arc<Mutex<usize>>,
    broken: Arc<Mutex<Vec<String>>>,
}

impl MemoryStore {
    pub fn new(log: Arc<Log>, sink: ScriptedSink) -> Self {
        Self {
            log,
            sink,
            saves: watch::Sender::default(),
            faults: Arc::default(),
            is_down: Arc::default(),
            calls: Arc::default(),
            broken: Arc::default(),
        }
    }

    /// At the save with this number, or the next one after it.
    pub fn fails_at(&self, save: usize, fault: Fault) {
        self.faults
            .lock()
            .expect("a whole lock")
            .push((save, fault));
    }

    pub fn saved(&self) -> Option<Checkpoint> {
        self.saves.borrow().last().cloned()
    }

    /// Saves so far, those that failed too.
    pub fn tries(&self) -> usize {
        *self.calls.lock().expect("a whole lock")
    }

    pub fn broken(&self) -> Vec<String> {
        self.broken.lock().expect("a whole lock").clone()
    }

    fn check(&self, checkpoint: &Checkpoint) {
        let durable = self.sink.durable.borrow();
        let mut broken = self.broken.lock().expect("a whole lock");
        let lines: HashSet<&str> = durable.iter().map(|put| put.line.as_str()).collect();
        for change in &self.log.changes {
            let mut parked = checkpoint.parked.iter();
            let is_kept = parked.any(|parked| {
                parked.table.to_string() == change.table && !covers(&parked.resume.mark, change)
            });
            if covers(&checkpoint.resume.mark, change)
                && !is_kept
                && !lines.contains(change.line.as_str())
            {
                let mark = &checkpoint.resume.mark;
                broken.push(format!("{mark:?} stored before '{}'", change.line));
            }
        }
        if let Some(before) = self.saves.borrow().last()
            && !before
                .resume
                .gtid_set
                .is_subset(&checkpoint.resume.gtid_set)
        {
            broken.push(format!("{} shrank", before.resume.gtid_set));
        }
    }
}

impl CheckpointStore for MemoryStore {
    fn load(&self) -> BoxFuture<'static, Result<Stored, Failure>> {
        let checkpoint = self.saved();
        let epoch = checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.home.epoch);
        let stored = Stored {
            epoch,
            checkpoint,
            saved_us: 0,
            last_end: None,
        };
        Box::pin(async move { Ok(stored) })
    }

    fn save(&self, checkpoint: Checkpoint) -> BoxFuture<'static, Result<(), Failure>> {
        let store = self.clone();
        Box::pin(async move {
            let call = {
                let mut calls = store.calls.lock().expect("a whole lock");
                *calls += 1;
                *calls - 1
            };
            let fault = {
                let mut faults = store.faults.lock().expect("a whole lock");
                let due = faults.iter().position(|(at, _)| *at <= call);
                due.map(|index| faults.swap_remove(index).1)
            };
            if store.is_down.load(Ordering::Relaxed) {
                return Err(Failure::transient("no space left on device"));
            }
            match fault {
                Some(Fault::Fails) => return Err(Failure::transient("disk busy")),
                Some(Fault::Definite) => return Err(Failure::definite("store is read-only")),
                Some(Fault::Panic) => panic!("the store was told to panic"),
                None => (),
            }
            store.check(&checkpoint);
            store.saves.send_modify(|saves| saves.push(checkpoint));
            Ok(())
        })
    }

    fn clear(&self) -> BoxFuture<'static, Result<(), Failure>> {
        self.saves.send_modify(Vec::clear);
        Box::pin(async { Ok(()) })
    }

    fn note_end(&self, _end: LastEnd) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}

#[derive(Clone, Default)]
pub struct MemoryLetters(pub Arc<Mutex<Vec<DeadLetter>>>);

impl DeadLetters for MemoryLetters {
    fn bury(&self, letter: DeadLetter) -> BoxFuture<'static, Result<(), Failure>> {
        self.0.lock().expect("a whole lock").push(letter);
        Box::pin(async { Ok(()) })
    }
}
