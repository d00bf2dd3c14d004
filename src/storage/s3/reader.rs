//! Reads as calls to S3.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError};
use aws_sdk_s3::types::{ArchiveStatus, StorageClass};
use bytes::Bytes;
use futures_core::Stream;

use super::answer::check_version;
use super::client::S3Connection;
use super::error::{Call, read_error};
use super::region::RegionalClient;
use crate::object::representation::{FieldValue, StoredType};
use crate::object::{ObjectKey, Representation, VersionId};
use crate::semantics::range_specifier::IntRange;
use crate::semantics::{
    CompleteLength, EntityTag, HttpDate, RangeSpec, RangesSpecifier, Validators,
};
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::storage::health::OriginHealth;
use crate::storage::http::CheckedBody;
use crate::storage::http::answer::{Extent, check_extent, within_reach};
use crate::storage::{
    BoxFuture, ObjectHead, ObjectRead, ObjectReader, ReadRequest, Served, Source, VersionPin,
};
use crate::telemetry::OriginMetrics;

/// Reads objects of one bucket through the AWS SDK.
pub struct S3Reader {
    client: Arc<RegionalClient>,
    connection: S3Connection,
    health: Arc<OriginHealth>,
    metrics: Arc<OriginMetrics>,
}

impl S3Reader {
    /// A reader with this client, which should be its worker's own.
    #[must_use]
    pub const fn new(
        client: Arc<RegionalClient>,
        connection: S3Connection,
        health: Arc<OriginHealth>,
        metrics: Arc<OriginMetrics>,
    ) -> Self {
        Self {
            client,
            connection,
            health,
            metrics,
        }
    }

    async fn get(&self, mut request: ReadRequest) -> Result<ObjectRead, ReadError> {
        let by_tag_alone = request
            .pin
            .as_ref()
            .filter(|pin| pin.version().is_some())
            .map(VersionPin::by_tag_alone);
        if by_tag_alone.is_some() && !self.health.may_read_versions() {
            request.pin.clone_from(&by_tag_alone);
        }
        let result = match self.counted_get_object(&request).await {
            // Reading a version needs a permission of its own. Without it the tag has to do.
            Err(error) if by_tag_alone.is_some() && is_denied(error.kind) => {
                request.pin = by_tag_alone;
                let result = self.counted_get_object(&request).await;
                if result.is_ok() {
                    self.health.versions_denied();
                }
                result
            }
            result => result,
        };
        let (output, extent, representation) = result?;
        let promised = extent
            .range
            .map_or(0, crate::semantics::InclRange::byte_count);
        let body = CheckedBody::new(
            Pieces(output.body),
            promised,
            format!("GetObject {}", request.key),
            self.connection.config().timeouts,
            Arc::clone(&self.metrics),
        );
        Ok(ObjectRead {
            representation: representation.into(),
            extent: extent.range,
            body: Box::pin(body),
            served: Served::now(Source::Origin),
        })
    }

    async fn counted_get_object(
        &self,
        request: &ReadRequest,
    ) -> Result<(GetObjectOutput, Extent, Representation), ReadError> {
        let started = Instant::now();
        let result = self.get_object(request).await;
        self.count("GetObject", started, result.as_ref().err());
        result
    }

    async fn get_object(
        &self,
        request: &ReadRequest,
    ) -> Result<(GetObjectOutput, Extent, Representation), ReadError> {
        let range = request.range.map(within_reach);
        let target = || format!("GetObject {}", request.key);
        let pin = request.pin.as_ref();
        let call = |client: Client| {
            client
                .get_object()
                .bucket(self.connection.config().bucket.as_str())
                .key(request.key.as_str())
                .set_request_payer(self.connection.request_payer())
                .set_range(range.map(|range| RangesSpecifier::from(range).to_string()))
                .set_if_match(pin.map(|pin| pin.etag().to_string()))
                .set_version_id(pin.and_then(VersionPin::version).map(ToString::to_string))
                .send()
        };
        let output = self.client.call(call).await.map_err(|error| {
            read_error(error, target(), Call::Other, self.health.list_permission())
        })?;
        let (extent, representation) = Self::check(request, range, &output)
            .map_err(|reason| ReadError::new(ReadErrorKind::BadAnswer(reason), target()))?;
        Ok((output, extent, representation))
    }

    fn check(
        request: &ReadRequest,
        range: Option<RangeSpec>,
        output: &GetObjectOutput,
    ) -> Result<(Extent, Representation), BadAnswer> {
        let extent = check_extent(range, output.content_range(), output.content_length())?;
        let representation = of_get(extent.complete, output);
        check_version(request.pin.as_ref(), &representation)?;
        Ok((extent, representation))
    }

    async fn head_object(&self, key: &ObjectKey) -> Result<Representation, ReadError> {
        let target = || format!("HeadObject {key}");
        let call = |client: Client| {
            client
                .head_object()
                .bucket(self.connection.config().bucket.as_str())
                .key(key.as_str())
                .set_request_payer(self.connection.request_payer())
                .send()
        };
        let output = self.client.call(call).await.map_err(|error| {
            read_error(error, target(), Call::Head, self.health.list_permission())
        })?;
        if is_archived(&output) {
            return Err(ReadError::new(ReadErrorKind::Archived, target()));
        }
        let length = output
            .content_length()
            .and_then(|length| u64::try_from(length).ok())
            .ok_or_else(|| ReadError::new(ReadErrorKind::BadAnswer(BadAnswer::Length), target()))?;
        Ok(of_head(CompleteLength::new(length), &output))
    }

    async fn counted_head_object(&self, key: &ObjectKey) -> Result<Representation, ReadError> {
        let started = Instant::now();
        let result = self.head_object(key).await;
        self.count("HeadObject", started, result.as_ref().err());
        result
    }

    /// HeadObject's errors have no body and so no code; where the code decides, GetObject of one
    /// byte has one.
    async fn head_with_code(&self, key: ObjectKey) -> Result<Representation, ReadError> {
        let error = match self.counted_head_object(&key).await {
            Err(error) if code_decides(error.kind) => error,
            result => return result,
        };
        let first_byte = ReadRequest {
            key: key.clone(),
            range: Some(RangeSpec::Int(IntRange {
                first: 0,
                last: Some(0),
            })),
            pin: None,
        };
        match self.get(first_byte).await {
            // What was wrong is not any more: its text named the region.
            Ok(_) if error.kind == ReadErrorKind::Misconfigured => {
                self.counted_head_object(&key).await
            }
            // It came into being in between, or is empty: the first answer stands.
            Ok(_) => Err(error),
            Err(with_code) if with_code.kind == ReadErrorKind::RangeNotSatisfiable => Err(error),
            Err(with_code) => Err(with_code),
        }
    }

    fn count(&self, operation: &str, started: Instant, error: Option<&ReadError>) {
        if let Some(ReadErrorKind::BadAnswer(reason)) = error.map(|error| error.kind) {
            self.metrics.s3_bad_answer(reason.as_str());
        }
        let outcome = error.map_or("ok", |error| error.kind.as_str());
        self.metrics
            .s3_called(operation, outcome, started.elapsed());
        self.health.called(error.map(|error| error.kind));
    }
}

impl ObjectReader for S3Reader {
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>> {
        Box::pin(self.get(request))
    }

    fn head(&self, key: ObjectKey) -> BoxFuture<'_, Result<ObjectHead, ReadError>> {
        Box::pin(async move {
            Ok(ObjectHead {
                representation: self.head_with_code(key).await?.into(),
                served: Served::now(Source::Origin),
            })
        })
    }
}

/// The SDK's stream, which is none of the trait's.
struct Pieces(ByteStream);

impl Stream for Pieces {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

fn is_denied(kind: ReadErrorKind) -> bool {
    matches!(kind, ReadErrorKind::Denied | ReadErrorKind::DeniedOrMissing)
}

/// Kinds that a status without a code cannot tell apart.
fn code_decides(kind: ReadErrorKind) -> bool {
    matches!(
        kind,
        ReadErrorKind::NotFound
            | ReadErrorKind::Denied
            | ReadErrorKind::DeniedOrMissing
            | ReadErrorKind::Archived
            | ReadErrorKind::Misconfigured
    )
}

/// Archived, and no restored copy that a GetObject could read.
fn is_archived(output: &HeadObjectOutput) -> bool {
    let archived = matches!(
        output.storage_class(),
        Some(StorageClass::Glacier | StorageClass::DeepArchive)
    ) || matches!(
        output.archive_status(),
        Some(ArchiveStatus::ArchiveAccess | ArchiveStatus::DeepArchiveAccess)
    );
    let restored = output
        .restore()
        .is_some_and(|restore| restore.contains("ongoing-request=\"false\""));
    archived && !restored
}

/// The two outputs have the same getters but no trait in common.
macro_rules! representation {
    ($length:expr, $output:expr) => {{
        let output = $output;
        let field = |value: Option<&str>| value.and_then(FieldValue::parse);
        Representation {
            length: $length,
            validators: Validators {
                etag: output.e_tag().and_then(|tag| EntityTag::parse(tag).ok()),
                last_modified: output
                    .last_modified()
                    .and_then(|date| HttpDate::from_epoch_seconds(date.secs())),
            },
            version: output.version_id().and_then(VersionId::parse),
            content_type: output.content_type().and_then(StoredType::parse),
            content_encoding: output
                .content_encoding()
                .and_then(FieldValue::parse_content_encoding),
            content_language: field(output.content_language()),
            content_disposition: field(output.content_disposition()),
            cache_control: field(output.cache_control()),
            expires: field(output.expires_string()),
        }
    }};
}

fn of_get(length: CompleteLength, output: &GetObjectOutput) -> Representation {
    representation!(length, output)
}

fn of_head(length: CompleteLength, output: &HeadObjectOutput) -> Representation {
    representation!(length, output)
}
