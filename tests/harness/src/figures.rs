//! Figures that stand for many measurements.

/// The value below which `percent` of the sorted values lie; of no values none.
pub fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let index = (sorted.len() * percent / 100).min(sorted.len().checked_sub(1)?);
    sorted.get(index).copied()
}
