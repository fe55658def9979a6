//! A binlog dump over a connection of our own, as the bytes that the server sent.
//!
//! A [`Connection`] takes the few statements that must run on it; a [`Dump`] gives events from there. What the dump thread makes up (heartbeats, the first ROTATE) is framed like the file's events,
//! because the session says what it understands. Not here: which position, and what to do after an error.

mod events;

use std::time::Duration;

use bytes::BytesMut;
use headwater_actors::failure::Failure;
use headwater_binlog::{
    gtid::{GtidSet, Uuid},
    position::Position,
};
use mysql_common::{
    packets::{BinlogDumpFlags, ComBinlogDump, ComBinlogDumpGtid, ComRegisterSlave, Sid},
    proto::MySerialize,
};

use self::events::{Events, Limits};
pub use self::events::{Place, Ready, Taken};
use super::options::SourcePlan;
use super::{
    connection::Connection,
    error::Error,
    facts::{UNNAMED_SERVER, unnamed_server_uuid},
    failure::dump_failure,
    login::ServerVersion,
    packets::Packets,
    resume::Route,
};

/// Our own backpressure must not make the server hang up (its default is 60 s).
const NET_WRITE_TIMEOUT_SECS: u32 = 24 * 60 * 60;
/// A larger TRANSACTION_PAYLOAD comes in parts.
const PAYLOAD_BYTES_HELD: usize = 4 << 20;

/// How we present ourselves to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    pub server_id: u32,
    /// The server ends an earlier dump of the same UUID.
    pub uuid: Uuid,
}

impl Replica {
    /// One that nobody else is, so that its dump ends no other.
    pub fn stranger() -> Self {
        Self {
            server_id: draw_server_id(),
            uuid: Uuid(fastrand::u128(..).to_be_bytes()),
        }
    }
}

/// A replica id for `source.server_id = 0`, in a range that people seldom give by hand.
pub fn draw_server_id() -> u32 {
    fastrand::u32(0x4000_0000..0xffff_fff0)
}

/// Where a dump begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Position(Position),
    /// The server looks for the first transaction that is not in the set.
    Gtids(GtidSet),
    /// MariaDB's own kind, one GTID a domain: `0-1-5,1-2-7`.
    MariaDbGtids(String),
}

impl From<&Route> for Ask {
    fn from(route: &Route) -> Self {
        match route {
            Route::ByPosition(position) => Self::Position(position.clone()),
            Route::ByGtid(set) if set.domains().next().is_some() => {
                Self::MariaDbGtids(set.to_string())
            }
            Route::ByGtid(set) => Self::Gtids(set.clone()),
        }
    }
}

/// What the server does at the end of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtLogEnd {
    /// Waits for more.
    Wait,
    /// Ends the dump.
    Stop,
}

impl Connection {
    /// A name may lead to another server than the last time.
    ///
    /// # Errors
    /// Transient when this is not the server `expected`.
    pub async fn ensure_server(&mut self, expected: Uuid) -> Result<(), Failure> {
        let doing = "ask for the server's identity";
        let has_uuid = !self.version.is_mariadb && self.version.number >= (5, 6, 0);
        let sql = if has_uuid {
            "SELECT @@GLOBAL.server_uuid"
        } else {
            UNNAMED_SERVER
        };
        let found = self.value(doing, sql).await?.unwrap_or_default();
        let uuid = if has_uuid {
            found.parse().ok()
        } else {
            unnamed_server_uuid(&found)
        };
        if uuid == Some(expected) {
            return Ok(());
        }
        Err(Failure::transient(format!(
            "server {found} answers where {expected} did"
        )))
    }

    /// Asks for all events from `ask` on. A read that waits longer than `wait_max` fails.
    ///
    /// # Errors
    /// Definite when the set cannot be asked for. What the server thinks of the position comes with the first
    /// read.
    pub async fn dump(
        mut self,
        plan: &SourcePlan,
        replica: Replica,
        ask: &Ask,
        at_end: AtLogEnd,
        wait_max: Duration,
    ) -> Result<Dump, Failure> {
        let doing = match ask {
            Ask::Position(position) => format!("read the binary log from {position}"),
            Ask::Gtids(set) => format!("read the binary log after GTIDs {set}"),
            Ask::MariaDbGtids(set) => format!("read the binary log after GTIDs {set}"),
        };
        let request = request(self.version, replica.server_id, ask, at_end)?;
        for statement in self.settings(plan, replica, ask) {
            self.execute("prepare the dump", &statement).await?;
        }
        let started = start(&mut self.packets, replica.server_id, &request).await;
        started.map_err(|error| dump_failure(&doing, &self.user, error))?;
        self.packets.set_wait_max(wait_max);
        let limits = Limits {
            event_bytes_max: plan.event_bytes_max,
            payload_bytes_held: PAYLOAD_BYTES_HELD.min(plan.event_bytes_max),
        };
        Ok(Dump {
            events: Events::of(*self.packets, limits),
            user: self.user,
            doing,
        })
    }

    /// What a replica sets before its dump (sql/rpl_binlog_sender.cc); both words of a variable, because
    /// servers before 8.0.26 know only the old one.
    fn settings(&self, plan: &SourcePlan, replica: Replica, ask: &Ask) -> Vec<String> {
        let heartbeat_ns = plan.heartbeat.as_nanos();
        let uuid = replica.uuid;
        let mut settings = vec![format!(
            "SET @source_heartbeat_period = {heartbeat_ns}, @master_heartbeat_period = {heartbeat_ns}, \
             @replica_uuid = '{uuid}', @slave_uuid = '{uuid}', \
             SESSION net_write_timeout = {NET_WRITE_TIMEOUT_SECS}"
        )];
        // Older servers write no checksums and do not know the variable.
        if self.version.is_mariadb || self.version.number >= (5, 6, 1) {
            settings.push(
                "SET @source_binlog_checksum = @@GLOBAL.binlog_checksum, \
                 @master_binlog_checksum = @@GLOBAL.binlog_checksum"
                    .to_owned(),
            );
        }
        if self.version.is_mariadb {
            // 4: this replica knows MariaDB's own events. https://mariadb.com/kb/en/gtid/
            settings.push("SET @mariadb_slave_capability = 4".to_owned());
        }
        if let Ask::MariaDbGtids(set) = ask {
            let set: String = set.chars().filter(|sign| !"'\\".contains(*sign)).collect();
            settings.push(format!(
                "SET @slave_connect_state = '{set}', @slave_gtid_strict_mode = 1, \
                 @slave_gtid_ignore_duplicates = 0"
            ));
        }
        settings
    }
}

/// The command that begins the dump.
fn request(
    version: ServerVersion,
    server_id: u32,
    ask: &Ask,
    at_end: AtLogEnd,
) -> Result<Vec<u8>, Failure> {
    let mut flags = match at_end {
        AtLogEnd::Wait => BinlogDumpFlags::empty(),
        AtLogEnd::Stop => BinlogDumpFlags::BINLOG_DUMP_NON_BLOCK,
    };
    if version.is_mariadb {
        // The same bit is BINLOG_SEND_ANNOTATE_ROWS_EVENT there: no gaps where those events stand.
        flags |= BinlogDumpFlags::BINLOG_THROUGH_POSITION;
    }
    let by_position = |file: &str, offset| {
        ComBinlogDump::new(server_id)
            .with_filename(file.as_bytes().to_vec())
            .with_pos(offset)
            .with_flags(flags)
    };
    let mut bytes = Vec::new();
    match ask {
        Ask::Position(position) => {
            // The command has four bytes for it.
            let offset = u32::try_from(position.offset).map_err(|_| {
                Failure::definite(format!("{position} is beyond 4 GiB and cannot be asked for"))
                    .with_hint("continue with the next file: `headwater position set FILE:4`, once nothing but its end is behind the position (mysqlbinlog shows it)")
            })?;
            by_position(&position.file.name, offset).serialize(&mut bytes);
        }
        Ask::Gtids(set) => ComBinlogDumpGtid::new(server_id)
            .with_flags(flags)
            .with_pos(4)
            .with_sids(sids(set)?)
            .serialize(&mut bytes),
        Ask::MariaDbGtids(_) => by_position("", 4).serialize(&mut bytes),
    }
    Ok(bytes)
}

async fn start(packets: &mut Packets, server_id: u32, request: &[u8]) -> Result<(), Error> {
    let mut register = Vec::new();
    ComRegisterSlave::new(server_id).serialize(&mut register);
    packets.command(&register).await?;
    packets.answer("answer to COM_REGISTER_REPLICA").await?;
    packets.command(request).await
}

/// One source of a set at a time; mysql_common's intervals are half-open, its text is closed as ours.
fn sids(set: &GtidSet) -> Result<Vec<Sid<'static>>, Failure> {
    set.intervals()
        .map(|(source, intervals)| {
            let mut text = source.uuid.to_string();
            if !source.tag.is_empty() {
                text = format!("{text}:{}", source.tag);
            }
            for (first, last) in intervals {
                text.push_str(&format!(":{first}-{last}"));
            }
            text.parse().map_err(|error| {
                Failure::definite(format!("GTIDs {text} cannot be asked for")).because(error)
            })
        })
        .collect()
}

/// The events of a dump, one by one.
pub struct Dump {
    events: Events,
    user: String,
    /// What was asked for, for messages.
    doing: String,
}

impl Dump {
    /// Waits for the next event, or for the next part of a large compressed transaction, and appends it.
    /// After a failure, or when the future was dropped, the dump must not be used again.
    ///
    /// # Errors
    /// What the server says or what its bytes lack; silence for too long.
    pub async fn next(&mut self, chunk: &mut BytesMut) -> Result<Taken, Failure> {
        let outcome = self.events.next(chunk).await;
        outcome.map_err(|error| self.failure(error))
    }

    /// Appends the next event if it is here already.
    ///
    /// # Errors
    /// As [`Dump::next`].
    pub fn ready(&mut self, chunk: &mut BytesMut) -> Result<Ready, Failure> {
        let outcome = self.events.ready(chunk);
        outcome.map_err(|error| self.failure(error))
    }

    /// Reads what is still to come of an event of which a part was taken, and forgets it.
    ///
    /// # Errors
    /// As [`Dump::next`].
    pub async fn skip_parts(&mut self) -> Result<(), Failure> {
        let mut part = BytesMut::new();
        while self.has_parts() {
            part.clear();
            self.next(&mut part).await?;
        }
        Ok(())
    }

    /// Whether the event of which a part was taken has parts to come.
    pub fn has_parts(&self) -> bool {
        self.events.has_parts()
    }

    /// Where the events are of.
    pub fn place(&self) -> &Place {
        self.events.place()
    }

    fn failure(&self, error: Error) -> Failure {
        dump_failure(&self.doing, &self.user, error)
    }

    pub fn doing(&self) -> &str {
        &self.doing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gtid_sets_are_asked_for_with_tags_and_half_open_ends() {
        let text = "1b8f86dd-e709-11f1-a854-02fc00000001:1-5:9:alpha:1";
        let sids = sids(&text.parse().expect("a set")).expect("can be asked for");
        let ends: Vec<_> = sids
            .iter()
            .flat_map(|sid| sid.intervals().iter().map(|interval| interval.end()))
            .collect();
        assert_eq!(ends, [6, 10, 2]);
        assert_eq!(sids.iter().filter(|sid| sid.tag().is_some()).count(), 1);
    }

    #[test]
    fn a_position_that_the_command_cannot_hold_is_refused_and_never_cut() {
        let ask = |offset| {
            let file = headwater_binlog::position::FileName::parse("binlog.000007");
            let position = Position::new(file.expect("a name"), offset);
            request(
                ServerVersion::parse("9.7.0"),
                9,
                &Ask::Position(position),
                AtLogEnd::Wait,
            )
        };
        let bytes = ask(u64::from(u32::MAX)).expect("fits");
        assert_eq!(bytes.get(..5), Some(&[0x12, 0xff, 0xff, 0xff, 0xff][..]));
        let failure = ask(1 << 32).expect_err("does not fit");
        assert!(failure.is_definite() && failure.to_string().contains("binlog.000007:4294967296"));
    }
}
