//! The end of a snapshot of one table, as a line: which run it was, how many rows it sent, and since when it knows all
//! rows.
//!
//! A consumer that has as many different snapshot lines of this run and table has the table as it was. Each row of the
//! table has a line whose `seq` is not below `begin_seq`. So a row that a consumer has from before, without a line since,
//! is gone. A run with a condition has no `begin_seq`. Nothing is written for the beginning.

use headwater_actors::ports::encoder::StatementEvent;
use headwater_binlog::position::SeqPlace;

use super::{
    super::value,
    names::Name,
    origin::{Origin, write_place_seq},
    statement,
};

pub(super) fn write(
    origin: &Origin<'_>,
    event: &StatementEvent<'_>,
    (rows, begun): (u64, Option<SeqPlace>),
    out: &mut Vec<u8>,
) {
    origin.layout.write_type("snapshot_end", out);
    statement::write_origin(origin, event, out);
    origin.layout.write_label(Name::Rows, out);
    value::write_integer(rows, out);
    if let Some(begun) = begun {
        write_place_seq(origin.layout, Name::BeginSeq, begun, out);
    }
    out.push(b'}');
}
