//! The lanes against a model that knows what is durable: order, fences, barriers, drains.

mod cases;
mod cost;

use std::collections::BTreeMap;

use headwater_binlog::rows::RowsBlock;
use proptest::prelude::*;

use super::*;
use crate::{
    fixture,
    router::{parts::PartList, split::Scope},
};

const TABLES: [&str; 4] = ["shop.a", "shop.b", "shop.c", "other.d"];

/// A writer as the Router sees it.
#[derive(Default)]
struct Writer {
    queue: VecDeque<BarrierSeq>,
    /// Of which something was handed to the sink.
    handed: Option<BarrierSeq>,
    is_frozen: bool,
}

/// The world around the twin: carries out the actions and checks each against what is durable.
struct Model {
    lanes: Lanes,
    block: RowsBlock,
    now: Instant,
    writers: BTreeMap<Arc<Lane>, Writer>,
    wanted: Vec<Arc<Lane>>,
    /// Every lane's barriers in source order, and how many of them are durable.
    history: BTreeMap<Arc<Lane>, (Vec<BarrierSeq>, usize)>,
    fences: Vec<(BarrierSeq, Scope)>,
    opened: Vec<BarrierSeq>,
    finished: Vec<BarrierSeq>,
    /// Actions that writers have still to hear of.
    mail: VecDeque<(Arc<Lane>, Mail)>,
    cut: Option<BarrierSeq>,
    done: usize,
    /// With the barrier from which on it is passed over.
    parked: BTreeMap<TableName, BarrierSeq>,
}

enum Mail {
    Freeze,
    DeliverUpTo(BarrierSeq),
}

fn mark(offset: u64) -> Mark {
    Mark::at(fixture::at(offset))
}

fn covers(scope: &Scope, lane: &Lane) -> bool {
    match scope {
        Scope::Tables(tables) => tables.contains(&lane.table),
        Scope::Database(database) => lane.table.database == *database,
    }
}

impl Model {
    fn new() -> Self {
        Self {
            lanes: Lanes::default(),
            block: fixture::blocks(&[(1, 1)]).remove(0),
            now: Instant::now(),
            writers: BTreeMap::new(),
            wanted: Vec::new(),
            history: BTreeMap::new(),
            fences: Vec::new(),
            opened: Vec::new(),
            finished: Vec::new(),
            mail: VecDeque::new(),
            cut: None,
            done: 0,
            parked: BTreeMap::new(),
        }
    }

    /// What is parked is not even opened.
    fn open(&mut self, tables: &[&str], fence: Option<Scope>) {
        let seq = BarrierSeq(self.lanes.newest.0 + 1);
        let mut lanes = PartList::default();
        for table in tables {
            let lane = fixture::lane(table);
            if self.parked.contains_key(&lane.table) {
                continue;
            }
            lanes.push_block(Lane::clone(&lane), self.block.clone(), None);
            self.history.entry(lane).or_default().0.push(seq);
        }
        if let Some(scope) = &fence {
            self.fences.push((seq, scope.clone()));
        }
        let segment = Segment {
            advance: Advance::at(mark(seq.0)),
            is_end: fence.is_some() && seq.0.is_multiple_of(2),
            fence,
            lanes,
        };
        let mut actions = Vec::new();
        self.lanes
            .open(segment, &mut Permit::empty(), self.now, &mut actions);
        self.perform(actions);
    }

    /// Lanes that have all that they were to have are told; nobody else, and nobody in a drain.
    fn beat(&mut self) {
        let is_draining = self.lanes.freezing.is_some() || self.lanes.cut.is_some();
        let seq = BarrierSeq(self.lanes.newest.0 + 1);
        let mut told = 0;
        for (lane, (all, durable)) in &mut self.history {
            let is_at_rest = self.writers.contains_key(lane) && all.len() == *durable;
            if is_at_rest && !is_draining && !lane.table.table.is_empty() {
                all.push(seq);
                told += 1;
            }
        }
        let newest = self.lanes.newest;
        let complete = self.lanes.complete(&fixture::at(newest.0));
        if let Some(complete) = &complete {
            let before = self
                .opened
                .iter()
                .filter(|seq| fixture::at(seq.0) <= *complete);
            for seq in before {
                assert!(self.finished.contains(seq), "{complete} is not delivered");
            }
        }
        let heartbeat = Arc::new(Heartbeat {
            position: fixture::at(seq.0),
            commit_us: 1,
            complete,
        });
        let mut actions = Vec::new();
        self.lanes.beat(&heartbeat, &mark(seq.0), &mut actions);
        let opens = actions
            .iter()
            .any(|action| matches!(action, Action::Open(..)));
        assert_eq!(opens, told > 0);
        self.perform(actions);
    }

    fn durable_of(&self, lane: &Arc<Lane>) -> &[BarrierSeq] {
        self.history
            .get(lane)
            .map_or(&[], |(all, durable)| all.get(..*durable).unwrap())
    }

    fn is_durable_before(&self, scope: &Scope, seq: BarrierSeq) -> bool {
        self.history
            .iter()
            .filter(|(lane, _)| covers(scope, lane))
            .all(|(lane, (all, _))| {
                let older = all.iter().filter(|other| **other < seq).count();
                self.durable_of(lane).len() >= older
            })
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Open(BarrierOpened { seq, .. }) => {
                    if self.opened.last() != Some(&seq) {
                        assert!(self.opened.last().is_none_or(|before| *before < seq));
                        self.opened.push(seq);
                    }
                    assert!(!self.finished.contains(&seq), "a finished barrier moved");
                }
                Action::Want(lane) => self.wanted.push(lane),
                Action::Send(lane, changes) => self.sent(&lane, changes.seq),
                Action::Freeze(lane) => self.mail.push_back((lane, Mail::Freeze)),
                Action::DeliverUpTo(lane, cut) => {
                    self.cut = Some(cut);
                    self.mail.push_back((lane, Mail::DeliverUpTo(cut)));
                }
                Action::Park(table, from, _) => self.has_parked(table, from),
                Action::Dismiss(lane) => {
                    self.writers.remove(&lane);
                    self.mail.retain(|(to, _)| *to != lane);
                }
                Action::Finish(seq) => self.has_finished(seq),
                Action::Done => self.done += 1,
            }
        }
    }

    /// All of the table before `from` is durable, and no barrier from there on was finished without it.
    fn has_parked(&mut self, table: TableName, from: BarrierSeq) {
        let lanes = self
            .history
            .iter_mut()
            .filter(|(lane, _)| lane.table == table);
        for (lane, (all, durable)) in lanes {
            let before = all.iter().filter(|seq| **seq < from).count();
            assert!(before <= *durable, "{lane} lacks changes before {from:?}");
            let undelivered = all.split_off(*durable);
            for seq in undelivered {
                assert!(!self.finished.contains(&seq), "{seq:?} left {lane} behind");
            }
        }
        self.parked.insert(table, from);
    }

    /// A writer meets what it can never deliver: its next batch is handed to nobody.
    fn park(&mut self, pick: usize) {
        let Some((lane, writer)) = self.writers.iter_mut().nth(pick % 5) else {
            return;
        };
        let Some(next) = writer.queue.front().copied().filter(|_| !writer.is_frozen) else {
            return;
        };
        assert!(self.cut.is_none_or(|cut| next <= cut));
        let (table, mut actions) = (lane.table.clone(), Vec::new());
        self.lanes.park(&table, "too large", &mut actions);
        self.perform(actions);
        let from = self.parked.get(&table).copied();
        assert!(
            from.is_some_and(|from| from <= next),
            "{from:?} for {next:?}"
        );
    }

    fn sent(&mut self, lane: &Arc<Lane>, seq: BarrierSeq) {
        for (fence, scope) in self.fences.iter().filter(|(_, scope)| covers(scope, lane)) {
            if *fence < seq {
                assert!(self.finished.contains(fence), "{seq:?} passed {fence:?}");
            } else if *fence == seq {
                assert!(self.is_durable_before(scope, seq), "{seq:?} came early");
            }
        }
        let (all, durable) = self.history.get(lane).expect("a lane with changes");
        let writer = self.writers.get_mut(lane).expect("a writer");
        let expected = all.get(durable + writer.queue.len());
        assert_eq!(expected, Some(&seq), "order of {lane}");
        writer.queue.push_back(seq);
    }

    fn has_finished(&mut self, seq: BarrierSeq) {
        assert!(!self.finished.contains(&seq), "{seq:?} finished twice");
        assert!(self.opened.contains(&seq));
        for (lane, (all, _)) in &self.history {
            if all.contains(&seq) {
                assert!(
                    self.durable_of(lane).contains(&seq),
                    "{lane} has not {seq:?}"
                );
            }
        }
        for (_, scope) in self.fences.iter().filter(|(fence, _)| *fence == seq) {
            assert!(self.is_durable_before(scope, seq));
        }
        self.finished.push(seq);
    }

    fn ready(&mut self) {
        let Some(lane) = self.wanted.pop() else {
            return;
        };
        if self.parked.contains_key(&lane.table) {
            return;
        }
        self.writers.insert(Arc::clone(&lane), Writer::default());
        let mut actions = Vec::new();
        self.lanes.lane_ready(&lane, &mut actions);
        self.perform(actions);
    }

    /// A writer dies; its mail is lost with it.
    fn lose(&mut self, pick: usize) {
        let Some(lane) = self.writers.keys().nth(pick % 5).cloned() else {
            return;
        };
        self.writers.remove(&lane);
        self.mail.retain(|(to, _)| *to != lane);
        self.wanted.push(Arc::clone(&lane));
        let mut actions = Vec::new();
        self.lanes.lane_lost(&lane, &mut actions);
        self.perform(actions);
    }

    /// A part of the writer's next batch is handed over.
    fn hand(&mut self, pick: usize) {
        let Some((lane, writer)) = self.writers.iter_mut().nth(pick % 5) else {
            return;
        };
        if let Some(next) = writer.queue.front()
            && !writer.is_frozen
        {
            assert!(
                self.cut.is_none_or(|cut| *next <= cut),
                "{lane} beyond the cut"
            );
            writer.handed = writer.handed.max(Some(*next));
        }
    }

    fn reach(&mut self, pick: usize, batches: usize) {
        let Some((lane, writer)) = self.writers.iter_mut().nth(pick % 5) else {
            return;
        };
        let lane = Arc::clone(lane);
        let mut newest = None;
        for _ in 0..batches.min(writer.queue.len()) {
            // A frozen writer settles only what it had handed over.
            let next = writer.queue.front().copied();
            if writer.is_frozen && writer.handed < next {
                break;
            }
            writer.queue.pop_front();
            writer.handed = writer.handed.max(next);
            newest = next;
            self.history.get_mut(&lane).expect("a lane").1 += 1;
        }
        if let Some(seq) = newest {
            assert!(
                self.cut.is_none_or(|cut| seq <= cut),
                "{lane} beyond the cut"
            );
            let mut actions = Vec::new();
            self.lanes.reached(&lane, seq, self.now, &mut actions);
            self.perform(actions);
        }
    }

    fn deliver_mail(&mut self) {
        let Some((lane, mail)) = self.mail.pop_front() else {
            return;
        };
        let writer = self.writers.get_mut(&lane).expect("a writer that lives");
        match mail {
            Mail::Freeze => {
                writer.is_frozen = true;
                let (handed, mut actions) = (writer.handed, Vec::new());
                self.lanes.frozen(&lane, handed, &mut actions);
                self.perform(actions);
            }
            Mail::DeliverUpTo(cut) => {
                assert!(
                    writer.handed <= Some(cut),
                    "the cut is behind what was handed over"
                );
                writer.queue.retain(|seq| *seq <= cut);
                writer.is_frozen = false;
            }
        }
    }

    fn drain(&mut self, mode: Drain) {
        let mut actions = Vec::new();
        self.lanes.drain(mode, &mut actions);
        self.perform(actions);
    }

    /// Everyone does what is left.
    fn settle(&mut self) {
        for _ in 0..400 {
            self.ready();
            self.deliver_mail();
            for pick in 0..5 {
                self.reach(pick, 1);
            }
        }
        assert!(self.mail.is_empty() && self.wanted.is_empty());
    }
}

#[derive(Debug, Clone)]
enum Op {
    Open(Vec<&'static str>),
    Fence(u8),
    Beat,
    Ready,
    Lose(usize),
    Hand(usize),
    Reach(usize, usize),
    Mail,
    Park(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => prop::sample::subsequence(&TABLES[..], 0..=4).prop_map(Op::Open),
        1 => (0..4u8).prop_map(Op::Fence),
        2 => Just(Op::Beat),
        3 => Just(Op::Ready),
        1 => (0..5usize).prop_map(Op::Lose),
        2 => (0..5usize).prop_map(Op::Hand),
        6 => (0..5usize, 1..4usize).prop_map(|(lane, batches)| Op::Reach(lane, batches)),
        2 => Just(Op::Mail),
        1 => (0..40usize).prop_filter_map("seldom", |pick| (pick < 5).then_some(Op::Park(pick))),
    ]
}

fn apply(model: &mut Model, op: Op) {
    match op {
        Op::Open(tables) => model.open(&tables, None),
        Op::Fence(kind) => {
            let tables = |tables: &[&str]| {
                Scope::Tables(tables.iter().map(|table| fixture::name(table)).collect())
            };
            match kind {
                0 => model.open(&["shop.a"], Some(tables(&["shop.a"]))),
                1 => model.open(&["shop.a", "shop.b"], Some(tables(&["shop.a", "shop.b"]))),
                2 => model.open(&["shop."], Some(Scope::Database("shop".into()))),
                _ => {
                    // A moving run: two fences with one lane between them.
                    model.open(&["shop.c"], Some(tables(&["shop.c"])));
                    model.open(&["shop.c"], Some(tables(&["shop.c"])));
                }
            }
        }
        Op::Beat => model.beat(),
        Op::Ready => model.ready(),
        Op::Lose(lane) => model.lose(lane),
        Op::Hand(lane) => model.hand(lane),
        Op::Reach(lane, batches) => model.reach(lane, batches),
        Op::Mail => model.deliver_mail(),
        Op::Park(lane) => model.park(lane),
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 0..50)
}

proptest! {
    #[test]
    fn everything_is_finished_in_order_and_nothing_passes_a_fence(ops in ops()) {
        let mut model = Model::new();
        for op in ops {
            apply(&mut model, op);
        }
        model.settle();
        let mut finished = model.finished.clone();
        finished.sort_unstable();
        prop_assert_eq!(&finished, &model.opened);
        prop_assert!(model.lanes.barriers.is_empty() && model.lanes.fences.is_idle());
    }

    #[test]
    fn a_drain_delivers_exactly_up_to_its_cut(before in ops(), after in ops(), ends_first: bool) {
        let mut model = Model::new();
        for op in before {
            apply(&mut model, op);
        }
        let handed: Vec<_> = model
            .writers
            .iter()
            .map(|(lane, writer)| (Arc::clone(lane), writer.handed))
            .collect();
        let newest = model.lanes.newest;
        if ends_first {
            model.drain(Drain::All);
        }
        model.drain(Drain::AtCut);
        for op in after {
            // A dead Reader's successor has nothing to say any more.
            if !matches!(op, Op::Open(_) | Op::Fence(_)) {
                apply(&mut model, op);
            }
        }
        model.settle();
        prop_assert_eq!(model.done, 1, "{:?}", model.lanes);
        let cut = match &model.lanes.cut {
            Some(cut) => cut.seq,
            None => return Err(TestCaseError::fail("no cut")),
        };
        // What a parked table's lanes had handed over comes again with it.
        let of_others = handed.iter().filter(|(lane, _)| !model.parked.contains_key(&lane.table));
        let handed = of_others.filter_map(|(_, handed)| *handed).max();
        prop_assert!(handed <= Some(cut) && cut <= newest);
        for (lane, (all, durable)) in &model.history {
            // Of a parked table, what was durable then may lie on either side.
            if model.parked.contains_key(&lane.table) {
                continue;
            }
            let wanted = all.iter().filter(|seq| **seq <= cut).count();
            prop_assert_eq!(*durable, wanted, "{} at {:?}", lane, cut);
        }
        let mut finished = model.finished.clone();
        finished.sort_unstable();
        let opened: Vec<_> = model.opened.iter().copied().filter(|seq| *seq <= cut).collect();
        prop_assert_eq!(finished, opened);
    }
}
