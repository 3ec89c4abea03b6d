//! The handles that are alive.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The number of the next handle. Shared by all registries, so that a handle of one is never a
/// handle of another.
static NEXT: AtomicUsize = AtomicUsize::new(1);

/// Maps handle numbers to objects. A number is never given out twice.
pub(crate) struct Registry<T> {
    entries: Mutex<BTreeMap<usize, Arc<T>>>,
}

impl<T> Registry<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Mutex::new(BTreeMap::new()) }
    }

    /// A handle for `object`; 0 when all numbers are used up.
    pub(crate) fn add(&self, object: Arc<T>) -> usize {
        let next = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
        let Ok(number) = next else { return 0 };
        self.entries().insert(number, object);
        number
    }

    /// The object, unless the handle is not alive.
    pub(crate) fn get(&self, number: usize) -> Option<Arc<T>> {
        self.entries().get(&number).cloned()
    }

    /// Ends the handle's life; the object lives until the last call on it is over.
    pub(crate) fn remove(&self, number: usize) -> Option<Arc<T>> {
        self.entries().remove(&number)
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_never_zero_never_reused_and_never_shared() {
        let (one, other) = (Registry::new(), Registry::new());
        let first = one.add(Arc::new("first"));
        assert_ne!(first, 0);
        assert_eq!(other.get(first), None);
        assert_eq!(one.remove(first).as_deref(), Some(&"first"));
        assert_eq!(one.remove(first), None);
        assert_eq!(one.get(first), None);
        assert_eq!(one.get(0), None);
        let numbers = [one.add(Arc::new("a")), other.add(Arc::new("b")), one.add(Arc::new("c"))];
        assert!(first < numbers[0] && numbers[0] < numbers[1] && numbers[1] < numbers[2]);
    }

    #[test]
    fn a_removed_object_lives_as_long_as_a_call_uses_it() {
        let registry = Registry::new();
        let number = registry.add(Arc::new(String::from("object")));
        let in_use = registry.get(number);
        drop(registry.remove(number));
        assert_eq!(in_use.as_deref().map(String::as_str), Some("object"));
    }
}
