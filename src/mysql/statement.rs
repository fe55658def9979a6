//! Prepared statements, run without parameters, and their rows in the binary protocol.
//!
//! In that protocol a FLOAT keeps all of its bits and a number costs no text. Rows are handed over one by one as the
//! bytes that came, most of them where they lie in the connection's buffer; nobody keeps them here. Who has enough
//! says so: a short rest is read and dropped, before a long one the connection is given up. An error of the server in
//! the middle of the rows leaves the connection usable, any other error does not. No cursor is opened: the server
//! sends all rows at once. Not here: what a row's bytes mean, and how long a statement may take in all.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase_ps.html>

use super::{
    error::{Error, server_error},
    packets::{HEAD_BYTES, Packets},
    query::{is_end, number, value},
};

const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_STMT_CLOSE: u8 = 0x19;
/// Read and dropped behind the last row that is wanted; beyond that a new connection is cheaper.
const DROPPED_BYTES_MAX: usize = 4 << 20;
/// As many as a statement can have parameters; columns are fewer.
const DEFINITIONS_MAX: u64 = 65_535;
const WHAT: &str = "answer to a prepared statement";

/// A statement that the server keeps until it is closed.
#[derive(Debug)]
pub struct Statement {
    id: u32,
    pub columns: Vec<ColumnDefinition>,
}

/// What the server says of a column of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// MySQL's `enum_field_types`.
    pub type_byte: u8,
    pub is_unsigned: bool,
}

/// What the taker of a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    More,
    /// Nothing behind this row.
    Enough,
}

/// How the rows ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsEnd {
    /// The taker has seen all of them.
    All,
    /// What came behind the last row that was wanted was dropped.
    Dropped,
    /// So much is left that the connection must not be used again.
    Left,
}

/// # Errors
/// What the server says; a statement without rows.
pub async fn prepare(packets: &mut Packets, sql: &str) -> Result<Statement, Error> {
    let mut command = Vec::with_capacity(1 + sql.len());
    command.push(COM_STMT_PREPARE);
    command.extend(sql.as_bytes());
    packets.command(&command).await?;
    let answer = packets.answer(WHAT).await?;
    let [0, i0, i1, i2, i3, c0, c1, p0, p1, ..] = *answer.as_slice() else {
        return Err(Error::Unexpected(WHAT));
    };
    let [columns, parameters] =
        [[c0, c1], [p0, p1]].map(|count| u64::from(u16::from_le_bytes(count)));
    // The server refuses to run it, for they are given no values.
    if parameters > 0 {
        definitions(packets, parameters).await?;
    }
    Ok(Statement {
        id: u32::from_le_bytes([i0, i1, i2, i3]),
        columns: definitions(packets, columns).await?,
    })
}

/// Runs it and hands over each row: its payload with the header byte. `row_bytes_max` is the most that one may have.
///
/// # Errors
/// What the server says, also in the middle of the rows; rows that are too large; what `take` says.
pub async fn execute<E: From<Error>>(
    packets: &mut Packets,
    statement: &Statement,
    row_bytes_max: usize,
    mut take: impl FnMut(&[u8]) -> Result<Wanted, E>,
) -> Result<RowsEnd, E> {
    let [i0, i1, i2, i3] = statement.id.to_le_bytes();
    // No cursor, one iteration.
    let command = [COM_STMT_EXECUTE, i0, i1, i2, i3, 0, 1, 0, 0, 0];
    packets.command(&command).await?;
    let head = packets.answer(WHAT).await?;
    let columns = match number(&head) {
        Some((columns, [])) if columns == statement.columns.len() as u64 => columns,
        _ => return Err(Error::Unexpected(WHAT).into()),
    };
    definitions(packets, columns).await?;
    let mut wanted = Wanted::More;
    let mut dropped = 0;
    loop {
        let large;
        let payload = if packets.is_next_large() {
            let payload = packets.payload(row_bytes_max).await?;
            large = payload.ok_or(Error::RowTooLarge(row_bytes_max))?;
            large.as_slice()
        } else if let Some(payload) = packets.ready()? {
            payload
        } else {
            packets.fill().await?;
            continue;
        };
        match payload.first() {
            Some(0) if wanted == Wanted::More => {
                if row_bytes_max < payload.len() {
                    return Err(Error::RowTooLarge(row_bytes_max).into());
                }
                wanted = take(payload)?;
            }
            Some(0) => {
                dropped += HEAD_BYTES + payload.len();
                if dropped > DROPPED_BYTES_MAX {
                    return Ok(RowsEnd::Left);
                }
            }
            // EOF, or an OK packet in its place: no row begins so.
            Some(0xfe) if dropped > 0 => return Ok(RowsEnd::Dropped),
            Some(0xfe) => return Ok(RowsEnd::All),
            Some(0xff) => return Err(server_error(payload).into()),
            _ => return Err(Error::Unexpected(WHAT).into()),
        }
    }
}

/// The server forgets it, and answers nothing.
///
/// # Errors
/// When the connection is gone.
pub async fn close(packets: &mut Packets, statement: Statement) -> Result<(), Error> {
    let [i0, i1, i2, i3] = statement.id.to_le_bytes();
    packets.command(&[COM_STMT_CLOSE, i0, i1, i2, i3]).await
}

async fn definitions(packets: &mut Packets, count: u64) -> Result<Vec<ColumnDefinition>, Error> {
    if count == 0 || count > DEFINITIONS_MAX {
        return Err(Error::Unexpected(WHAT));
    }
    let mut definitions = Vec::new();
    for _ in 0..count {
        let packet = packets.answer(WHAT).await?;
        definitions.push(definition(&packet).ok_or(Error::Unexpected(WHAT))?);
    }
    match is_end(&packets.answer(WHAT).await?) {
        true => Ok(definitions),
        false => Err(Error::Unexpected(WHAT)),
    }
}

/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_column_definition.html>
fn definition(packet: &[u8]) -> Option<ColumnDefinition> {
    // Catalog, schema, table, its own name, column, its own name; then what has a fixed length.
    const NAMES: usize = 6;
    const UNSIGNED: u16 = 32;
    let mut rest = packet;
    for _ in 0..NAMES {
        (_, rest) = value(rest)?;
    }
    let (Some(fixed), _) = value(rest)? else {
        return None;
    };
    let [_, _, _, _, _, _, type_byte, f0, f1, ..] = *fixed else {
        return None;
    };
    Some(ColumnDefinition {
        type_byte,
        is_unsigned: u16::from_le_bytes([f0, f1]) & UNSIGNED != 0,
    })
}

#[cfg(test)]
mod tests;
