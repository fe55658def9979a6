//! SequenceNumbers: decimal numbers too long for any integer type, rising within a shard.

use std::cmp::Ordering;

/// Compares two SequenceNumbers as numbers: length first, then text.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sequence_numbers_compare_as_numbers(left: u128, right: u128, zeros in 0usize..3) {
            let padded = format!("{}{right}", "0".repeat(zeros));
            prop_assert_eq!(compare(&left.to_string(), &padded), left.cmp(&right));
        }
    }
}
