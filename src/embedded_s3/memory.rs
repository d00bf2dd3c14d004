//! Objects in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use bytes::Bytes;
use s3s::Body;
use s3s::dto::StreamingBlob;

use super::paging::{Collected, Collector, Page, PageRequest};
use super::shelf::{Entry, Metadata, Open};
use crate::semantics::InclRange;

/// A map from keys to objects. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<RwLock<BTreeMap<String, Stored>>>);

/// One object.
#[derive(Debug, Clone)]
struct Stored {
    entry: Entry,
    bytes: Bytes,
}

impl Memory {
    /// Puts an object in, in place of any that has its key. The entity tag is `etag`, without
    /// quotes; whoever puts different bytes has to give a different one.
    pub fn put(&self, key: &str, bytes: Bytes, etag: &str, metadata: Metadata) {
        let entry = Entry {
            length: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            etag: etag.to_owned(),
            modified: SystemTime::now(),
            metadata,
        };
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        map.insert(key.to_owned(), Stored { entry, bytes });
    }

    /// Takes an object away, if there is one with this key.
    pub fn remove(&self, key: &str) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        map.remove(key);
    }

    /// The object with this key.
    #[must_use]
    pub fn open(&self, key: &str) -> Option<Box<dyn Open>> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let stored = map.get(key)?.clone();
        Some(Box::new(stored))
    }

    /// One page of keys.
    #[must_use]
    pub fn list(&self, request: &PageRequest) -> Page {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut collector = Collector::new(request);
        let from = Bound::Included(request.prefix.clone());
        for (key, stored) in map.range((from, Bound::Unbounded)) {
            let beyond = !key.starts_with(request.prefix.as_str());
            if beyond || collector.add(key, || Some(stored.entry.clone())) == Collected::Full {
                break;
            }
        }
        collector.finish()
    }
}

impl Open for Stored {
    fn entry(&self) -> &Entry {
        &self.entry
    }

    fn bytes(self: Box<Self>, range: Option<InclRange>) -> StreamingBlob {
        let range = range.and_then(|range| {
            let first = usize::try_from(range.first()).ok()?;
            let last = usize::try_from(range.last()).ok()?;
            (last < self.bytes.len()).then(|| self.bytes.slice(first..=last))
        });
        StreamingBlob::from(Body::from(range.unwrap_or_default()))
    }
}
