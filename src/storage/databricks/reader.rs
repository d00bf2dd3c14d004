//! Reads as calls of the Files API.

use std::sync::Arc;
use std::time::Instant;

use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use hyper::header::{HeaderName, IF_UNMODIFIED_SINCE, RANGE};
use hyper::{Response, StatusCode};

use super::answer::{FileHead, Suspicion};
use super::client::{Asked, DatabricksClient};
use super::error::{Call, refused, sign_in_page};
use super::version::DatedVersion;
use crate::object::{ObjectKey, Representation};
use crate::semantics::range_specifier::IntRange;
use crate::semantics::{InclRange, RangeSpec, RangesSpecifier};
use crate::storage::capability::{Capabilities, ListingBy, Validator};
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::health::OriginHealth;
use crate::storage::http::CheckedBody;
use crate::storage::http::answer::{Extent, within_reach};
use crate::storage::{
    BoxFuture, Nothing, ObjectHead, ObjectRead, ObjectReader, ReadRequest, Served, Source,
};
use crate::telemetry::OriginMetrics;

/// Reads files of one volume as objects.
#[derive(Clone)]
pub struct DatabricksReader {
    pub(super) client: DatabricksClient,
    metrics: Arc<OriginMetrics>,
    health: Arc<OriginHealth>,
}

/// An answer with bytes that has passed all checks.
struct Opened {
    answer: Response<Incoming>,
    extent: Extent,
    representation: Representation,
}

impl DatabricksReader {
    /// A reader with this client, which should be its worker's own.
    #[must_use]
    pub const fn new(
        client: DatabricksClient,
        health: Arc<OriginHealth>,
        metrics: Arc<OriginMetrics>,
    ) -> Self {
        Self {
            client,
            metrics,
            health,
        }
    }

    fn path(&self, key: &ObjectKey) -> String {
        let volume = &self.client.config().volume;
        format!("/api/2.0/fs/files{}", volume.below(key.as_str()))
    }

    async fn get(&self, request: ReadRequest) -> Result<ObjectRead, ReadError> {
        let target = format!("download of {}", request.key);
        let Opened {
            answer,
            extent,
            representation,
        } = self.counted_open(&request, &target).await?;
        let promised = extent.range.map_or(0, InclRange::byte_count);
        let body = CheckedBody::new(
            BodyDataStream::new(answer.into_body()),
            promised,
            target,
            self.client.config().timeouts,
            Arc::clone(&self.metrics),
        );
        Ok(ObjectRead {
            representation: representation.into(),
            extent: extent.range,
            body: match extent.range {
                Some(_) => Box::pin(body),
                None => Box::pin(Nothing),
            },
            served: Served::now(Source::Origin),
        })
    }

    async fn counted_open(&self, request: &ReadRequest, target: &str) -> Result<Opened, ReadError> {
        let started = Instant::now();
        let opened = self.open(request, target).await;
        self.count("download", started, opened.as_ref().err());
        opened
    }

    async fn open(&self, request: &ReadRequest, target: &str) -> Result<Opened, ReadError> {
        let bad = |reason| ReadError::new(ReadErrorKind::BadAnswer(reason), target);
        let changed = || ReadError::new(ReadErrorKind::Changed, target);
        let pinned = match &request.pin {
            // A tag that is none of ours cannot be that of any version.
            Some(pin) => Some(DatedVersion::of_pin(pin).ok_or_else(changed)?),
            None => None,
        };
        let range = request.range.map(within_reach);
        let mut fields: Vec<(HeaderName, String)> = Vec::new();
        if let Some(range) = range {
            fields.push((RANGE, RangesSpecifier::from(range).to_string()));
        }
        if let Some(pinned) = pinned {
            fields.push((IF_UNMODIFIED_SINCE, pinned.modified.to_string()));
        }
        let (answer, head) = self.ask(Call::Get, &request.key, fields, target).await?;
        match head.suspicion(&request.key) {
            // A pinned read is held to its date below.
            Suspicion::None if pinned.is_some() || head.is_dated() => {}
            Suspicion::Certain => return Err(sign_in_page(target.to_owned())),
            // A page may say no type, but one that is made on the spot has no date.
            Suspicion::None | Suspicion::Unclear => {
                self.compare_with_head(&request.key, &head, target).await?;
            }
        }
        let extent = head.extent(range).map_err(bad)?;
        let mut representation = head.representation(extent.complete);
        // Only what is newer is kept from us by the request: the rest is looked at here.
        if pinned.is_some_and(|pinned| !pinned.is(&representation)) {
            return Err(changed());
        }
        // A version that was settled once is so for good, whatever this answer's clock says.
        if let Some(pin) = &request.pin {
            representation.validators.etag = Some(pin.etag().clone());
        }
        Ok(Opened {
            answer,
            extent,
            representation,
        })
    }

    /// A page came, and the file may be one: it is if HEAD tells of the same.
    async fn compare_with_head(
        &self,
        key: &ObjectKey,
        told: &FileHead,
        target: &str,
    ) -> Result<(), ReadError> {
        let (_, known) = self.ask(Call::Head, key, Vec::new(), target).await?;
        if told.agrees_with(&known) {
            return Ok(());
        }
        Err(sign_in_page(target.to_owned()))
    }

    /// Asks about a file, and gives the answer if it is a success.
    async fn ask(
        &self,
        call: Call,
        key: &ObjectKey,
        fields: Vec<(HeaderName, String)>,
        target: &str,
    ) -> Result<(Response<Incoming>, FileHead), ReadError> {
        // No file of a volume has such a name, and a workspace may collapse it to that of another.
        if key.as_str().split('/').any(str::is_empty) {
            return Err(ReadError::new(ReadErrorKind::NotFound, target));
        }
        let path = self.path(key);
        let asked = Asked {
            call,
            path: &path,
            fields,
            target,
        };
        let answer = self.client.ask(&asked).await?;
        if !matches!(
            answer.status(),
            StatusCode::OK | StatusCode::PARTIAL_CONTENT
        ) {
            let limit = self.client.config().timeouts.first_byte;
            return Err(refused(answer, call, target.to_owned(), limit).await);
        }
        let head = FileHead::read(answer.status(), answer.headers());
        let head = head.map_err(|reason| {
            ReadError::new(ReadErrorKind::BadAnswer(reason), target.to_owned())
        })?;
        Ok((answer, head))
    }

    async fn metadata(&self, key: &ObjectKey) -> Result<Representation, ReadError> {
        let target = format!("metadata of {key}");
        let bad = |reason| ReadError::new(ReadErrorKind::BadAnswer(reason), target.clone());
        let (_, head) = self.ask(Call::Head, key, Vec::new(), &target).await?;
        let is_page = match head.suspicion(key) {
            Suspicion::None => false,
            Suspicion::Certain => true,
            Suspicion::Unclear => !head.agrees_with(&head),
        };
        if is_page {
            return Err(sign_in_page(target));
        }
        head.of_whole().map_err(bad)
    }

    /// The answers to HEAD have no code; where the code decides, that to a GET of one byte has one.
    async fn with_code(&self, key: &ObjectKey, error: ReadError) -> ReadError {
        let first_byte = ReadRequest {
            key: key.clone(),
            range: Some(RangeSpec::Int(IntRange {
                first: 0,
                last: Some(0),
            })),
            pin: None,
        };
        let target = format!("first byte of {key}");
        match self.counted_open(&first_byte, &target).await {
            // It came into being in between, or is empty: the first answer stands.
            Ok(_) => error,
            Err(with_code) if with_code.kind == ReadErrorKind::RangeNotSatisfiable => error,
            Err(with_code) => with_code,
        }
    }

    pub(super) fn count(&self, operation: &str, started: Instant, error: Option<&ReadError>) {
        if let Some(ReadErrorKind::BadAnswer(reason)) = error.map(|error| error.kind) {
            self.metrics.s3_bad_answer(reason.as_str());
        }
        let outcome = error.map_or("ok", |error| error.kind.as_str());
        self.metrics
            .s3_called(operation, outcome, started.elapsed());
        self.health.called(error.map(|error| error.kind));
    }
}

/// Kinds that a status without a code cannot tell apart.
fn code_decides(kind: ReadErrorKind) -> bool {
    matches!(
        kind,
        ReadErrorKind::NotFound | ReadErrorKind::Denied | ReadErrorKind::Misconfigured
    )
}

impl ObjectReader for DatabricksReader {
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>> {
        Box::pin(self.get(request))
    }

    fn head(&self, key: ObjectKey) -> BoxFuture<'_, Result<ObjectHead, ReadError>> {
        Box::pin(async move {
            let started = Instant::now();
            let known = self.metadata(&key).await;
            self.count("metadata", started, known.as_ref().err());
            let representation = match known {
                Err(error) if code_decides(error.kind) => {
                    return Err(self.with_code(&key, error).await);
                }
                known => known?,
            };
            Ok(ObjectHead {
                representation: representation.into(),
                served: Served::now(Source::Origin),
            })
        })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            validator: Validator::StrongWhenSettled,
            listing: ListingBy::Prefix,
        }
    }
}
