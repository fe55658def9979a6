//! What the API and the network do wrong for the length of a life.
//!
//! Not here: puts that land after the process that sent them has gone. No client can prevent what they do to
//! the order; docs/guarantees.md says so.

use std::time::Duration;

use super::{Chaos, Member};
use crate::{
    faults::{Faults, ShardLimits},
    wire::WireFaults,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Fair,
    Throttled,
    PartlyFailing,
    LosingReplies,
    Failing,
    Slow,
    Resetting,
    Limited,
    SlowSource,
    All,
}

const ALL: [Weather; 10] = [
    Weather::Fair,
    Weather::Throttled,
    Weather::PartlyFailing,
    Weather::LosingReplies,
    Weather::Failing,
    Weather::Slow,
    Weather::Resetting,
    Weather::Limited,
    Weather::SlowSource,
    Weather::All,
];

impl Chaos {
    /// From now on, for these and for those that start later.
    pub(super) fn set_weather<'a>(
        &mut self,
        weather: Weather,
        members: impl IntoIterator<Item = &'a Member>,
    ) {
        self.weather = weather;
        self.wire.program(|faults| *faults = weather.source());
        for member in members {
            member.proxy.program(|faults| *faults = weather.api());
        }
    }
}

impl Weather {
    /// Fair every third time: a bad life moves little.
    pub fn draw(random: &mut fastrand::Rng) -> Self {
        match random.u32(..3) {
            0 => Self::Fair,
            _ => random.choice(ALL).unwrap_or(Self::Fair),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Fair => "fair weather",
            Self::Throttled => "90 % of entries throttled",
            Self::PartlyFailing => "50 % of entries failed",
            Self::LosingReplies => "replies lost",
            Self::Failing => "500 and 503",
            Self::Slow => "latency",
            Self::Resetting => "connections reset",
            Self::Limited => "shard limits",
            Self::SlowSource => "slow network to MySQL",
            Self::All => "all at once",
        }
    }

    pub fn api(self) -> Faults {
        let fair = Faults::default();
        match self {
            Self::Fair | Self::SlowSource => fair,
            Self::Throttled => Faults {
                entries_throttled: 0.9,
                ..fair
            },
            Self::PartlyFailing => Faults {
                entries_failed: 0.5,
                ..fair
            },
            Self::LosingReplies => Faults {
                replies_lost: 0.3,
                ..fair
            },
            Self::Failing => Faults {
                calls_failed: 0.3,
                calls_unavailable: 0.2,
                ..fair
            },
            Self::Slow => Faults {
                latency: Duration::from_millis(40),
                ..fair
            },
            Self::Resetting => Faults {
                connections_reset: 0.1,
                requests_reset: 0.1,
                replies_reset: 0.1,
                replies_garbled: 0.05,
                ..fair
            },
            Self::Limited => Faults {
                shard_limits: Some(ShardLimits::KINESIS),
                ..fair
            },
            Self::All => Faults {
                entries_throttled: 0.2,
                entries_failed: 0.1,
                calls_failed: 0.1,
                calls_unavailable: 0.05,
                requests_reset: 0.05,
                replies_reset: 0.05,
                replies_lost: 0.1,
                latency: Duration::from_millis(10),
                ..fair
            },
        }
    }

    pub fn source(self) -> WireFaults {
        let fair = WireFaults::default();
        match self {
            Self::SlowSource => WireFaults {
                delay: Duration::from_millis(5),
                ..fair
            },
            Self::All => WireFaults {
                delay: Duration::from_millis(1),
                cut: 0.001,
                ..fair
            },
            _ => fair,
        }
    }
}
