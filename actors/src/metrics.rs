//! The names of all metrics, in one place; `docs/metrics.md` lists them.

pub const SINK_RECORDS_TOTAL: &str = "headwater_sink_records_total";
pub const SINK_BYTES_TOTAL: &str = "headwater_sink_bytes_total";
pub const SINK_REQUEST_SECONDS: &str = "headwater_sink_request_seconds";
pub const SINK_THROTTLED_TOTAL: &str = "headwater_sink_throttled_total";
pub const SINK_ORDER_VIOLATIONS_TOTAL: &str = "headwater_sink_order_violations_total";
pub const SINK_IN_FLIGHT_BYTES: &str = "headwater_sink_in_flight_bytes";
