//! The parsers, each as a function from bytes to how much it produced. Errors are answers like any other.

mod log;
mod snapshot;

use bytes::Bytes;
use headwater_actors::filter::TableFilter;
use headwater_binlog::{
    charset::Charset,
    ddl,
    event::{Dialect, EventHeader, Framing},
    gtid::{GtidEvent, GtidSet, MariaGtidEvent},
    json,
    payload::{Inner, Payload},
    position::FileName,
    query::Query,
    schema::{NameCase, TableName},
    table_map,
};

/// The largest event that a target accepts: what a lying length may cost at most.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// A parser under test.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    /// Gives how many bytes, rows or values were produced.
    pub run: fn(&[u8]) -> usize,
    /// Bytes allocated, and units produced, per byte of input at most.
    pub per_byte: usize,
    /// What may be allocated whatever the input.
    pub base_bytes: usize,
}

const SMALL: usize = 16 << 10;

/// All of them.
pub const TARGETS: [Target; 15] = [
    target("event", event, 64, SMALL),
    // Room for an event is made ahead of its bytes, a mebibyte at most.
    target("file", log::file, 64, 2 * EVENT_BYTES_MAX),
    target("stream", log::stream, 1024, 64 << 10),
    target("table_map", table_map, 512, SMALL),
    target("rows", log::rows, 1024, 64 << 10),
    target("json", json, 2048, SMALL),
    target("json_diff", json_diff, 2048, SMALL),
    // Room is made for a mebibyte at first, whatever an inner event claims to be, and then as bytes come. In zstd four
    // bytes may stand for 128 KiB.
    target("payload", payload, 96 << 10, 8 << 20),
    target("gtid_event", gtid_event, 64, SMALL),
    target("gtid_set", gtid_set, 256, SMALL),
    target("query", query, 256, SMALL),
    target("text", text, 64, SMALL),
    target("table_pattern", table_pattern, 1024, SMALL),
    target("column_list", snapshot::column_list, 1024, SMALL),
    target("selected_row", snapshot::selected_row, 1024, 64 << 10),
];

const fn target(
    name: &'static str,
    run: fn(&[u8]) -> usize,
    per_byte: usize,
    base_bytes: usize,
) -> Target {
    Target {
        name,
        run,
        per_byte,
        base_bytes,
    }
}

fn event(input: &[u8]) -> usize {
    let mut framing = Framing::default();
    let mut produced = usize::from(EventHeader::parse(input).is_ok());
    if let Ok(event) = framing.event(input) {
        produced += event.body.len();
        produced += usize::from(framing.learn(&event).is_ok());
    }
    produced
}

/// The first byte says how long the table's id is.
fn table_map(input: &[u8]) -> usize {
    let Some((first, body)) = input.split_first() else {
        return 0;
    };
    let post_header_bytes = if *first == 6 { 6 } else { 8 };
    match table_map::parse(body, post_header_bytes) {
        Ok((_, table)) => table.columns.len(),
        Err(_) => 0,
    }
}

fn json(input: &[u8]) -> usize {
    let mut out = Vec::new();
    // What was written before an error is cut off by the caller; it took time all the same.
    match json::write(input, &mut out) {
        Ok(()) => assert!(std::str::from_utf8(&out).is_ok(), "documents are text"),
        Err(error) => drop(error),
    }
    out.len() / 8
}

/// The first two bytes are the length of the document before; what is behind it are the diffs.
fn json_diff(input: &[u8]) -> usize {
    let Some((bytes, rest)) = input.split_first_chunk() else {
        return 0;
    };
    let bytes = usize::from(u16::from_le_bytes(*bytes)).min(rest.len());
    let (document, diffs) = rest.split_at(bytes);
    let mut out = Vec::new();
    match json::apply_diffs(document, diffs, &mut out) {
        Ok(()) => out.len() / 8,
        Err(_) => 0,
    }
}

fn payload(input: &[u8]) -> usize {
    let Ok(mut payload) = Payload::parse(Bytes::copy_from_slice(input), 256 * EVENT_BYTES_MAX)
    else {
        return 0;
    };
    // A small payload may unfold to gigabytes, one event at a time: a few tell.
    let mut events = 0;
    while events < 8 {
        match payload.next_event() {
            Ok(Inner::Event(_)) => events += 1,
            Ok(Inner::Awaits | Inner::End) | Err(_) => break,
        }
    }
    events
}

fn gtid_event(input: &[u8]) -> usize {
    let Some((kind, body)) = input.split_first() else {
        return 0;
    };
    let is_parsed = match kind % 4 {
        0 => GtidEvent::parse(body).is_ok(),
        1 => GtidEvent::parse_tagged(body).is_ok(),
        2 => GtidEvent::parse_anonymous(body).is_ok(),
        _ => MariaGtidEvent::parse(body, 1).is_ok(),
    };
    usize::from(is_parsed)
}

/// The first byte says whether it is PREVIOUS_GTIDS, text or MariaDB's list. What is read is printed and read again.
fn gtid_set(input: &[u8]) -> usize {
    let Some((kind, body)) = input.split_first() else {
        return 0;
    };
    let set = match kind % 3 {
        0 => GtidSet::parse_previous_gtids(body).ok(),
        2 => GtidSet::parse_gtid_list(body).ok(),
        _ => std::str::from_utf8(body)
            .ok()
            .and_then(|text| text.parse::<GtidSet>().ok()),
    };
    let Some(set) = set else {
        return 0;
    };
    let printed = set.to_string();
    let again: GtidSet = printed.parse().expect("a printed set can be read");
    assert_eq!(again, set, "{printed}");
    assert!(set.is_subset(&again), "{printed}");
    let mut rest = set.clone();
    rest.subtract(&again);
    assert!(rest.is_empty(), "{printed}");
    set.intervals().map(|(_, intervals)| intervals.len()).sum()
}

fn query(input: &[u8]) -> usize {
    let Ok(query) = Query::parse(input, None) else {
        return 0;
    };
    let Ok(text) = query.text() else {
        return query.text_lossy().len();
    };
    let context = ddl::Context {
        default_database: "shop",
        ..ddl::Context::default()
    };
    drop(ddl::classify(&text, &context));
    // ANSI_QUOTES
    let context = ddl::Context {
        sql_mode: 4,
        dialect: Dialect::MariaDb,
        case: NameCase::Folded,
        ..context
    };
    drop(ddl::classify(&text, &context));
    text.len() + usize::from(query.control().is_some())
}

/// The first two bytes are the collation.
fn text(input: &[u8]) -> usize {
    let Some((collation, bytes)) = input.split_first_chunk() else {
        return 0;
    };
    let charset = Charset::of_collation(u64::from(u16::from_le_bytes(*collation) % 350));
    charset.decode(bytes).map_or(0, |text| text.len())
}

/// Lines of patterns; the last is a name, with its database before the first dot.
fn table_pattern(input: &[u8]) -> usize {
    let Ok(text) = std::str::from_utf8(input) else {
        return 0;
    };
    let mut patterns: Vec<String> = text.split('\n').take(64).map(str::to_owned).collect();
    let name = patterns.pop().unwrap_or_default();
    drop(FileName::parse(&name));
    let Ok(filter) = TableFilter::new(&patterns) else {
        return 0;
    };
    let (database, table) = name.split_once('.').unwrap_or((&name, ""));
    let name = TableName {
        database: database.to_owned(),
        table: table.to_owned(),
    };
    let is_included = filter.includes(&name);
    if is_included {
        assert!(filter.may_include_database(database), "{patterns:?}");
    }
    usize::from(is_included)
}
