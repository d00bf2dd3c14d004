//! Where answers find their blocks.

use std::sync::Arc;

use super::spread::{SpreadCounter, SpreadFigures};
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
    in_memory: Arc<SpreadCounter>,
    coming: Counter,
    on_disk: Arc<SpreadCounter>,
    begun: Counter,
    passed_by: Counter,
}

impl BlockCounters {
    pub(super) fn of(all: &CounterVec, origin: &str, spread: &SpreadFigures) -> Self {
        let of = |found: &str| all.with_label_values(&[found, origin]);
        Self {
            in_memory: spread.counter(of("memory")),
            coming: of("coming"),
            on_disk: spread.counter(of("disk")),
            begun: of("origin"),
            passed_by: of("past"),
        }
    }

    pub(super) fn count(&self, found: BlockFound) {
        match found {
            BlockFound::InMemory => self.in_memory.inc(),
            BlockFound::Coming => self.coming.inc(),
            BlockFound::OnDisk => self.on_disk.inc(),
            BlockFound::Begun => self.begun.inc(),
            BlockFound::PassedBy => self.passed_by.inc(),
        }
    }
}
