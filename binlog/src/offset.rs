//! Offsets modulo 4 GiB, as event headers have them: 32 bits, while a file can be larger.
//!
//! A transaction is never split over two files, so a large one makes a file that is larger than the header can
//! say. The full offset is counted from the lengths of events; the header's bits confirm it, or say how far
//! the next event lies from there. All that knows of the wrap stands here.

use std::fmt;

/// A step of this many bytes and more counts as a step backward.
const FORWARD_BYTES_MAX: u32 = 1 << 31;

/// The low 32 bits of an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LowOffset(pub u32);

impl LowOffset {
    pub fn of(offset: u64) -> Self {
        Self((offset & u64::from(u32::MAX)) as u32)
    }

    /// The first offset from `offset` on that has these bits; `None` where it is 2 GiB and more ahead, which
    /// is what an offset behind `offset` looks like.
    pub fn at_or_after(self, offset: u64) -> Option<u64> {
        let bytes = self.minus(Self::of(offset).0).0;
        (bytes < FORWARD_BYTES_MAX).then(|| offset.saturating_add(u64::from(bytes)))
    }

    /// The last offset up to `offset` that has these bits; `None` before the file's first byte.
    pub fn at_or_before(self, offset: u64) -> Option<u64> {
        let bytes = Self::of(offset).minus(self.0).0;
        offset.checked_sub(u64::from(bytes))
    }

    /// So many bytes before it.
    pub fn minus(self, bytes: u32) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }
}

impl fmt::Display for LowOffset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WRAP: u64 = 1 << 32;

    #[test]
    fn an_offset_is_found_across_the_wrap() {
        assert_eq!(LowOffset(5).at_or_after(WRAP - 10), Some(WRAP + 5));
        assert_eq!(
            LowOffset::of(WRAP - 10).at_or_before(WRAP + 5),
            Some(WRAP - 10)
        );
        assert_eq!(LowOffset(5).minus(15), LowOffset::of(WRAP - 10));
        assert_eq!(LowOffset(100).at_or_before(99), None);
    }

    #[test]
    fn a_step_backward_is_no_step_forward() {
        assert_eq!(LowOffset(100).at_or_after(3 * WRAP + 101), None);
        assert_eq!(LowOffset(0).at_or_after(WRAP / 2 + 1), Some(WRAP));
        assert_eq!(LowOffset(0).at_or_after(WRAP / 2), None);
    }

    proptest! {
        #[test]
        fn an_offset_is_found_again_from_its_low_bits(offset in 0u64..1 << 40, step in 0u64..1 << 31) {
            let end = offset + step;
            prop_assert_eq!(LowOffset::of(end).at_or_after(offset), Some(end));
            prop_assert_eq!(LowOffset::of(offset).at_or_before(end), Some(offset));
            prop_assert_eq!(LowOffset::of(end).minus(step as u32), LowOffset::of(offset));
        }
    }
}
