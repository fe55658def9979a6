//! Pacing per shard: a shard that throttles gets a pause, the others continue.
//!
//! The pause starts at 50 ms, doubles up to half a second with every call after it of which the shard takes
//! nothing, falls to a quarter when it takes a part, and ends for good with the first call that it takes whole.
//! Replies of calls that were under way before the pause began change nothing. Clock and random are passed in.
//!
//! A shard takes 1 MiB a second. A record that needs most of that would never find it: small ones take what has
//! come together as soon as a pause ends. So a large record that was throttled gets a turn, in which the
//! others of its shard wait, and they get as much time after it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::Unit;

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// A shard that nobody has heard of for so long (closed by a reshard) is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(30);

/// What comes together in the longest pause is enough for a smaller record.
const LARGE_BYTES: usize = 384 * 1024;
/// Long enough for the pauses to grow to where a shard has room for the largest record.
const TURN: Duration = Duration::from_millis(2500);
const AFTER_TURN: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Pacing {
    pauses: HashMap<Arc<str>, Pause>,
    turns: HashMap<Arc<str>, Turn>,
}

/// A large record has its shard for itself.
#[derive(Debug)]
struct Turn {
    unit: Unit,
    until: Instant,
    /// No other turn before.
    next: Instant,
}

#[derive(Debug, Clone, Copy)]
pub struct Pause {
    until: Instant,
    length: Duration,
}

/// Of a call that was throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    Nothing,
    Part,
}

impl Pause {
    /// The pause after `last`; `jitter` in 0..1 shortens it by up to a half.
    pub fn after(last: Option<Self>, took: Took, now: Instant, jitter: f64) -> Self {
        let length = match (last, took) {
            (Some(last), _) if now < last.until => return last,
            (Some(last), Took::Nothing) => (last.length * 2).min(PAUSE_MAX),
            (Some(last), Took::Part) => (last.length / 4).max(PAUSE_MIN),
            (None, _) => PAUSE_MIN,
        };
        Self {
            until: now + length.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0),
            length,
        }
    }

    pub fn until(self) -> Instant {
        self.until
    }
}

impl Pacing {
    pub fn throttle(&mut self, shard: &Arc<str>, took: Took, now: Instant, jitter: f64) {
        let pause = Pause::after(self.pauses.get(shard).copied(), took, now, jitter);
        self.pauses.insert(Arc::clone(shard), pause);
    }

    /// The shard took a whole call: its next pause starts small again.
    pub fn relax(&mut self, shard: &str, now: Instant) {
        if !self.is_paused(shard, now) {
            self.pauses.remove(shard);
        }
    }

    pub fn is_paused(&self, shard: &str, now: Instant) -> bool {
        self.until(shard).is_some_and(|until| now < until)
    }

    pub fn until(&self, shard: &str) -> Option<Instant> {
        self.pauses.get(shard).map(|pause| pause.until)
    }

    /// The shard has throttled a record of `unit`.
    pub fn give_turn(&mut self, shard: &Arc<str>, unit: &Unit, bytes: usize, now: Instant) {
        let is_due = self.turns.get(shard).is_none_or(|turn| now >= turn.next);
        if bytes >= LARGE_BYTES && is_due {
            let until = now + TURN;
            let turn = Turn {
                unit: unit.clone(),
                until,
                next: until + AFTER_TURN,
            };
            self.turns.insert(Arc::clone(shard), turn);
        }
    }

    /// A record of `unit` has been taken.
    pub fn end_turn(&mut self, unit: &Unit, now: Instant) {
        for turn in self.turns.values_mut() {
            if turn.unit == *unit && now < turn.until {
                (turn.until, turn.next) = (now, now + AFTER_TURN);
            }
        }
    }

    /// Who alone may be sent to the shard.
    pub fn turn(&self, shard: &str, now: Instant) -> Option<&Unit> {
        let turn = self.turns.get(shard).filter(|turn| now < turn.until);
        turn.map(|turn| &turn.unit)
    }

    /// The unit's records have to wait.
    pub fn holds(&self, shard: &str, unit: &Unit, now: Instant) -> bool {
        self.is_paused(shard, now) || self.turn(shard, now).is_some_and(|has_it| has_it != unit)
    }

    /// When the next that waits for the shard may be sent.
    pub fn wake_at(&self, shard: &str, now: Instant) -> Option<Instant> {
        if self.is_paused(shard, now) {
            return self.until(shard);
        }
        self.turns.get(shard).map(|turn| turn.until)
    }

    pub fn forget_old(&mut self, now: Instant) {
        self.turns.retain(|_, turn| now < turn.next);
        self.pauses
            .retain(|_, pause| now < pause.until + FORGET_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_second_shrink_with_a_part_and_end_with_a_success() {
        let shard: Arc<str> = "shard-1".into();
        let mut pacing = Pacing::default();
        let mut now = Instant::now();
        let mut lengths = Vec::new();
        for took in [Took::Nothing; 6].into_iter().chain([Took::Part; 3]) {
            pacing.throttle(&shard, took, now, 0.0);
            let until = pacing.until(&shard).expect("just throttled");
            lengths.push((until - now).as_millis());
            now = until;
        }
        assert_eq!(lengths, [50, 100, 200, 400, 500, 500, 125, 50, 50]);
        pacing.throttle(&shard, Took::Nothing, now, 0.0);
        let until = pacing.until(&shard).expect("just throttled");
        assert_eq!(until - now, PAUSE_MIN * 2);
        now = until;
        pacing.relax(&shard, now);
        pacing.throttle(&shard, Took::Nothing, now, 1.0);
        assert_eq!(pacing.until(&shard), Some(now + PAUSE_MIN / 2));
    }

    #[test]
    fn a_late_reply_does_not_lengthen_a_pause() {
        let shard: Arc<str> = "shard-1".into();
        let mut pacing = Pacing::default();
        let now = Instant::now();
        pacing.throttle(&shard, Took::Nothing, now, 0.0);
        let until = pacing.until(&shard);
        pacing.throttle(&shard, Took::Nothing, now + PAUSE_MIN / 2, 0.0);
        pacing.relax(&shard, now + PAUSE_MIN / 2);
        assert_eq!(pacing.until(&shard), until);
    }
}
