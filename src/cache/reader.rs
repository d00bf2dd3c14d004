//! The reader that has a cache.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::body::BlockBody;
use super::engine::Engine;
use super::knowledge::{Knowledge, Look, Opening, Told};
use crate::object::ObjectKey;
use crate::semantics::range_specifier::{RangeSpec, Resolved};
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::{
    BoxFuture, Capabilities, Nothing, ObjectHead, ObjectRead, ObjectReader, Opened, ReadRequest,
    Served, Source,
};
use crate::telemetry::BlockFound;

/// A reader that keeps blocks and what it knows of objects, and asks another for the rest.
pub struct Cached {
    sources: Arc<Sources>,
}

/// Where the bytes of bodies come from. Each worker has its own, so that those do not keep fetching the
/// count of who has it from each other.
pub struct Sources {
    /// That all workers share.
    pub(super) engine: Arc<Engine>,
    /// For when there is no room: the worker's own.
    pub(super) reader: Arc<dyn ObjectReader>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.engine.fmt(f)
    }
}

impl Cached {
    /// Over the reader of a worker, with an engine that all workers share.
    #[must_use]
    pub fn new(engine: Arc<Engine>, inner: Arc<dyn ObjectReader>) -> Self {
        let sources = Sources {
            engine,
            reader: inner,
        };
        Self {
            sources: Arc::new(sources),
        }
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.sources.engine
    }

    fn opening(request: &ReadRequest) -> Opening {
        match request.range {
            None => Opening::Read(0),
            Some(RangeSpec::Int(range)) => Opening::Read(range.first),
            // Where it begins is not known before the length is.
            Some(RangeSpec::Suffix(_)) => Opening::Head,
        }
    }

    /// Reads what is known. Nothing is waited for if its first bytes are at hand.
    fn open_known(
        &self,
        request: ReadRequest,
        knowledge: Result<Knowledge, ReadError>,
    ) -> Opened<'_> {
        let Knowledge { known, told, age } = match knowledge {
            Ok(knowledge) => knowledge,
            Err(error) => return Opened::now(Err(error)),
        };
        let Some(identity) = known.identity.clone() else {
            return Opened::Later(Box::pin(self.pass_by(request)));
        };
        let length = known.representation.length;
        let whole = || length.whole().map(Resolved::Range);
        let resolved = request
            .range
            .map(|range| range.resolve(length))
            .or_else(whole);
        let extent = match resolved {
            Some(Resolved::Range(extent)) => extent,
            Some(Resolved::Unsatisfiable) => {
                let target = format!("GetObject {}", request.key);
                let kind = ReadErrorKind::RangeNotSatisfiable;
                return Opened::now(Err(ReadError::new(kind, target)));
            }
            None => {
                return Opened::now(Ok(ObjectRead {
                    representation: Arc::clone(&known.representation),
                    extent: None,
                    body: Box::pin(Nothing),
                    served: Served {
                        source: source_of_head(told),
                        age,
                    },
                }));
            }
        };
        let representation = Arc::clone(&known.representation);
        let learned = known.learned;
        let body = BlockBody::new(Arc::clone(&self.sources), known, identity, extent);
        let mut body = Box::pin(body);
        let open = move |body: Pin<Box<BlockBody>>, age| {
            let source = match (body.first_block(), told) {
                (Some(BlockFound::PassedBy), _) => Source::PassedBy,
                // The question brought the bytes, whoever asked it.
                (_, Told::Asked(Opening::Read(_))) | (Some(BlockFound::Begun), _) => Source::Missed,
                (Some(BlockFound::Coming), _) => Source::Joined,
                (Some(BlockFound::InMemory | BlockFound::OnDisk) | None, _) => source_of_head(told),
            };
            let served = Served { source, age };
            self.engine().metrics().cache_asked(served.source.as_str());
            Ok(ObjectRead {
                representation,
                extent: Some(extent),
                body,
                served,
            })
        };
        // Whoever has to wait is asked again below.
        match body.poll_first(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Opened::now(open(body, age)),
            Poll::Ready(Err(error)) => Opened::now(Err(error)),
            Poll::Pending => Opened::Later(Box::pin(async move {
                poll_fn(|cx| body.poll_first(cx)).await?;
                open(body, learned.elapsed())
            })),
        }
    }

    /// Reads what cannot be kept.
    async fn pass_by(&self, request: ReadRequest) -> Result<ObjectRead, ReadError> {
        let read = self.sources.reader.read(request).await?;
        let served = Served::now(Source::PassedBy);
        self.engine().metrics().cache_asked(served.source.as_str());
        Ok(ObjectRead { served, ..read })
    }
}

/// Where an answer comes from that needs no bytes, or whose bytes are here.
const fn source_of_head(told: Told) -> Source {
    match told {
        Told::Before => Source::Kept,
        Told::Along => Source::Joined,
        Told::Asked(_) => Source::AskedAgain,
    }
}

impl ObjectReader for Cached {
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>> {
        Box::pin(self.open(request))
    }

    fn open(&self, request: ReadRequest) -> Opened<'_> {
        if let Some(pin) = &request.pin {
            return match self.engine().pinned(&request.key, pin) {
                Some(knowledge) => self.open_known(request, Ok(knowledge)),
                None => self.sources.reader.open(request),
            };
        }
        match self.engine().look(&request.key, Self::opening(&request)) {
            Look::Known(known) => self.open_known(request, known),
            Look::Waits(waiting) => Opened::Later(Box::pin(async move {
                let known = waiting.answer(&request.key).await;
                self.open_known(request, known).await
            })),
        }
    }

    fn head(&self, key: ObjectKey) -> BoxFuture<'_, Result<ObjectHead, ReadError>> {
        Box::pin(async move {
            let Knowledge { known, told, age } = self.engine().known(&key, Opening::Head).await?;
            let served = Served {
                source: source_of_head(told),
                age,
            };
            self.engine().metrics().cache_asked(served.source.as_str());
            Ok(ObjectHead {
                representation: Arc::clone(&known.representation),
                served,
            })
        })
    }

    fn capabilities(&self) -> Capabilities {
        self.sources.reader.capabilities()
    }
}
