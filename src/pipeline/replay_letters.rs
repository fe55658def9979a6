//! `replay-dead-letters`: what was buried goes to the sink after all, with the ids and `seq` that it always had.
//!
//! A letter with its line is sent as it is; one without is encoded from the log's own bytes, by the settings of
//! now. Each leaves by its table's route, as a record of its own. Letters that are durable are noted beside the
//! file (`FILE.replayed`), by place and checksum: a repetition sends only the rest, a kill in between sends one
//! twice. What still cannot be delivered stays, and the others go on. The pipeline may run meanwhile.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use headwater_actors::{
    backoff::Backoff,
    budget::{ByteBudget, Permit},
    failure::Failure,
    messages::{BarrierSeq, LaneChanges},
    on_error::{OnError, Policy},
    ports::{
        dead_letters::DeadLetter,
        routes::{Route, Routes},
        sink::{Record, Sink},
    },
    writer::{
        buffer::{Flight, LaneBuffer, RecordRules, Step},
        lines::{KeptPlans, Lines},
    },
};
use headwater_binlog::gtid::Uuid;

use super::{outputs::Outputs, routes::GenerationRoutes, system};
use crate::{
    durable::{self, Lock, OwnedLock, beside},
    exit::Exit,
    lease::gate::LeaseGate,
    plan::Plan,
    sinks::{append::AppendFile, dead_letter},
    telemetry::logs,
    terminal,
};

/// Of one letter: the largest row, as base64.
const LINE_BYTES_MAX: u64 = 2 << 30;

#[derive(Default)]
struct Tally {
    replayed: u64,
    /// In an earlier run.
    before: u64,
    left: u64,
}

/// Delivers what the files hold and was not delivered yet.
pub fn replay_dead_letters(plan: Plan, files: &[PathBuf]) -> anyhow::Result<Exit> {
    logs::start(plan.telemetry.log_format).context("start the log")?;
    let outputs = Arc::new(Outputs::new(&plan, &LeaseGate::open())?);
    let mut tally = Tally::default();
    system::start()?.block_on(async {
        outputs.connect().await?;
        let mut replay = Replay {
            budget: ByteBudget::new(plan.memory.encoded_bytes),
            plan,
            outputs: Arc::clone(&outputs),
            routes: HashMap::new(),
        };
        for file in files {
            replay.file(file, &mut tally).await?;
        }
        anyhow::Ok(())
    })?;
    drop(outputs);
    terminal::line(&format!(
        "{} replayed, {} had been before, {} are left",
        tally.replayed, tally.before, tally.left
    ))?;
    Ok(match tally.left {
        0 => Exit::Success,
        _ => Exit::Halted,
    })
}

struct Replay {
    plan: Plan,
    outputs: Arc<Outputs>,
    /// Ids without GTIDs name the server.
    routes: HashMap<Uuid, GenerationRoutes>,
    budget: ByteBudget,
}

impl Replay {
    async fn file(&mut self, path: &Path, tally: &mut Tally) -> anyhow::Result<()> {
        let shown = path.display();
        let mut done = Done::open(path)?;
        let file = File::open(path).with_context(|| format!("open file \"{shown}\""))?;
        let mut letters = BufReader::new(file);
        let (mut offset, mut line) = (0, Vec::new());
        loop {
            line.clear();
            let bytes = (&mut letters)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
                .with_context(|| format!("read file \"{shown}\""))? as u64;
            // What has no end yet is still being written.
            if !line.ends_with(b"\n") {
                return Ok(());
            }
            let mark = Done::mark(offset, &line);
            if done.marks.contains(&mark) {
                tally.before += 1;
            } else {
                match self.letter(&line).await? {
                    Ok(()) => {
                        done.add(mark)?;
                        tally.replayed += 1;
                    }
                    Err(reason) => {
                        tally.left += 1;
                        tracing::error!(file = %shown, offset, error = reason, "letter not replayed");
                    }
                }
            }
            offset += bytes;
        }
    }

    /// The inner error is this letter's own.
    async fn letter(&mut self, line: &[u8]) -> Result<Result<(), String>, Failure> {
        let letter = match dead_letter::read(line) {
            Ok(letter) => letter,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let server_uuid = letter.home.server_uuid;
        let routes = self.routes.entry(server_uuid).or_insert_with(|| {
            GenerationRoutes::new(&self.plan, Arc::clone(&self.outputs), server_uuid)
        });
        let route = routes.route(&letter.lane).await?;
        let records = match self.records(&route, letter).await {
            Ok(records) => records,
            Err(failure) => return Ok(Err(failure.to_string())),
        };
        for record in records {
            deliver(route.sink.as_ref(), record).await?;
        }
        Ok(Ok(()))
    }

    /// As the lane's writer would make them.
    async fn records(&self, route: &Route, letter: DeadLetter) -> Result<Vec<Record>, Failure> {
        let rules = RecordRules {
            packing: route.packing,
            compression: route.compression,
            partition_key: route.partition_key.clone(),
            record_bytes_max: route.record_bytes_max,
            sink_bytes_max: route.sink.record_bytes_max(),
            policy: Policy {
                oversize: OnError::Halt,
                undecodable: OnError::Halt,
            },
            home: letter.home,
        };
        let mut buffer = LaneBuffer::new(letter.lane, rules);
        if !letter.line.is_empty() {
            let permit = self.budget.take(letter.line.len()).await;
            let partition_key = letter.partition_key.as_deref();
            let record = buffer.record_of_line(&letter.line, partition_key, permit)?;
            return Ok(vec![record]);
        }
        let mut lines = Lines::new(
            Arc::clone(&route.encoder),
            letter.home.epoch,
            KeptPlans::default(),
        );
        buffer.push(Arc::new(LaneChanges {
            seq: BarrierSeq(1),
            parts: vec![letter.change],
            heartbeat: None,
            bytes: 0,
            permit: Permit::empty(),
        }));
        let mut records = Vec::new();
        loop {
            match buffer.next_step() {
                Step::Idle => return Ok(records),
                Step::Grant(bytes) => buffer.grant(self.budget.take(bytes).await),
                Step::Pack => buffer.pack(&mut lines)?,
                Step::Prepare(_) => (),
                Step::Fail(failure) => return Err(failure),
                Step::Send(flight) => {
                    match flight {
                        Flight::Record(record) => records.push(record),
                        Flight::Nothing => (),
                        Flight::Letter(letter) => return Err(Failure::definite(letter.reason)),
                        Flight::Park(failure) => return Err(failure),
                    }
                    buffer.settled();
                }
            }
        }
    }
}

/// Again and again as long as it may pass.
async fn deliver(sink: &dyn Sink, record: Record) -> Result<(), Failure> {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    loop {
        let Err(rejected) = sink.deliver(record.clone()).await else {
            return Ok(());
        };
        if rejected.failure.is_definite() {
            let lane = format!("lane \"{}\"", record.lane);
            return Err(rejected.failure.within(lane));
        }
        let wait = backoff.next_wait(fastrand::f64());
        tracing::warn!(error = %rejected.failure, retry_in = ?wait, "delivery failed, trying again");
        tokio::time::sleep(wait).await;
    }
}

/// What has been replayed of one file: `FILE.replayed`, one line each, ours alone until dropped.
struct Done {
    file: AppendFile,
    marks: HashSet<String>,
    _lock: OwnedLock,
}

impl Done {
    fn open(letters: &Path) -> anyhow::Result<Self> {
        let path = beside(letters, "replayed");
        let shown = path.display();
        let lock = durable::lock(&path).with_context(|| format!("lock file \"{shown}.lock\""))?;
        let Lock::Taken(lock) = lock else {
            anyhow::bail!(
                "\"{}\" is being replayed by another process",
                letters.display()
            );
        };
        let file = AppendFile::open(&path)?;
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("read file \"{shown}\""))?,
        };
        Ok(Self {
            file,
            marks: text.lines().map(str::to_owned).collect(),
            _lock: lock,
        })
    }

    /// The checksum tells a new file under an old name.
    fn mark(offset: u64, line: &[u8]) -> String {
        format!("{offset} {:08x}", crc32fast::hash(line))
    }

    fn add(&mut self, mark: String) -> Result<(), Failure> {
        self.file.write(format!("{mark}\n").as_bytes())?;
        self.file.sync()?;
        self.marks.insert(mark);
        Ok(())
    }
}
