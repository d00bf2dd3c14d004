//! The stack of readers that viewers are served through, for each origin its own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::source::{Opened, Source};
use crate::cache::directory::MOST_KNOWN;
use crate::cache::disk::{DiskConfig, DiskTier};
use crate::cache::engine::{AskedOrigin, Blocks, Tiers};
use crate::cache::{CacheConfig, Cached, Engine};
use crate::storage::ObjectReader;
use crate::storage::capability;
use crate::storage::gate::{Gate, Gated, GatedLister};
use crate::storage::health::OriginHealth;
use crate::storage::resume::Resuming;
use crate::storage::retry::RetryBudget;
use crate::storage::s3::pace::ReadFor;
use crate::telemetry::{Metrics, OriginMetrics};

/// Makes the readers of one origin for all workers, and has what those share.
#[derive(Clone)]
pub struct Readers {
    source: Arc<dyn Source>,
    health: Arc<OriginHealth>,
    metrics: Arc<OriginMetrics>,
    budget: Arc<RetryBudget>,
    gate: Arc<Gate>,
    concurrency: usize,
    total: Duration,
}

impl Readers {
    /// Readers over an origin. `concurrency` calls of theirs may await it at once, and all calls for
    /// one answer have `total`.
    pub fn new(
        source: Arc<dyn Source>,
        health: Arc<OriginHealth>,
        metrics: Arc<OriginMetrics>,
        concurrency: usize,
        total: Duration,
    ) -> Self {
        Self {
            source,
            health,
            metrics,
            budget: Arc::new(RetryBudget::default()),
            gate: Arc::new(Gate::new(concurrency)),
            concurrency,
            total,
        }
    }

    /// A reader without a cache and a lister, with connections of their own.
    pub fn direct(&self, read_for: ReadFor) -> Opened {
        let Opened { reader, lister } = self.source.open(read_for, &self.health, &self.metrics);
        let reader = capability::honest(reader);
        let gated = Arc::new(Gated::new(reader, Arc::clone(&self.gate)));
        let lister = GatedLister::new(lister, Arc::clone(&self.gate), self.total);
        let (metrics, budget) = (Arc::clone(&self.metrics), Arc::clone(&self.budget));
        let reader = Arc::new(Resuming::new(gated, metrics, budget, self.total));
        Opened {
            reader,
            lister: Box::new(lister),
        }
    }
}

/// The reader of a worker: over the cache if there is one.
pub fn over(cache: Option<&Arc<Engine>>, direct: Arc<dyn ObjectReader>) -> Arc<dyn ObjectReader> {
    match cache {
        Some(engine) => Arc::new(Cached::new(Arc::clone(engine), direct)),
        None => direct,
    }
}

/// The blocks of all origins, and the runtime that those are asked on.
pub struct Cache {
    config: CacheConfig,
    tiers: Tiers,
    /// Of how many keys of one origin something is known.
    most_known: usize,
    /// Taken when it ends.
    runtime: Option<Runtime>,
}

impl Cache {
    /// The cache that all workers share, unless there is to be none. `most_open` of the files of blocks
    /// on disk are kept open.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn start(
        config: CacheConfig,
        origins: usize,
        most_open: u64,
        metrics: &Arc<Metrics>,
    ) -> io::Result<Option<Self>> {
        if config.memory == 0 {
            return Ok(None);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fills")
            .enable_all()
            .build()?;
        let blocks = Arc::new(Blocks::new(config.memory, config.block_size));
        let disk = config.disk.as_ref();
        let disk = disk.and_then(|disk| on_disk(disk, most_open, metrics));
        Ok(Some(Self {
            config,
            tiers: Tiers { blocks, disk },
            most_known: (MOST_KNOWN / origins.max(1)).max(1),
            runtime: Some(runtime),
        }))
    }

    /// Where blocks are kept.
    pub const fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    /// An engine that fills blocks with what `origin` reads, under the name of this identity; none where
    /// nothing of it may be kept.
    pub fn engine(&self, origin: &Readers, identity: &str) -> Option<Arc<Engine>> {
        let runtime = self.runtime.as_ref()?.handle().clone();
        let reader = origin.direct(ReadFor::Cache).reader;
        if !reader.capabilities().may_be_kept() {
            return None;
        }
        let asked = AskedOrigin {
            origin: identity.into(),
            reader,
            gate: Arc::new(Gate::new(origin.concurrency)),
            budget: Arc::clone(&origin.budget),
            metrics: Arc::clone(&origin.metrics),
            most_known: self.most_known,
        };
        let (config, tiers) = (self.config.clone(), self.tiers.clone());
        Some(Arc::new(Engine::new(config, asked, tiers, runtime)))
    }
}

/// The disk tier. A folder that cannot be used costs the origin more calls and viewers nothing, so it
/// does not stop the start.
fn on_disk(config: &DiskConfig, most_open: u64, metrics: &Arc<Metrics>) -> Option<Arc<DiskTier>> {
    let most_open = usize::try_from(most_open).unwrap_or(usize::MAX);
    match DiskTier::start(config, most_open, Arc::clone(metrics)) {
        Ok(disk) => Some(Arc::new(disk)),
        Err(error) => {
            let folder = config.folder.display();
            let why = match error.kind() {
                io::ErrorKind::WouldBlock => "another process keeps its blocks there".to_owned(),
                _ => error.to_string(),
            };
            log::error!("nothing is kept on disk: S3REEL_CACHE_DIR={folder}: {why}");
            None
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // What it still fetches is for nobody any more, and waiting is not allowed here.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
