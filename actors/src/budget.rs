//! Bytes as permits: what bounds memory travels with the data.
//!
//! A [`ByteBudget`] hands out [`Permit`]s; a permit can be split and gives its bytes back when dropped.
//! A request above the whole budget waits for all of it and takes it alone, so one huge event passes
//! instead of waiting for ever.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The semaphore counts units of this many bytes: its limit is u32 permits.
const UNIT_BYTES: usize = 64;

#[derive(Debug, Clone)]
pub struct ByteBudget {
    units: Arc<Semaphore>,
    total_units: u32,
}

/// Bytes taken from a budget; given back on drop.
#[derive(Debug)]
pub struct Permit {
    held: Option<OwnedSemaphorePermit>,
}

impl ByteBudget {
    pub fn new(bytes: usize) -> Self {
        let total_units = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        Self {
            units: Arc::new(Semaphore::new(total_units as usize)),
            total_units,
        }
    }

    /// Waits until `bytes` are free, in the order of the requests.
    pub async fn take(&self, bytes: usize) -> Permit {
        let wanted = self.units_of(bytes);
        // The semaphore is never closed: acquiring fails only then.
        Permit {
            held: Arc::clone(&self.units)
                .acquire_many_owned(wanted)
                .await
                .ok(),
        }
    }

    /// Takes `bytes` now or not at all.
    pub fn try_take(&self, bytes: usize) -> Option<Permit> {
        let wanted = self.units_of(bytes);
        Arc::clone(&self.units)
            .try_acquire_many_owned(wanted)
            .ok()
            .map(|held| Permit { held: Some(held) })
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
        Self { held: None }
    }

    pub fn bytes(&self) -> usize {
        self.held
            .as_ref()
            .map_or(0, |held| held.num_permits() * UNIT_BYTES)
    }

    /// Splits off `bytes` (rounded up to the unit), at most all that is held.
    pub fn split(&mut self, bytes: usize) -> Self {
        let Some(held) = self.held.as_mut() else {
            return Self::empty();
        };
        let units = bytes.div_ceil(UNIT_BYTES).min(held.num_permits());
        Self {
            held: held.split(units),
        }
    }

    /// Takes over what `other` holds of the same budget.
    pub fn merge(&mut self, other: Self) {
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
        assert!(budget.try_take(1).is_none());
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
}
