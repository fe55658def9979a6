//! The lane buffer under a driver that plays the actor, the sink and the budget.

mod packed;

use proptest::prelude::*;

use headwater_binlog::gtid::Uuid;

use super::*;
use crate::{
    budget::ByteBudget,
    changes::{Heartbeat, Part},
    fixture::{self, DOUBLED, ENDED, LineEncoder, SKIPPED, UNDECODABLE},
    on_error::OnError,
    packing::compression::tests::decompress as decompressed,
    writer::frame::aggregate::tests::open as aggregated,
};

const RECORD_BYTES_MAX: usize = 300;
const SINK_BYTES_MAX: usize = 5000;

fn rules(packing: Packing, on_error: OnError) -> RecordRules {
    RecordRules {
        packing,
        compression: Compression::None,
        partition_key: PartitionKey::Lane,
        record_bytes_max: RECORD_BYTES_MAX,
        sink_bytes_max: SINK_BYTES_MAX,
        policy: Policy {
            oversize: on_error,
            undecodable: on_error,
        },
        home: Home {
            server_uuid: Uuid(fixture::SOURCE),
            epoch: 1,
        },
    }
}

/// Plays the actor: carries out the steps, checks what is true of each.
struct Driver {
    buffer: LaneBuffer,
    lines: Lines,
    budget: ByteBudget,
    packing: Packing,
    compression: Compression,
    in_flight: Option<Flight>,
    prepared: Option<Record>,
    pushed: Vec<(BarrierSeq, Vec<String>)>,
    durable: Vec<String>,
    letters: Vec<DeadLetter>,
    reached: Vec<BarrierSeq>,
}

impl Driver {
    fn new(packing: Packing, on_error: OnError) -> Self {
        Self::with(rules(packing, on_error))
    }

    fn with(rules: RecordRules) -> Self {
        let (packing, compression) = (rules.packing, rules.compression);
        Self {
            buffer: LaneBuffer::new(fixture::lane("a"), rules),
            lines: Lines::new(
                Arc::new(LineEncoder::default()),
                1,
                crate::writer::lines::KeptPlans::default(),
            ),
            budget: ByteBudget::new(64 * 1024),
            packing,
            compression,
            in_flight: None,
            prepared: None,
            pushed: Vec::new(),
            durable: Vec::new(),
            letters: Vec::new(),
            reached: Vec::new(),
        }
    }

    /// A batch of two blocks, if there are two rows; a heartbeat, if there is none.
    fn push(&mut self, rows: &[(i32, i32)]) {
        let seq = BarrierSeq(self.pushed.len() as u64 * 2 + 1);
        let mut log = fixture::Log::new();
        let (head, tail) = rows.split_at(rows.len() / 2);
        for part in [head, tail].into_iter().filter(|part| !part.is_empty()) {
            log.transaction(&[fixture::Op::Insert("a", part.to_vec())]);
        }
        let parts: Vec<Part> = log
            .items()
            .into_iter()
            .filter_map(|item| match item {
                headwater_binlog::assembler::Item::Rows(block) => Some(Part::Rows {
                    block,
                    numbers: None,
                    is_last: true,
                }),
                _ => None,
            })
            .collect();
        let bytes = parts.len() * 20;
        let lines = rows.iter().zip(&log.changes).flat_map(|((_, v), change)| {
            let line = || change.line.clone();
            match *v {
                SKIPPED => Vec::new(),
                DOUBLED => vec![line(), line() + " again"],
                ENDED if matches!(self.packing, Packing::None | Packing::Kpl) => {
                    vec![line(), String::new()]
                }
                _ => vec![line()],
            }
        });
        let mut lines: Vec<String> = lines.collect();
        let heartbeat = Heartbeat {
            position: fixture::at(seq.0),
            commit_us: 1,
            complete: None,
        };
        if rows.is_empty() {
            lines.push(fixture::beat(&self.buffer.lane, &heartbeat.position));
        }
        self.pushed.push((seq, lines));
        self.buffer.push(Arc::new(LaneChanges {
            seq,
            parts,
            heartbeat: rows.is_empty().then(|| Arc::new(heartbeat)),
            bytes,
            permit: Permit::empty(),
        }));
    }

    fn run(&mut self) -> Result<(), Failure> {
        loop {
            match self.buffer.next_step() {
                Step::Idle => return Ok(()),
                Step::Grant(bytes) => {
                    assert!(
                        bytes <= RECORD_BYTES_MAX.max(SINK_BYTES_MAX + 2000),
                        "{bytes}"
                    );
                    let permit = self.budget.try_take_weighed(bytes).expect("a free budget");
                    self.buffer.grant(permit);
                }
                Step::Pack => self.buffer.pack(&mut self.lines)?,
                Step::Prepare(record) => {
                    assert!(self.in_flight.is_some(), "it could be sent");
                    self.prepared = Some(record);
                }
                Step::Send(flight) => {
                    assert!(
                        self.in_flight.is_none(),
                        "two records of one lane in flight"
                    );
                    if let Flight::Record(record) = &flight {
                        if let Some(prepared) = self.prepared.take() {
                            assert!(std::ptr::eq(&*prepared.bytes, &*record.bytes));
                        }
                        self.check(record);
                    }
                    self.in_flight = Some(flight);
                }
                Step::Fail(failure) => return Err(failure),
            }
        }
    }

    fn check(&self, record: &Record) {
        let lines = split(record, self.packing, self.compression);
        assert_eq!(lines.len(), record.rows as usize);
        let growth = self.compression.growth_bytes(RECORD_BYTES_MAX);
        assert!(record.bytes.len() <= RECORD_BYTES_MAX + growth || record.rows == 1);
        assert!(self.packing != Packing::None || record.rows == 1);
        assert!(record.bytes.len() <= SINK_BYTES_MAX - "shop.a".len());
    }

    fn settle(&mut self) {
        match self.in_flight.take() {
            None => return,
            Some(Flight::Nothing) => {}
            Some(Flight::Record(record)) => {
                let lines = split(&record, self.packing, self.compression);
                self.durable.extend(lines);
            }
            Some(Flight::Letter(letter)) => self.letters.push(*letter),
            Some(Flight::Park(_)) => panic!("a park never settles"),
        }
        if let Some(seq) = self.buffer.settled() {
            assert!(self.reached.last().is_none_or(|before| *before < seq));
            assert!(self.durable.len() + self.letters.len() >= self.lines_up_to(seq).len());
            self.reached.push(seq);
        }
    }

    fn reject(&mut self) {
        let again = self.buffer.in_flight();
        assert_eq!(format!("{:?}", self.in_flight), format!("{again:?}"));
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.run()?;
        while self.in_flight.is_some() {
            self.settle();
            self.run()?;
        }
        assert_eq!(self.budget.bytes_in_use(), 0);
        Ok(())
    }

    fn lines_up_to(&self, cut: BarrierSeq) -> Vec<String> {
        self.pushed
            .iter()
            .filter(|(seq, _)| *seq <= cut)
            .flat_map(|(_, lines)| lines.clone())
            .collect()
    }
}

fn split(record: &Record, packing: Packing, compression: Compression) -> Vec<String> {
    if packing == Packing::Kpl {
        let records = aggregated(&record.bytes).into_iter();
        return records
            .map(|(_, _, line)| String::from_utf8(line).unwrap())
            .collect();
    }
    let text = String::from_utf8(decompressed(compression, &record.bytes)).unwrap();
    match packing {
        Packing::None => vec![text],
        Packing::JsonArray | Packing::Kpl => {
            let inner = text
                .strip_prefix('[')
                .and_then(|text| text.strip_suffix(']'));
            inner.unwrap().split(',').map(str::to_owned).collect()
        }
        Packing::Newline => {
            assert!(text.ends_with('\n'));
            text.lines().map(str::to_owned).collect()
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Push(Vec<(i32, i32)>),
    Run,
    Settle,
    Reject,
}

fn op() -> impl Strategy<Value = Op> {
    let v = prop_oneof![
        8 => 0..100i32,
        1 => 1000..4000i32,
        2 => Just(SKIPPED),
        2 => Just(DOUBLED),
        1 => Just(ENDED),
    ];
    prop_oneof![
        4 => prop::collection::vec((0..9i32, v), 0..20).prop_map(Op::Push),
        3 => Just(Op::Run),
        2 => Just(Op::Settle),
        1 => Just(Op::Reject),
    ]
}

fn packing() -> impl Strategy<Value = Packing> {
    prop::sample::select(PACKINGS.to_vec())
}

const PACKINGS: [Packing; 4] = [
    Packing::Newline,
    Packing::None,
    Packing::JsonArray,
    Packing::Kpl,
];

fn apply(driver: &mut Driver, ops: Vec<Op>) {
    for op in ops {
        match op {
            Op::Push(rows) => driver.push(&rows),
            Op::Run => driver.run().unwrap(),
            Op::Settle => driver.settle(),
            Op::Reject => driver.reject(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_row_leaves_once_and_in_order(packing in packing(), ops in prop::collection::vec(op(), 1..30)) {
        let mut driver = Driver::new(packing, OnError::Halt);
        apply(&mut driver, ops);
        driver.finish().unwrap();
        prop_assert_eq!(&driver.durable, &driver.lines_up_to(BarrierSeq(u64::MAX)));
        prop_assert_eq!(driver.reached.last(), driver.pushed.last().map(|(seq, _)| seq));
        prop_assert_eq!(driver.buffer.backlog_bytes(), 0);
    }

    #[test]
    fn every_row_leaves_once_and_in_order_in_compressed_records(
        is_zstd: bool,
        ops in prop::collection::vec(op(), 1..30),
    ) {
        let compression = if is_zstd { Compression::Zstd } else { Compression::Gzip };
        let mut driver = Driver::with(RecordRules { compression, ..rules(Packing::Newline, OnError::Halt) });
        apply(&mut driver, ops);
        driver.finish().unwrap();
        prop_assert_eq!(&driver.durable, &driver.lines_up_to(BarrierSeq(u64::MAX)));
    }

    #[test]
    fn a_cut_delivers_exactly_what_is_up_to_it(
        packing in packing(),
        ops in prop::collection::vec(op(), 1..30),
        beyond in 0..6u64,
        settles_while_frozen: bool,
    ) {
        let mut driver = Driver::new(packing, OnError::Halt);
        apply(&mut driver, ops);
        let handed = driver.buffer.freeze();
        let known = driver.durable.len() + match &driver.in_flight {
            Some(Flight::Record(record)) => record.rows as usize,
            _ => 0,
        };
        // All that left belongs to barriers up to the one that was told.
        prop_assert!(known <= handed.map_or(0, |handed| driver.lines_up_to(handed).len()));
        driver.run().unwrap();
        if settles_while_frozen {
            driver.settle();
            driver.run().unwrap();
            prop_assert!(driver.in_flight.is_none(), "a frozen lane handed something over");
        }
        let cut = BarrierSeq(handed.unwrap_or_default().0 + beyond);
        driver.buffer.deliver_up_to(cut);
        driver.prepared = None;
        driver.finish().unwrap();
        prop_assert_eq!(&driver.durable, &driver.lines_up_to(cut));
        let last = driver.pushed.iter().map(|(seq, _)| *seq).rfind(|seq| *seq <= cut);
        prop_assert_eq!(driver.reached.last().copied(), last);
    }
}

#[test]
fn an_idle_lane_sends_a_lone_row_at_once_and_fills_records_while_one_flies() {
    let mut driver = Driver::new(Packing::Newline, OnError::Halt);
    driver.push(&[(1, 1)]);
    driver.run().unwrap();
    assert!(matches!(&driver.in_flight, Some(Flight::Record(record)) if record.rows == 1));
    for id in 2..7 {
        driver.push(&[(id, id)]);
        driver.run().unwrap();
    }
    driver.settle();
    driver.run().unwrap();
    assert!(matches!(&driver.in_flight, Some(Flight::Record(record)) if record.rows == 5));
}

#[test]
fn changes_without_a_line_are_done_when_all_before_them_is() {
    for packing in [Packing::Newline, Packing::None] {
        let mut driver = Driver::new(packing, OnError::Halt);
        driver.push(&[(1, SKIPPED), (2, SKIPPED), (3, SKIPPED)]);
        driver.run().unwrap();
        assert!(matches!(driver.in_flight, Some(Flight::Nothing)));
        driver.finish().unwrap();
        assert_eq!(driver.reached, [BarrierSeq(1)]);
        driver.push(&[(1, 1), (2, SKIPPED)]);
        driver.finish().unwrap();
        assert_eq!(driver.reached.last(), Some(&BarrierSeq(3)));
        assert_eq!(driver.durable.len(), 1);
    }
}

#[test]
fn without_packing_each_line_of_a_change_is_a_record_in_order() {
    let mut driver = Driver::new(Packing::None, OnError::Halt);
    driver.push(&[(1, DOUBLED), (2, 2)]);
    driver.finish().unwrap();
    assert_eq!(driver.durable, driver.lines_up_to(BarrierSeq(1)));
    assert_eq!(driver.durable.len(), 3);
}

#[test]
fn a_row_larger_than_the_sink_takes_halts_with_table_place_size_and_remedy_and_without_its_key() {
    let mut driver = Driver::new(Packing::Newline, OnError::Halt);
    driver.push(&[(1, 1), (42, 5000)]);
    let failure = driver.finish().unwrap_err();
    assert!(failure.is_definite());
    for part in [
        "'shop.a'",
        "5022 bytes",
        "takes 5000",
        "binlog.000001:",
        "change 0",
    ] {
        assert!(failure.to_string().contains(part), "{part}: {failure}");
    }
    assert!(!failure.to_string().contains("42"), "{failure}");
    let hint = failure.hint.unwrap();
    assert!(hint.contains("UpdateMaxRecordSize") && hint.contains("errors.oversize"));
    // What is before it has left.
    assert!(matches!(&driver.in_flight, Some(Flight::Record(record)) if record.rows == 1));
}

#[test]
fn buried_rows_keep_their_place_and_what_a_replay_needs() {
    for packing in PACKINGS {
        let mut driver = Driver::new(packing, OnError::DeadLetter);
        driver.push(&[(1, 1), (42, 5000), (2, 2), (43, UNDECODABLE), (3, 3)]);
        driver.finish().unwrap();
        assert_eq!(driver.durable.len(), 3);
        let [large, unread] = &driver.letters[..] else {
            panic!("{:?}", driver.letters)
        };
        assert!(large.line.ends_with(b"xxx"));
        assert!(large.reason.contains(" bytes, the sink takes 5000"));
        assert!(!large.reason.contains("42"), "{}", large.reason);
        let position = large.transaction().position().to_string();
        assert_eq!((large.n(), position.as_str()), (1, "binlog.000001:127"));
        assert!(unread.line.is_empty() && unread.raw().len() == 9);
        let gtid = unread.transaction().gtid.as_ref().unwrap();
        assert!(gtid.to_string().ends_with(":2"));
        assert_eq!(driver.reached, [BarrierSeq(1)]);
    }
}

#[test]
fn a_table_is_parked_when_all_before_its_poison_is_durable() {
    for packing in PACKINGS {
        let mut driver = Driver::new(packing, OnError::ParkTable);
        driver.push(&[(1, 1), (2, 2), (42, 5000), (3, 3)]);
        driver.run().unwrap();
        while !matches!(driver.in_flight, Some(Flight::Park(_)) | None) {
            driver.settle();
            driver.run().unwrap();
        }
        let Some(Flight::Park(failure)) = &driver.in_flight else {
            panic!("nothing asks to be parked")
        };
        assert_eq!(driver.durable.len(), 2, "{packing:?}");
        assert!(
            failure.to_string().contains(" bytes, the sink takes 5000"),
            "{failure}"
        );
        assert!(!failure.to_string().contains("42"), "{failure}");
        let hint = failure.hint.as_deref().unwrap_or_default();
        assert!(hint.contains("resume-table shop.a"), "{hint}");
        assert!(driver.reached.is_empty());
    }
}

#[test]
fn a_full_record_is_prepared_while_the_one_before_it_flies() {
    let mut driver = Driver::new(Packing::Newline, OnError::Halt);
    driver.push(&(0..100).map(|id| (id, 1)).collect::<Vec<_>>());
    driver.run().unwrap();
    let prepared = driver.prepared.clone().expect("the next record is full");
    assert!(!prepared.bytes.is_empty());
    driver.settle();
    driver.run().unwrap();
    let Some(Flight::Record(in_flight)) = &driver.in_flight else {
        panic!("what was prepared is sent next");
    };
    assert_eq!(prepared.bytes, in_flight.bytes);
}

#[test]
fn a_record_never_outgrows_the_sink_whatever_the_settings_say() {
    let rules = RecordRules {
        record_bytes_max: 1 << 20,
        ..rules(Packing::Newline, OnError::Halt)
    };
    let mut driver = Driver::new(Packing::Newline, OnError::Halt);
    driver.buffer = LaneBuffer::new(fixture::lane("a"), rules);
    driver.budget = ByteBudget::new(4 << 20);
    driver.push(&(0..1000).map(|id| (id, 1)).collect::<Vec<_>>());
    loop {
        match driver.buffer.next_step() {
            Step::Idle if driver.in_flight.is_none() => break,
            Step::Idle => driver.settle(),
            Step::Grant(bytes) => driver
                .buffer
                .grant(driver.budget.try_take_weighed(bytes).unwrap()),
            Step::Pack => driver.buffer.pack(&mut driver.lines).unwrap(),
            Step::Prepare(_) => (),
            Step::Send(flight) => {
                let Flight::Record(record) = &flight else {
                    panic!("a letter")
                };
                assert!(record.bytes.len() + "shop.a".len() <= SINK_BYTES_MAX);
                driver.in_flight = Some(flight);
            }
            Step::Fail(failure) => panic!("{failure}"),
        }
    }
    assert_eq!(driver.durable.len(), 1000);
}
