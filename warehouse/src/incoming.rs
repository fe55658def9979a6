//! How lines reach the warehouse.

use serde::{Deserialize, Serialize};

/// Who brings them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Incoming {
    /// COPY, which Firehose runs, fills a table.
    #[default]
    Copy,
    /// Redshift reads the Kinesis stream.
    Stream {
        name: String,
        /// `default`, or the ARN of a role.
        role: String,
        /// A record is an array of lines, else one line.
        is_array: bool,
    },
}
