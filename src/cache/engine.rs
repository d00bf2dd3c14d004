//! Asking S3 on behalf of all viewers: questions about objects, and runs of blocks.
//!
//! Everything here runs on a runtime of its own, which outlives the workers that viewers are served
//! by: a viewer that leaves ends nothing that another one waits for.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use super::CacheConfig;
use super::directory::{Directory, Entry, Known, Landing, Question};
use super::identity::ObjectIdentity;
use super::run::{Next, Run};
use super::store::{Found, Store};
use crate::object::{ObjectKey, Representation};
use crate::semantics::{InclRange, RangeSpec, range_specifier::IntRange};
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::storage::gate::Gate;
use crate::storage::retry::RetryBudget;
use crate::storage::version::PinnedVersion;
use crate::storage::{Body, ObjectRead, ObjectReader, ReadRequest};
use crate::telemetry::{OriginMetrics, RequestId};

/// How long a run goes on that nobody wants. Players leave and come back a little further on, and
/// the rest of a block is cheaper than asking for the block again.
const GRACE: Duration = Duration::from_secs(1);

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

/// What all workers share of one origin.
pub struct Engine {
    /// Which origin this is of.
    origin: Arc<str>,
    config: CacheConfig,
    /// The blocks, those of other origins among them.
    pub blocks: Arc<Blocks>,
    directory: Directory,
    reader: Arc<dyn ObjectReader>,
    gate: Arc<Gate>,
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

/// With what S3 is asked about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// `HeadObject`: no bytes are wanted, or not known which.
    Head,
    /// A read of the block that has this position, whose bytes are wanted next.
    Read(u64),
}

/// Whose question told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It was known.
    Before,
    /// S3 was asked for this request, with this.
    Asked(Opening),
    /// S3 was being asked for another one.
    Along,
}

impl Engine {
    /// An engine for one origin, whose calls are made on `runtime`. It keeps what it reads in `blocks`,
    /// which may be those of other origins too.
    #[must_use]
    pub fn new(
        config: CacheConfig,
        asked: AskedOrigin,
        blocks: Arc<Blocks>,
        runtime: Handle,
    ) -> Self {
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
    ) -> Result<(Arc<Known>, Told), ReadError> {
        let (mut answer, told) = match self.directory.look(key) {
            Entry::Fresh(known) => return Ok((known, Told::Before)),
            Entry::NotHere(why) => return Err(ReadError::shared(&why)),
            Entry::Asked(answer) => (answer, Told::Along),
            Entry::Ask(question) => {
                let answer = question.answer.clone();
                let opening = self.opening(&question, opening);
                self.ask(key.clone(), question, opening);
                (answer, Told::Asked(opening))
            }
        };
        let landed = answer.wait_for(Option::is_some).await;
        let landed = landed.ok().and_then(|landed| landed.clone());
        match landed {
            Some(Ok(known)) => Ok((known, told)),
            Some(Err(why)) => Err(ReadError::shared(&why)),
            None => Err(internal(format!("a question about {key} was given up"))),
        }
    }

    /// What is known of an object, if it is what `pin` names.
    #[must_use]
    pub fn pinned(&self, key: &ObjectKey, pin: &crate::storage::VersionPin) -> Option<Arc<Known>> {
        let known = self.directory.any(key)?;
        let identity = known.identity.as_ref()?;
        identity.satisfies(pin).then_some(known)
    }

    /// Forgets what is known of a key, and its blocks.
    pub fn purge(&self, key: &ObjectKey) {
        self.directory.forget(key);
        self.blocks
            .forget(|identity| identity.is_of(&self.origin, key));
    }

    /// The budget of calls that are made again.
    #[must_use]
    pub fn budget(&self) -> &RetryBudget {
        &self.budget
    }

    /// Takes note that a version is not there any more.
    pub fn is_gone(&self, identity: &ObjectIdentity) {
        self.directory.forget_version(identity);
    }

    /// Begins to fill a run.
    pub fn fill(self: &Arc<Self>, known: Arc<Known>, run: BlockRun) {
        let engine = Arc::clone(self);
        self.spawn(async move {
            engine.fill_from(known, run, None).await;
        });
    }

    /// Starts work that outlives who asked for it. Its log lines tell for whom it was begun.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        match RequestId::current() {
            Some(id) => self.runtime.spawn(async move { id.throughout(work).await }),
            None => self.runtime.spawn(work),
        };
    }

    /// If the bytes are here, HEAD tells whether they are still right; else the bytes tell.
    fn opening(&self, question: &Question, wanted: Opening) -> Opening {
        let Opening::Read(position) = wanted else {
            return wanted;
        };
        let identity = question.old.as_ref().and_then(|old| old.identity.as_ref());
        let index = position / self.blocks.block_size();
        let is_here = |identity| self.blocks.first_missing(identity, index, index).is_none();
        match identity {
            Some(identity) if is_here(identity) => Opening::Head,
            Some(_) | None => wanted,
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
        let known = |representation: Representation| Known {
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
                let known = known(read.representation.clone());
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

    /// Keeps the bytes of a read that was opened to learn what an object is.
    fn keep(self: &Arc<Self>, known: &Known, index: u64, read: ObjectRead) {
        let Some(identity) = &known.identity else {
            return;
        };
        let found = self.blocks.find(identity, identity.length(), index, |_| 1);
        let Found::Begun(_, interest, run) = found else {
            return;
        };
        let known = Arc::new(Known {
            representation: known.representation.clone(),
            identity: known.identity.clone(),
            learned: known.learned,
        });
        let engine = Arc::clone(self);
        self.spawn(async move {
            // Who asked comes for it in a moment.
            let waiting = async {
                sleep(GRACE).await;
                drop(interest);
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = engine.fill_from(known, run, Some(read)) => {}
                () = waiting => {}
            }
        });
    }

    async fn fill_from(&self, known: Arc<Known>, mut run: BlockRun, opened: Option<ObjectRead>) {
        let Some(identity) = known.identity.clone() else {
            return;
        };
        let key = identity.key().clone();
        let outcome = async {
            let _permit = self.gate.pass(&key).await?;
            let mut body = Unwanted::new(&run)
                .or(self.open(&key, &known, &run, opened))
                .await??;
            loop {
                let next = Unwanted::new(&run).or(poll_fn(|cx| body.as_mut().poll_next(cx)));
                match next.await? {
                    Some(Ok(bytes)) => {
                        if run.push(&bytes) == Next::End {
                            return Ok(());
                        }
                    }
                    Some(Err(error)) => return Err(End::Failed(error)),
                    None => {
                        let kind = ReadErrorKind::BadAnswer(BadAnswer::Body);
                        return Err(ReadError::new(kind, format!("blocks of {key}")).into());
                    }
                }
            }
        };
        let outcome: Result<(), End> = outcome.await;
        match outcome {
            // Whoever has come in the last moment begins a run of its own.
            Ok(()) | Err(End::Unwanted) => drop(run),
            Err(End::Failed(error)) => {
                if matches!(error.kind, ReadErrorKind::Changed | ReadErrorKind::NotFound) {
                    self.directory.forget_version(&identity);
                }
                run.fail(Arc::new(error));
            }
        }
    }

    /// Opens the read of a run, if that is not done, and checks that it is what was asked for.
    async fn open(
        &self,
        key: &ObjectKey,
        known: &Known,
        run: &BlockRun,
        opened: Option<ObjectRead>,
    ) -> Result<Body, ReadError> {
        let (first, last) = run.positions();
        let reader = Arc::clone(&self.reader);
        let version = PinnedVersion::new(reader, key.clone(), &known.representation);
        let (Some(range), Some(version)) = (InclRange::new(first, last), version) else {
            return Err(internal(format!("a run of {key} without bytes")));
        };
        let read = match opened {
            Some(read) => read,
            None => version.open(range).await?,
        };
        version.check(read, range)
    }
}

/// A run of blocks of an object.
pub type BlockRun = Run<ObjectIdentity, SharedError>;

/// Why a run ends before its last byte.
enum End {
    /// Nobody wants it.
    Unwanted,
    /// There will be no more bytes.
    Failed(ReadError),
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

/// Ends what a run waits for when nobody has wanted the run for [`GRACE`].
struct Unwanted<'a> {
    run: &'a BlockRun,
    since: Option<Pin<Box<Sleep>>>,
}

impl<'a> Unwanted<'a> {
    const fn new(run: &'a BlockRun) -> Self {
        Self { run, since: None }
    }

    async fn or<T>(mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll(cx).map(|()| Err(End::Unwanted)),
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.run.poll_unwanted(cx).is_pending() {
                self.since = None;
                return Poll::Pending;
            }
            let Some(since) = &mut self.since else {
                self.since = Some(Box::pin(sleep(GRACE)));
                continue;
            };
            if since.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.run.poll_unwanted(cx).is_ready() {
                return Poll::Ready(());
            }
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

fn internal(what: String) -> ReadError {
    ReadError::new(ReadErrorKind::Internal, what)
}
