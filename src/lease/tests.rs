//! Two and more processes with their own clocks, stopped at any moment, over one store: never two terms at once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{work::Work, *};

const SPAN: Span = Span(Duration::from_secs(20));

fn claim(term: u64, holder: &str, renewals: u64) -> Claim {
    Claim {
        term,
        holder: holder.to_owned(),
        renewals,
        lease: SPAN.0,
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn a_free_lease_is_taken_at_once_with_a_higher_term() {
    let mut standby = Standby::new("me".into(), SPAN);
    assert_eq!(
        standby.observe(None, secs(5)),
        Advice::Take(claim(1, "me", 0))
    );
    let given_back = claim(7, "you", 3).given_back();
    let advice = standby.observe(Some(&given_back), secs(6));
    assert_eq!(advice, Advice::Take(claim(8, "me", 0)));
}

#[test]
fn a_claim_that_changes_is_never_taken() {
    let mut standby = Standby::new("me".into(), SPAN);
    for at in 0..100 {
        let found = claim(7, "you", at / 8);
        let advice = standby.observe(Some(&found), secs(at));
        assert!(matches!(advice, Advice::LookAgain(_)), "{at}: {advice:?}");
    }
}

#[test]
fn a_claim_of_another_pipeline_is_left_alone_while_it_is_renewed() {
    let work = |tables: &str, sink: &str| Work::new("db:3306", tables, sink);
    let ours = work("shop.*", "kinesis orders").sign("me");
    let theirs = work("hr.*", "kinesis people").sign("you");
    let mut standby = Standby::new(ours.clone(), SPAN);
    let first = standby.observe(Some(&claim(7, &theirs, 1)), secs(0));
    assert!(
        matches!(first, Advice::LookAgain(_)),
        "it may be dead: {first:?}"
    );
    let second = standby.observe(Some(&claim(7, &theirs, 2)), secs(4));
    assert_eq!(second, Advice::NotOurs("tables and sink".to_owned()));

    let deployed = work("shop.*,!shop.log", "kinesis orders").sign("you");
    let mut standby = Standby::new(ours, SPAN);
    for renewals in 1..5 {
        let advice = standby.observe(Some(&claim(7, &deployed, renewals)), secs(4 * renewals));
        assert!(matches!(advice, Advice::LookAgain(_)), "{advice:?}");
    }
}

#[test]
fn an_unchanged_claim_is_taken_within_the_lease() {
    let mut standby = Standby::new("me".into(), SPAN);
    let found = claim(7, "you", 1);
    // It was written just behind the last look.
    let mut now = SPAN.look_every();
    while let Advice::LookAgain(next) = standby.observe(Some(&found), now) {
        assert!(now < next, "{next:?}");
        now = next;
    }
    assert!(now <= SPAN.0, "{now:?}");
}

#[test]
fn the_longer_lease_of_the_holder_is_respected() {
    let mut standby = Standby::new("me".into(), SPAN);
    let found = Claim {
        lease: SPAN.0 * 10,
        ..claim(7, "you", 1)
    };
    standby.observe(Some(&found), secs(0));
    let advice = standby.observe(Some(&found), SPAN.0 * 8);
    assert!(matches!(advice, Advice::LookAgain(_)), "{advice:?}");
    assert!(matches!(
        standby.observe(Some(&found), SPAN.0 * 9),
        Advice::Take(_)
    ));
}

#[test]
fn a_put_starts_only_when_the_lease_outlives_it() {
    let mut holding = Holding::new(SPAN, secs(100));
    assert!(holding.admits(secs(100), secs(14)));
    assert!(!holding.admits(secs(100), secs(15)));
    assert!(!holding.admits(secs(116), Duration::ZERO));
    holding.renewed(secs(110));
    holding.renewed(secs(104));
    assert!(holding.admits(secs(118), secs(6)));
    holding.end();
    assert!(!holding.admits(secs(110), Duration::ZERO));
}

#[test]
fn there_is_always_room_for_the_longest_put_between_two_renewals() {
    let left = SPAN.hold() - SPAN.renew_every();
    assert!(SPAN.put_max() < left);
    assert!(SPAN.hold() < SPAN.expiry() && SPAN.expiry() + SPAN.look_every() < SPAN.0);
}

/// What one process does next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// A whole exchange with the store, the taking that follows from a look included.
    Round,
    /// Send the next request to the store.
    Act,
    /// The store answers what was asked; the answer may be lost.
    Apply,
    Hear,
    LoseAnswer,
    Put,
    Save,
    GiveBack,
    Restart,
}

#[derive(Debug, Clone)]
enum Request {
    Look,
    Write { seen: Option<Claim>, new: Claim },
}

#[derive(Debug, Clone)]
enum Answer {
    Found(Option<Claim>),
    Written(bool),
}

struct Process {
    id: String,
    lives: u64,
    /// How its clock stands and runs against the true time.
    offset: Duration,
    permille: u64,
    standby: Option<Standby>,
    seen: Option<Claim>,
    next_look: Moment,
    held: Option<(Claim, Holding)>,
    flight: Option<(Request, Moment, Option<Answer>)>,
}

impl Process {
    fn new(number: usize, offset: Duration, permille: u64) -> Self {
        let mut process = Self {
            id: format!("p{number}"),
            lives: 0,
            offset,
            permille,
            standby: None,
            seen: None,
            next_look: Duration::ZERO,
            held: None,
            flight: None,
        };
        process.restart();
        process
    }

    fn restart(&mut self) {
        self.lives += 1;
        let me = format!("{}.{}", self.id, self.lives);
        self.standby = Some(Standby::new(me, SPAN));
        (self.seen, self.held, self.flight) = (None, None, None);
        self.next_look = Duration::ZERO;
    }

    fn clock(&self, time_ms: u64) -> Moment {
        self.offset + Duration::from_micros(time_ms * self.permille)
    }

    fn ask(&mut self, now: Moment) {
        if self.flight.is_some() {
            return;
        }
        let request = match &self.held {
            Some((claim, _)) => Request::Write {
                seen: Some(claim.clone()),
                new: claim.renewed(),
            },
            None if now < self.next_look => return,
            None => Request::Look,
        };
        self.flight = Some((request, now, None));
    }

    fn hear(&mut self, now: Moment) {
        let Some((request, asked, Some(answer))) = self.flight.take() else {
            return;
        };
        match (request, answer) {
            (Request::Look, Answer::Found(found)) => {
                if let Some((claim, _)) = &mut self.held {
                    match found {
                        Some(found) if found.is_same_term(claim) => *claim = found,
                        _ => self.restart(),
                    }
                    return;
                }
                let Some(standby) = &mut self.standby else {
                    return;
                };
                match standby.observe(found.as_ref(), now) {
                    Advice::Take(new) => {
                        let write = Request::Write { seen: found, new };
                        self.flight = Some((write, now, None));
                    }
                    Advice::LookAgain(then) => self.next_look = then,
                    Advice::NotOurs(what) => panic!("{what}: all are of one pipeline"),
                }
            }
            (Request::Write { new, .. }, Answer::Written(true)) => match &mut self.held {
                Some((claim, holding)) => {
                    *claim = new;
                    holding.renewed(asked);
                }
                None => self.held = Some((new, Holding::new(SPAN, asked))),
            },
            (Request::Write { .. }, _) if self.held.is_some() => {
                self.flight = Some((Request::Look, now, None));
            }
            _ => (),
        }
    }
}

#[derive(Default)]
struct World {
    store: Option<Claim>,
    saved_by: u64,
    /// Of each term: how many puts, and when the last of them has ended for certain, in true time.
    puts: BTreeMap<u64, (u64, u64)>,
    greatest_term: u64,
}

impl World {
    fn apply(&mut self, request: &Request) -> Answer {
        match request {
            Request::Look => Answer::Found(self.store.clone()),
            Request::Write { seen, new } => {
                let holds = self.store == *seen;
                if holds {
                    self.store = Some(new.clone());
                    assert!(self.greatest_term <= new.term, "a term fell");
                    self.greatest_term = new.term;
                }
                Answer::Written(holds)
            }
        }
    }

    fn put(&mut self, term: u64, begin: u64, end: u64) {
        for (other, (_, other_end)) in &self.puts {
            if *other != term {
                assert!(*other < term, "term {term} puts behind term {other}");
                assert!(*other_end <= begin, "terms {other} and {term} put at once");
            }
        }
        let (count, last) = self.puts.entry(term).or_default();
        *count += 1;
        *last = end.max(*last);
    }

    fn save(&mut self, claim: &Claim) {
        let is_ours = self
            .store
            .as_ref()
            .is_some_and(|found| found.is_same_term(claim));
        if is_ours {
            assert!(
                self.saved_by <= claim.term,
                "a stale term moved the checkpoint"
            );
            self.saved_by = claim.term;
        }
    }
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        8 => Just(Turn::Round),
        2 => Just(Turn::Act),
        2 => Just(Turn::Apply),
        2 => Just(Turn::Hear),
        1 => Just(Turn::LoseAnswer),
        8 => Just(Turn::Put),
        2 => Just(Turn::Save),
        1 => Just(Turn::GiveBack),
        1 => Just(Turn::Restart),
    ]
}

/// Often just as long as a claim is respected.
fn pause_ms() -> impl Strategy<Value = u64> {
    let expiry = SPAN.expiry().as_secs() * 1000;
    prop_oneof![8 => 0_u64..500, 1 => 500_u64..20_000, 1 => expiry..expiry + 300]
}

fn step(world: &mut World, process: &mut Process, turn: Turn, time_ms: u64, put_ms: u64) {
    let now = process.clock(time_ms);
    match turn {
        Turn::Round => {
            for turn in [Turn::Act, Turn::Apply, Turn::Hear, Turn::Apply, Turn::Hear] {
                step(world, process, turn, time_ms, put_ms);
            }
        }
        Turn::Act => process.ask(now),
        Turn::Apply => {
            if let Some((request, _, answer @ None)) = &mut process.flight {
                *answer = Some(world.apply(request));
            }
        }
        Turn::Hear => process.hear(now),
        // Applied or not: nobody knows; a late request may still land, which `Apply` before stands for.
        Turn::LoseAnswer => process.flight = None,
        Turn::Put => {
            let timeout = Duration::from_millis(put_ms);
            if let Some((claim, holding)) = &process.held
                && holding.admits(now, timeout)
            {
                let lasts = put_ms * 1000 / process.permille + 1;
                world.put(claim.term, time_ms, time_ms + lasts);
            }
        }
        Turn::Save => {
            if let Some((claim, _)) = &process.held {
                world.save(claim);
            }
        }
        Turn::GiveBack => {
            // Only with nothing in flight, as the program does it.
            let is_idle = world.puts.values().all(|(_, end)| *end <= time_ms);
            if let Some((claim, _)) = process.held.take() {
                let (seen, new) = (Some(claim.clone()), claim.given_back());
                if is_idle {
                    world.apply(&Request::Write { seen, new });
                }
                // It ends; whoever comes after it has another name.
                process.restart();
            }
        }
        Turn::Restart => process.restart(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn never_do_two_terms_put_at_once(
        clocks in prop::collection::vec((0_u64..1_000_000, 960_u64..1040), 2..4),
        turns in prop::collection::vec(
            (any::<prop::sample::Index>(), turn(), pause_ms(), prop_oneof![0_u64..100, 0_u64..4_000]),
            50..300,
        ),
    ) {
        let mut processes: Vec<Process> = clocks
            .iter()
            .enumerate()
            .map(|(number, (offset, permille))| Process::new(number, Duration::from_secs(*offset), *permille))
            .collect();
        let (mut world, mut time_ms) = (World::default(), 0);
        for (who, turn, pause_ms, put_ms) in turns {
            // Whoever has no turn meanwhile is stopped.
            time_ms += pause_ms;
            let index = who.index(processes.len());
            step(&mut world, &mut processes[index], turn, time_ms, put_ms);
        }
    }
}

#[test]
fn a_holder_that_was_stopped_starts_no_put_when_it_wakes() {
    let mut world = World::default();
    let mut first = Process::new(1, secs(900_000), 1000);
    let mut second = Process::new(2, secs(3), 1000);
    let mut time_ms = 0;
    step(&mut world, &mut first, Turn::Round, time_ms, 0);
    step(&mut world, &mut first, Turn::Put, time_ms, 1000);
    assert_eq!(world.puts, BTreeMap::from([(1, (1, 1001))]));
    while second.held.is_none() {
        time_ms += 100;
        step(&mut world, &mut second, Turn::Round, time_ms, 0);
        assert!(time_ms <= 20_000, "not taken within the lease");
    }
    step(&mut world, &mut second, Turn::Put, time_ms, 1000);
    step(&mut world, &mut first, Turn::Put, time_ms, 0);
    step(&mut world, &mut first, Turn::Save, time_ms, 0);
    step(&mut world, &mut second, Turn::Save, time_ms, 0);
    assert_eq!(world.puts.get(&1), Some(&(1, 1001)));
    assert_eq!((world.puts.len(), world.saved_by), (2, 2));
    step(&mut world, &mut first, Turn::Round, time_ms, 0);
    assert!(first.held.is_none(), "it learns that it was overtaken");
}
