//! Filling runs of blocks: from disk what is there, and the rest from the origin.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::{Sleep, sleep};

use super::directory::Known;
use super::engine::{Engine, GRACE, SharedError, internal};
use super::identity::ObjectIdentity;
use super::run::{Next, Run};
use super::store::Found;
use crate::semantics::InclRange;
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::storage::version::PinnedVersion;
use crate::storage::{Body, ObjectRead};

/// A run of blocks of an object.
pub type BlockRun = Run<ObjectIdentity, SharedError>;

impl Engine {
    /// Begins to fill a run.
    pub fn fill(self: &Arc<Self>, known: Arc<Known>, run: BlockRun) {
        let engine = Arc::clone(self);
        self.spawn(async move {
            engine.fill_from(known, run, None).await;
        });
    }

    /// Keeps the bytes of a read that was opened to learn what an object is.
    pub(super) fn keep(self: &Arc<Self>, known: &Known, index: u64, read: ObjectRead) {
        let Some(identity) = &known.identity else {
            return;
        };
        let found = self.blocks.find(identity, identity.length(), index, |_| 1);
        let Found::Begun(_, interest, run) = found else {
            return;
        };
        let known = Arc::new(Known {
            representation: Arc::clone(&known.representation),
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
        match self.fill_all(&identity, &known, &mut run, opened).await {
            // Whoever has come in the last moment begins a run of its own.
            Ok(()) | Err(End::Unwanted) => drop(run),
            Err(End::Failed(error)) => {
                if matches!(error.kind, ReadErrorKind::Changed | ReadErrorKind::NotFound) {
                    self.is_gone(&identity);
                }
                run.fail(Arc::new(error));
            }
        }
    }

    async fn fill_all(
        &self,
        identity: &ObjectIdentity,
        known: &Known,
        run: &mut BlockRun,
        mut opened: Option<ObjectRead>,
    ) -> Result<(), End> {
        loop {
            if opened.is_none() && self.fill_from_disk(identity, run).await? == Next::End {
                return Ok(());
            }
            if self
                .fill_from_origin(identity, known, run, opened.take())
                .await?
                == Next::End
            {
                return Ok(());
            }
        }
    }

    /// Fills the blocks that are next as long as they are on disk.
    async fn fill_from_disk(
        &self,
        identity: &ObjectIdentity,
        run: &mut BlockRun,
    ) -> Result<Next, End> {
        let Some(disk) = &self.disk else {
            return Ok(Next::More);
        };
        while let Some(length) = run.next_length() {
            let name = self.on_disk(identity, run.numbers().start);
            if !disk.has(&name) {
                return Ok(Next::More);
            }
            let reading = disk.read(name, length);
            let Some(block) = Unwanted::new(run).or(reading).await? else {
                return Ok(Next::More);
            };
            let next = run.push(&block);
            // They are where they would be kept.
            drop(run.take_completed());
            if next == Next::End {
                return Ok(Next::End);
            }
        }
        Ok(Next::End)
    }

    /// Fills blocks by one call to the origin: all of the run, or those before the next that is on disk.
    async fn fill_from_origin(
        &self,
        identity: &ObjectIdentity,
        known: &Known,
        run: &mut BlockRun,
        opened: Option<ObjectRead>,
    ) -> Result<Next, End> {
        let key = identity.key();
        let end = run
            .numbers()
            .skip(1)
            .find(|&number| self.is_on_disk(identity, number));
        let (first, last) = run.positions(end);
        let Some(range) = InclRange::new(first, last) else {
            return Err(internal(format!("a run of {key} without bytes")).into());
        };
        let _permit = self.gate.pass(key).await?;
        let mut body = Unwanted::new(run)
            .or(self.open(identity, known, range, opened))
            .await??;
        let mut missing = range.byte_count();
        loop {
            let next = Unwanted::new(run).or(poll_fn(|cx| body.as_mut().poll_next(cx)));
            match next.await? {
                Some(Ok(bytes)) => {
                    let next = run.push(&bytes);
                    self.keep_on_disk(identity, run);
                    missing =
                        missing.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    if next == Next::End || missing == 0 {
                        return Ok(next);
                    }
                }
                Some(Err(error)) => return Err(End::Failed(error)),
                None => {
                    let kind = ReadErrorKind::BadAnswer(BadAnswer::Body);
                    return Err(ReadError::new(kind, format!("blocks of {key}")).into());
                }
            }
        }
    }

    /// Hands complete blocks on to the disk, if there is one.
    fn keep_on_disk(&self, identity: &ObjectIdentity, run: &mut BlockRun) {
        for (number, block) in run.take_completed() {
            self.offer(identity, number, &block);
        }
    }

    /// Opens the read of a part of a run, if that is not done, and checks that it is what was asked for.
    async fn open(
        &self,
        identity: &ObjectIdentity,
        known: &Known,
        range: InclRange,
        opened: Option<ObjectRead>,
    ) -> Result<Body, ReadError> {
        let (reader, key) = (Arc::clone(&self.reader), identity.key().clone());
        let Some(version) = PinnedVersion::new(reader, key, &known.representation) else {
            return Err(internal(format!(
                "a run of {} without a version",
                identity.key()
            )));
        };
        let read = match opened {
            Some(read) => read,
            None => version.open(range).await?,
        };
        version.check(read, range)
    }
}

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
