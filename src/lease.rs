//! Who may write: the decisions of a lease, without clock or I/O.
//!
//! The store holds one claim per pipeline: term, holder, and a counter that rises with every renewal. A holder
//! counts its lease from the moment at which it *asked* for the renewal, on its own clock; who stands by counts from
//! the moment at which it first *saw* a claim, on its own clock, and takes over when the claim has not changed
//! for longer than the holder may count on it. So no two machines' clocks are ever compared; only their rates
//! must agree to about a tenth. Each taking raises the term, each write of the checkpoint names it: a stale one
//! changes nothing. Not here: who asks ([`crate::checkpoint`]), who is held back ([`gate`]).

pub mod gate;
pub mod work;

use std::time::Duration;

use self::work::Difference;

/// A moment of this machine's clock: time since it was started, sleep included.
pub type Moment = Duration;

/// `checkpoint.lease_secs`, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    /// How long a holder may count on a renewal.
    pub fn hold(self) -> Duration {
        self.0 * 3 / 4
    }

    /// How long an unchanged claim counts for others: more than `hold`, for clocks that run differently.
    pub fn expiry(self) -> Duration {
        self.0 * 17 / 20
    }

    pub fn renew_every(self) -> Duration {
        self.0 / 5
    }

    /// Often enough that a lease which is given back is taken at once.
    pub fn look_every(self) -> Duration {
        (self.0 / 10).min(Duration::from_secs(1))
    }

    /// The longest call to a sink: between two renewals there is always room for one to start.
    pub fn put_max(self) -> Duration {
        self.0 * 2 / 5
    }
}

/// What the store says of the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub term: u64,
    /// Empty: given back.
    pub holder: String,
    pub renewals: u64,
    /// The holder's own `checkpoint.lease_secs`.
    pub lease: Duration,
}

impl Claim {
    pub fn is_free(&self) -> bool {
        self.holder.is_empty()
    }

    #[must_use]
    pub fn renewed(&self) -> Self {
        Self {
            renewals: self.renewals.wrapping_add(1),
            ..self.clone()
        }
    }

    #[must_use]
    pub fn given_back(&self) -> Self {
        Self {
            holder: String::new(),
            ..self.renewed()
        }
    }

    /// Whether both stand for the same taking of the lease.
    pub fn is_same_term(&self, other: &Self) -> bool {
        (self.term, &self.holder) == (other.term, &other.holder)
    }
}

/// What to do while another may hold the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// Write this claim, on condition that what was seen still stands.
    Take(Claim),
    /// Look again then.
    LookAgain(Moment),
    /// It is another pipeline's, which runs: what is not ours, as a sentence names it.
    NotOurs(String),
}

/// Stands by.
#[derive(Debug)]
pub struct Standby {
    me: String,
    span: Span,
    /// An unchanged claim, and when it was first seen.
    seen: Option<(Claim, Moment)>,
}

impl Standby {
    pub fn new(me: String, span: Span) -> Self {
        Self {
            me,
            span,
            seen: None,
        }
    }

    /// `found` was answered at `now`.
    pub fn observe(&mut self, found: Option<&Claim>, now: Moment) -> Advice {
        let Some(found) = found else {
            return self.take(0);
        };
        // Our own name: a taking whose answer was lost.
        if found.is_free() || found.holder == self.me {
            return self.take(found.term);
        }
        let since = match &self.seen {
            Some((seen, since)) if seen == found => *since,
            seen => {
                let is_alive = seen
                    .as_ref()
                    .is_some_and(|(seen, _)| seen.is_same_term(found));
                if is_alive
                    && let Difference::OtherPipeline(what) =
                        Difference::between(&self.me, &found.holder)
                {
                    return Advice::NotOurs(what);
                }
                self.seen = Some((found.clone(), now));
                now
            }
        };
        let expiry = self.span.expiry().max(Span(found.lease).expiry());
        let due = since.saturating_add(expiry);
        if due <= now {
            return self.take(found.term);
        }
        Advice::LookAgain(due.min(now + self.span.look_every()))
    }

    fn take(&self, term: u64) -> Advice {
        Advice::Take(Claim {
            term: term.saturating_add(1),
            holder: self.me.clone(),
            renewals: 0,
            lease: self.span.0,
        })
    }
}

/// Holds the lease, or did.
#[derive(Debug, Clone, Copy)]
pub struct Holding {
    span: Span,
    until: Moment,
    is_over: bool,
}

impl Holding {
    /// The claim was asked for at `asked`, and is ours.
    pub fn new(span: Span, asked: Moment) -> Self {
        Self {
            span,
            until: asked + span.hold(),
            is_over: false,
        }
    }

    pub fn renewed(&mut self, asked: Moment) {
        self.until = self.until.max(asked + self.span.hold());
    }

    /// For good: another has it, or we give it back.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    pub fn is_over(&self) -> bool {
        self.is_over
    }

    pub fn remaining(&self, now: Moment) -> Duration {
        match self.is_over {
            true => Duration::ZERO,
            false => self.until.saturating_sub(now),
        }
    }

    /// Whether a call that lasts at most `timeout` ends before the lease does.
    pub fn admits(&self, now: Moment, timeout: Duration) -> bool {
        !self.is_over && timeout < self.remaining(now)
    }
}

#[cfg(test)]
mod tests;
