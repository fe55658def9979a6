//! The body of a rows event up to its images: table id, flags, width, column sets.

use bytes::Bytes;

use super::{ColumnSet, RowsKind};
use crate::{Error, cursor::Cursor, table_map::table_id_bytes};

/// A rows event whose table is not looked up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsEvent {
    pub table_id: u64,
    /// The last rows event of its statement: the table maps before it end here.
    pub ends_statement: bool,
    pub kind: RowsKind,
    pub before: ColumnSet,
    pub after: ColumnSet,
    pub images: Bytes,
}

/// Reads the body (no header, no checksum) of a rows event.
///
/// `event_type` is the header's: 23 to 25 (version 1), 30 to 32 (version 2), 39 (partial update), 166 to
/// 171 (MariaDB's compressed ones, whose images stay compressed here).
/// `post_header_bytes` is FORMAT_DESCRIPTION's entry for that type.
/// Errors: another type; partial updates; an INSERT image without columns, whose rows nobody can count.
pub fn parse(event_type: u8, body: Bytes, post_header_bytes: u8) -> Result<RowsEvent, Error> {
    let (kind, version) = match event_type {
        23 => (RowsKind::Insert, 1),
        24 => (RowsKind::Update, 1),
        25 => (RowsKind::Delete, 1),
        30 => (RowsKind::Insert, 2),
        31 => (RowsKind::Update, 2),
        32 => (RowsKind::Delete, 2),
        // MariaDB's, the images still compressed.
        166 => (RowsKind::Insert, 1),
        167 => (RowsKind::Update, 1),
        168 => (RowsKind::Delete, 1),
        169 => (RowsKind::Insert, 2),
        170 => (RowsKind::Update, 2),
        171 => (RowsKind::Delete, 2),
        39 => {
            return Err(Error::Unsupported(
                "PARTIAL_UPDATE_ROWS: set binlog_row_value_options = '' on the source".into(),
            ));
        }
        other => {
            return Err(Error::malformed(
                "rows event",
                format_args!("event type {other}"),
            ));
        }
    };
    let mut cursor = Cursor::new("rows event", &body);
    let table_id = cursor
        .named("table id")
        .uint(table_id_bytes(post_header_bytes))?;
    let flags = cursor.named("rows event flags").uint(2)?;
    if version == 2 {
        // The length counts its own two bytes; what follows is for NDB and partitions.
        let length = cursor.named("rows event extra data").uint(2)? as usize;
        let extra = length.checked_sub(2).ok_or_else(|| {
            Error::malformed("rows event extra data", format_args!("length {length}"))
        })?;
        cursor.named("rows event extra data").take(extra)?;
    }
    let columns = usize::try_from(cursor.named("rows event width").lenenc()?).unwrap_or(usize::MAX);
    let mut column_set = || -> Result<ColumnSet, Error> {
        let bits = cursor
            .named("columns of a rows event")
            .take(columns.div_ceil(8))?;
        Ok(ColumnSet {
            // A slice would keep the whole chunk alive after the images have been copied out of it.
            bits: Bytes::copy_from_slice(bits),
            columns,
        })
    };
    let (before, after) = match kind {
        RowsKind::Insert => (ColumnSet::none(), column_set()?),
        RowsKind::Update => (column_set()?, column_set()?),
        RowsKind::Delete => (column_set()?, ColumnSet::none()),
    };
    let images = body.slice_ref(cursor.rest());
    if before.count() + after.count() == 0 && columns > 0 {
        return Err(Error::Refused(
            "rows without any column cannot be counted: SET PERSIST binlog_row_image = 'FULL'"
                .into(),
        ));
    }
    Ok(RowsEvent {
        table_id,
        ends_statement: flags & 1 == 1,
        kind,
        before,
        after,
        images,
    })
}
