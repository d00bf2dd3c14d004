//! Where answers find their blocks.

use super::{Counter, CounterVec};

/// Where a block was found that an answer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockFound {
    /// In memory, complete.
    InMemory,
    /// Someone else was fetching it.
    Coming,
    /// On disk.
    OnDisk,
    /// Nowhere: it was fetched for this answer.
    Begun,
    /// There was no room for it: the bytes come from the origin as without a cache.
    PassedBy,
}

/// The counters of one origin. They are looked up once: there is a block in every answer.
#[derive(Debug)]
pub(super) struct BlockCounters {
    in_memory: Counter,
    coming: Counter,
    on_disk: Counter,
    begun: Counter,
    passed_by: Counter,
}

impl BlockCounters {
    pub(super) fn of(all: &CounterVec, origin: &str) -> Self {
        let of = |found: &str| all.with_label_values(&[found, origin]);
        Self {
            in_memory: of("memory"),
            coming: of("coming"),
            on_disk: of("disk"),
            begun: of("origin"),
            passed_by: of("past"),
        }
    }

    pub(super) fn count(&self, found: BlockFound) {
        let counter = match found {
            BlockFound::InMemory => &self.in_memory,
            BlockFound::Coming => &self.coming,
            BlockFound::OnDisk => &self.on_disk,
            BlockFound::Begun => &self.begun,
            BlockFound::PassedBy => &self.passed_by,
        };
        counter.inc();
    }
}
