//! Where the service's state outlives it: a SQLite file behind the model in memory.
//!
//! The model is the truth while the service runs; every change of it is also appended here, in
//! the same order and under the same lock, and gets a [`Ticket`]. A thread of the store's own
//! commits what has come together since its last commit in one transaction. Nothing is
//! acknowledged before its ticket is durable: whoever manages the service waits for it, and a
//! device is told `assigning` until then. Nor is it shown: whoever reads waits for the latest
//! change that could be in what was read, and once a write has failed nothing is read any more,
//! because the memory then holds what was never kept. So no lock is held while the disk works,
//! and many devices share one write to it.

mod file;

pub use file::StoreError;
pub(crate) use file::{File, Saved};

use core::fmt;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// With this many changes a transaction is ended. What belongs together stays together.
const MOST_IN_ONE: usize = 1000;

/// What a state file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Enrollments,
    EnrollmentGroups,
    Registrations,
    HubDevices,
    LinkedHubs,
    CertificateAuthorities,
    Settings,
}

/// One thing that is different now. `Debug` leaves out the row.
pub(crate) struct Change {
    pub(crate) table: Table,
    pub(crate) key: String,
    /// JSON, which may hold keys; none when the thing is gone.
    pub(crate) row: Option<Zeroizing<String>>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, key, .. } = self;
        f.debug_struct("Change").field("table", table).field("key", key).finish_non_exhaustive()
    }
}

impl Change {
    /// Something is new or changed.
    pub(crate) fn put(table: Table, key: String, row: &impl serde::Serialize) -> Self {
        let Ok(row) = serde_json::to_string(row) else {
            unreachable!("the rows have text keys only and their values always serialize")
        };
        Self { table, key, row: Some(Zeroizing::new(row)) }
    }

    /// Something is gone.
    pub(crate) fn removed(table: Table, key: String) -> Self {
        Self { table, key, row: None }
    }
}

/// A place in the order of all changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// How far the thread has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    durable: Ticket,
    has_failed: bool,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It is on the disk; or nothing is ever to be there.
    Durable,
    /// Not yet.
    Underway,
    /// It will not be on the disk.
    Failed,
}

/// The way to the disk, if there is one.
#[derive(Debug)]
pub(crate) struct Store(Option<Journal>);

#[derive(Debug)]
struct Journal {
    queue: Mutex<Queue>,
    progress: watch::Receiver<Progress>,
    writer: Option<JoinHandle<()>>,
}

/// What is to be kept together, or not at all.
type Batch = (Ticket, Vec<Change>);

#[derive(Debug)]
struct Queue {
    last: Ticket,
    /// Dropped to end the thread.
    changes: Option<Sender<Batch>>,
}

impl Store {
    /// Keeps nothing.
    pub(crate) fn in_memory() -> Self {
        Self(None)
    }

    /// Writes to a file, on a thread of its own.
    ///
    /// # Errors
    ///
    /// [`StoreError::Thread`] when there is no thread to be had.
    pub(crate) fn in_file(file: File) -> Result<Self, StoreError> {
        let (changes, queued) = mpsc::channel();
        let (committed, progress) = watch::channel(Progress::default());
        let writer = std::thread::Builder::new()
            .name("dps-store".to_owned())
            .spawn(move || write(file, &queued, &committed))
            .map_err(StoreError::Thread)?;
        let queue = Mutex::new(Queue { last: Ticket::default(), changes: Some(changes) });
        Ok(Self(Some(Journal { queue, progress, writer: Some(writer) })))
    }

    /// Queues changes, which go into one transaction. To be called under the lock of what they
    /// change, so that the file sees them in the same order.
    pub(crate) fn append(&self, changes: impl IntoIterator<Item = Change>) -> Ticket {
        let Some(journal) = &self.0 else { return Ticket::default() };
        let mut queue = journal.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.last.0 += 1;
        if let Some(sender) = &queue.changes {
            // When the thread has ended, it has said before that it failed.
            let _ = sender.send((queue.last, changes.into_iter().collect()));
        }
        queue.last
    }

    /// What has become of the changes up to a ticket.
    pub(crate) fn durability(&self, ticket: Ticket) -> Durability {
        match &self.0 {
            None => Durability::Durable,
            Some(journal) => durability(*journal.progress.borrow(), ticket),
        }
    }

    /// The last of all changes so far: what is seen under the lock of what changes is kept when
    /// this one is.
    pub(crate) fn latest(&self) -> Ticket {
        let Some(journal) = &self.0 else { return Ticket::default() };
        journal.queue.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// Whether nothing can be kept any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.as_ref().is_some_and(|journal| journal.progress.borrow().has_failed)
    }

    /// Waits until the changes up to a ticket are on the disk, or never will be.
    pub(crate) async fn settled(&self, ticket: Ticket) -> Durability {
        let Some(journal) = &self.0 else { return Durability::Durable };
        let mut progress = journal.progress.clone();
        let settled =
            progress.wait_for(|now| durability(*now, ticket) != Durability::Underway).await;
        match settled {
            Ok(now) => durability(*now, ticket),
            Err(_) => Durability::Failed,
        }
    }
}

fn durability(progress: Progress, ticket: Ticket) -> Durability {
    match progress {
        Progress { durable, .. } if ticket <= durable => Durability::Durable,
        Progress { has_failed: true, .. } => Durability::Failed,
        Progress { .. } => Durability::Underway,
    }
}

impl Drop for Journal {
    /// What was queued is written.
    fn drop(&mut self) {
        self.queue.get_mut().unwrap_or_else(PoisonError::into_inner).changes = None;
        if let Some(writer) = self.writer.take() {
            // It logs what went wrong.
            let _ = writer.join();
        }
    }
}

/// The thread: one transaction after the other, until nobody can add to the queue any more.
fn write(mut file: File, queued: &Receiver<Batch>, progress: &watch::Sender<Progress>) {
    while let Ok((mut last, mut changes)) = queued.recv() {
        while changes.len() < MOST_IN_ONE
            && let Ok((ticket, more)) = queued.try_recv()
        {
            last = ticket;
            changes.extend(more);
        }
        match file.commit(&changes) {
            Ok(()) => progress.send_modify(|now| now.durable = last),
            Err(error) => {
                tracing::error!(%error, "the state file cannot be written; no change is accepted any more");
                progress.send_modify(|now| now.has_failed = true);
                return;
            }
        }
    }
}

/// The other end of a store whose disk does what a test wants.
#[cfg(test)]
pub(crate) struct HeldDisk {
    queued: Receiver<Batch>,
    progress: watch::Sender<Progress>,
}

#[cfg(test)]
impl HeldDisk {
    /// Keeps what was appended so far.
    pub(crate) fn write(&self) {
        for (ticket, _) in self.queued.try_iter() {
            self.progress.send_modify(|now| now.durable = ticket);
        }
    }

    /// Breaks.
    pub(crate) fn fail(&self) {
        self.progress.send_modify(|now| now.has_failed = true);
    }
}

#[cfg(test)]
impl Store {
    /// A store that writes nothing until it is told to.
    pub(crate) fn held() -> (Self, HeldDisk) {
        let (changes, queued) = mpsc::channel();
        let (progress, seen) = watch::channel(Progress::default());
        let queue = Mutex::new(Queue { last: Ticket::default(), changes: Some(changes) });
        let store = Self(Some(Journal { queue, progress: seen, writer: None }));
        (store, HeldDisk { queued, progress })
    }
}

#[cfg(test)]
mod tests;
