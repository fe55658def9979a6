//! A table's keys in stretches of about the same width, where the first column of the key is an integer. Pure.
//!
//! Widths are of numbers, not of rows: what lies close together is read by one question. A bound is the first column
//! alone, so that all keys with one number stay together.

use headwater_actors::snapshot::{Key, KeyRange};
use headwater_binlog::schema::ColumnKind;

use super::literal::integer_bytes;

/// A table of fewer rows is read by one question at a time.
pub(super) const ROWS_TO_SPLIT: u64 = 20_000;

/// `lowest` and `highest` are the first and the last number of the column; without them there is one range. The last
/// one ends with the key `last`.
pub(super) fn split(
    kind: &ColumnKind,
    (lowest, highest): (Option<i128>, Option<i128>),
    ranges: usize,
    last: Option<Key>,
) -> Vec<KeyRange> {
    let mut found = Vec::new();
    let mut after = None;
    if let (Some(lowest), Some(highest)) = (lowest, highest) {
        let width = highest.saturating_sub(lowest);
        for range in 1..ranges {
            let place = lowest + width * range as i128 / ranges as i128;
            let Some(bytes) = integer_bytes(kind, place).filter(|_| place < highest) else {
                continue;
            };
            let until = Some(Key([bytes].into()));
            if until != after {
                found.push(KeyRange {
                    after: after.clone(),
                    until: until.clone(),
                });
                after = until;
            }
        }
    }
    found.push(KeyRange { after, until: last });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: ColumnKind = ColumnKind::Int { unsigned: false };

    fn bounds(kind: &ColumnKind, lowest: i128, highest: i128, ranges: usize) -> Vec<Vec<u8>> {
        let last = Key([[7].into()].into());
        let ranges = split(
            kind,
            (Some(lowest), Some(highest)),
            ranges,
            Some(last.clone()),
        );
        let bytes = |key: &Key| key.0.concat();
        for (range, next) in ranges.iter().zip(ranges.iter().skip(1)) {
            assert_eq!(range.until, next.after, "nothing lies between two ranges");
        }
        assert_eq!(ranges[0].after, None);
        assert_eq!(ranges.last().expect("a range").until, Some(last));
        let bounds = ranges
            .iter()
            .skip(1)
            .filter_map(|range| range.after.as_ref());
        bounds.map(bytes).collect()
    }

    #[test]
    fn ranges_cover_all_keys_and_are_about_as_wide() {
        let four = bounds(&INT, -100, 100, 4);
        assert_eq!(four, [-50_i32, 0, 50].map(|bound| bound.to_le_bytes()));
        let unsigned = ColumnKind::BigInt { unsigned: true };
        let two = bounds(&unsigned, 0, i128::from(u64::MAX), 2);
        assert_eq!(two, [(u64::MAX / 2).to_le_bytes()]);
        let signed = ColumnKind::BigInt { unsigned: false };
        let two = bounds(&signed, i128::from(i64::MIN), i128::from(i64::MAX), 2);
        assert_eq!(two, [(-1_i64).to_le_bytes()]);
    }

    #[test]
    fn few_numbers_give_few_ranges_and_none_gives_one() {
        assert_eq!(bounds(&INT, 7, 8, 10).len(), 1);
        assert!(bounds(&INT, 7, 7, 10).is_empty());
        assert!(bounds(&INT, 1, 100, 1).is_empty());
        assert!(bounds(&INT, 1, 100, 0).is_empty());
        assert_eq!(split(&INT, (None, None), 4, None), [KeyRange::default()]);
    }
}
