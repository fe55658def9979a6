//! The end of a snapshot of one table, as a line: which run it was, how many rows it sent, and since when it knows all
//! rows.
//!
//! A consumer that has as many different snapshot lines of this run and table has the table as it was. Of each row that
//! the table has, a line says something whose `seq` is not below `begin_seq`; so what a consumer has from before, and
//! nothing since, is gone. A run that was to copy some rows only has none. Nothing is written for the beginning.

use headwater_actors::ports::encoder::StatementEvent;
use headwater_binlog::position::SeqPlace;

use super::{
    super::value,
    NativeField,
    names::Name,
    origin::{Origin, sorted_seq},
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
    if let Some(begun) = begun.filter(|_| origin.layout.has(NativeField::Seq)) {
        origin.layout.write_label(Name::BeginSeq, out);
        out.extend_from_slice(sorted_seq(begun).as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
}
