//! What a statement costs, counted in steps: lanes that were tried, gates that were passed.

use super::*;

/// Lanes with a writer each, and what they have been sent.
struct World {
    lanes: Lanes,
    block: RowsBlock,
    sent: VecDeque<(Arc<Lane>, BarrierSeq)>,
    finished: usize,
}

fn table(index: usize) -> String {
    format!("shop.t{index}")
}

impl World {
    /// Every table has a row under way.
    fn of(tables: usize) -> Self {
        let mut world = Self {
            lanes: Lanes::default(),
            block: fixture::blocks(&[(1, 1)]).remove(0),
            sent: VecDeque::new(),
            finished: 0,
        };
        for index in 0..tables {
            world.open(&[index], None);
            let mut actions = Vec::new();
            let lane = fixture::lane(&table(index));
            world.lanes.lane_ready(&lane, &mut actions);
            world.perform(actions);
        }
        world
    }

    fn open(&mut self, tables: &[usize], fence: Option<Scope>) {
        let mut lanes = PartList::default();
        for index in tables {
            let lane = fixture::lane(&table(*index));
            lanes.push_block(Lane::clone(&lane), self.block.clone(), None);
        }
        let advance = Advance::at(mark(self.lanes.newest.0 + 1));
        let segment = Segment {
            advance,
            fence,
            is_end: false,
            lanes,
        };
        let mut actions = Vec::new();
        let now = Instant::now();
        self.lanes
            .open(segment, &mut Permit::empty(), now, &mut actions);
        self.perform(actions);
    }

    fn statement(&mut self, index: usize) {
        let scope = Scope::Tables(vec![fixture::name(&table(index))]);
        self.open(&[index], Some(scope));
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(lane, changes) => self.sent.push_back((lane, changes.seq)),
                Action::Finish(_) => self.finished += 1,
                _ => (),
            }
        }
    }

    /// Writers deliver what they have, but for those of tables from `first_slow` on.
    fn deliver(&mut self, first_slow: usize) {
        let slow: Vec<_> = (first_slow..self.lanes.lanes.len())
            .map(|index| fixture::lane(&table(index)))
            .collect();
        while let Some((lane, seq)) = self.sent.pop_front() {
            if slow.contains(&lane) {
                continue;
            }
            let mut actions = Vec::new();
            self.lanes.reached(&lane, seq, Instant::now(), &mut actions);
            self.perform(actions);
        }
    }

    fn steps(&self) -> usize {
        self.lanes.lanes_tried + self.lanes.fences.gates_visited.get()
    }
}

/// A backlog of statements on the first of many busy tables, and rows behind them.
fn steps_of_a_backlog(tables: usize, statements: usize) -> usize {
    let mut world = World::of(tables);
    let before = world.steps();
    for index in 0..statements {
        world.statement(index);
        world.statement(index);
        world.open(&[index], None);
    }
    world.deliver(statements);
    assert_eq!(world.finished, 4 * statements);
    world.steps() - before
}

#[test]
fn a_statement_costs_the_lanes_that_it_touches_however_many_there_are() {
    let among_few = steps_of_a_backlog(100, 50);
    assert_eq!(steps_of_a_backlog(2_000, 50), among_few);
    assert_eq!(steps_of_a_backlog(2_000, 500), 10 * among_few);
}

#[test]
fn a_lane_behind_many_statements_on_its_database_is_tried_a_few_times_not_once_for_each() {
    let (tables, statements) = (500, 400);
    let mut world = World::of(tables);
    let before = world.steps();
    for _ in 0..statements {
        world.open(&[], Some(Scope::Database("shop".into())));
    }
    for index in 0..tables {
        world.open(&[index], None);
    }
    world.deliver(tables);
    assert_eq!(world.finished, 2 * tables + statements);
    let steps = world.steps() - before;
    assert!(steps < 10 * (tables + statements), "{steps} steps");
}
