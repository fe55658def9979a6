//! The lanes against a model that knows what is durable: order, fences, barriers, drains.

use std::{collections::BTreeMap, time::Duration};

use headwater_binlog::{gtid::GtidSet, rows::RowsBlock};
use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::Mark,
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
}

enum Mail {
    Freeze,
    DeliverUpTo(BarrierSeq),
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
        }
    }

    fn open(&mut self, tables: &[&str], fence: Option<Scope>) {
        let seq = BarrierSeq(self.lanes.newest.0 + 1);
        let mut lanes = PartList::default();
        for table in tables {
            let lane = fixture::lane(table);
            lanes.push_block(Lane::clone(&lane), self.block.clone(), None);
            self.history.entry(lane).or_default().0.push(seq);
        }
        if let Some(scope) = &fence {
            self.fences.push((seq, scope.clone()));
        }
        let end = BarrierEnd {
            xa: Vec::new(),
            mark: Mark {
                position: fixture::at(seq.0),
                rows_done: 0,
            },
            gtids: GtidSet::default(),
            commit_us: 0,
            is_quiet: false,
        };
        let segment = Segment { end, fence, lanes };
        let mut actions = Vec::new();
        self.lanes
            .open(segment, &mut Permit::empty(), self.now, &mut actions);
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
            .filter(|(lane, _)| scope.covers(lane))
            .all(|(lane, (all, _))| {
                let older = all.iter().filter(|other| **other < seq).count();
                self.durable_of(lane).len() >= older
            })
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Open(seq, _) => {
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
                Action::Finish(seq) => self.has_finished(seq),
                Action::Done => self.done += 1,
            }
        }
    }

    fn sent(&mut self, lane: &Arc<Lane>, seq: BarrierSeq) {
        for (fence, scope) in self.fences.iter().filter(|(_, scope)| scope.covers(lane)) {
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
    Ready,
    Lose(usize),
    Hand(usize),
    Reach(usize, usize),
    Mail,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => prop::sample::subsequence(&TABLES[..], 0..=4).prop_map(Op::Open),
        1 => (0..5u8).prop_map(Op::Fence),
        3 => Just(Op::Ready),
        1 => (0..5usize).prop_map(Op::Lose),
        2 => (0..5usize).prop_map(Op::Hand),
        6 => (0..5usize, 1..4usize).prop_map(|(lane, batches)| Op::Reach(lane, batches)),
        2 => Just(Op::Mail),
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
                3 => model.open(&[], Some(Scope::All)),
                _ => {
                    // A moving run: two fences with one lane between them.
                    model.open(&["shop.c"], Some(tables(&["shop.c"])));
                    model.open(&["shop.c"], Some(tables(&["shop.c"])));
                }
            }
        }
        Op::Ready => model.ready(),
        Op::Lose(lane) => model.lose(lane),
        Op::Hand(lane) => model.hand(lane),
        Op::Reach(lane, batches) => model.reach(lane, batches),
        Op::Mail => model.deliver_mail(),
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
        prop_assert!(model.lanes.barriers.is_empty() && model.lanes.unsent.is_empty());
    }

    #[test]
    fn a_drain_delivers_exactly_up_to_its_cut(before in ops(), after in ops(), ends_first: bool) {
        let mut model = Model::new();
        for op in before {
            apply(&mut model, op);
        }
        let handed = model.writers.values().filter_map(|writer| writer.handed).max();
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
        prop_assert!(handed <= Some(cut) && cut <= newest);
        for (lane, (all, durable)) in &model.history {
            let wanted = all.iter().filter(|seq| **seq <= cut).count();
            prop_assert_eq!(*durable, wanted, "{} at {:?}", lane, cut);
        }
        let mut finished = model.finished.clone();
        finished.sort_unstable();
        let opened: Vec<_> = model.opened.iter().copied().filter(|seq| *seq <= cut).collect();
        prop_assert_eq!(finished, opened);
    }
}

#[test]
fn a_drain_of_all_delivers_all_and_says_so_once() {
    let mut model = Model::new();
    model.open(&["shop.a", "shop.b"], None);
    model.drain(Drain::All);
    assert_eq!(model.done, 0);
    model.settle();
    model.drain(Drain::All);
    model.drain(Drain::AtCut);
    assert_eq!((model.done, model.finished.len()), (1, 1));
}

#[test]
fn what_is_read_behind_a_drain_is_not_taken_in() {
    let mut model = Model::new();
    model.open(&["shop.a"], None);
    model.drain(Drain::AtCut);
    let opened = model.opened.len();
    let end = BarrierEnd {
        xa: Vec::new(),
        mark: Mark {
            position: fixture::at(9),
            rows_done: 0,
        },
        gtids: GtidSet::default(),
        commit_us: 0,
        is_quiet: false,
    };
    let mut lanes = PartList::default();
    lanes.push_block(
        Lane::clone(&fixture::lane("shop.a")),
        model.block.clone(),
        None,
    );
    let segment = Segment {
        end,
        fence: None,
        lanes,
    };
    let mut actions = Vec::new();
    model
        .lanes
        .open(segment, &mut Permit::empty(), model.now, &mut actions);
    assert!(actions.is_empty());
    assert_eq!(model.opened.len(), opened);
}

#[test]
fn only_a_lane_that_has_finished_everything_is_retired() {
    let mut model = Model::new();
    model.open(&["shop.a", "shop.b"], None);
    model.ready();
    model.ready();
    model.reach(0, 1);
    let later = model.now + Duration::from_secs(1);
    let retired = model.lanes.retire(later);
    assert_eq!(retired, [fixture::lane("shop.a")]);
    model.writers.remove(&retired[0]);
    model.open(&["shop.a"], None);
    assert_eq!(model.wanted, [fixture::lane("shop.a")]);
    model.settle();
    assert_eq!(model.finished.len(), 2);
}
