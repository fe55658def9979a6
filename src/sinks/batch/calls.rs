//! Which records are sent, which wait, and what the next call carries. Pure: no clock, no random, no I/O.
//!
//! The rule that order rests on: a unit has at most one record in flight, and its records leave in the order
//! in which they came. Between units the oldest goes first; a record that comes back after a transient
//! failure keeps its age, so a large record is not overtaken for ever by small ones of its shard. Nothing
//! waits for a call to fill: whatever is there goes as soon as a call may start, and what comes while
//! `calls_max` of them are in flight gathers for the next. A record whose caller is gone and that has not been
//! sent yet is dropped: its next writer sends it again.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use headwater_actors::{
    failure::Failure,
    ports::sink::{Delivered, Rejected},
};

use super::{
    Limits, Reply, Unit,
    pacing::{Pacing, Pause, Took},
    sequence,
};
use crate::aws::{Blame, CallFailure};

/// Where units are paced together until a reply names their shards.
const UNNAMED_SHARD: &str = "";
/// Units without work that are remembered for their shard and last SequenceNumber.
const IDLE_UNITS_MAX: usize = 4096;

pub struct Calls<T> {
    limits: Limits,
    units: HashMap<Unit, State<T>>,
    idle_units: usize,
    /// Units whose head may be sent now, by the head's age.
    open: BTreeMap<u64, Unit>,
    /// Units whose shard is paused, or is another unit's for a turn.
    parked: HashMap<Arc<str>, BTreeMap<u64, Unit>>,
    pacing: Pacing,
    /// A call was throttled as a whole.
    stream_pause: Option<Pause>,
    next_age: u64,
    in_flight_bytes: usize,
    in_flight_calls: usize,
}

struct State<T> {
    is_in_flight: bool,
    waiting: VecDeque<Waiting<T>>,
    /// Of the record that came back and will be said again.
    inherited_age: Option<u64>,
    shard: Option<Arc<str>>,
    sequence: Option<Box<str>>,
}

struct Waiting<T> {
    age: u64,
    bytes: usize,
    /// It was in a call that failed because of some entry.
    is_alone: bool,
    item: T,
}

/// A call under way: give it back to [`Calls::settle`].
pub struct Call<T> {
    pub entries: Vec<Entry<T>>,
    pub bytes: usize,
}

pub struct Entry<T> {
    unit: Unit,
    age: u64,
    pub bytes: usize,
    pub item: T,
}

/// What a call came to.
pub struct Settled<T> {
    pub answers: Vec<Answer<T>>,
    /// Units whose SequenceNumber did not rise.
    pub order_violations: Vec<Unit>,
}

pub struct Answer<T> {
    pub item: T,
    pub bytes: usize,
    pub result: Result<Delivered, Rejected>,
}

impl<T> Calls<T> {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            units: HashMap::new(),
            idle_units: 0,
            open: BTreeMap::new(),
            parked: HashMap::new(),
            pacing: Pacing::default(),
            stream_pause: None,
            next_age: 0,
            in_flight_bytes: 0,
            in_flight_calls: 0,
        }
    }

    /// Nothing is in flight and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.idle_units == self.units.len()
    }

    /// Takes a record; `bytes` is what counts against the limits.
    pub fn push(&mut self, unit: Unit, bytes: usize, item: T, now: Instant) {
        let age = self.next_age;
        self.next_age += 1;
        let shard = &self.limits.shard;
        let mut is_new = false;
        let state = self.units.entry(unit.clone()).or_insert_with(|| {
            is_new = true;
            State {
                is_in_flight: false,
                waiting: VecDeque::new(),
                inherited_age: None,
                shard: shard.clone(),
                sequence: None,
            }
        });
        let is_idle = !state.is_in_flight && state.waiting.is_empty();
        state.waiting.push_back(Waiting {
            age,
            bytes,
            is_alone: false,
            item,
        });
        if is_idle {
            self.idle_units -= usize::from(!is_new);
            self.make_ready(unit, now);
        }
    }

    /// The next call, if one may start now. Call until `None`.
    pub fn next_call(
        &mut self,
        now: Instant,
        is_abandoned: impl Fn(&T) -> bool,
    ) -> Option<Call<T>> {
        self.release_shards(now);
        if self.in_flight_calls >= self.limits.calls_max || self.stream_pause_until(now).is_some() {
            return None;
        }
        let mut call = Call {
            entries: Vec::new(),
            bytes: 0,
        };
        while let Some((age, unit)) = self.open.pop_first() {
            let Some(state) = self.units.get_mut(&unit) else {
                continue;
            };
            let Some(head) = state.waiting.pop_front() else {
                continue;
            };
            if is_abandoned(&head.item) {
                self.rest(unit, now);
                continue;
            }
            let closes_call = head.is_alone || call.entries.len() + 1 == self.limits.entries_max;
            if !self.limits.admit(&call, &head, self.in_flight_bytes) {
                state.waiting.push_front(head);
                self.open.insert(age, unit);
                break;
            }
            state.is_in_flight = true;
            call.bytes += head.bytes;
            call.entries.push(Entry {
                unit,
                age: head.age,
                bytes: head.bytes,
                item: head.item,
            });
            if closes_call {
                break;
            }
        }
        if call.entries.is_empty() {
            return None;
        }
        self.in_flight_calls += 1;
        self.in_flight_bytes += call.bytes;
        Some(call)
    }

    /// When to ask for a call again though nothing has happened.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        if let Some(until) = self.stream_pause_until(now) {
            return (!self.open.is_empty() || !self.parked.is_empty()).then_some(until);
        }
        self.parked
            .keys()
            .filter_map(|shard| self.pacing.wake_at(shard, now))
            .min()
    }

    /// Takes a call's outcome; each entry is answered on its own. `jitter` gives numbers in 0..1.
    pub fn settle(
        &mut self,
        call: Call<T>,
        outcome: Result<Vec<Reply>, CallFailure>,
        now: Instant,
        jitter: &mut dyn FnMut() -> f64,
    ) -> Settled<T> {
        self.in_flight_calls -= 1;
        self.in_flight_bytes -= call.bytes;
        let (sent, got) = (
            call.entries.len(),
            outcome.as_ref().map_or(0, |replies| replies.len()),
        );
        match outcome {
            Ok(replies) if got == sent => self.settle_replies(call.entries, replies, now, jitter),
            Ok(_) => {
                let text = format!("AWS answered {got} entries of a call of {sent}");
                self.settle_failure(call.entries, CallFailure::transient(text), now, jitter)
            }
            Err(failure) if failure.blame == Blame::Entry && sent > 1 => {
                self.put_back_alone(call.entries, now);
                Settled::nothing()
            }
            Err(failure) => self.settle_failure(call.entries, failure, now, jitter),
        }
    }

    fn settle_replies(
        &mut self,
        entries: Vec<Entry<T>>,
        replies: Vec<Reply>,
        now: Instant,
        jitter: &mut dyn FnMut() -> f64,
    ) -> Settled<T> {
        let mut settled = Settled::nothing();
        let (mut throttled, mut relaxed) = (Vec::new(), Vec::new());
        let mut units = Vec::with_capacity(entries.len());
        for (entry, reply) in entries.into_iter().zip(replies) {
            let state = self.units.get_mut(&entry.unit);
            let result = match reply {
                Reply::Accepted { shard, sequence } => {
                    if let Some(state) = state
                        && !state.accept(shard.clone(), sequence)
                    {
                        settled.order_violations.push(entry.unit.clone());
                    }
                    self.pacing.end_turn(&entry.unit, now);
                    relaxed.extend(shard.clone().or_else(|| self.limits.shard.clone()));
                    let shard = shard.map(|shard| shard.to_string());
                    Ok(Delivered { shard })
                }
                Reply::Refused {
                    failure,
                    throttled: is_throttled,
                    shard,
                } => {
                    if let Some(state) = state {
                        state.refuse(&failure, entry.age);
                        state.shard = shard.or_else(|| state.shard.take());
                        if is_throttled {
                            let shard = state.shard.get_or_insert_with(|| UNNAMED_SHARD.into());
                            let (unit, bytes) = (&entry.unit, entry.bytes);
                            self.pacing.give_turn(shard, unit, bytes, now);
                            throttled.push(Arc::clone(shard));
                        }
                    }
                    Err(Rejected {
                        failure,
                        throttled: is_throttled,
                    })
                }
            };
            settled.answers.push(Answer {
                item: entry.item,
                bytes: entry.bytes,
                result,
            });
            units.push(entry.unit);
        }
        for shard in &relaxed {
            if !throttled.contains(shard) {
                self.pacing.relax(shard, now);
            }
        }
        if !relaxed.is_empty() && self.stream_pause_until(now).is_none() {
            self.stream_pause = None;
        }
        throttled.sort_unstable();
        throttled.dedup();
        for shard in &throttled {
            let took = match relaxed.contains(shard) {
                true => Took::Part,
                false => Took::Nothing,
            };
            self.pacing.throttle(shard, took, now, jitter());
        }
        if !throttled.is_empty() {
            self.park_held(now);
        }
        for unit in units {
            self.rest(unit, now);
        }
        settled
    }

    fn settle_failure(
        &mut self,
        entries: Vec<Entry<T>>,
        failure: CallFailure,
        now: Instant,
        jitter: &mut dyn FnMut() -> f64,
    ) -> Settled<T> {
        if failure.throttled {
            self.stream_pause = Some(Pause::after(
                self.stream_pause,
                Took::Nothing,
                now,
                jitter(),
            ));
        }
        let mut settled = Settled::nothing();
        for entry in entries {
            if let Some(state) = self.units.get_mut(&entry.unit) {
                state.refuse(&failure.failure, entry.age);
            }
            settled.answers.push(Answer {
                item: entry.item,
                bytes: entry.bytes,
                result: Err(Rejected {
                    failure: failure.failure.clone(),
                    throttled: failure.throttled,
                }),
            });
            self.rest(entry.unit, now);
        }
        settled
    }

    fn put_back_alone(&mut self, entries: Vec<Entry<T>>, now: Instant) {
        for entry in entries {
            let Some(state) = self.units.get_mut(&entry.unit) else {
                continue;
            };
            state.waiting.push_front(Waiting {
                age: entry.age,
                bytes: entry.bytes,
                is_alone: true,
                item: entry.item,
            });
            self.rest(entry.unit, now);
        }
    }

    /// A unit's record has settled: its next may be sent, or it rests.
    fn rest(&mut self, unit: Unit, now: Instant) {
        let Some(state) = self.units.get_mut(&unit) else {
            return;
        };
        state.is_in_flight = false;
        if !state.waiting.is_empty() {
            return self.make_ready(unit, now);
        }
        self.idle_units += 1;
        if self.idle_units > IDLE_UNITS_MAX {
            self.units
                .retain(|_, state| state.is_in_flight || !state.waiting.is_empty());
            self.idle_units = 0;
        }
    }

    fn make_ready(&mut self, unit: Unit, now: Instant) {
        let Some(state) = self.units.get_mut(&unit) else {
            return;
        };
        let inherited_age = state.inherited_age.take();
        let Some(head) = state.waiting.front_mut() else {
            return;
        };
        head.age = inherited_age.unwrap_or(head.age).min(head.age);
        let ready = match &state.shard {
            Some(shard) if self.pacing.holds(shard, &unit, now) => {
                self.parked.entry(Arc::clone(shard)).or_default()
            }
            _ => &mut self.open,
        };
        ready.insert(head.age, unit);
    }

    fn park_held(&mut self, now: Instant) {
        for (age, unit) in std::mem::take(&mut self.open) {
            let shard = self.units.get(&unit).and_then(|state| state.shard.as_ref());
            let ready = match shard {
                Some(shard) if self.pacing.holds(shard, &unit, now) => {
                    self.parked.entry(Arc::clone(shard)).or_default()
                }
                _ => &mut self.open,
            };
            ready.insert(age, unit);
        }
    }

    fn release_shards(&mut self, now: Instant) {
        if self.parked.is_empty() {
            return self.pacing.forget_old(now);
        }
        let (open, pacing, states) = (&mut self.open, &self.pacing, &self.units);
        self.parked.retain(|shard, units| {
            if pacing.is_paused(shard, now) {
                return true;
            }
            let Some(unit) = pacing.turn(shard, now) else {
                open.append(units);
                return false;
            };
            let head = states.get(unit).and_then(|state| state.waiting.front());
            if let Some((age, unit)) = head.and_then(|head| units.remove_entry(&head.age)) {
                open.insert(age, unit);
            }
            !units.is_empty()
        });
    }

    fn stream_pause_until(&self, now: Instant) -> Option<Instant> {
        self.stream_pause
            .map(Pause::until)
            .filter(|until| now < *until)
    }
}

impl<T> State<T> {
    /// False when the SequenceNumber did not rise on the same shard.
    fn accept(&mut self, shard: Option<Arc<str>>, sequence: Option<Box<str>>) -> bool {
        let is_rising = match (&self.sequence, &sequence) {
            (Some(last), Some(new)) if self.shard == shard => sequence::compare(last, new).is_lt(),
            _ => true,
        };
        self.inherited_age = None;
        self.sequence = sequence;
        self.shard = shard.or_else(|| self.shard.take());
        is_rising
    }

    fn refuse(&mut self, failure: &Failure, age: u64) {
        self.inherited_age = (!failure.is_definite()).then_some(age);
    }
}

impl<T> Settled<T> {
    fn nothing() -> Self {
        Self {
            answers: Vec::new(),
            order_violations: Vec::new(),
        }
    }
}

impl Limits {
    /// Whether `head` may join `call` while `in_flight_bytes` are in flight already.
    fn admit<T>(&self, call: &Call<T>, head: &Waiting<T>, in_flight_bytes: usize) -> bool {
        let bytes = in_flight_bytes + call.bytes;
        let fits_flight = bytes == 0 || bytes + head.bytes <= self.in_flight_bytes_max;
        let fits_call = call.entries.is_empty()
            || (!head.is_alone && call.bytes + head.bytes <= self.call_bytes);
        fits_flight && fits_call
    }
}

#[cfg(test)]
mod tests;
