//! The few statements that must run on the dump connection itself, as text.
//!
//! One row's first column is all that anybody asks for. Not here: everything else, which mysql_async does.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html>

use super::{error::Error, packets::Packets};

const COM_QUERY: u8 = 3;
const WHAT: &str = "answer to a query";

/// A statement without rows.
pub async fn execute(packets: &mut Packets, sql: &str) -> Result<(), Error> {
    send(packets, sql).await?;
    match packets.answer(WHAT).await?.first() {
        Some(0) => Ok(()),
        _ => Err(Error::Unexpected(WHAT)),
    }
}

/// The first column of the first row; `None` for NULL or no row.
pub async fn value(packets: &mut Packets, sql: &str) -> Result<Option<String>, Error> {
    send(packets, sql).await?;
    // Number of columns; 0 says OK, 0xfb asks for a file.
    match packets.answer(WHAT).await?.as_slice() {
        [columns, ..] if (1..0xfb).contains(columns) => (),
        _ => return Err(Error::Unexpected(WHAT)),
    }
    while !is_end(&packets.answer(WHAT).await?) {}
    let mut found = None;
    loop {
        let row = packets.answer(WHAT).await?;
        if is_end(&row) {
            return Ok(found.flatten());
        }
        found = found.or(Some(first_column(&row)?));
    }
}

async fn send(packets: &mut Packets, sql: &str) -> Result<(), Error> {
    let mut command = vec![COM_QUERY];
    command.extend(sql.as_bytes());
    packets.command(&command).await
}

fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

fn first_column(row: &[u8]) -> Result<Option<String>, Error> {
    let text = match row {
        [0xfb, ..] => return Ok(None),
        [length @ 0..0xfb, rest @ ..] => rest.get(..usize::from(*length)),
        [0xfc, low, high, rest @ ..] => rest.get(..usize::from(u16::from_le_bytes([*low, *high]))),
        _ => None,
    };
    let text = text.ok_or(Error::Unexpected(WHAT))?;
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}
