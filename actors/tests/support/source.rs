//! The source: serves the fixture's log from any position, and breaks where it is told to.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use bytes::BytesMut;
use headwater_actors::{
    failure::Failure,
    ports::{
        BoxFuture,
        source::{EventStream, Head, LogFile, Read, Source},
    },
    progress::Resume,
};
use headwater_binlog::{
    columns::{Answer, Question},
    gtid::GtidSet,
    position::Position,
    xa::Prepared,
};
use tokio::sync::watch;

use super::fixture::{self, Log};

/// What a read does instead of bringing events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Cut,
    Definite,
    Panic,
    /// Another server answers.
    Superseded,
}

#[derive(Clone)]
pub struct ScriptedSource {
    log: Arc<Log>,
    script: Arc<Mutex<Script>>,
    /// Events that may be read.
    pub visible: watch::Sender<usize>,
    pub reads: Arc<AtomicUsize>,
    /// Bytes that have been read, over all streams.
    pub bytes_read: watch::Sender<usize>,
    /// Where each stream began.
    pub opened: watch::Sender<Vec<Resume>>,
    /// Of which tables the columns were asked for, and where.
    pub asked: watch::Sender<Vec<Question>>,
}

struct Script {
    /// By number of the read.
    faults: Vec<(usize, Fault)>,
    events_a_read: usize,
    ends: bool,
}

impl ScriptedSource {
    pub fn new(log: Arc<Log>) -> Self {
        let visible = watch::Sender::new(log.events.len());
        Self {
            log,
            script: Arc::new(Mutex::new(Script {
                faults: Vec::new(),
                events_a_read: 7,
                ends: false,
            })),
            visible,
            reads: Arc::default(),
            bytes_read: watch::Sender::new(0),
            opened: watch::Sender::default(),
            asked: watch::Sender::default(),
        }
    }

    pub fn fails_at(&self, read: usize, fault: Fault) {
        let mut script = self.script.lock().expect("a whole lock");
        script.faults.push((read, fault));
    }

    pub fn events_a_read(&self, events: usize) {
        self.script.lock().expect("a whole lock").events_a_read = events;
    }

    pub fn ends(&self) {
        self.script.lock().expect("a whole lock").ends = true;
    }
}

impl Source for ScriptedSource {
    fn open(&self, from: Resume) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>> {
        let source = self.clone();
        Box::pin(async move {
            let offset = from.mark.position.offset;
            let next = match offset {
                4 => 0,
                _ => source
                    .log
                    .events
                    .iter()
                    .position(|(end, _)| *end == offset)
                    .map(|index| index + 1)
                    .ok_or_else(|| {
                        Failure::definite(format!("{offset} is not an event's place"))
                    })?,
            };
            source.opened.send_modify(|opened| opened.push(from));
            let is_new = true;
            Ok(Box::new(Stream {
                source,
                next,
                is_new,
            }) as Box<dyn EventStream>)
        })
    }

    fn open_beside(
        &self,
        begin: Position,
    ) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>> {
        self.open(Resume::at(begin, GtidSet::default()))
    }

    fn open_prepared(
        &self,
        prepared: Prepared,
    ) -> BoxFuture<'static, Result<Box<dyn EventStream>, Failure>> {
        let position = prepared.position.expect("one log only");
        self.open_beside(position)
    }

    fn head(&self) -> BoxFuture<'static, Result<Head, Failure>> {
        let position = fixture::at(self.log.end());
        let file = LogFile {
            name: position.file.clone(),
            bytes: position.offset,
        };
        Box::pin(std::future::ready(Ok(Head {
            position,
            files: vec![file],
        })))
    }

    fn columns(&self, question: Question) -> BoxFuture<'static, Result<Answer, Failure>> {
        self.asked.send_modify(|asked| asked.push(question));
        Box::pin(async move { Ok(Answer::Listed(Arc::new(fixture::column_list()))) })
    }
}

struct Stream {
    source: ScriptedSource,
    next: usize,
    is_new: bool,
}

impl EventStream for Stream {
    fn read<'a>(
        &'a mut self,
        chunk: &'a mut BytesMut,
        bytes_soft_max: usize,
    ) -> BoxFuture<'a, Result<Read, Failure>> {
        Box::pin(async move {
            let source = self.source.clone();
            let events = source.log.events.len();
            let (fault, most, ends) = {
                let read = source.reads.fetch_add(1, Ordering::SeqCst);
                let mut script = source.script.lock().expect("a whole lock");
                let due = script.faults.iter().position(|(at, _)| *at <= read);
                let fault = due.map(|index| script.faults.swap_remove(index).1);
                (fault, script.events_a_read, script.ends)
            };
            match fault {
                Some(Fault::Cut) => return Err(Failure::transient("connection cut")),
                Some(Fault::Definite) => return Err(Failure::definite("binlog purged")),
                Some(Fault::Superseded) => {
                    return Err(Failure::superseded("another server answers"));
                }
                Some(Fault::Panic) => panic!("the source was told to panic"),
                None => (),
            }
            if ends && self.next == events {
                return Ok(Read::Ended);
            }
            let next = self.next;
            let mut visible = source.visible.subscribe();
            let visible = *visible
                .wait_for(|visible| *visible > next)
                .await
                .map_err(|_| Failure::transient("the world has ended"))?;
            if std::mem::take(&mut self.is_new) && self.next > 0 {
                let (offset, _) = source.log.events[self.next - 1];
                chunk.extend_from_slice(&fixture::artificial_rotate(offset));
                chunk.extend_from_slice(&source.log.events[0].1);
            }
            for (_, event) in source.log.events[self.next..visible].iter().take(most) {
                if chunk.len() >= bytes_soft_max {
                    break;
                }
                chunk.extend_from_slice(event);
                self.next += 1;
            }
            source.bytes_read.send_modify(|bytes| *bytes += chunk.len());
            Ok(Read::Events)
        })
    }
}
