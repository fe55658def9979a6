//! The corpora in `binlog/fuzz/corpus`, a folder per target, and how they are taken from a recorded log.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use headwater_binlog::{
    assembler::{Assembler, Item},
    event::HEADER_BYTES,
    file::BinlogFile,
    payload::{Inner, Payload},
    position::FileName,
    rows::{Cell, RowsBlock},
    value::{self, Value},
};

use crate::targets::TARGETS;

type Entries = Vec<Vec<u8>>;

const ENTRY_BYTES_MAX: usize = 1500;
const ENTRIES_MAX: usize = 14;

/// Where they are in the repository.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../binlog/fuzz/corpus")
}

/// The entries of a target, in the order of their names.
///
/// # Errors
/// When the folder cannot be read or is empty.
pub fn read(target: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = folder().join(target);
    let shown = folder.display().to_string();
    let entries = fs::read_dir(&folder).with_context(|| format!("read {shown}"))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    paths.sort();
    ensure!(!paths.is_empty(), "{shown} is empty");
    let read = |path: &PathBuf| fs::read(path).with_context(|| format!("read {}", path.display()));
    paths.iter().map(read).collect()
}

/// Takes small events of a log, as they are and spread, into the corpora.
///
/// # Errors
/// When the log cannot be read or a file cannot be written.
pub fn record(log: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(log).with_context(|| format!("read {}", log.display()))?;
    let mut file = BinlogFile::open(&bytes[..], 1 << 30)?;
    let mut events: Vec<(u8, Vec<u8>)> = Vec::new();
    while let Some(event) = file.next_event()? {
        events.push((event.bytes[4], event.bytes.to_vec()));
    }
    let body = |event: &[u8]| -> Vec<u8> {
        let body = event.get(HEADER_BYTES..).unwrap_or_default();
        body.get(..body.len().saturating_sub(4))
            .unwrap_or_default()
            .to_vec()
    };
    let is_one_of = |codes: &[u8]| -> Vec<Vec<u8>> {
        let of = events.iter().filter(|(code, _)| codes.contains(code));
        of.map(|(_, event)| event.clone()).collect()
    };
    let led = |first: u8, event: &Vec<u8>| [vec![first], body(event)].concat();
    let head: Vec<u8> = bytes.iter().take(4).copied().collect();

    let (documents, texts) = values(&events)?;
    save("json", documents)?;
    save("text", texts)?;
    let patterns = [
        "*.*\nshop.orders",
        "shop.*\n!shop.a?c*\nshop.abc",
        "`a.b`.```*`\n!x.y\na.b.`*",
    ];
    save(
        "table_pattern",
        patterns.map(|it| it.as_bytes().to_vec()).to_vec(),
    )?;

    save("event", is_one_of(&[2, 15, 16, 19, 30, 31, 32, 33, 35, 40]))?;
    save(
        "payload",
        is_one_of(&[40]).iter().map(|it| body(it)).collect(),
    )?;
    save(
        "gtid_event",
        is_one_of(&[33]).iter().map(|it| led(0, it)).collect(),
    )?;
    save("query", is_one_of(&[2]).iter().map(|it| body(it)).collect())?;
    let mut sets: Vec<Vec<u8>> = is_one_of(&[35]).iter().map(|it| led(0, it)).collect();
    sets.push(b"\x011b8f86dd-e709-11f1-a854-02fc00000001:1-7:9:tag_a:1-3".to_vec());
    save("gtid_set", sets)?;

    // Runs of events, whole: description, then one transaction each.
    let description = is_one_of(&[15]).concat();
    let mut logs = Vec::new();
    let mut run: Vec<u8> = Vec::new();
    let (mut rows, mut maps, mut map) = (Vec::new(), Vec::new(), Vec::new());
    for (code, event) in &events {
        match code {
            15 | 35 => continue,
            33 => logs.push([&head[..], &description, &std::mem::take(&mut run)].concat()),
            40 => {
                let mut payload = Payload::parse(Bytes::from(body(event)), 1 << 30)?;
                while let Inner::Event(inner) = payload.next_event()? {
                    let (kind, inner) = (inner[4], &inner[HEADER_BYTES..]);
                    match kind {
                        19 => {
                            map = inner.to_vec();
                            maps.push([&[8][..], inner].concat());
                        }
                        23..=25 | 30..=32 => rows.push(with_map(&map, kind, inner)),
                        _ => {}
                    }
                }
            }
            19 => {
                map = body(event);
                maps.push(led(8, event));
            }
            23..=25 | 30..=32 => rows.push(with_map(&map, *code, &body(event))),
            _ => {}
        }
        run.extend_from_slice(event);
    }
    save("file", logs.clone())?;
    save("stream", logs)?;
    save("table_map", maps)?;
    save("rows", rows)
}

fn with_map(map: &[u8], kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(map.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&length[..], map, &[kind], body].concat()
}

/// The documents of the log, and its texts behind the number of a collation.
fn values(events: &[(u8, Vec<u8>)]) -> anyhow::Result<(Entries, Entries)> {
    let mut assembler = Assembler::new(FileName::parse("binlog.000001")?, 4);
    let (mut documents, mut texts) = (Vec::new(), Vec::new());
    let mut items = Vec::new();
    for (_, event) in events {
        if assembler
            .push(Bytes::copy_from_slice(event), &mut items)
            .is_err()
        {
            break; // what has been seen is enough
        }
        while assembler.more(&mut items)? {}
        for item in items.drain(..) {
            if let Item::Rows(block) = item {
                values_of(&block, &mut documents, &mut texts)?;
            }
        }
    }
    Ok((documents, texts))
}

fn values_of(
    block: &RowsBlock,
    documents: &mut Vec<Vec<u8>>,
    texts: &mut Vec<Vec<u8>>,
) -> anyhow::Result<()> {
    // latin1, sjis, gbk, big5, ucs2, utf16, utf16le, utf32, utf8mb3, utf8mb4, gb18030, cp932, ujis, euckr
    const COLLATIONS: [u16; 14] = [8, 13, 28, 1, 35, 54, 56, 60, 33, 255, 248, 95, 12, 19];
    for row in block.rows() {
        let (_, row) = row?;
        let Some(image) = row.after.or(row.before) else {
            continue;
        };
        for (column, cell) in block.table.columns.iter().zip(image.cells()) {
            let Cell::Bytes(bytes) = cell? else {
                continue;
            };
            let Ok(value) = value::read(&column.kind, bytes) else {
                continue; // text that the server itself has wrong
            };
            match value {
                Value::Json(document) => documents.push(document.to_vec()),
                Value::Text { bytes, .. } => {
                    let collation = COLLATIONS[texts.len() % COLLATIONS.len()];
                    texts.push([&collation.to_le_bytes()[..], bytes].concat());
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A few of them, from the whole range, none twice.
fn save(target: &str, mut entries: Vec<Vec<u8>>) -> anyhow::Result<()> {
    ensure!(
        TARGETS.iter().any(|it| it.name == target),
        "no target {target}"
    );
    entries.retain(|entry| (8..=ENTRY_BYTES_MAX).contains(&entry.len()));
    entries.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    entries.dedup();
    let step = entries.len().div_ceil(ENTRIES_MAX).max(1);
    let folder = folder().join(target);
    fs::create_dir_all(&folder)?;
    for (number, entry) in entries.iter().step_by(step).enumerate() {
        fs::write(folder.join(format!("recorded-{number:02}")), entry)?;
    }
    Ok(())
}
