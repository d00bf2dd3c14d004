//! S3's reading operations over a shelf. Everything that writes is not implemented.

use s3s::dto::{
    CommonPrefix, ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadBucketInput,
    HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object, Range, Timestamp,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use super::BUCKET;
use super::paging::{Item, Page, PageRequest};
use super::shelf::{Entry, Open, Shelf};
use crate::semantics::preconditions::{TagCondition, Verdict};
use crate::semantics::range_specifier::{IntRange, Resolved};
use crate::semantics::{
    CompleteLength, ContentRange, EntityTag, HttpDate, InclRange, Preconditions, RangeSpec,
    Validators,
};

/// Most entries of a listing's page, S3's own bound.
const MAX_KEYS: i32 = 1000;

/// Answers S3's operations.
#[derive(Debug)]
pub struct Backend {
    shelf: Shelf,
}

impl Backend {
    /// One bucket over a shelf.
    #[must_use]
    pub const fn new(shelf: Shelf) -> Self {
        Self { shelf }
    }

    async fn open(&self, bucket: &str, key: &str) -> S3Result<Box<dyn Open>> {
        check_bucket(bucket)?;
        let opened = self.shelf.open(key).await.map_err(internal)?;
        opened.ok_or_else(|| s3_error!(NoSuchKey))
    }
}

fn check_bucket(bucket: &str) -> S3Result<()> {
    if bucket == BUCKET {
        Ok(())
    } else {
        Err(s3_error!(NoSuchBucket))
    }
}

fn internal(error: std::io::Error) -> S3Error {
    log::warn!("embedded S3: {error}");
    s3_error!(error, InternalError)
}

/// The conditions of an input against an object; GetObject's and HeadObject's have the same fields
/// but no trait in common.
macro_rules! check_conditions {
    ($input:expr, $entry:expr) => {
        check_conditions(
            $entry,
            &Preconditions {
                if_match: $input.if_match.as_ref().map(tags),
                if_unmodified_since: $input.if_unmodified_since.as_ref().and_then(date),
                if_none_match: $input.if_none_match.as_ref().map(tags),
                if_modified_since: $input.if_modified_since.as_ref().and_then(date),
            },
        )?
    };
}

#[async_trait::async_trait]
impl S3 for Backend {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.open(&input.bucket, &input.key).await?;
        let entry = object.entry().clone();
        check_conditions!(input, &entry);
        let complete = CompleteLength::new(entry.length);
        let part = input
            .range
            .map(|range| select(range, complete))
            .transpose()?;
        let range = part.map_or_else(|| complete.whole(), |part| Some(part.range()));
        let metadata = entry.metadata.clone();
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(object.bytes(range)),
            content_length: Some(signed(range.map_or(0, InclRange::byte_count))),
            content_range: part.map(|part| part.to_string()),
            content_type: metadata.content_type,
            content_encoding: metadata.content_encoding,
            content_language: metadata.content_language,
            content_disposition: metadata.content_disposition,
            cache_control: metadata.cache_control,
            e_tag: Some(ETag::Strong(entry.etag)),
            last_modified: Some(Timestamp::from(entry.modified)),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = self.open(&input.bucket, &input.key).await?;
        let entry = object.entry().clone();
        check_conditions!(input, &entry);
        let complete = CompleteLength::new(entry.length);
        // S3 honours Range here, unlike HTTP.
        let part = input
            .range
            .map(|range| select(range, complete))
            .transpose()?;
        let length = part.map_or(entry.length, |part| part.range().byte_count());
        let metadata = entry.metadata;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(length)),
            content_range: part.map(|part| part.to_string()),
            content_type: metadata.content_type,
            content_encoding: metadata.content_encoding,
            content_language: metadata.content_language,
            content_disposition: metadata.content_disposition,
            cache_control: metadata.cache_control,
            e_tag: Some(ETag::Strong(entry.etag)),
            last_modified: Some(Timestamp::from(entry.modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        check_bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        check_bucket(&input.bucket)?;
        let by_folder = match input.delimiter.as_deref() {
            None | Some("") => false,
            Some("/") => true,
            Some(_) => return Err(s3_error!(NotImplemented, "the only delimiter is /")),
        };
        let max_keys = input.max_keys.unwrap_or(MAX_KEYS).clamp(0, MAX_KEYS);
        let page_request = PageRequest {
            prefix: input.prefix.clone().unwrap_or_default(),
            by_folder,
            after: input
                .continuation_token
                .clone()
                .or(input.start_after.clone()),
            limit: usize::try_from(max_keys).unwrap_or(0),
        };
        let page = self.shelf.list(page_request).await.map_err(internal)?;
        Ok(S3Response::new(listing(input, max_keys, page)))
    }
}

fn listing(input: ListObjectsV2Input, max_keys: i32, page: Page) -> ListObjectsV2Output {
    let next = page
        .items
        .last()
        .filter(|_| page.truncated)
        .map(|item| item.name().to_owned());
    let key_count = i32::try_from(page.items.len()).unwrap_or(MAX_KEYS);
    let mut contents = Vec::new();
    let mut folders = Vec::new();
    for item in page.items {
        match item {
            Item::Object(key, entry) => contents.push(Object {
                key: Some(key),
                size: Some(signed(entry.length)),
                e_tag: Some(ETag::Strong(entry.etag)),
                last_modified: Some(Timestamp::from(entry.modified)),
                ..Object::default()
            }),
            Item::Folder(prefix) => folders.push(CommonPrefix {
                prefix: Some(prefix),
            }),
        }
    }
    ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: input.prefix,
        delimiter: input.delimiter,
        max_keys: Some(max_keys),
        key_count: Some(key_count),
        is_truncated: Some(page.truncated),
        next_continuation_token: next,
        contents: Some(contents),
        common_prefixes: Some(folders),
        ..ListObjectsV2Output::default()
    }
}

/// The range as S3 answers it.
fn select(range: Range, complete: CompleteLength) -> S3Result<ContentRange> {
    let range = match range {
        Range::Int { first, last } => RangeSpec::Int(IntRange { first, last }),
        Range::Suffix { length } => RangeSpec::Suffix(length),
    };
    match range.resolve(complete) {
        Resolved::Range(range) => {
            ContentRange::new(range, complete).ok_or_else(|| s3_error!(InvalidRange))
        }
        Resolved::Unsatisfiable => Err(s3_error!(InvalidRange)),
    }
}

fn check_conditions(entry: &Entry, preconditions: &Preconditions) -> S3Result<()> {
    let ours = Validators {
        etag: EntityTag::parse(&format!("\"{}\"", entry.etag)).ok(),
        last_modified: date(&Timestamp::from(entry.modified)),
    };
    match preconditions.evaluate(&ours) {
        Verdict::Proceed => Ok(()),
        Verdict::NotModified => Err(s3_error!(NotModified)),
        Verdict::Failed => Err(s3_error!(PreconditionFailed)),
    }
}

fn tags(condition: &ETagCondition) -> TagCondition {
    match condition {
        ETagCondition::Any => TagCondition::Any,
        ETagCondition::ETag(ETag::Strong(value)) => TagCondition::parse(&format!("\"{value}\"")),
        ETagCondition::ETag(ETag::Weak(value)) => TagCondition::parse(&format!("W/\"{value}\"")),
    }
}

fn date(timestamp: &Timestamp) -> Option<HttpDate> {
    let seconds = time_seconds(timestamp)?;
    HttpDate::from_epoch_seconds(seconds)
}

/// Whole seconds since 1970. The crate's timestamp can be turned into text and into the `time`
/// crate's type only; the text form of seconds spares us that dependency.
fn time_seconds(timestamp: &Timestamp) -> Option<i64> {
    let mut text = Vec::new();
    timestamp
        .format(s3s::dto::TimestampFormat::EpochSeconds, &mut text)
        .ok()?;
    let text = String::from_utf8(text).ok()?;
    text.split('.').next()?.parse().ok()
}

/// S3's lengths are signed; no file is longer.
fn signed(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
