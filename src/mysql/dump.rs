//! A binlog dump over mysql_async, as the bytes that the server sent.
//!
//! mysql_async decompresses every TRANSACTION_PAYLOAD and hands out its inner events after it; those are
//! told by their footer (no checksums inside a payload) and dropped, so a compressed transaction passes
//! exactly once, as its payload event. The driver panics on an event shorter than its header says; that
//! is caught and becomes a failure. Events that the dump thread makes up (heartbeats, the first ROTATE)
//! lack their checksum where an old server did not understand what the driver asked for; it is added, so
//! that all events of a file are framed alike. Not here: which position, and what to do after an error.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut, BytesMut};
use futures_util::{FutureExt, Stream};
use headwater_actors::failure::Failure;
use headwater_binlog::{
    event::{CHECKSUM_BYTES, EventKind, FLAG_ARTIFICIAL},
    gtid::Uuid,
};
use mysql_async::{
    BinlogStream, BinlogStreamRequest, Sid, binlog::events::Event, prelude::Queryable,
};

use super::{
    facts::Server,
    failure::{code, failure, grant_hint},
    resume::Route,
};
use crate::plan::SourcePlan;

/// Inner events dropped before the task lets others run.
const DROPPED_PER_POLL: usize = 256;
/// Our own backpressure must not make the server hang up (its default is 60 s).
const NET_WRITE_TIMEOUT_SECS: u32 = 24 * 60 * 60;

/// How we present ourselves to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    pub server_id: u32,
    /// The server ends an earlier dump of the same UUID.
    pub uuid: Uuid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Waits for more at the end of the log.
    Ever,
    /// Ends at the end of the log.
    Head,
}

pub struct Dump {
    stream: BinlogStream,
    user: String,
    /// What was asked for, for messages.
    doing: String,
}

/// Asks for all events from `route` on.
pub async fn open(
    mut server: Server,
    plan: &SourcePlan,
    replica: Replica,
    route: &Route,
    until: Until,
) -> Result<Dump, Failure> {
    let heartbeat_ns = plan.heartbeat.as_nanos();
    let Replica { server_id, uuid } = replica;
    // What a replica sets before its dump (sql/rpl_binlog_sender.cc); both words, because servers before
    // 8.0.26 know only the old one.
    let settings = format!(
        "SET @source_heartbeat_period = {heartbeat_ns}, @master_heartbeat_period = {heartbeat_ns}, \
         @source_binlog_checksum = @@GLOBAL.binlog_checksum, @master_binlog_checksum = @@GLOBAL.binlog_checksum, \
         @replica_uuid = '{uuid}', @slave_uuid = '{uuid}', \
         SESSION net_write_timeout = {NET_WRITE_TIMEOUT_SECS}"
    );
    let outcome = server.conn.query_drop(settings).await;
    outcome.map_err(|error| server.failure("prepare the dump", &error))?;
    let (file, request);
    let doing = match route {
        Route::ByPosition(position) => {
            file = position.file.name.to_string();
            request = BinlogStreamRequest::new(server_id)
                .with_filename(file.as_bytes())
                .with_pos(position.offset);
            format!("read the binary log from {position}")
        }
        Route::ByGtid(set) => {
            let sids = sids(set)?;
            request = BinlogStreamRequest::new(server_id)
                .with_gtid()
                .with_gtid_set(sids);
            format!("read the binary log after GTIDs {set}")
        }
    };
    let request = match until {
        Until::Ever => request,
        Until::Head => request.with_non_blocking(),
    };
    let Server { conn, user, .. } = server;
    let stream = Box::pin(conn.get_binlog_stream(request)).await;
    let stream = stream.map_err(|error| dump_failure(&doing, &user, &error))?;
    Ok(Dump {
        stream,
        user,
        doing,
    })
}

/// One source of a set at a time; the driver's intervals are half-open, its text is closed as ours.
fn sids(set: &headwater_binlog::gtid::GtidSet) -> Result<Vec<Sid<'static>>, Failure> {
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
                Failure::definite(format!("GTIDs {text} cannot be asked for: {error}"))
            })
        })
        .collect()
}

impl Dump {
    /// The next event; `None` where the server ended the dump.
    pub async fn next(&mut self) -> Result<Option<Event>, Failure> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// The next event if it is here already.
    pub fn ready(&mut self) -> Option<Result<Option<Event>, Failure>> {
        std::future::poll_fn(|context| self.poll(context)).now_or_never()
    }

    /// As [`Dump::ready`], also when this task has used up its share of reads.
    pub fn ready_at_once(&mut self) -> Option<Result<Option<Event>, Failure>> {
        let next = std::future::poll_fn(|context| self.poll(context));
        tokio::task::unconstrained(next).now_or_never()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Event>, Failure>> {
        for _ in 0..DROPPED_PER_POLL {
            let stream = &mut self.stream;
            let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(stream).poll_next(context)));
            let Ok(polled) = polled else {
                return Poll::Ready(Err(Failure::transient(format!(
                    "{}: the driver cannot read an event: it is shorter than its header says",
                    self.doing
                ))));
            };
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Ready(Some(Ok(event))) if is_inside_payload(&event) => (),
                Poll::Ready(Some(Ok(event))) => return Poll::Ready(Ok(Some(event))),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(dump_failure(&self.doing, &self.user, &error)));
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    pub fn doing(&self) -> &str {
        &self.doing
    }
}

fn is_inside_payload(event: &Event) -> bool {
    !event.footer().get_checksum_enabled()
}

fn dump_failure(doing: &str, user: &str, error: &mysql_async::Error) -> Failure {
    let mysql_async::Error::Server(server) = error else {
        return failure(doing, user, error);
    };
    let said = format!(
        "{doing}: the server says {}: {}",
        server.code, server.message
    );
    match server.code {
        code::FATAL_ERROR_READING_BINLOG => {
            Failure::definite(said).with_hint(fatal_hint(&server.message))
        }
        // COM_REGISTER_REPLICA without REPLICATION SLAVE.
        code::ACCESS_DENIED | code::SPECIFIC_ACCESS_DENIED => {
            Failure::definite(said).with_hint(grant_hint(user))
        }
        _ => failure(doing, user, error),
    }
}

/// Error 1236 has many causes, told only by its text.
fn fatal_hint(message: &str) -> &'static str {
    if message.contains("same server_uuid") || message.contains("same server_id") {
        return "another process of this pipeline (same name and server_id) reads from this server and has taken over: stop one of the two, or give this one another `name` or source.server_id";
    }
    if message.contains("purged") || message.contains("Could not find first log file") {
        return "the server no longer has this part of its log: copy the tables anew and clear the checkpoint, or accept the gap with `headwater position set`; keep the log longer (binlog_expire_logs_seconds)";
    }
    if message.contains("max_allowed_packet") {
        return "SET PERSIST replica_max_allowed_packet = 1073741824 (before 8.0.26: slave_max_allowed_packet); if the position was set by hand, it may not be the start of an event";
    }
    if message.contains("impossible position") {
        return "the file is shorter than the position: the server lost the end of its log, or the position was set by hand";
    }
    "the server cannot read its own log there: check its disk and error log; if the position was set by hand, `headwater position set` verifies it"
}

/// Appends the event as it was on the wire.
///
/// # Errors
/// Definite when the driver's parts do not add up to the length in the header.
pub fn append(event: &Event, chunk: &mut BytesMut) -> Result<(), Failure> {
    let header = event.header();
    let begin = chunk.len();
    let wire_bytes = header.event_size() as usize;
    chunk.reserve(wire_bytes + CHECKSUM_BYTES);
    chunk.put_u32_le(header.timestamp());
    chunk.put_u8(header.event_type_raw());
    chunk.put_u32_le(header.server_id());
    chunk.put_u32_le(header.event_size());
    chunk.put_u32_le(header.log_pos());
    chunk.put_u16_le(header.flags_raw());
    chunk.put_slice(event.data());
    let kind = EventKind::from_code(header.event_type_raw());
    if kind == EventKind::FormatDescription {
        match event.footer().get_checksum_alg() {
            Ok(Some(algorithm)) => chunk.put_u8(algorithm as u8),
            Ok(None) => (),
            Err(_) => {
                return Err(Failure::definite(
                    "the server's binary log has an unknown checksum algorithm",
                )
                .with_hint("SET PERSIST binlog_checksum = 'CRC32'"));
            }
        }
    }
    if let Some(checksum) = event.checksum() {
        chunk.put_slice(&checksum);
        let is_made_up = kind.is_heartbeat() || header.flags_raw() & FLAG_ARTIFICIAL != 0;
        if is_made_up && kind != EventKind::FormatDescription {
            ensure_checksum(chunk, begin);
        }
    } else if chunk.len() - begin != wire_bytes {
        return Err(Failure::definite(format!(
            "an event of {wire_bytes} bytes came as {} from the driver",
            chunk.len() - begin
        )));
    }
    Ok(())
}

/// The event from `begin` on ends in what was taken for a checksum; when it is none, adds one.
fn ensure_checksum(chunk: &mut BytesMut, begin: usize) {
    let Some((covered, stored)) = chunk
        .get(begin..)
        .and_then(|event| event.split_last_chunk::<CHECKSUM_BYTES>())
    else {
        return;
    };
    if crc32fast::hash(covered) == u32::from_le_bytes(*stored) {
        return;
    }
    let bytes = chunk.len() - begin + CHECKSUM_BYTES;
    let length_at = begin + 9;
    if let (Ok(bytes), Some(length)) = (
        u32::try_from(bytes),
        chunk.get_mut(length_at..length_at + 4),
    ) {
        length.copy_from_slice(&bytes.to_le_bytes());
    }
    let checksum = crc32fast::hash(chunk.get(begin..).unwrap_or_default());
    chunk.put_u32_le(checksum);
}

#[cfg(test)]
mod tests {
    use headwater_binlog::event::EventHeader;
    use mysql_async::binlog::{
        BinlogChecksumAlg, BinlogVersion,
        events::{BinlogEventFooter, FormatDescriptionEvent},
    };

    use super::*;

    /// A heartbeat as the driver reads it after a FORMAT_DESCRIPTION that promised checksums.
    fn heartbeat(with_checksum: bool) -> Event {
        let mut bytes = vec![0, 0, 0, 0, 27, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0];
        bytes.extend(b"binlog.000001");
        let length = bytes.len() + if with_checksum { 4 } else { 0 };
        bytes[9] = length as u8;
        if with_checksum {
            bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        }
        let format = FormatDescriptionEvent::new(BinlogVersion::Version4).with_footer(
            BinlogEventFooter::new(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32),
        );
        Event::read(&format, bytes.as_slice()).expect("an event of our own")
    }

    #[test]
    fn a_heartbeat_ends_in_a_right_checksum_whether_or_not_it_came_with_one() {
        for with_checksum in [true, false] {
            let mut chunk = BytesMut::from(&b"before"[..]);
            append(&heartbeat(with_checksum), &mut chunk).expect("whole");
            let event = &chunk[6..];
            let header = EventHeader::parse(event).expect("a header");
            assert_eq!(header.bytes as usize, event.len(), "{with_checksum}");
            let (covered, stored) = event.split_last_chunk().expect("a checksum");
            assert_eq!(crc32fast::hash(covered), u32::from_le_bytes(*stored));
            assert!(covered.ends_with(b"binlog.000001"), "{with_checksum}");
        }
    }

    #[test]
    fn a_second_process_of_the_pipeline_is_told_as_such() {
        let error = mysql_async::Error::Server(mysql_async::ServerError {
            code: 1236,
            state: "HY000".into(),
            message: "A replica with the same server_uuid/server_id as this replica has connected to the source".into(),
        });
        let failure = dump_failure("read", "ann", &error);
        assert!(failure.is_definite());
        assert!(failure.hint.is_some_and(|hint| hint.contains("taken over")));
    }

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
}
