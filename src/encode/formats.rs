//! `[format]`: which formats there are, and all that others ask of one.
//!
//! A new format is named here, in its own folder and in `config/default.toml`: whoever else holds a [`Format`] asks
//! it and never looks which one it is. One call by table and generation makes the encoder; rows know nothing of this.

use std::{sync::Arc, time::Duration};

use headwater_actors::ports::encoder::Encoder;
use headwater_binlog::gtid::Uuid;
use serde::Deserialize;

use super::{
    debezium::{DebeziumEncoder, DebeziumOptions},
    maxwell::{MaxwellEncoder, MaxwellOptions},
    native::{LineLayout, NativeEncoder, NativePlan},
    shape::{ShapePlan, ShapeRules},
};
use crate::options::{Error, read_choice};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Native,
    Maxwell,
    Debezium,
}

/// The options of the native format stand in a section of their own, the same for all tables.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatOptions {
    #[serde(rename = "type", deserialize_with = "read_choice")]
    kind: Kind,
    maxwell: MaxwellOptions,
    debezium: DebeziumOptions,
}

#[derive(Debug, Clone)]
pub enum Format {
    Native(Arc<NativePlan>),
    Maxwell(Arc<MaxwellOptions>),
    Debezium(Arc<DebeziumOptions>),
}

/// What rows with one partition key have in common, beside what orders them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// All of a lane.
    Lane,
    /// The row.
    Row,
    /// The transaction, and nothing of the row.
    Transaction,
    /// The connection that wrote them.
    Connection,
    /// Some values.
    Values,
}

impl FormatOptions {
    /// Checks the options of every format. `pipeline` is the name for what has none of its own.
    pub fn plan(self, native: &Arc<NativePlan>, pipeline: &str) -> Result<Format, Error> {
        self.maxwell.check()?;
        Ok(match self.kind {
            Kind::Native => Format::Native(Arc::clone(native)),
            Kind::Maxwell => Format::Maxwell(Arc::new(self.maxwell)),
            Kind::Debezium => Format::Debezium(Arc::new(self.debezium.named(pipeline))),
        })
    }
}

impl Format {
    /// For the changes of that server.
    pub fn encoder(&self, server: Uuid, shape: ShapeRules) -> Arc<dyn Encoder> {
        match self {
            Self::Native(plan) => Arc::new(
                NativeEncoder::new(server)
                    .with_shape(shape)
                    .with_fields(plan),
            ),
            Self::Maxwell(options) => Arc::new(MaxwellEncoder::new(Arc::clone(options), shape)),
            Self::Debezium(options) => Arc::new(DebeziumEncoder::new(Arc::clone(options), shape)),
        }
    }

    /// `headwater verify` can judge it.
    pub fn is_verifiable(&self) -> bool {
        matches!(self, Self::Native(_))
    }

    /// It has a use for the text of the statement that changed a row.
    pub fn shows_query(&self) -> bool {
        match self {
            Self::Native(plan) => plan.shows_query(),
            Self::Maxwell(options) => options.query_setting().is_some(),
            Self::Debezium(options) => options.query_setting().is_some(),
        }
    }

    /// The statement's text has all its values.
    pub fn ensure_query_shows_nothing_hidden(&self, shape: &ShapePlan) -> Result<(), Error> {
        let setting = match self {
            Self::Native(plan) => return plan.ensure_query_shows_nothing_hidden(shape),
            Self::Maxwell(options) => options.query_setting(),
            Self::Debezium(options) => options.query_setting(),
        };
        match setting {
            Some(key) if !shape.keeps_everything() => Err(Error::new(
                key,
                "would show what [mask] and columns.include hide",
                "set it to false, or write and mask no column",
            )),
            _ => Ok(()),
        }
    }

    /// How often heartbeats are wanted, where it has any.
    pub fn heartbeat(&self) -> Option<Duration> {
        match self {
            Self::Native(plan) => plan.heartbeat,
            Self::Maxwell(_) | Self::Debezium(_) => None,
        }
    }

    /// Of the partition key that the format chooses itself; `None` where it chooses none.
    pub fn partition_grain(&self) -> Option<Grain> {
        match self {
            Self::Native(_) => None,
            Self::Maxwell(options) => Some(options.partition_grain()),
            Self::Debezium(_) => Some(Grain::Row),
        }
    }

    /// Whether no line can have a column of this name.
    pub fn refuses_column(&self, name: &str) -> bool {
        match self {
            Self::Native(plan) => plan.refuses_column(name),
            Self::Maxwell(_) | Self::Debezium(_) => false,
        }
    }

    /// Whether there are such names at all.
    pub fn refuses_columns(&self) -> bool {
        match self {
            Self::Native(plan) => plan.layout == LineLayout::Flat,
            Self::Maxwell(_) | Self::Debezium(_) => false,
        }
    }

    /// What is allowed but seldom meant.
    pub fn warnings(&self) -> Vec<&'static str> {
        match self {
            Self::Native(plan) => plan.warnings(),
            Self::Maxwell(_) | Self::Debezium(_) => Vec::new(),
        }
    }
}
