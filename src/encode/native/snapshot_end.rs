//! The end of a snapshot of one table, as a line: which run it was, and how many rows it sent.
//!
//! A consumer that has as many different snapshot lines of this run and table has the table as it was. Nothing is
//! written for the beginning.

use headwater_actors::ports::encoder::StatementEvent;

use super::{super::value, names::Name, origin::Origin, statement};

pub(super) fn write(origin: &Origin<'_>, event: &StatementEvent<'_>, rows: u64, out: &mut Vec<u8>) {
    origin.layout.write_type("snapshot_end", out);
    statement::write_origin(origin, event, out);
    origin.layout.write_label(Name::Rows, out);
    value::write_integer(rows, out);
    out.push(b'}');
}
