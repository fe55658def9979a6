//! Rows to lanes by primary key.
//!
//! The lane is a hash of the key's bytes as the log has them, stable across versions. An update that
//! changes its lane cannot be ordered by either lane alone: all rows of its event move together, through one
//! lane and behind a fence, so that a row's lane is decided by its event alone and a replay repeats it there.
//! A table without a primary key has one lane: the order of a table is stricter than the order of a key.

use std::{collections::BTreeMap, sync::Arc};

use bytes::{Bytes, BytesMut};
use headwater_binlog::{
    Error,
    rows::{Cell, ColumnSet, Image, Row, RowsBlock},
};

use crate::lane::{FNV_BASIS, fnv1a};

/// One row of a block with its lane.
#[derive(Debug, Clone, Copy)]
pub struct KeyedRow {
    pub number: u32,
    pub offset: usize,
    pub bytes: usize,
    pub lane: u32,
}

/// The rows of a block.
#[derive(Debug)]
pub enum Keyed {
    /// Each in its lane.
    Spread(Vec<KeyedRow>),
    /// Some change their lane: all in one.
    Moving(Vec<KeyedRow>),
}

/// Rows taken out of a block, with their indexes in it.
#[derive(Debug)]
pub struct Picked {
    pub block: RowsBlock,
    pub numbers: Arc<[u32]>,
}

pub fn lanes_of(block: &RowsBlock, lanes: u32) -> Result<Keyed, Error> {
    let mut rows = Vec::with_capacity(block.row_count as usize);
    let mut moves = false;
    for row in block.rows() {
        let (offset, row) = row?;
        let (lane, is_moving) = lane_of(block, &row, lanes)?;
        moves |= is_moving;
        let number = u32::try_from(rows.len())
            .map_err(|_| Error::malformed("rows event", "too many rows"))?;
        rows.push(KeyedRow {
            number,
            offset,
            bytes: row.bytes,
            lane,
        });
    }
    Ok(if moves {
        Keyed::Moving(rows)
    } else {
        Keyed::Spread(rows)
    })
}

/// The rows of each lane that has any, in the block's order.
pub fn pick(block: &RowsBlock, rows: &[KeyedRow]) -> Vec<(u32, Picked)> {
    let mut by_lane: BTreeMap<u32, Vec<KeyedRow>> = BTreeMap::new();
    for row in rows {
        by_lane.entry(row.lane).or_default().push(*row);
    }
    by_lane
        .into_iter()
        .map(|(lane, rows)| (lane, pick_all(block, &rows)))
        .collect()
}

pub fn pick_all(block: &RowsBlock, rows: &[KeyedRow]) -> Picked {
    let numbers = rows.iter().map(|row| row.number).collect();
    let mut images = BytesMut::with_capacity(rows.iter().map(|row| row.bytes).sum());
    for row in rows {
        if let Some(bytes) = block.images.get(row.offset..row.offset + row.bytes) {
            images.extend_from_slice(bytes);
        }
    }
    let row_count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    Picked {
        block: RowsBlock {
            images: images.freeze(),
            before: own(&block.before),
            after: own(&block.after),
            row_count,
            ..block.clone()
        },
        numbers,
    }
}

/// A set that does not keep the chunk alive.
fn own(set: &ColumnSet) -> ColumnSet {
    ColumnSet {
        bits: Bytes::copy_from_slice(&set.bits),
        columns: set.columns,
    }
}

/// The row's lane after the change, and whether the change moved it.
fn lane_of(block: &RowsBlock, row: &Row<'_>, lanes: u32) -> Result<(u32, bool), Error> {
    let key = &block.table.primary_key;
    if key.is_empty() || lanes <= 1 {
        return Ok((0, false));
    }
    let lane = |hash: u64| u32::try_from(hash % u64::from(lanes)).unwrap_or(0);
    match (&row.before, &row.after) {
        (Some(before), Some(after)) => {
            let old = lane(hash_key(key, before, None)?);
            let new = lane(hash_key(key, after, Some(before))?);
            Ok((new, old != new))
        }
        (Some(image), None) | (None, Some(image)) => Ok((lane(hash_key(key, image, None)?), false)),
        (None, None) => Ok((0, false)),
    }
}

/// FNV-1a over each key column's length and bytes; a column that `image` lacks is taken from `other`.
fn hash_key(key: &[usize], image: &Image<'_>, other: Option<&Image<'_>>) -> Result<u64, Error> {
    let mut hash = FNV_BASIS;
    let mut mix = |bytes: &[u8]| hash = fnv1a(hash, bytes);
    for column in key {
        let cell = match (cell_at(image, *column)?, other) {
            (Cell::Absent, Some(other)) => cell_at(other, *column)?,
            (cell, _) => cell,
        };
        match cell {
            Cell::Bytes(bytes) => {
                mix(&(bytes.len() as u64).to_le_bytes());
                mix(bytes);
            }
            Cell::Null | Cell::Absent => mix(&u64::MAX.to_le_bytes()),
        }
    }
    // FNV's low bits mix poorly for short keys; the lane is taken modulo a small number.
    Ok((hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32)
}

fn cell_at<'a>(image: &Image<'a>, column: usize) -> Result<Cell<'a>, Error> {
    image.cells().nth(column).unwrap_or(Ok(Cell::Absent))
}
