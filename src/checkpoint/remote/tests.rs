//! The store and its keeper over a table in memory: lost answers, writes that land late, other hands.

use std::sync::{
    Mutex as StdMutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize},
};

use headwater_actors::{
    checkpoint::OrderingKey,
    ports::store::EndedBy,
    progress::{Home, Resume},
};

use super::*;
use crate::checkpoint::Standing;

const SPAN: Span = Span(Duration::from_secs(4));

/// A table that every clone sees.
#[derive(Clone, Default)]
struct Memory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    row: StdMutex<Option<Row>>,
    /// So many writes are done, and their answers lost.
    answers_lost: AtomicUsize,
    /// The next save hangs, and is kept to land later.
    holds_a_save: AtomicBool,
    held: StdMutex<Option<(Claim, u64, Vec<u8>)>>,
    is_down: AtomicBool,
    body_bytes_max: AtomicUsize,
}

fn work() -> Work {
    Work::new("db:3306", "shop.*", "kinesis orders")
}

fn locked<T>(mutex: &StdMutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    fn new() -> Self {
        let memory = Self::default();
        memory.0.body_bytes_max.store(1 << 20, Ordering::SeqCst);
        memory
    }

    fn connect(&self) -> Connect {
        let table = self.clone();
        Arc::new(move || {
            let table: Arc<dyn Table> = Arc::new(table.clone());
            Box::pin(async move { Ok(table) })
        })
    }

    fn row(&self) -> Row {
        locked(&self.0.row).clone().expect("a row")
    }

    fn write_body(&self, claim: &Claim, version: u64, body: &[u8]) -> bool {
        let mut row = locked(&self.0.row);
        let found = row
            .as_mut()
            .filter(|row| row.claim.is_same_term(claim) && row.version == version);
        let holds = found.is_some();
        if let Some(row) = found {
            row.body = body.to_vec();
            row.version += 1;
        }
        holds
    }

    fn answered<T>(&self, answer: T) -> Result<T, Failure> {
        let lost = &self.0.answers_lost;
        if 0 < lost.load(Ordering::SeqCst) {
            lost.fetch_sub(1, Ordering::SeqCst);
            return Err(Failure::transient("the answer was lost"));
        }
        Ok(answer)
    }

    fn ensure_up(&self) -> Result<(), Failure> {
        match self.0.is_down.load(Ordering::SeqCst) {
            true => Err(Failure::transient("unreachable")),
            false => Ok(()),
        }
    }
}

impl Table for Memory {
    fn place(&self) -> &str {
        "table in memory"
    }

    fn body_bytes_max(&self) -> usize {
        self.0.body_bytes_max.load(Ordering::SeqCst)
    }

    fn read(&self) -> BoxFuture<'_, Result<Option<Row>, Failure>> {
        Box::pin(async {
            self.ensure_up()?;
            Ok(locked(&self.0.row).clone())
        })
    }

    fn claim<'a>(
        &'a self,
        seen: Option<&'a Claim>,
        new: &'a Claim,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            self.ensure_up()?;
            let holds = {
                let mut row = locked(&self.0.row);
                let holds = row.as_ref().map(|row| &row.claim) == seen;
                if holds {
                    let empty = Row {
                        claim: new.clone(),
                        version: 0,
                        body: Vec::new(),
                    };
                    row.get_or_insert(empty).claim = new.clone();
                }
                holds
            };
            self.answered(holds)
        })
    }

    fn save<'a>(
        &'a self,
        claim: &'a Claim,
        version: u64,
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            self.ensure_up()?;
            if self.0.holds_a_save.swap(false, Ordering::SeqCst) {
                *locked(&self.0.held) = Some((claim.clone(), version, body.to_vec()));
                std::future::pending::<()>().await;
            }
            self.answered(self.write_body(claim, version, body))
        })
    }

    fn try_write(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { self.ensure_up() })
    }

    fn create(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { self.ensure_up() })
    }
}

fn checkpoint(epoch: u32, offset: u64) -> Checkpoint {
    Checkpoint {
        name: "shop".to_owned(),
        server_id: 7,
        home: Home {
            server_uuid: "1b8f86dd-e709-11f1-a854-02fc00000001"
                .parse()
                .expect("a UUID"),
            epoch,
        },
        resume: Resume::at(
            format!("binlog.000012:{offset}")
                .parse()
                .expect("a position"),
            Default::default(),
        ),
        ordering: OrderingKey::Table,
        parked: Arc::default(),
        tables: Default::default(),
        snapshot_tables: Default::default(),
        drained: false,
    }
}

fn silent() -> Tell {
    Arc::new(|_| ())
}

async fn ours(memory: &Memory) -> (Opened, LeaseGate) {
    let gate = LeaseGate::closed(SPAN);
    let opened = open(
        memory.connect(),
        ("shop", work()),
        SPAN,
        &gate,
        Wait::StandBy,
        silent(),
    );
    (opened.await.expect("a free lease"), gate)
}

async fn offset(memory: &Memory) -> Option<u64> {
    let stored = peek(memory.connect(), "shop").await.expect("a body");
    stored
        .checkpoint
        .map(|found| found.resume.mark.position.offset)
}

#[tokio::test]
async fn what_is_saved_is_loaded_by_the_next_holder() {
    let memory = Memory::new();
    let (first, gate) = ours(&memory).await;
    assert_eq!(first.store.load().await.expect("empty"), Stored::default());
    first.store.save(checkpoint(3, 2401)).await.expect("saved");
    assert!(gate.admits(SPAN.put_max()));
    let end = LastEnd {
        how: EndedBy::Halt,
        reason: Some("no such stream".to_owned()),
        hint: None,
        at_us: 7,
    };
    first.store.note_end(end.clone()).await.expect("noted");
    first.give_back().await;
    assert!(!gate.admits(Duration::ZERO));
    let (second, _) = ours(&memory).await;
    let stored = second.store.load().await.expect("a checkpoint");
    assert_eq!(stored.checkpoint, Some(checkpoint(3, 2401)));
    assert_eq!(stored.last_end, Some(end));
    assert_eq!((stored.epoch, memory.row().claim.term), (3, 2));
    second.store.clear().await.expect("cleared");
    let stored = second.store.load().await.expect("an epoch");
    assert_eq!((stored.epoch, stored.checkpoint), (3, None));
    let failure = second.store.save(checkpoint(2, 4)).await.expect_err("fell");
    assert!(failure.is_definite() && failure.to_string().contains("epoch 3"));
}

#[tokio::test]
async fn a_stale_term_cannot_move_the_checkpoint() {
    let memory = Memory::new();
    let (mut stale, gate) = ours(&memory).await;
    stale.store.save(checkpoint(3, 100)).await.expect("saved");
    let next = Claim {
        term: 2,
        holder: "another".into(),
        ..memory.row().claim
    };
    if let Some(row) = locked(&memory.0.row).as_mut() {
        row.claim = next;
    }
    let failure = stale
        .store
        .save(checkpoint(3, 200))
        .await
        .expect_err("stale");
    assert!(failure.is_definite(), "{failure}");
    assert!(
        failure.to_string().contains("another process took over"),
        "{failure}"
    );
    assert_eq!(offset(&memory).await, Some(100));
    assert!(gate.has_ended());
    let event = stale.take_events().recv().await;
    assert!(matches!(event, Some(LeaseEvent::Lost(_))), "{event:?}");
}

#[tokio::test]
async fn a_holder_that_was_overtaken_learns_it_without_a_save() {
    let memory = Memory::new();
    let (mut stale, gate) = ours(&memory).await;
    if let Some(row) = locked(&memory.0.row).as_mut() {
        row.claim.term += 1;
    }
    let event = stale.take_events().recv().await;
    assert!(matches!(event, Some(LeaseEvent::Lost(_))), "{event:?}");
    assert!(gate.has_ended());
}

#[tokio::test]
async fn a_save_without_an_answer_is_found_and_repeated() {
    let memory = Memory::new();
    let (store, _) = ours(&memory).await;
    store.store.save(checkpoint(3, 100)).await.expect("saved");
    memory.0.answers_lost.store(1, Ordering::SeqCst);
    let failure = store
        .store
        .save(checkpoint(3, 200))
        .await
        .expect_err("lost");
    assert!(!failure.is_definite());
    store.store.save(checkpoint(3, 300)).await.expect("saved");
    assert_eq!(offset(&memory).await, Some(300));
}

#[tokio::test]
async fn a_save_that_lands_late_does_not_undo_a_later_one() {
    let memory = Memory::new();
    let (store, _) = ours(&memory).await;
    memory.0.holds_a_save.store(true, Ordering::SeqCst);
    let failure = store
        .store
        .save(checkpoint(3, 100))
        .await
        .expect_err("hangs");
    assert!(failure.to_string().contains("no answer"), "{failure}");
    store.store.save(checkpoint(3, 200)).await.expect("saved");
    let (claim, version, body) = locked(&memory.0.held).take().expect("the late one");
    assert!(!memory.write_body(&claim, version, &body));
    assert_eq!(offset(&memory).await, Some(200));
}

#[tokio::test]
async fn a_second_process_stands_by_and_takes_over_at_once_when_it_may() {
    let memory = Memory::new();
    let (first, _) = ours(&memory).await;
    let (told, mut tells) = mpsc::unbounded_channel();
    let tell: Tell = Arc::new(move |standing| drop(told.send(standing)));
    let gate = LeaseGate::closed(SPAN);
    let (connect, second_gate) = (memory.connect(), gate.clone());
    let second = tokio::spawn(async move {
        open(
            connect,
            ("shop", work()),
            SPAN,
            &second_gate,
            Wait::StandBy,
            tell,
        )
        .await
    });
    let Some(Standing::By { holder }) = tells.recv().await else {
        panic!("it did not stand by");
    };
    let row = memory.row();
    let (process, signed) = Work::read(&row.claim.holder);
    assert!(holder.ends_with(&format!("\"{process}\"")), "{holder}");
    assert_eq!(signed, Some(work()));
    assert!(!gate.admits(Duration::ZERO) && !second.is_finished());
    first.give_back().await;
    let second = second.await.expect("no panic").expect("taken");
    assert_eq!(memory.row().claim.term, 2);
    assert!(gate.admits(SPAN.put_max()));
    second.give_back().await;
}

#[tokio::test]
async fn a_command_is_refused_while_the_holder_lives_and_waits_for_a_dead_one() {
    let memory = Memory::new();
    let (first, _) = ours(&memory).await;
    let gate = LeaseGate::closed(SPAN);
    let command = || {
        open(
            memory.connect(),
            ("shop", work()),
            SPAN,
            &gate,
            Wait::UnlessAlive,
            silent(),
        )
    };
    let Err(failure) = command().await else {
        panic!("taken from a living holder");
    };
    assert!(
        failure.is_definite() && failure.to_string().contains("in use by"),
        "{failure}"
    );
    // Killed: its thread is gone and nothing is given back.
    drop(first);
    let second = command().await.expect("the holder is dead");
    assert_eq!(memory.row().claim.term, 2);
    drop(second);
}

#[tokio::test]
async fn an_unreachable_table_closes_the_gate_in_time_and_opens_it_again() {
    let memory = Memory::new();
    let (mut store, gate) = ours(&memory).await;
    memory.0.is_down.store(true, Ordering::SeqCst);
    let event = store.take_events().recv().await;
    assert!(matches!(event, Some(LeaseEvent::Trouble(_))), "{event:?}");
    let refused = gate.pass(SPAN.hold()).await.expect_err("nothing so long");
    assert!(!refused.is_definite());
    assert_eq!(gate.remaining(), Duration::ZERO);
    memory.0.is_down.store(false, Ordering::SeqCst);
    gate.pass(SPAN.put_max()).await.expect("renewed");
    store.store.save(checkpoint(3, 100)).await.expect("saved");
}

#[tokio::test]
async fn a_large_body_is_compressed_and_one_too_large_is_refused_with_the_remedy() {
    let memory = Memory::new();
    let (store, _) = ours(&memory).await;
    let many = (1..20_000_u64).map(|number| format!(":{}", number * 2));
    let gtid_set = format!(
        "1b8f86dd-e709-11f1-a854-02fc00000001{}",
        many.collect::<String>()
    );
    let mut large = checkpoint(3, 100);
    large.resume.gtid_set = gtid_set.parse().expect("a GTID set");
    store.store.save(large.clone()).await.expect("saved");
    assert!(memory.row().body.len() * 2 < gtid_set.len());
    let stored = peek(memory.connect(), "shop").await.expect("a body");
    assert_eq!(stored.checkpoint.as_ref(), Some(&large));
    memory.0.body_bytes_max.store(1000, Ordering::SeqCst);
    let failure = store.store.save(large).await.expect_err("too large");
    assert!(failure.is_definite() && failure.hint.is_some(), "{failure}");
    store
        .store
        .save(checkpoint(3, 200))
        .await
        .expect("a small one");
}

#[tokio::test]
async fn a_damaged_body_and_that_of_another_pipeline_are_refused() {
    let memory = Memory::new();
    let (store, _) = ours(&memory).await;
    store.store.save(checkpoint(3, 100)).await.expect("saved");
    let failure = peek(memory.connect(), "other")
        .await
        .expect_err("another's");
    assert!(
        failure.to_string().contains("pipeline \"shop\""),
        "{failure}"
    );
    if let Some(row) = locked(&memory.0.row).as_mut() {
        row.body[20] ^= 1;
    }
    let failure = store.store.load().await.expect_err("damaged");
    assert!(
        failure.is_definite() && failure.to_string().contains("damaged"),
        "{failure}"
    );
    assert!(failure.hint.is_some());
}
