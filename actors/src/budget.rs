//! Bytes as permits: what bounds memory travels with the data.
//!
//! A [`ByteBudget`] hands out [`Permit`]s; a permit can be split and gives its bytes back when dropped.
//! A request above the whole budget waits for all of it and takes it alone, so one huge event passes
//! instead of waiting for ever.
//!
//! Many lanes cut memory into small pieces that end in another order than they began: the allocator then holds
//! a multiple of what is in use, and every lane has a mailbox, a sink task, metrics. So what is taken by
//! [`ByteBudget::take_weighed`] costs more the more lanes there are. Whoever holds a permit while it waits for
//! another one lets its weight go first, or the two could want more than there is.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The semaphore counts units of this many bytes: its limit is u32 permits.
const UNIT_BYTES: usize = 64;
/// As measured with 1,000 busy lanes and the default budget: see `scripts/bench tables`.
const LANES_PER_PERCENT: u32 = 3;
const WEIGHT_PERCENT_MAX: u32 = 500;

#[derive(Debug, Clone)]
pub struct ByteBudget {
    units: Arc<Semaphore>,
    total_units: u32,
    weight_percent: Arc<AtomicU32>,
}

/// Bytes taken from a budget; given back on drop.
#[derive(Debug)]
pub struct Permit {
    held: Option<OwnedSemaphorePermit>,
    /// What it is good for: at most what is held.
    plain_units: u32,
}

impl ByteBudget {
    pub fn new(bytes: usize) -> Self {
        let total_units = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        Self {
            units: Arc::new(Semaphore::new(total_units as usize)),
            total_units,
            weight_percent: Arc::new(AtomicU32::new(100)),
        }
    }

    /// Sets what weighed bytes cost while there are so many lanes.
    pub fn weigh(&self, lanes: usize) {
        let lanes = u32::try_from(lanes).unwrap_or(u32::MAX);
        let percent = (100 + lanes / LANES_PER_PERCENT).min(WEIGHT_PERCENT_MAX);
        self.weight_percent.store(percent, Ordering::Relaxed);
    }

    /// Waits until `bytes` are free, in the order of the requests.
    pub async fn take(&self, bytes: usize) -> Permit {
        let units = self.units_of(bytes);
        self.acquire(units, units).await
    }

    /// Waits until `bytes` are free at what they cost now.
    pub async fn take_weighed(&self, bytes: usize) -> Permit {
        let units = self.units_of(bytes);
        self.acquire(self.weighed(units), units).await
    }

    /// Takes `bytes` at what they cost now, at once or not at all.
    pub fn try_take_weighed(&self, bytes: usize) -> Option<Permit> {
        let plain_units = self.units_of(bytes);
        Arc::clone(&self.units)
            .try_acquire_many_owned(self.weighed(plain_units))
            .ok()
            .map(|held| Permit {
                held: Some(held),
                plain_units,
            })
    }

    async fn acquire(&self, units: u32, plain_units: u32) -> Permit {
        // The semaphore is never closed: acquiring fails only then.
        let held = Arc::clone(&self.units).acquire_many_owned(units).await.ok();
        Permit { held, plain_units }
    }

    /// Large pieces have their own pages: their weight ends at a quarter of the budget.
    fn weighed(&self, units: u32) -> u32 {
        let percent = u64::from(self.weight_percent.load(Ordering::Relaxed));
        let weighed = u64::from(units) * percent / 100;
        let weighed = u32::try_from(weighed).unwrap_or(u32::MAX);
        weighed.min(self.total_units / 4).max(units)
    }

    pub fn bytes_in_use(&self) -> usize {
        (self.total_units as usize - self.units.available_permits()) * UNIT_BYTES
    }

    pub fn bytes_total(&self) -> usize {
        self.total_units as usize * UNIT_BYTES
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT_BYTES))
            .unwrap_or(u32::MAX)
            .min(self.total_units)
    }
}

impl Permit {
    /// A permit for nothing.
    pub fn empty() -> Self {
        Self {
            held: None,
            plain_units: 0,
        }
    }

    pub fn bytes(&self) -> usize {
        self.plain_units as usize * UNIT_BYTES
    }

    /// Splits off `bytes` (rounded up to the unit) with their weight, at most all that is held.
    pub fn split(&mut self, bytes: usize) -> Self {
        let Some(held) = self.held.as_mut() else {
            return Self::empty();
        };
        let whole = self.plain_units as usize;
        let plain = bytes.div_ceil(UNIT_BYTES).min(whole);
        let units = held.num_permits() * plain / whole.max(1);
        let plain_units = u32::try_from(plain).unwrap_or(self.plain_units);
        self.plain_units -= plain_units;
        Self {
            held: held.split(units),
            plain_units,
        }
    }

    /// Gives back what it costs above its bytes.
    pub fn unweigh(&mut self) {
        if let Some(held) = self.held.as_mut() {
            let weight = held.num_permits().saturating_sub(self.plain_units as usize);
            drop(held.split(weight));
        }
    }

    /// Takes over what `other` holds of the same budget.
    pub fn merge(&mut self, other: Self) {
        self.plain_units += other.plain_units;
        match (self.held.as_mut(), other.held) {
            (Some(held), Some(other)) => held.merge(other),
            (None, other) => self.held = other,
            (Some(_), None) => (),
        }
    }

    /// Gives back what exceeds `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let excess = self
            .bytes()
            .saturating_sub(bytes.div_ceil(UNIT_BYTES) * UNIT_BYTES);
        drop(self.split(excess));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_above_the_total_takes_all_alone() {
        let budget = ByteBudget::new(1 << 20);
        let permit = budget.take(usize::MAX).await;
        assert_eq!(permit.bytes(), budget.bytes_total());
        assert!(budget.try_take_weighed(1).is_none());
        drop(permit);
        assert_eq!(budget.bytes_in_use(), 0);
    }

    #[tokio::test]
    async fn parts_of_a_permit_give_back_what_the_whole_took() {
        let budget = ByteBudget::new(1 << 20);
        let mut permit = budget.take(1000).await;
        let taken = budget.bytes_in_use();
        let part = permit.split(300);
        assert_eq!(permit.bytes() + part.bytes(), taken);
        permit.shrink_to(100);
        assert_eq!(budget.bytes_in_use(), permit.bytes() + part.bytes());
        drop((permit, part));
        assert_eq!(budget.bytes_in_use(), 0);
    }

    #[tokio::test]
    async fn small_pieces_cost_more_the_more_lanes_there_are_and_large_ones_what_they_are() {
        let budget = ByteBudget::new(1 << 20);
        budget.weigh(600);
        let mut small = budget.take_weighed(64_000).await;
        assert_eq!(small.bytes(), 64_000);
        assert_eq!(budget.bytes_in_use(), 3 * 64_000);
        let part = small.split(16_000);
        assert_eq!((small.bytes(), part.bytes()), (48_000, 16_000));
        drop(part);
        assert_eq!(budget.bytes_in_use(), 3 * 48_000);
        small.unweigh();
        assert_eq!(budget.bytes_in_use(), 48_000);
        drop(small);
        let large = budget.take_weighed(usize::MAX).await;
        assert_eq!(large.bytes(), budget.bytes_total());
        drop(large);
        assert_eq!(budget.bytes_in_use(), 0);
    }
}
