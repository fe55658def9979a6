//! QUERY events: status variables, default database, statement; transaction control told from the rest.
//!
//! Status variables have no length of their own: each code's is known, and as in the server an unknown
//! code ends the walk (the variables end where the event says, so the statement is found all the same).
//! The statement stays bytes until its text is asked for: a client may send bytes that are no text.
//! Source: libs/mysql/binlog/event/statement_events.cpp.

mod charset;

use std::borrow::Cow;

use bytes::Bytes;

use crate::{
    Error, charset::charset_name, compressed, cursor::Cursor, event::Dialect, tokens::Tokens,
};

/// Thread id, seconds, database length, error code, status variables' length.
const POST_HEADER_BYTES: u8 = 13;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    pub thread_id: u32,
    /// The error with which the statement ended; some statements are logged although they failed.
    pub error_code: u16,
    pub sql_mode: u64,
    /// Collation id of `character_set_client`; `None` in events that do not depend on it.
    pub client_collation: Option<u16>,
    pub default_database: &'a str,
    /// In the client's character set.
    pub statement: &'a [u8],
}

/// Statements that steer a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Begin,
    Commit,
    Rollback,
    Savepoint,
    RollbackTo,
    ReleaseSavepoint,
    XaStart,
    XaEnd,
    XaPrepare,
    XaCommit,
    XaRollback,
}

impl<'a> Query<'a> {
    /// `post_header_bytes` as FORMAT_DESCRIPTION gives it for QUERY.
    pub fn parse(body: &'a [u8], post_header_bytes: Option<u8>) -> Result<Self, Error> {
        let mut cursor = Cursor::new("QUERY event", body);
        let post_header_bytes = post_header_bytes.unwrap_or(POST_HEADER_BYTES);
        let more = post_header_bytes
            .checked_sub(POST_HEADER_BYTES)
            .ok_or_else(|| Error::Unsupported("QUERY event of a server before 5.0".into()))?;
        let thread_id = cursor.u32()?;
        cursor.u32()?;
        let database_bytes = usize::from(cursor.u8()?);
        let error_code = cursor.u16()?;
        let variables_bytes = usize::from(cursor.u16()?);
        cursor.take(usize::from(more))?;
        let variables = Variables::parse(cursor.take(variables_bytes)?)?;
        let database = cursor.take(database_bytes)?;
        let default_database = std::str::from_utf8(database)
            .map_err(|_| cursor.malformed("default database is not UTF-8"))?;
        cursor.u8()?;
        Ok(Self {
            thread_id,
            error_code,
            sql_mode: variables.sql_mode,
            client_collation: variables.client_collation,
            default_database,
            statement: cursor.rest(),
        })
    }

    /// The body of a QUERY event in place of a QUERY_COMPRESSED's (MariaDB).
    pub(crate) fn expanded(
        body: &[u8],
        post_header_bytes: Option<u8>,
        bytes_max: usize,
    ) -> Result<Bytes, Error> {
        let query = Query::parse(body, post_header_bytes)?;
        let statement = compressed::record(query.statement, bytes_max)?;
        let head = body.len() - query.statement.len();
        let head = body.get(..head).unwrap_or_default();
        Ok([head, &statement].concat().into())
    }

    /// The client's character set, `utf8mb4` where the event does not say.
    pub fn charset(&self) -> Result<&'static str, Error> {
        match self.client_collation {
            None => Ok("utf8mb4"),
            Some(id) => charset_name(id.into()).ok_or_else(|| {
                Error::Unsupported(format!("statement in a character set with collation {id}"))
            }),
        }
    }

    /// The statement without loss; an error names the character set that cannot be read.
    pub fn text(&self) -> Result<Cow<'a, str>, Error> {
        let collation = self.client_collation.unwrap_or_default();
        charset::decode(self.charset()?, collation, self.statement)
    }

    /// For telling statements apart: every byte that is not ASCII may have been replaced.
    pub fn text_lossy(&self) -> Cow<'a, str> {
        self.text()
            .unwrap_or_else(|_| String::from_utf8_lossy(self.statement))
    }

    /// `None`: a statement for [`crate::ddl::classify`].
    pub fn control(&self) -> Option<Control> {
        // Almost every QUERY event of a busy log.
        match self.statement {
            b"BEGIN" => return Some(Control::Begin),
            b"COMMIT" => return Some(Control::Commit),
            _ => {}
        }
        let text = String::from_utf8_lossy(self.statement);
        let mut tokens = Tokens::new(&text, self.sql_mode, Dialect::default());
        let first = tokens.keyword()?;
        let second = tokens.keyword();
        let second = second.as_deref().unwrap_or_default();
        match (first.as_str(), second) {
            ("BEGIN", "" | "WORK") => Some(Control::Begin),
            ("START", "TRANSACTION") => Some(Control::Begin),
            ("COMMIT", _) => Some(Control::Commit),
            ("SAVEPOINT", _) => Some(Control::Savepoint),
            ("RELEASE", "SAVEPOINT") => Some(Control::ReleaseSavepoint),
            ("ROLLBACK", "TO") => Some(Control::RollbackTo),
            ("ROLLBACK", "WORK") if tokens.keyword().as_deref() == Some("TO") => {
                Some(Control::RollbackTo)
            }
            ("ROLLBACK", _) => Some(Control::Rollback),
            ("XA", "START" | "BEGIN") => Some(Control::XaStart),
            ("XA", "END") => Some(Control::XaEnd),
            ("XA", "PREPARE") => Some(Control::XaPrepare),
            ("XA", "COMMIT") => Some(Control::XaCommit),
            ("XA", "ROLLBACK") => Some(Control::XaRollback),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Variables {
    sql_mode: u64,
    client_collation: Option<u16>,
}

impl Variables {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new("QUERY event's status variables", bytes);
        let mut variables = Self::default();
        while !cursor.is_empty() {
            match cursor.u8()? {
                // Q_FLAGS2, Q_AUTO_INCREMENT, Q_MASTER_DATA_WRITTEN
                0 | 3 | 10 => drop(cursor.take(4)?),
                1 => variables.sql_mode = cursor.u64()?,
                // Q_CATALOG, with a zero byte behind it when not empty
                2 => match cursor.u8()? {
                    0 => {}
                    length => drop(cursor.take(usize::from(length) + 1)?),
                },
                4 => {
                    variables.client_collation = Some(cursor.u16()?);
                    cursor.take(4)?;
                }
                // Q_TIME_ZONE, Q_CATALOG_NZ
                5 | 6 => skip_text(&mut cursor)?,
                // Q_LC_TIME_NAMES, Q_CHARSET_DATABASE, Q_DEFAULT_COLLATION_FOR_UTF8MB4
                7 | 8 | 18 => drop(cursor.take(2)?),
                // Q_TABLE_MAP_FOR_UPDATE, Q_DDL_LOGGED_WITH_XID
                9 | 17 => drop(cursor.take(8)?),
                // Q_INVOKER: user and host
                11 => {
                    skip_text(&mut cursor)?;
                    skip_text(&mut cursor)?;
                }
                12 => skip_database_names(&mut cursor)?,
                // Q_MICROSECONDS
                13 => drop(cursor.take(3)?),
                // Q_EXPLICIT_DEFAULTS_FOR_TIMESTAMP, Q_SQL_REQUIRE_PRIMARY_KEY,
                // Q_DEFAULT_TABLE_ENCRYPTION, Q_ENABLE_CASCADE_TRIGGERS
                16 | 19 | 20 | 21 => drop(cursor.take(1)?),
                _ => break,
            }
        }
        Ok(variables)
    }
}

fn skip_text(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    let length = cursor.u8()?;
    cursor.take(usize::from(length)).map(drop)
}

/// Q_UPDATED_DB_NAMES: a count and that many zero-terminated names; above 16 there are none.
fn skip_database_names(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    let count = cursor.u8()?;
    if count > 16 {
        return Ok(());
    }
    for _ in 0..count {
        let length = memchr::memchr(0, cursor.rest())
            .ok_or_else(|| cursor.malformed("unterminated database name"))?;
        cursor.take(length + 1)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
