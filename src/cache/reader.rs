//! The reader that has a cache.

use std::future::poll_fn;
use std::sync::Arc;

use super::body::BlockBody;
use super::engine::{Engine, Knowledge, Opening, Told};
use crate::object::ObjectKey;
use crate::semantics::range_specifier::{RangeSpec, Resolved};
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::{
    BoxFuture, Capabilities, Nothing, ObjectHead, ObjectRead, ObjectReader, ReadRequest, Served,
    Source,
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

    async fn open(&self, request: ReadRequest) -> Result<ObjectRead, ReadError> {
        let opening = match request.range {
            None => Opening::Read(0),
            Some(RangeSpec::Int(range)) => Opening::Read(range.first),
            // Where it begins is not known before the length is.
            Some(RangeSpec::Suffix(_)) => Opening::Head,
        };
        let knowledge = match &request.pin {
            None => self.engine().known(&request.key, opening).await?,
            Some(pin) => match self.engine().pinned(&request.key, pin) {
                Some(knowledge) => knowledge,
                None => return self.sources.reader.read(request).await,
            },
        };
        let Knowledge { known, told, age } = knowledge;
        let Some(identity) = known.identity.clone() else {
            let read = self.sources.reader.read(request).await?;
            let served = Served::now(Source::PassedBy);
            self.engine().metrics().cache_asked(served.source.as_str());
            return Ok(ObjectRead { served, ..read });
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
                return Err(ReadError::new(ReadErrorKind::RangeNotSatisfiable, target));
            }
            None => {
                return Ok(ObjectRead {
                    representation: Arc::clone(&known.representation),
                    extent: None,
                    body: Box::pin(Nothing),
                    served: Served {
                        source: source_of_head(told),
                        age,
                    },
                });
            }
        };
        let representation = Arc::clone(&known.representation);
        let body = BlockBody::new(Arc::clone(&self.sources), known, identity, extent);
        let mut body = Box::pin(body);
        poll_fn(|cx| body.poll_first(cx)).await?;
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
