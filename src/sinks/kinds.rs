//! `[sink]`: which kinds of sink there are, and all that others ask of one.
//!
//! A new kind is named here, in its own file or folder, and in `config/default.toml`: whoever else holds a
//! [`SinkPlan`] asks it and never looks which kind it is. What is true of every sink of a kind is its [`Facts`].

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use headwater_actors::{failure::Failure, ports::sink::Sink};
use serde::Deserialize;

use super::{
    LeasedSink, StreamDescription,
    file::{self, FileOptions, FilePlan, FileSink},
    firehose::{self, Firehose},
    kinesis::{self, Kinesis},
    null::{self, NullSink},
    read_back::ReadBack,
    stdout::{self, StdoutSink},
    stream::{StreamApi, StreamOptions, StreamPlan, StreamSink, Streams},
    template::TargetSetting,
};
use crate::{
    lease::gate::LeaseGate,
    options::{Error, read_choice},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Kinesis,
    Firehose,
    File,
    Stdout,
    Null,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkOptions {
    #[serde(rename = "type", deserialize_with = "read_choice")]
    kind: Kind,
    kinesis: StreamOptions,
    firehose: StreamOptions,
    file: FileOptions,
}

#[derive(Debug, Clone)]
pub enum SinkPlan {
    Kinesis(StreamPlan),
    Firehose(StreamPlan),
    File(FilePlan),
    Stdout,
    Null,
}

/// What other settings must know of a kind of sink.
#[derive(Debug)]
pub struct Facts {
    /// As `sink.type` has it.
    pub name: &'static str,
    /// Where its target is named, if it has any.
    pub target: Option<TargetSetting>,
    /// Of one record, where there is a limit.
    pub record_bytes_max: Option<usize>,
    /// Somebody behind it takes the aggregates of the Kinesis Producer Library apart.
    pub opens_aggregates: bool,
    /// What a crash left is mended by its line ends, so they must not be compressed.
    pub needs_line_ends: bool,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Kinesis,
        Self::Firehose,
        Self::File,
        Self::Stdout,
        Self::Null,
    ];

    fn facts(self) -> &'static Facts {
        match self {
            Self::Kinesis => &kinesis::FACTS,
            Self::Firehose => &firehose::FACTS,
            Self::File => &file::FACTS,
            Self::Stdout => &stdout::FACTS,
            Self::Null => &null::FACTS,
        }
    }
}

/// The settings that name a target, of every kind.
pub fn targets() -> impl Iterator<Item = TargetSetting> {
    Kind::ALL.into_iter().filter_map(|kind| kind.facts().target)
}

impl SinkOptions {
    pub fn plan(&self) -> Result<SinkPlan, Error> {
        Ok(match self.kind {
            Kind::Kinesis => SinkPlan::Kinesis(self.kinesis.plan(&Kinesis::SERVICE)?),
            Kind::Firehose => SinkPlan::Firehose(self.firehose.plan(&Firehose::SERVICE)?),
            Kind::File => SinkPlan::File(self.file.plan()?),
            Kind::Stdout => SinkPlan::Stdout,
            Kind::Null => SinkPlan::Null,
        })
    }
}

impl SinkPlan {
    fn kind(&self) -> Kind {
        match self {
            Self::Kinesis(_) => Kind::Kinesis,
            Self::Firehose(_) => Kind::Firehose,
            Self::File(_) => Kind::File,
            Self::Stdout => Kind::Stdout,
            Self::Null => Kind::Null,
        }
    }

    pub fn facts(&self) -> &'static Facts {
        self.kind().facts()
    }

    fn stream(&self) -> Option<&StreamPlan> {
        match self {
            Self::Kinesis(stream) | Self::Firehose(stream) => Some(stream),
            Self::File(_) | Self::Stdout | Self::Null => None,
        }
    }

    /// What its target is called; empty where it has none.
    pub fn target(&self) -> String {
        match self {
            Self::Kinesis(stream) | Self::Firehose(stream) => stream.stream.clone(),
            Self::File(file) => file.path.display().to_string(),
            Self::Stdout | Self::Null => String::new(),
        }
    }

    #[must_use]
    pub fn with_target(mut self, name: String) -> Self {
        match &mut self {
            Self::Kinesis(stream) | Self::Firehose(stream) => stream.stream = name,
            Self::File(file) => file.path = PathBuf::from(name),
            Self::Stdout | Self::Null => (),
        }
        self
    }

    /// Bytes that it may have in flight; 0 for those that write at once.
    pub fn in_flight_bytes_max(&self) -> usize {
        self.stream().map_or(0, |stream| stream.in_flight_bytes_max)
    }

    /// With a lease no call may outlive it: no timeout is longer than this.
    #[must_use]
    pub fn with_calls_of_at_most(mut self, longest: Duration) -> Self {
        if let Self::Kinesis(stream) | Self::Firehose(stream) = &mut self {
            stream.call_timeout = stream.call_timeout.min(longest);
        }
        self
    }

    /// What is allowed but seldom meant.
    pub fn warning(&self) -> Option<&'static str> {
        matches!(self, Self::Null).then_some("sink.type = \"null\" counts changes and drops them")
    }

    /// Where what it wrote is read back; `None` where that cannot be.
    pub fn read_back(&self) -> Option<ReadBack> {
        match self {
            Self::Kinesis(stream) => Some(ReadBack::Stream(stream.clone())),
            Self::File(file) => Some(ReadBack::Rotated(file.path.clone())),
            Self::Firehose(_) | Self::Stdout | Self::Null => None,
        }
    }

    /// Connects the target; nothing is sent but under the gate of `shared`.
    pub async fn open(&self, shared: &Shared) -> Result<Arc<dyn Sink>, Failure> {
        Ok(match self {
            Self::Kinesis(plan) => connect::<Kinesis>(self, plan, shared).await?,
            Self::Firehose(plan) => connect::<Firehose>(self, plan, shared).await?,
            Self::File(plan) => LeasedSink::around(Arc::new(FileSink::open(plan)?), &shared.gate),
            Self::Stdout => LeasedSink::around(Arc::new(StdoutSink::start()?), &shared.gate),
            Self::Null => Arc::new(NullSink),
        })
    }

    /// What `check` says of the target, without opening anything for writing.
    pub async fn describe(&self, shared: &Shared) -> Result<String, Failure> {
        let stream = match self {
            Self::Kinesis(plan) => StreamSink::<Kinesis>::describe(plan, shared.streams()?).await?,
            Self::Firehose(plan) => {
                StreamSink::<Firehose>::describe(plan, shared.streams()?).await?
            }
            Self::File(_) | Self::Stdout | Self::Null => {
                if let Self::File(plan) = self {
                    FileSink::ensure_writable(plan)?;
                }
                let text = format!("{} {}", self.facts().name, self.target());
                return Ok(text.trim_end().to_owned());
            }
        };
        Ok(stream.to_string())
    }

    /// Whether the role may write, where there is one; nothing is written.
    pub async fn try_put(&self, shared: &Shared) -> Option<Result<String, Failure>> {
        let streams = match shared.streams() {
            Ok(streams) => streams,
            // No stream: nobody else asks for a permission.
            Err(_) => return None,
        };
        match self {
            Self::Kinesis(plan) => Some(StreamSink::<Kinesis>::try_put(plan, streams).await),
            Self::Firehose(plan) => Some(StreamSink::<Firehose>::try_put(plan, streams).await),
            Self::File(_) | Self::Stdout | Self::Null => None,
        }
    }
}

async fn connect<A: StreamApi>(
    sink: &SinkPlan,
    plan: &StreamPlan,
    shared: &Shared,
) -> Result<Arc<dyn Sink>, Failure> {
    let (connected, stream) = StreamSink::<A>::connect(plan, shared.streams()?).await?;
    let StreamDescription {
        name,
        status,
        open_shards,
        record_bytes_max,
    } = stream;
    tracing::info!(
        sink = sink.facts().name,
        stream = name,
        status = status,
        open_shards,
        record_bytes_max,
        "sink connected"
    );
    Ok(Arc::new(connected))
}

/// What the sinks of one process share: the lease's gate, and of streams threads, configuration, bytes in flight.
pub struct Shared {
    gate: LeaseGate,
    streams: Option<Streams>,
}

impl Shared {
    /// For `plan` and the same kind with other targets.
    pub fn new(plan: &SinkPlan, gate: &LeaseGate) -> io::Result<Self> {
        let streams = plan.stream().map(|stream| {
            let streams = Streams::start(stream.in_flight_bytes_max)?;
            io::Result::Ok(streams.behind(gate.clone()))
        });
        Ok(Self {
            gate: gate.clone(),
            streams: streams.transpose()?,
        })
    }

    fn streams(&self) -> Result<&Streams, Failure> {
        let streams = self.streams.as_ref();
        streams.ok_or_else(|| Failure::definite("no threads for AWS were started"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::choice;

    #[test]
    fn a_kind_is_called_as_the_settings_call_it() {
        for kind in Kind::ALL {
            let name = kind.facts().name;
            assert_eq!(choice("sink.type", name), Ok(kind));
            if let Some(target) = kind.facts().target {
                assert!(target.key.starts_with(&format!("sink.{name}.")), "{name}");
            }
        }
        let all = choice::<Kind>("sink.type", "").unwrap_err().message;
        assert_eq!(all.split(", ").count(), Kind::ALL.len());
    }
}
