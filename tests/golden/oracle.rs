//! The oracle: mysql_common decodes the same events; every value must be the same.
//!
//! Its faults, of version 0.37, which are not ours to copy: a MEDIUMINT below zero comes out unsigned;
//! YEAR 0000 is 1900; a negative TIME(1) or TIME(2) with a fraction overflows, so tables with such a column
//! are left out; a document that holds an opaque value (a decimal, a date, bytes) has no JSON there, so only
//! its being a document is compared. What it leaves to its caller: labels (it gives an ENUM's index, which is
//! looked up here), BIT's and SET's bytes, padding, character sets.

use headwater_binlog::{
    event::EventHeader,
    rows::{Cell, Image, RowsBlock},
    schema::ColumnKind,
    value::{self, Value},
};
use mysql_common::{
    binlog::{
        EventStreamReader,
        consts::BinlogVersion,
        events::{Event, EventData},
        jsonb::{self, JsonbToJsonError},
        row::BinlogRow,
        value::BinlogValue,
    },
    value::Value as Theirs,
};

pub struct Oracle {
    reader: EventStreamReader,
    event: Option<Event>,
    pub values: u64,
}

impl Oracle {
    pub fn new() -> Self {
        Self {
            reader: EventStreamReader::new(BinlogVersion::Version4),
            event: None,
            values: 0,
        }
    }

    /// Takes the event that the next block comes from.
    pub fn begin_event(&mut self, bytes: &[u8]) {
        EventHeader::parse(bytes).expect("a header");
        self.event = self.reader.read(bytes).expect("the oracle reads events");
    }

    /// Panics at the first value that is another.
    pub fn agree(&mut self, block: &RowsBlock) {
        let is_left_out = |kind: &ColumnKind| matches!(kind, ColumnKind::Time { fsp: 1 | 2 });
        let is_left_out = block
            .table
            .columns
            .iter()
            .any(|column| is_left_out(&column.kind));
        let event = self.event.take().expect("one block an event");
        let Some(EventData::RowsEvent(rows)) = event.read_data().expect("the oracle reads it")
        else {
            panic!("the oracle sees no rows event");
        };
        if is_left_out {
            return;
        }
        let map = self.reader.get_tme(rows.table_id()).expect("a table map");
        let mut theirs = rows.rows(map);
        for row in block.rows() {
            let (_, row) = row.expect("a row");
            let (before, after) = theirs.next().expect("as many rows").expect("a row");
            self.values += agree(block, row.before, before);
            self.values += agree(block, row.after, after);
        }
        assert!(theirs.next().is_none(), "as many rows");
    }
}

fn agree(block: &RowsBlock, ours: Option<Image<'_>>, theirs: Option<BinlogRow>) -> u64 {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return 0;
    };
    let mut present = 0;
    for (column, cell) in block.table.columns.iter().zip(ours.cells()) {
        let other = match cell.expect("a cell") {
            Cell::Absent => continue,
            Cell::Null => {
                assert!(
                    matches!(
                        theirs.as_ref(present),
                        Some(BinlogValue::Value(Theirs::NULL))
                    ),
                    "`{}` is NULL",
                    column.name
                );
                present += 1;
                continue;
            }
            Cell::Bytes(bytes) => {
                let value = value::read(&column.kind, bytes).expect("a value");
                let other = theirs.as_ref(present).expect("a value");
                is_same(&column.kind, &value, other)
                    .then_some(())
                    .ok_or((value, other.clone().into_owned()))
            }
        };
        if let Err((ours, theirs)) = other {
            panic!(
                "`{}`: {ours:?}, but the oracle says {theirs:?}",
                column.name
            );
        }
        present += 1;
    }
    present as u64
}

fn is_same(kind: &ColumnKind, ours: &Value<'_>, theirs: &BinlogValue<'_>) -> bool {
    let theirs = match theirs {
        BinlogValue::Value(value) => value,
        BinlogValue::Jsonb(document) => {
            return matches!(ours, Value::Json(ours) if is_same_document(ours, document));
        }
        // Diffs it leaves to its caller.
        BinlogValue::JsonDiff(_) => return matches!(ours, Value::Json(_)),
    };
    match (ours, theirs) {
        (Value::Int(ours), Theirs::Int(theirs)) => {
            // Its fault: the sign of a MEDIUMINT.
            ours == theirs || (*ours < 0 && *ours + (1 << 24) == *theirs)
        }
        (Value::UInt(ours), Theirs::UInt(theirs)) => ours == theirs,
        (Value::UInt(ours), Theirs::Int(theirs)) => i64::try_from(*ours) == Ok(*theirs),
        (Value::Float(ours), Theirs::Float(theirs)) => ours.to_bits() == theirs.to_bits(),
        (Value::Double(ours), Theirs::Double(theirs)) => ours.to_bits() == theirs.to_bits(),
        (Value::Decimal(ours), Theirs::Bytes(theirs)) => {
            let mut text = Vec::new();
            ours.write(&mut text);
            text == *theirs
        }
        (Value::Bit(ours), Theirs::Bytes(theirs)) => {
            let number = theirs
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte));
            *ours == number
        }
        // Its fault: YEAR 0000.
        (Value::Year(0), Theirs::Bytes(theirs)) => theirs == b"1900",
        (Value::Year(ours), Theirs::Bytes(theirs)) => *theirs == ours.to_string().into_bytes(),
        (Value::Date(ours), Theirs::Date(year, month, day, ..)) => {
            (ours.year, ours.month, ours.day) == (*year, *month, *day)
        }
        (Value::DateTime(ours), Theirs::Date(year, month, day, hour, minute, second, micros)) => {
            (ours.date.year, ours.date.month, ours.date.day) == (*year, *month, *day)
                && (ours.hours, ours.minutes, ours.seconds) == (*hour, *minute, *second)
                && ours.micros == *micros
        }
        (Value::Time(ours), Theirs::Time(negative, days, hours, minutes, seconds, micros)) => {
            ours.negative == *negative
                && u32::from(ours.hours) == days * 24 + u32::from(*hours)
                && (ours.minutes, ours.seconds, ours.micros) == (*minutes, *seconds, *micros)
        }
        (Value::Timestamp(ours), Theirs::Bytes(theirs)) => {
            let text = match ours.micros {
                0 => ours.seconds.to_string(),
                micros => format!("{}.{micros:06}", ours.seconds),
            };
            text.as_bytes() == theirs
        }
        (
            Value::Text { bytes, .. }
            | Value::Binary { bytes, .. }
            | Value::Geometry(bytes)
            | Value::Vector(bytes),
            Theirs::Bytes(theirs),
        ) => bytes == theirs,
        (Value::Enum(ours), Theirs::Int(index)) => {
            let ColumnKind::Enum { labels, .. } = kind else {
                return false;
            };
            let place = usize::try_from(*index).expect("an index");
            let label = place.checked_sub(1).and_then(|place| labels.get(place));
            label.map_or(place == 0 && ours.is_empty(), |label| label == ours)
        }
        (Value::Set { bits, .. }, Theirs::Bytes(theirs)) => {
            let number = theirs
                .iter()
                .rev()
                .fold(0, |bits, byte| bits << 8 | u64::from(*byte));
            *bits == number
        }
        _ => false,
    }
}

/// As JSON, both through the same parser: members in any order, numbers by value.
fn is_same_document(ours: &[u8], theirs: &jsonb::Value<'_>) -> bool {
    let theirs: serde_json::Value = match theirs.clone().try_into() {
        Ok(document) => document,
        // Its fault: no JSON for opaque values.
        Err(JsonbToJsonError::Opaque) => return true,
        Err(error) => panic!("the oracle reads no document: {error}"),
    };
    let theirs = theirs.to_string();
    let mut text = Vec::new();
    headwater_binlog::json::write(ours, &mut text).expect("a document");
    let parsed = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
    parsed(&text) == parsed(theirs.as_bytes())
}
