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
//!
//! A batch can turn out to hold more than was asked for (a wide table's columns). [`Permit::grow`] adds that at once,
//! also above the budget. Nobody gets more of the budget until as much has come back.

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
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    free: Arc<Semaphore>,
    /// Units that permits hold and the budget does not have.
    debt: AtomicU32,
    total_units: u32,
    weight_percent: AtomicU32,
}

/// Bytes taken from a budget; given back on drop.
#[derive(Debug)]
pub struct Permit {
    /// `None`: of no budget.
    pool: Option<Arc<Pool>>,
    held_units: u32,
    /// What it is good for: at most what is held.
    plain_units: u32,
}

impl ByteBudget {
    pub fn new(bytes: usize) -> Self {
        let total_units = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        Self {
            pool: Arc::new(Pool {
                free: Arc::new(Semaphore::new(total_units as usize)),
                debt: AtomicU32::new(0),
                total_units,
                weight_percent: AtomicU32::new(100),
            }),
        }
    }

    /// Sets what weighed bytes cost while there are so many lanes.
    pub fn weigh(&self, lanes: usize) {
        let lanes = u32::try_from(lanes).unwrap_or(u32::MAX);
        let percent = (100 + lanes / LANES_PER_PERCENT).min(WEIGHT_PERCENT_MAX);
        self.pool.weight_percent.store(percent, Ordering::Relaxed);
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
        let free = self.pool.free.try_acquire_many(self.weighed(plain_units));
        free.ok().map(|taken| {
            let units = u32::try_from(taken.num_permits()).unwrap_or(u32::MAX);
            taken.forget();
            self.permit(units, plain_units)
        })
    }

    async fn acquire(&self, units: u32, plain_units: u32) -> Permit {
        // The semaphore is never closed: acquiring fails only then.
        let taken = Arc::clone(&self.pool.free)
            .acquire_many_owned(units)
            .await
            .map(OwnedSemaphorePermit::forget);
        match taken {
            Ok(()) => self.permit(units, plain_units),
            Err(_) => Permit::empty(),
        }
    }

    fn permit(&self, held_units: u32, plain_units: u32) -> Permit {
        Permit {
            pool: Some(Arc::clone(&self.pool)),
            held_units,
            plain_units,
        }
    }

    /// Large pieces have their own pages: their weight ends at a quarter of the budget.
    fn weighed(&self, units: u32) -> u32 {
        let percent = u64::from(self.pool.weight_percent.load(Ordering::Relaxed));
        let weighed = u64::from(units) * percent / 100;
        let weighed = u32::try_from(weighed).unwrap_or(u32::MAX);
        weighed.min(self.pool.total_units / 4).max(units)
    }

    /// More than the total while permits have grown above it.
    pub fn bytes_in_use(&self) -> usize {
        let pool = &self.pool;
        let debt = pool.debt.load(Ordering::Relaxed) as usize;
        let taken = (pool.total_units as usize).saturating_sub(pool.free.available_permits());
        (taken + debt) * UNIT_BYTES
    }

    pub fn bytes_total(&self) -> usize {
        self.pool.total_units as usize * UNIT_BYTES
    }

    fn units_of(&self, bytes: usize) -> u32 {
        units_of(bytes).min(self.pool.total_units)
    }
}

fn units_of(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

impl Pool {
    /// Takes as many of `units` as are free, and counts the rest as a debt.
    fn lend(&self, units: u32) {
        let free = u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX);
        let at_once = free.min(units);
        let owed = match self.free.try_acquire_many(at_once) {
            Ok(taken) => {
                taken.forget();
                units - at_once
            }
            // Somebody else was quicker, or waits for it.
            Err(_) => units,
        };
        self.debt.fetch_add(owed, Ordering::AcqRel);
    }

    /// Debts are paid first.
    fn give_back(&self, units: u32) {
        let pay = |debt: u32| Some(debt.saturating_sub(units));
        let debt = self
            .debt
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, pay);
        let paid = debt.unwrap_or_default().min(units);
        self.free.add_permits((units - paid) as usize);
    }
}

impl Permit {
    /// A permit for nothing.
    pub fn empty() -> Self {
        Self {
            pool: None,
            held_units: 0,
            plain_units: 0,
        }
    }

    pub fn bytes(&self) -> usize {
        self.plain_units as usize * UNIT_BYTES
    }

    /// Splits off `bytes` (rounded up to the unit) with their weight, at most all that is held.
    pub fn split(&mut self, bytes: usize) -> Self {
        let plain = units_of(bytes).min(self.plain_units);
        let whole = u64::from(self.plain_units.max(1));
        let held = u64::from(self.held_units) * u64::from(plain) / whole;
        let held = u32::try_from(held).unwrap_or(self.held_units);
        self.plain_units -= plain;
        self.held_units -= held;
        Self {
            pool: self.pool.clone(),
            held_units: held,
            plain_units: plain,
        }
    }

    /// Holds so many bytes more, whether the budget has them or not.
    pub fn grow(&mut self, bytes: usize) {
        if let Some(pool) = &self.pool {
            let units = units_of(bytes).min(pool.total_units);
            pool.lend(units);
            self.held_units += units;
            self.plain_units += units;
        }
    }

    /// Gives back what it costs above its bytes.
    pub fn unweigh(&mut self) {
        let weight = self.held_units.saturating_sub(self.plain_units);
        self.held_units -= weight;
        if let Some(pool) = &self.pool {
            pool.give_back(weight);
        }
    }

    /// Takes over what `other` holds of the same budget.
    pub fn merge(&mut self, mut other: Self) {
        self.plain_units += std::mem::take(&mut other.plain_units);
        self.held_units += std::mem::take(&mut other.held_units);
        if self.pool.is_none() {
            self.pool = other.pool.take();
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

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.give_back(self.held_units);
        }
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
    async fn what_a_permit_grows_by_beyond_the_budget_comes_back_before_anybody_gets_more() {
        let budget = ByteBudget::new(1 << 20);
        let mut first = budget.take(900 << 10).await;
        first.grow(200 << 10);
        assert_eq!(first.bytes(), 1100 << 10);
        assert_eq!(budget.bytes_in_use(), 1100 << 10);
        assert!(budget.try_take_weighed(1).is_none());
        let mut part = first.split(76 << 10);
        assert_eq!(part.bytes(), 76 << 10);
        part.shrink_to(0);
        assert!(budget.try_take_weighed(1).is_none(), "all is taken");
        drop(first.split(64));
        assert!(budget.try_take_weighed(64).is_some());
        drop((first, part));
        assert_eq!(budget.bytes_in_use(), 0);
        assert!(budget.try_take_weighed(1 << 20).is_some());
        let mut nothing = Permit::empty();
        nothing.grow(100);
        assert_eq!(nothing.bytes(), 0);
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
