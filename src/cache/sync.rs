//! The locks that the state machine is built on, in one place so that a model checker can put its
//! own here: `tests/cache_model.rs` includes the files beside this one and not this one.

pub use std::sync::{Arc, Mutex, MutexGuard};

/// Takes a lock. Nothing panics while holding one here, and what a poisoned one guards would still
/// be what it was.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
