//! Points of a log in the operator's words: `source.start`, `--until`, `position set`.

use headwater_binlog::{gtid::GtidSet, position::Position};

use crate::options::Error;

const SHAPE: &str =
    "write FILE:POS (as binlog.000001:4) or a GTID set (as UUID:1-5, of MariaDB 0-1-100)";

/// A point that was named: a position, or the transactions before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Position(Position),
    Gtids(GtidSet),
}

impl Target {
    /// `FILE:POS` or a GTID set; the error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // `UUID:5` would pass as FILE:POS only if a file were named so: names end in .NUMBER.
        if let Ok(position) = text.parse::<Position>() {
            return Ok(Self::Position(position));
        }
        if text.is_empty() {
            return Err(format!("is empty; {SHAPE}"));
        }
        match text.parse::<GtidSet>() {
            Ok(gtids) => Ok(Self::Gtids(gtids)),
            Err(_) => Err(format!(
                "\"{text}\" is neither a position nor a GTID set; {SHAPE}"
            )),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Position(position) => position.fmt(formatter),
            Self::Gtids(gtids) => gtids.fmt(formatter),
        }
    }
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

pub(super) fn start(text: &str) -> Result<StartPlan, Error> {
    match text.trim() {
        "now" => Ok(StartPlan::Now),
        "earliest" => Ok(StartPlan::Earliest),
        point => match Target::parse(point) {
            Ok(Target::Position(position)) => Ok(StartPlan::At(position)),
            Ok(Target::Gtids(gtids)) => Ok(StartPlan::After(gtids)),
            Err(_) => Err(Error::new(
                "source.start",
                format!("\"{text}\" is no place to start"),
                "write \"now\", \"earliest\", FILE:POS (as \"binlog.000001:4\") or a GTID set (as \"UUID:1-5\", of MariaDB \"0-1-100\")",
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "1b8f86dd-e709-11f1-a854-02fc00000001";

    #[test]
    fn a_start_is_a_word_a_position_or_a_gtid_set() {
        assert_eq!(start("now").unwrap(), StartPlan::Now);
        assert_eq!(start("earliest").unwrap(), StartPlan::Earliest);
        let StartPlan::At(position) = start("binlog.000012:2401").unwrap() else {
            panic!("a position");
        };
        assert_eq!(position.to_string(), "binlog.000012:2401");
        for gtids in [format!("{UUID}:5"), format!("{UUID}:1-5:7-9")] {
            assert!(matches!(start(&gtids), Ok(StartPlan::After(_))), "{gtids}");
        }
    }

    #[test]
    fn another_text_is_refused_with_what_to_write() {
        for wrong in ["", "later", "binlog.000012", "binlog:4", "x:1-5"] {
            let message = start(wrong).unwrap_err().to_string();
            assert!(message.contains("\"now\", \"earliest\""), "{message}");
        }
        assert!(Target::parse("now").is_err());
    }
}
