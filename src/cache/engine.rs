//! Asking S3 on behalf of all viewers: questions about objects, and runs of blocks.
//!
//! Everything here runs on a runtime of its own, which outlives the workers that viewers are served
//! by: a viewer that leaves ends nothing that another one waits for.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::CacheConfig;
use super::directory::{Directory, Entry, Known, Landing, Question};
use super::disk::{BlockName, DiskTier};
use super::identity::{ObjectIdentity, object_on_disk};
use super::knowledge::{Knowledge, Look, Opening, Told, Waiting};
use super::store::Store;
use crate::object::{ObjectKey, Representation};
use crate::semantics::{RangeSpec, range_specifier::IntRange};
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::gate::Gate;
use crate::storage::retry::RetryBudget;
use crate::storage::{ObjectReader, ReadRequest};
use crate::telemetry::{OriginMetrics, RequestId};

/// How long a run goes on that nobody wants. Players leave and come back a little further on, and
/// the rest of a block is cheaper than asking for the block again.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// An error for all who wait for the same bytes.
pub type SharedError = Arc<ReadError>;

/// The blocks of objects.
pub type Blocks = Store<ObjectIdentity, SharedError>;

/// The origin that an engine asks, and how much it may.
pub struct AskedOrigin {
    /// What tells its objects from those of other origins.
    pub origin: Arc<str>,
    /// Its reader, whose connections are of the engine's runtime.
    pub reader: Arc<dyn ObjectReader>,
    /// Holds for the whole of each run.
    pub gate: Arc<Gate>,
    /// That of all calls of this origin that are made again.
    pub budget: Arc<RetryBudget>,
    /// What is counted.
    pub metrics: Arc<OriginMetrics>,
    /// Of how many keys something is known at once.
    pub most_known: usize,
}

/// Where blocks are kept.
#[derive(Debug, Clone)]
pub struct Tiers {
    /// In memory.
    pub blocks: Arc<Blocks>,
    /// On disk, if they are kept there.
    pub disk: Option<Arc<DiskTier>>,
}

/// What all workers share of one origin.
pub struct Engine {
    /// Which origin this is of.
    origin: Arc<str>,
    config: CacheConfig,
    /// The blocks, those of other origins among them.
    pub blocks: Arc<Blocks>,
    directory: Directory,
    pub(super) reader: Arc<dyn ObjectReader>,
    pub(super) gate: Arc<Gate>,
    /// Blocks of all origins on disk, if they are kept there.
    pub(super) disk: Option<Arc<DiskTier>>,
    budget: Arc<RetryBudget>,
    runtime: Handle,
    metrics: Arc<OriginMetrics>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("origin", &self.origin)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine for one origin, whose calls are made on `runtime`. It keeps what it reads in `tiers`,
    /// which may be those of other origins too.
    #[must_use]
    pub fn new(config: CacheConfig, asked: AskedOrigin, tiers: Tiers, runtime: Handle) -> Self {
        let Tiers { blocks, disk } = tiers;
        let AskedOrigin {
            origin,
            reader,
            gate,
            budget,
            metrics,
            most_known,
        } = asked;
        Self {
            blocks,
            directory: Directory::new(config.metadata_ttl, config.stale_if_error, most_known),
            origin,
            config,
            reader,
            gate,
            disk,
            budget,
            runtime,
            metrics,
        }
    }

    /// How it is set up.
    #[must_use]
    pub const fn config(&self) -> &CacheConfig {
        &self.config
    }

    /// What is counted.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<OriginMetrics> {
        &self.metrics
    }

    /// What is known of an object, asking S3 if need be. Dropping the future gives the question up
    /// unless others wait for it too.
    ///
    /// # Errors
    /// What S3 said instead, now or a moment ago.
    pub async fn known(
        self: &Arc<Self>,
        key: &ObjectKey,
        opening: Opening,
    ) -> Result<Knowledge, ReadError> {
        match self.look(key, opening) {
            Look::Known(known) => known,
            Look::Waits(waiting) => waiting.answer(key).await,
        }
    }

    /// What is known of an object, or is being asked from now on.
    #[must_use]
    pub fn look(self: &Arc<Self>, key: &ObjectKey, opening: Opening) -> Look {
        let (answer, told) = match self.directory.look(key) {
            Entry::Fresh(known, age) => {
                return Look::Known(Ok(Knowledge::new(known, Told::Before, age)));
            }
            Entry::NotHere(why) => return Look::Known(Err(ReadError::shared(&why))),
            Entry::Asked(answer) => (answer, Told::Along),
            Entry::Ask(question) => {
                let answer = question.answer.clone();
                let opening = self.opening(key, &question, opening);
                self.ask(key.clone(), question, opening);
                (answer, Told::Asked(opening))
            }
        };
        Look::Waits(Waiting::new(answer, told))
    }

    /// What is known of an object, if it is what `pin` names.
    #[must_use]
    pub fn pinned(&self, key: &ObjectKey, pin: &crate::storage::VersionPin) -> Option<Knowledge> {
        let known = self.directory.any(key)?;
        let identity = known.identity.as_ref()?;
        let age = known.learned.elapsed();
        identity
            .satisfies(pin)
            .then(|| Knowledge::new(known, Told::Before, age))
    }

    /// Forgets what is known of a key, and its blocks.
    pub fn purge(&self, key: &ObjectKey) {
        self.directory.forget(key);
        // From below, or what is forgotten above would come again.
        if let Some(disk) = &self.disk {
            let gone = disk.forget(object_on_disk(&self.origin, key));
            let disk = Arc::clone(disk);
            self.runtime.spawn_blocking(move || disk.remove(gone));
        }
        self.blocks
            .forget(|identity| identity.is_of(&self.origin, key));
    }

    /// The budget of calls that are made again.
    #[must_use]
    pub fn budget(&self) -> &RetryBudget {
        &self.budget
    }

    /// What a block is called on disk.
    pub(super) fn on_disk(&self, identity: &ObjectIdentity, index: u64) -> BlockName {
        identity.on_disk(index.saturating_mul(self.blocks.block_size()))
    }

    /// Of `most` blocks from `index` on, as many as are all on disk or all not: they come from one place,
    /// so that one's trouble is not the other's.
    #[must_use]
    pub fn of_one_tier(&self, identity: &ObjectIdentity, index: u64, most: u64) -> u64 {
        if self.disk.is_none() {
            return most;
        }
        let first = self.is_on_disk(identity, index);
        let is_other =
            |&number: &u64| self.is_on_disk(identity, index.saturating_add(number)) != first;
        (1..most).find(is_other).unwrap_or(most)
    }

    /// Whether a block is on disk, as far as is known.
    #[must_use]
    pub fn is_on_disk(&self, identity: &ObjectIdentity, index: u64) -> bool {
        let disk = self.disk.as_ref();
        disk.is_some_and(|disk| disk.has(&self.on_disk(identity, index)))
    }

    /// Takes note that a version is not there any more.
    pub fn is_gone(&self, identity: &ObjectIdentity) {
        self.directory.forget_version(identity);
    }

    /// Starts work that outlives who asked for it. Its log lines tell for whom it was begun.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        match RequestId::current() {
            Some(id) => self
                .runtime
                .spawn(async move { id.throughout(pin!(work)).await }),
            None => self.runtime.spawn(work),
        };
    }

    /// If the bytes are here, HEAD tells whether they are still right; else the bytes tell.
    fn opening(&self, key: &ObjectKey, question: &Question, wanted: Opening) -> Opening {
        let Opening::Read(position) = wanted else {
            return wanted;
        };
        let identity = question.old.as_ref().and_then(|old| old.identity.as_ref());
        let index = position / self.blocks.block_size();
        let is_here = |identity| {
            self.blocks.first_missing(identity, index, index).is_none()
                || self.is_on_disk(identity, index)
        };
        // After a start nothing is known but what lies on disk.
        let may_be_here = || {
            let disk = self.disk.as_ref();
            disk.is_some_and(|disk| disk.has_any_of(&object_on_disk(&self.origin, key)))
        };
        if identity.map_or_else(may_be_here, is_here) {
            Opening::Head
        } else {
            wanted
        }
    }

    fn ask(self: &Arc<Self>, key: ObjectKey, question: Question, opening: Opening) {
        let engine = Arc::clone(self);
        self.spawn(async move {
            let Question {
                old,
                waiting,
                answer,
                begun,
            } = question;
            // Ours; those of who waits count.
            drop(answer);
            let directory = Forgetting(&engine, &key);
            let asking = engine.answer(&key, opening, begun);
            let outcome = tokio::select! {
                outcome = asking => outcome,
                () = abandoned(&engine, &key, &waiting) => return,
            };
            std::mem::forget(directory);
            let told = engine.directory.learn(&key, old.as_ref(), outcome);
            waiting.send_replace(Some(told));
        });
    }

    async fn answer(
        self: &Arc<Self>,
        key: &ObjectKey,
        opening: Opening,
        begun: Instant,
    ) -> Result<Known, ReadError> {
        let known = |representation: Arc<Representation>| Known {
            identity: ObjectIdentity::of(&self.origin, key, &representation),
            representation,
            learned: begun,
        };
        let Opening::Read(position) = opening else {
            return Ok(known(self.reader.head(key.clone()).await?.representation));
        };
        let size = self.blocks.block_size();
        let first = position / size * size;
        let range = RangeSpec::Int(IntRange {
            first,
            last: Some(first.saturating_add(size - 1)),
        });
        let request = ReadRequest {
            key: key.clone(),
            range: Some(range),
            pin: None,
        };
        match self.reader.read(request).await {
            Ok(read) => {
                let known = known(Arc::clone(&read.representation));
                self.keep(&known, first / size, read);
                Ok(known)
            }
            // It is empty, or ends before: only HEAD tells where.
            Err(error) if error.kind == ReadErrorKind::RangeNotSatisfiable => {
                Ok(known(self.reader.head(key.clone()).await?.representation))
            }
            Err(error) => Err(error),
        }
    }
}

/// Takes a question out of the directory if it ends without an answer, also by a panic.
struct Forgetting<'a>(&'a Engine, &'a ObjectKey);

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        self.0.directory.given_up(self.1);
    }
}

/// Waits until nobody waits for an answer. Those who come meanwhile find the question in the
/// directory, so it has to be taken out and looked at once more.
async fn abandoned(engine: &Engine, key: &ObjectKey, waiting: &watch::Sender<Landing>) {
    // One receiver lies in the directory, unless nothing is believed for any time.
    let mut in_directory = usize::from(!engine.config.metadata_ttl.is_zero());
    loop {
        while waiting.receiver_count() > in_directory {
            sleep(GRACE / 10).await;
        }
        engine.directory.given_up(key);
        in_directory = 0;
        if waiting.receiver_count() == 0 {
            return;
        }
    }
}

pub(super) fn internal(what: String) -> ReadError {
    ReadError::new(ReadErrorKind::Internal, what)
}
