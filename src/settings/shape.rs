//! The settings as types, one field per key of `config/default.toml`, which says what each means.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};

use crate::secret::Secret;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub name: String,
    pub source: SourceSettings,
    pub sink: SinkSettings,
    pub format: FormatSettings,
    pub native: NativeSettings,
    pub columns: ColumnsSettings,
    pub mask: MaskSettings,
    pub packing: PackingSettings,
    pub ordering: OrderingSettings,
    pub errors: ErrorsSettings,
    pub checkpoint: CheckpointSettings,
    pub telemetry: TelemetrySettings,
    pub shutdown: ShutdownSettings,
    pub memory: MemorySettings,
    pub workers: WorkersSettings,
    /// In the file's order.
    #[serde(skip)]
    pub routes: Vec<RouteSettings>,
}

/// What some tables have otherwise.
#[derive(Debug, Clone)]
pub struct RouteSettings {
    pub tables: Vec<String>,
    /// The keys that the route itself sets.
    pub given: BTreeSet<String>,
    /// The top level with the route's keys over it.
    pub settings: Settings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// May hold a password.
    #[serde(deserialize_with = "secret")]
    pub url: Secret,
    /// Only from the environment.
    #[serde(deserialize_with = "secret")]
    pub password: Secret,
    pub hosts: Vec<String>,
    pub password_file: String,
    pub tables: Vec<String>,
    pub start: String,
    pub server_id: u64,
    pub event_bytes_max: u64,
    pub connect_timeout_secs: u64,
    pub heartbeat_secs: u64,
    pub read_timeout_secs: u64,
    pub catch_up_secs: u64,
    pub unnamed_columns: String,
    pub xa: String,
    pub tls: TlsSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    pub mode: String,
    pub ca_file: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkSettings {
    #[serde(rename = "type")]
    pub kind: String,
    pub kinesis: KinesisSettings,
    pub firehose: FirehoseSettings,
    pub file: FileSinkSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KinesisSettings {
    pub stream: String,
    pub region: String,
    pub endpoint_url: String,
    pub role_arn: String,
    pub call_bytes: u64,
    pub in_flight_bytes_max: u64,
    pub call_timeout_secs: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirehoseSettings {
    pub delivery_stream: String,
    pub region: String,
    pub endpoint_url: String,
    pub role_arn: String,
    pub call_bytes: u64,
    pub in_flight_bytes_max: u64,
    pub call_timeout_secs: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSinkSettings {
    pub path: String,
    pub rotate_bytes: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatSettings {
    #[serde(rename = "type")]
    pub kind: String,
    pub maxwell: MaxwellSettings,
    pub debezium: DebeziumSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxwellSettings {
    pub output_nulls: bool,
    pub output_commit_info: bool,
    pub output_xoffset: bool,
    pub output_position: bool,
    pub output_gtid: bool,
    pub output_server_id: bool,
    pub output_thread_id: bool,
    pub output_primary_key: bool,
    pub output_primary_key_columns: bool,
    pub output_row_query: bool,
    pub output_ddl: bool,
    pub output_null_zerodates: bool,
    pub partition_by: String,
    pub partition_columns: Vec<String>,
    pub partition_by_fallback: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebeziumSettings {
    pub name: String,
    pub decimal_handling: String,
    pub bigint_unsigned_handling: String,
    pub time_precision: String,
    pub binary_handling: String,
    pub tombstones_on_delete: bool,
    pub include_query: bool,
    pub include_schema_changes: bool,
    pub skipped_operations: Vec<String>,
    pub unavailable_value_placeholder: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NativeSettings {
    pub fields: Vec<String>,
    pub constants: Vec<String>,
    pub json: String,
    pub heartbeat_secs: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnsSettings {
    pub include: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskSettings {
    pub null: Vec<String>,
    pub fixed: Vec<String>,
    pub fixed_text: String,
    pub hash: Vec<String>,
    /// Only from the environment.
    #[serde(deserialize_with = "secret")]
    pub hash_salt: Secret,
    pub hash_salt_file: String,
    pub truncate: Vec<String>,
    pub truncate_chars: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackingSettings {
    #[serde(rename = "type")]
    pub kind: String,
    pub record_bytes_max: u64,
    pub compression: String,
    pub partition_key: String,
    pub partition_columns: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderingSettings {
    pub key: String,
    pub lanes: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorsSettings {
    pub oversize: String,
    pub undecodable: String,
    pub invalid_text: String,
    pub dead_letter_path: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSettings {
    #[serde(rename = "type")]
    pub kind: String,
    pub interval_ms: u64,
    pub late_after_secs: u64,
    pub lease_secs: u64,
    pub file: CheckpointFileSettings,
    pub mysql: CheckpointMySqlSettings,
    pub dynamodb: CheckpointDynamoDbSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointMySqlSettings {
    /// May hold a password.
    #[serde(deserialize_with = "secret")]
    pub url: Secret,
    /// Only from the environment.
    #[serde(deserialize_with = "secret")]
    pub password: Secret,
    pub password_file: String,
    pub table: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointDynamoDbSettings {
    pub table: String,
    pub region: String,
    pub endpoint_url: String,
    pub role_arn: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointFileSettings {
    pub path: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    pub listen: String,
    pub log_format: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownSettings {
    pub grace_secs: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemorySettings {
    pub budget_bytes: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkersSettings {
    pub threads: u64,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}
