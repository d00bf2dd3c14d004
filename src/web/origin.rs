//! One origin, as requests meet it.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::CorsPolicy;
use crate::cache::Engine;
use crate::object::KeyPrefix;
use crate::signing::Access;
use crate::storage::health::OriginHealth;
use crate::storage::{ObjectLister, ObjectReader};

/// What all workers know of an origin.
#[derive(Debug)]
pub struct Origin {
    /// Where it is mounted, as the setting says it: its name in figures, log and readiness.
    pub name: String,
    /// One word for what it is.
    pub kind: &'static str,
    /// Stands before every key that viewers ask for.
    pub prefix: KeyPrefix,
    /// Which pages of other origins may read its answers.
    pub cors: CorsPolicy,
    /// Who may read it, where anything is signed at all.
    pub access: Access,
    /// Most bytes of an answer to a range without an end.
    pub max_answer: Option<NonZeroU64>,
    /// How long all calls for one answer may take.
    pub total: Duration,
    /// Whether it answers.
    pub health: Arc<OriginHealth>,
    /// What is known and kept of it, if there is a cache.
    pub cache: Option<Arc<Engine>>,
}

/// An origin and a worker's own way to read it: its connections belong to the worker's runtime.
pub struct WorkerOrigin {
    /// Shared with the other workers.
    pub origin: Arc<Origin>,
    /// Reads objects.
    pub reader: Arc<dyn ObjectReader>,
    /// Lists them.
    pub lister: Box<dyn ObjectLister>,
}
