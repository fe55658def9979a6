//! Whole logs: a file as it is, a file whose frames are put right so that what is in them is reached, and
//! one table map with one rows event.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use headwater_binlog::{
    assembler::{Assembler, Item, Settings, StreamKind},
    event::{EventHeader, HEADER_BYTES, MAGIC},
    file::BinlogFile,
    json, outcome,
    position::{FileName, Position},
    rows::{self, Cell, RowsBlock},
    table_map,
    transaction::Transaction,
    value::{self, Value},
};

use super::EVENT_BYTES_MAX;

pub fn file(input: &[u8]) -> usize {
    let Ok(mut file) = BinlogFile::open(input, EVENT_BYTES_MAX) else {
        return 0;
    };
    let mut produced = 0;
    while let Ok(Some(event)) = file.next_event() {
        produced += event.bytes.len();
    }
    produced
}

/// Frames put right: lengths are cut to what is there, offsets follow each other, checksums are right.
pub fn stream(input: &[u8]) -> usize {
    let name = FileName::parse("binlog.000001").expect("a log's name");
    let kinds = [
        StreamKind::Files,
        StreamKind::ByPosition,
        StreamKind::ByGtid,
    ];
    let settings = Settings {
        kind: kinds[input.len() % kinds.len()],
        event_bytes_max: EVENT_BYTES_MAX,
        ..Settings::default()
    };
    let head = Position::new(name, MAGIC.len() as u64);
    let mut assembler = Assembler::with_settings(head, settings);
    let mut ahead = Some(outcome::Ahead::new(EVENT_BYTES_MAX));
    let mut rest = input.strip_prefix(&MAGIC[..]).unwrap_or(input);
    let mut offset = MAGIC.len();
    let mut produced = 0;
    let mut items = Vec::new();
    while let Ok(header) = EventHeader::parse(rest) {
        let bytes = usize::try_from(header.bytes).unwrap_or(usize::MAX);
        let (event, after) = rest.split_at(bytes.clamp(HEADER_BYTES, rest.len()));
        rest = after;
        let mut event = event.to_vec();
        offset += event.len();
        let length = event.len() as u32;
        event[9..13].copy_from_slice(&length.to_le_bytes());
        event[13..17].copy_from_slice(&(offset as u32).to_le_bytes());
        if let Some((front, sum)) = event.split_last_chunk_mut::<4>() {
            *sum = crc32fast::hash(front).to_le_bytes();
        }
        let event = Bytes::from(event);
        // The same events read ahead; an error or an outcome ends that.
        ahead = ahead.and_then(|mut ahead| matches!(ahead.push(&event), Ok(None)).then_some(ahead));
        if assembler.push(event, &mut items).is_err() {
            return produced + walk_all(&mut items);
        }
        produced += walk_all(&mut items);
        let mut slices = 0;
        while assembler.has_more() && slices < 64 {
            slices += 1;
            if assembler.more(&mut items).is_err() {
                return produced + walk_all(&mut items);
            }
            produced += walk_all(&mut items);
        }
    }
    produced
}

fn walk_all(items: &mut Vec<Item>) -> usize {
    let walked = |item: Item| match item {
        Item::Rows(block) => walk(&block),
        Item::Statement(statement) => statement.text.len(),
        Item::Commit(_) | Item::Moved(_) => 1,
    };
    items.drain(..).map(walked).sum()
}

/// Two bytes of length and a table map of that length, the type of a rows event, its body.
pub fn rows(input: &[u8]) -> usize {
    let Some((length, rest)) = input.split_first_chunk() else {
        return 0;
    };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (map, rest) = rest.split_at(length);
    let Some((kind, body)) = rest.split_first() else {
        return 0;
    };
    let Ok((_, table)) = table_map::parse(map, 8) else {
        return 0;
    };
    let Ok(event) = rows::parse(*kind, Bytes::copy_from_slice(body), 8) else {
        return 0;
    };
    let columns = table.columns.len();
    let is_other = |set: &rows::ColumnSet| set.columns != 0 && set.columns != columns;
    if is_other(&event.before) || is_other(&event.after) {
        return 0; // the assembler refuses it
    }
    let mut block = RowsBlock {
        transaction: Arc::new(Transaction {
            gtid: None,
            file: FileName::parse("binlog.000001").expect("a log's name"),
            offset: 4,
            server_id: 1,
            commit_us: 0,
            thread_id: None,
            end: OnceLock::new(),
            snapshot: None,
        }),
        table: Arc::new(table),
        map: None,
        kind: event.kind,
        event_offset: 4,
        first_row: 0,
        row_count: 0,
        before: event.before,
        after: event.after,
        images: event.images,
        query: None,
    };
    block.row_count = block.count_rows().unwrap_or(0);
    walk(&block)
}

/// Every value of every row, read and, where it is a document or text, decoded.
fn walk(block: &RowsBlock) -> usize {
    let mut produced = 0;
    let mut out = Vec::new();
    for row in block.rows() {
        let Ok((_, row)) = row else {
            break;
        };
        for image in [row.before, row.after].into_iter().flatten() {
            for (column, cell) in block.table.columns.iter().zip(image.cells()) {
                produced += 1;
                let Ok(Cell::Bytes(bytes)) = cell else {
                    continue;
                };
                match value::read(&column.kind, bytes) {
                    Ok(Value::Json(document)) => {
                        out.clear();
                        // An error is an answer.
                        drop(json::write(document, &mut out));
                        produced += out.len() / 8;
                    }
                    Ok(Value::Text { bytes, charset }) => {
                        produced += charset.decode(bytes).map_or(0, |text| text.len());
                    }
                    Ok(Value::Decimal(decimal)) => {
                        out.clear();
                        decimal.write(&mut out);
                    }
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }
    produced
}
