//! Which connections of the telemetry port may stay: the server's twin.
//!
//! The promise: whoever sends nothing or reads nothing keeps nobody else out. Each kind of connection has places
//! of its own, and one that finds them taken gets the place of the oldest of its kind. So what is held is
//! bounded, slow requests and large answers never take a probe's place, and a probe that sends its request at
//! once is answered before it is the oldest. Pure.

use std::collections::VecDeque;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It has not sent its request yet.
    Request,
    /// It gets a short answer.
    Probe,
    /// It gets a page of any size.
    Page,
}

#[derive(Debug)]
pub struct Places<T> {
    requests: VecDeque<T>,
    probes: VecDeque<T>,
    pages: VecDeque<T>,
}

impl Kind {
    pub const fn places(self) -> usize {
        match self {
            Self::Request => 64,
            Self::Probe => 32,
            Self::Page => 4,
        }
    }
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self {
            requests: VecDeque::new(),
            probes: VecDeque::new(),
            pages: VecDeque::new(),
        }
    }
}

impl<T> Places<T> {
    /// The connection that must go for the new one, if any.
    pub fn enter(&mut self, kind: Kind, connection: T) -> Option<T> {
        let taken = match kind {
            Kind::Request => &mut self.requests,
            Kind::Probe => &mut self.probes,
            Kind::Page => &mut self.pages,
        };
        taken.push_back(connection);
        if kind.places() < taken.len() {
            taken.pop_front()
        } else {
            None
        }
    }

    /// Those that are over are forgotten.
    pub fn leave(&mut self, is_over: impl Fn(&T) -> bool) {
        for taken in [&mut self.requests, &mut self.probes, &mut self.pages] {
            taken.retain(|connection| !is_over(connection));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_a_kind_goes_for_the_newest_and_no_other_kind_does() {
        let mut places = Places::default();
        assert_eq!(places.enter(Kind::Probe, 1_000), None);
        for kind in [Kind::Request, Kind::Page] {
            for number in 0..kind.places() {
                assert_eq!(places.enter(kind, number), None);
            }
            assert_eq!(places.enter(kind, 2_000), Some(0));
            assert_eq!(places.enter(kind, 2_001), Some(1));
        }
        assert_eq!(places.probes, [1_000]);
    }

    #[test]
    fn who_leaves_makes_room() {
        let mut places = Places::default();
        for number in 0..Kind::Page.places() {
            assert_eq!(places.enter(Kind::Page, number), None);
        }
        places.leave(|connection| *connection == 1);
        assert_eq!(places.enter(Kind::Page, 9), None);
        assert_eq!(places.enter(Kind::Page, 10), Some(0));
    }
}
