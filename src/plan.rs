//! Settings checked as a whole: values that cannot be wrong any more, in the shape that the adapters take.
//!
//! Each error names the key and the remedy. Not here: anything that needs a server (see `check`).

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use headwater_actors::{
    checkpoint::OrderingKey,
    filter::TableFilter,
    on_error::OnError,
    pace::CheckpointPace,
    packing::{Compression, Packing, PartitionKey},
};
use headwater_binlog::{gtid::GtidSet, position::Position, xa::XaPolicy};

use crate::secret::Secret;

mod address;
mod checkpoint;
mod convert;
mod format;
mod native;
mod packing;
mod point;
mod routes;
mod shape;
mod sinks;
mod source;
mod template;
mod values;

pub use format::{
    BigintUnsigned, Binaries, DebeziumPlan, Decimals, FormatPlan, MaxwellPlan, PartitionBy,
    Skipped, Times,
};
pub use native::{Documents, NativeField};
pub use point::Target;
pub use routes::RoutePlan;
pub use shape::{InvalidText, ShapePlan};
pub use template::{NameError, Template};

/// What is wrong with the settings taken together: key, what was found, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting `{}`: {problem}; {remedy}", self.full_key())]
pub struct Error {
    pub key: &'static str,
    /// The key is that of `routes[number]`.
    pub route: Option<usize>,
    pub problem: String,
    pub remedy: String,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub name: String,
    pub source: SourcePlan,
    pub tables: TableFilter,
    pub sink: SinkPlan,
    /// The first that matches a table decides.
    pub routes: Vec<RoutePlan>,
    /// For tables without a route.
    pub top: RoutePlan,
    /// Of all tables.
    pub shape: ShapePlan,
    pub native: NativePlan,
    pub ordering: OrderingKey,
    pub errors: ErrorsPlan,
    pub checkpoint: CheckpointPlan,
    pub telemetry: TelemetryPlan,
    pub shutdown_grace: Duration,
    pub memory: MemoryPlan,
    /// Arbiters (threads) over which the ShardWriters are spread.
    pub writer_threads: usize,
}

#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// The server of `source.url` first, then `source.hosts`.
    pub hosts: Vec<Host>,
    pub user: String,
    pub password: Secret,
    pub tls: TlsPlan,
    pub start: StartPlan,
    /// 0: drawn at random once, kept with the checkpoint.
    pub server_id: u32,
    pub event_bytes_max: usize,
    pub connect_timeout: Duration,
    /// The server sends a heartbeat after this much silence.
    pub heartbeat: Duration,
    /// No bytes for this long while reading: the connection is dead.
    pub read_timeout: Duration,
    /// A server that lacks what has been read, but replicates, is waited for.
    pub catch_up: Duration,
    pub unnamed_columns: UnnamedColumns,
    pub xa: XaPolicy,
}

impl SourcePlan {
    /// The first host alone: what is asked of it is answered by no other.
    #[must_use]
    pub fn only_first(&self) -> Self {
        Self {
            hosts: self.hosts.iter().take(1).cloned().collect(),
            ..self.clone()
        }
    }
}

/// What becomes of columns whose names are neither in the log nor to be had from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnnamedColumns {
    Refuse,
    /// All columns that the log does not name are `@1`, `@2`, …
    Positional,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub port: u16,
}

#[derive(Debug, Clone)]
pub struct TlsPlan {
    pub mode: TlsMode,
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    Disabled,
    /// TLS when the server offers it, certificate not verified.
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// Where to begin without a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartPlan {
    Now,
    Earliest,
    At(Position),
    /// "Have these already."
    After(GtidSet),
}

#[derive(Debug, Clone)]
pub enum SinkPlan {
    Kinesis(KinesisPlan),
    Firehose(FirehosePlan),
    File(FilePlan),
    Stdout,
    Null,
}

#[derive(Debug, Clone)]
pub struct KinesisPlan {
    pub stream: String,
    pub aws: AwsPlan,
    /// Bytes of one PutRecords call, about.
    pub call_bytes: usize,
    /// Bytes of all calls that fly at once.
    pub in_flight_bytes_max: usize,
    pub call_timeout: Duration,
}

#[derive(Debug, Clone)]
pub struct FirehosePlan {
    pub delivery_stream: String,
    pub aws: AwsPlan,
    pub call_bytes: usize,
    pub in_flight_bytes_max: usize,
    pub call_timeout: Duration,
}

/// Empty fields: the SDK's default chain decides.
#[derive(Debug, Clone, Default)]
pub struct AwsPlan {
    pub region: Option<String>,
    pub endpoint_url: Option<String>,
    pub role_arn: Option<String>,
}

#[derive(Debug, Clone)]
pub struct FilePlan {
    pub path: PathBuf,
    /// The file is closed and a new one begun at this size.
    pub rotate_bytes: u64,
}

/// What the native event carries beside `type` and `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativePlan {
    pub fields: Vec<NativeField>,
    /// Name and text.
    pub constants: Vec<(String, String)>,
    pub documents: Documents,
    /// How often a lane at rest says up to where it is complete.
    pub heartbeat: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackingPlan {
    pub kind: Packing,
    /// Records are filled up to this, before they are compressed.
    pub record_bytes_max: usize,
    pub compression: Compression,
    pub partition_key: PartitionKey,
}

#[derive(Debug, Clone)]
pub struct ErrorsPlan {
    pub oversize: OnError,
    pub undecodable: OnError,
    pub invalid_text: InvalidText,
    /// Set whenever one of the two is `DeadLetter`.
    pub dead_letter_path: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub struct CheckpointPlan {
    pub store: StorePlan,
    pub pace: CheckpointPace,
    /// A process that died is replaced within this time. A file needs none.
    pub lease: Duration,
}

#[derive(Debug, Clone)]
pub enum StorePlan {
    File(PathBuf),
    MySql(Box<MySqlStorePlan>),
    DynamoDb(DynamoDbStorePlan),
}

#[derive(Debug, Clone)]
pub struct MySqlStorePlan {
    /// How to connect; the source's own unless `checkpoint.mysql.url` says otherwise.
    pub server: SourcePlan,
    pub database: String,
    pub table: String,
}

#[derive(Debug, Clone)]
pub struct DynamoDbStorePlan {
    pub table: String,
    pub aws: AwsPlan,
}

impl MySqlStorePlan {
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.database, self.table)
    }

    /// For SQL.
    pub fn quoted(&self) -> String {
        format!("`{}`.`{}`", self.database, self.table)
    }
}

#[derive(Debug, Clone)]
pub struct TelemetryPlan {
    pub listen: Option<SocketAddr>,
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// How `memory.budget_bytes` is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    pub raw_bytes: usize,
    pub encoded_bytes: usize,
}

impl Error {
    fn new(key: &'static str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            key,
            route: None,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// With the route in front.
    pub fn full_key(&self) -> String {
        match self.route {
            Some(number) => format!("routes[{number}].{}", self.key),
            None => self.key.to_owned(),
        }
    }

    fn in_route(self, number: usize) -> Self {
        let route = Some(number);
        Self { route, ..self }
    }
}

impl Default for NativePlan {
    fn default() -> Self {
        Self {
            fields: NativeField::usual(),
            constants: Vec::new(),
            documents: Documents::Inline,
            heartbeat: None,
        }
    }
}

impl Plan {
    /// Whether the format has a use for the text of the statements that changed rows.
    pub fn wants_queries(&self) -> bool {
        self.formats().any(|format| match format {
            FormatPlan::Native => self.native.fields.contains(&NativeField::Query),
            format => format.query_setting().is_some(),
        })
    }

    /// How often heartbeats are wanted, where a format has any.
    pub fn heartbeat(&self) -> Option<Duration> {
        let has_native = self.formats().any(|format| *format == FormatPlan::Native);
        self.native.heartbeat.filter(|_| has_native)
    }

    fn formats(&self) -> impl Iterator<Item = &FormatPlan> {
        let routes = self.routes.iter().chain([&self.top]);
        routes.map(|route| &route.format)
    }

    /// What is allowed but seldom meant, one sentence each; `check` shows them.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = packing::warnings("", &self.top);
        for route in &self.routes {
            let place = format!("{}: ", route.place());
            warnings.extend(packing::warnings(&place, route));
        }
        let lacks_order = [NativeField::Id, NativeField::Seq]
            .iter()
            .any(|field| !self.native.fields.contains(field));
        let mut formats = self.formats();
        if lacks_order && formats.any(|format| *format == FormatPlan::Native) {
            warnings.push(
                "native.fields lacks \"id\" or \"seq\": after a restart consumers cannot tell a line that \
                 comes again from a new change"
                    .to_owned(),
            );
        }
        if matches!(self.sink, SinkPlan::Null) {
            warnings.push("sink.type = \"null\" counts changes and drops them".to_owned());
        }
        warnings
    }
}

#[cfg(test)]
mod tests;
