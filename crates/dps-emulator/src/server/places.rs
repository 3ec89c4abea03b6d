//! How many connections a door takes at a time.

use crate::doors::Door;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of each door, for anybody.
const OPEN: usize = 1024;
/// Of the door that operators come through, for them alone.
const RESERVE: usize = 32;
/// Of the three doors together.
pub(crate) const MOST_CONNECTIONS: usize = 3 * OPEN + RESERVE;

/// For whom a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// For anybody.
    Open,
    /// For operators; devices are told to come again.
    Reserve,
}

/// The places of one door.
#[derive(Debug)]
pub(super) struct Places {
    open: Arc<Semaphore>,
    /// More of them at the door that operators come through, for them alone: whatever devices do, and
    /// faults have done to them, an operator can look, and clear the faults.
    reserve: Option<Arc<Semaphore>>,
}

impl Places {
    pub(super) fn of(door: Door) -> Self {
        Self::new(OPEN, (door == Door::Https).then_some(RESERVE))
    }

    pub(super) fn new(open: usize, reserve: Option<usize>) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self { open: semaphore(open), reserve: reserve.map(semaphore) }
    }

    /// A place until the permit is dropped. Where operators come through, and even the reserve is taken,
    /// the next one that is free: nobody stays on those for long. Elsewhere none.
    pub(super) async fn take(&self) -> Option<(Place, OwnedSemaphorePermit)> {
        let open = |permit| (Place::Open, permit);
        if let Ok(permit) = self.open.clone().try_acquire_owned() {
            return Some(open(permit));
        }
        let reserve = self.reserve.as_ref()?;
        tokio::select! {
            biased;
            permit = self.open.clone().acquire_owned() => permit.ok().map(open),
            permit = reserve.clone().acquire_owned() => permit.ok().map(|permit| (Place::Reserve, permit)),
        }
    }
}
