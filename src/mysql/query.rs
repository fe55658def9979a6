//! Statements and their answers, as text.
//!
//! An answer is counted while it comes: a server that never ends it is given up at [`ANSWER_BYTES_MAX`], and one that
//! is looked at row by row has no end but its rows'. A row is checked once, when it comes, and kept as the bytes
//! that it came as. Values go into a statement as literals that no `sql_mode` reads in another way. Not here: how
//! long an answer may take.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html>

use super::{error::Error, packets::Packets};

/// Of an answer that is kept, with `ROW_COST` for each row: lists of files, tables, a table's columns.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Of one row, whose blobs come whole.
const ROW_BYTES_MAX: usize = 64 << 20;
/// What a row takes in memory above its bytes.
const ROW_COST: usize = 64;
/// What a server can have in one answer.
const COLUMNS_MAX: u64 = 4096;
/// A server's own limit for names is 256 characters.
const NAME_BYTES_MAX: usize = 1024;

const COM_QUIT: u8 = 1;
const COM_QUERY: u8 = 3;
const WHAT: &str = "answer to a query";

/// A row as the server sent it: the text of each value behind its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(Box<[u8]>);

impl Row {
    /// `None` where the bytes are not just `columns` values.
    pub fn of(bytes: Vec<u8>, columns: usize) -> Option<Self> {
        let mut rest = bytes.as_slice();
        for _ in 0..columns {
            (_, rest) = value(rest)?;
        }
        rest.is_empty().then(|| Self(bytes.into()))
    }

    /// The values; `None` is NULL.
    pub fn values(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (first, behind) = value(rest)?;
            rest = behind;
            Some(first)
        })
    }

    /// NULL is `None` as well as a column that is not there.
    pub fn bytes(&self, index: usize) -> Option<&[u8]> {
        self.values().nth(index).flatten()
    }
}

/// What a statement gave.
#[derive(Debug, Default)]
pub struct Answer {
    /// Their names; none of a statement without rows.
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
    /// How many rows it changed.
    pub changed: u64,
}

/// Runs a statement and keeps its rows.
pub async fn query(packets: &mut Packets, sql: &str) -> Result<Answer, Error> {
    let mut answer = Answer::default();
    let mut left = ANSWER_BYTES_MAX;
    let rows = &mut answer.rows;
    let head = each(packets, sql, |row: Row| {
        let cost = row.0.len() + ROW_COST;
        left = left
            .checked_sub(cost)
            .ok_or(Error::AnswerTooLarge(ANSWER_BYTES_MAX))?;
        rows.push(row);
        Ok::<(), Error>(())
    })
    .await?;
    (answer.columns, answer.changed) = head;
    Ok(answer)
}

/// Runs a statement and hands over each row; names of the columns, and how many rows it changed.
pub async fn each<E: From<Error>>(
    packets: &mut Packets,
    sql: &str,
    mut take: impl FnMut(Row) -> Result<(), E>,
) -> Result<(Vec<String>, u64), E> {
    let mut command = Vec::with_capacity(1 + sql.len());
    command.push(COM_QUERY);
    command.extend(sql.as_bytes());
    packets.command(&command).await?;
    let names = match head(&packets.answer(WHAT).await?)? {
        Head::Done { changed } => return Ok((Vec::new(), changed)),
        Head::Columns(count) => names(packets, count).await?,
    };
    loop {
        let payload = packets.payload(ROW_BYTES_MAX).await?;
        let payload = payload.ok_or(Error::AnswerTooLarge(ROW_BYTES_MAX))?;
        if is_end(&payload) {
            return Ok((names, 0));
        }
        take(Row::of(payload, names.len()).ok_or(Error::Unexpected(WHAT))?)?;
    }
}

/// Says that no more is wanted.
pub async fn quit(packets: &mut Packets) -> Result<(), Error> {
    packets.command(&[COM_QUIT]).await
}

/// What an answer begins with.
enum Head {
    Done { changed: u64 },
    Columns(usize),
}

fn head(payload: &[u8]) -> Result<Head, Error> {
    let head = match payload {
        [0, rest @ ..] => number(rest).map(|(changed, _)| Head::Done { changed }),
        // It asks for a file of ours.
        [0xfb, ..] => None,
        _ => match number(payload) {
            Some((count @ 1..=COLUMNS_MAX, [])) => usize::try_from(count).ok().map(Head::Columns),
            _ => None,
        },
    };
    head.ok_or(Error::Unexpected(WHAT))
}

/// Of the definitions nothing but the names is of use.
async fn names(packets: &mut Packets, count: usize) -> Result<Vec<String>, Error> {
    const NAME_INDEX: usize = 4;
    let mut names = Vec::new();
    for _ in 0..count {
        let definition = packets.answer(WHAT).await?;
        let mut rest = definition.as_slice();
        for _ in 0..NAME_INDEX {
            (_, rest) = value(rest).ok_or(Error::Unexpected(WHAT))?;
        }
        match value(rest) {
            Some((Some(name), _)) if name.len() <= NAME_BYTES_MAX => {
                names.push(String::from_utf8_lossy(name).into_owned());
            }
            _ => return Err(Error::Unexpected(WHAT)),
        }
    }
    match is_end(&packets.answer(WHAT).await?) {
        true => Ok(names),
        false => Err(Error::Unexpected(WHAT)),
    }
}

pub(super) fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

/// A number, and what is behind it.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html>
pub(super) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let width = match first {
        0..=0xfa => return Some((u64::from(*first), rest)),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(width)?;
    let digits = bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Some((digits, rest))
}

/// A text value or NULL, and what is behind it.
pub(super) fn value(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if let [0xfb, rest @ ..] = bytes {
        return Some((None, rest));
    }
    let (length, rest) = number(bytes)?;
    let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Some(value), rest))
}

/// Text for a statement: in hexadecimal nothing is escaped.
pub fn text_literal(text: &str) -> String {
    format!("_utf8mb4 {}", bytes_literal(text.as_bytes()))
}

/// The same for bytes.
pub fn bytes_literal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    let mut literal = String::with_capacity(3 + 2 * bytes.len());
    literal.push_str("x'");
    for byte in bytes {
        literal.extend([digit(byte >> 4), digit(byte & 0xf)]);
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests;
