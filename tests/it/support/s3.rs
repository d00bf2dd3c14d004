//! S3 servers to test against: the embedded one always, and the one behind
//! `S3REEL_TEST_ENDPOINT` (LocalStack in `tests/run`) when that is set.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use s3reel::embedded_s3::memory::Memory;
use s3reel::embedded_s3::shelf::{Metadata, Shelf};
use s3reel::embedded_s3::{BUCKET, EmbeddedS3};
use s3reel::object::BucketName;
use s3reel::storage::s3::client::{Access, ExplicitAccess};
use s3reel::storage::s3::pace::ReadFor;
use s3reel::storage::s3::{S3Config, S3Connection};

/// The variable that names another S3 server.
const ENDPOINT_VARIABLE: &str = "S3REEL_TEST_ENDPOINT";

/// Those that name its region and keys that may make buckets.
const REGION_VARIABLE: &str = "S3REEL_TEST_REGION";
const KEY_VARIABLE: &str = "S3REEL_TEST_ACCESS_KEY_ID";
const SECRET_VARIABLE: &str = "S3REEL_TEST_SECRET_ACCESS_KEY";

/// A bucket of its own on some S3 server.
pub enum TestS3 {
    /// The one of the demo, over memory.
    Embedded {
        /// The server.
        server: EmbeddedS3,
        /// What it serves.
        memory: Memory,
    },
    /// A foreign one.
    Foreign {
        /// A client of it.
        client: Client,
        /// Bucket made for the test.
        bucket: String,
        /// How to reach it.
        access: ExplicitAccess,
    },
}

impl TestS3 {
    /// The embedded server, empty.
    pub async fn embedded() -> Self {
        let memory = Memory::default();
        let server = EmbeddedS3::start(Shelf::Memory(memory.clone()))
            .await
            .expect("an embedded S3");
        Self::Embedded { server, memory }
    }

    /// An empty bucket on the foreign server, if there is one.
    pub async fn foreign() -> Option<Self> {
        let endpoint = std::env::var(ENDPOINT_VARIABLE).ok()?;
        // What LocalStack takes, unless another server wants its own.
        let or = |variable, default: &str| std::env::var(variable).unwrap_or(default.to_owned());
        let access = ExplicitAccess {
            endpoint,
            region: or(REGION_VARIABLE, "us-east-1"),
            access_key_id: or(KEY_VARIABLE, "test"),
            secret_access_key: or(SECRET_VARIABLE, "test"),
        };
        let bucket = format!("s3reel-test-{:016x}", fastrand::u64(..));
        let name = BucketName::parse(&bucket).expect("a bucket name");
        let config = S3Config::of(name, Access::Explicit(access.clone()));
        let connection = S3Connection::load(config).await.expect("a connection");
        let client = connection.client(ReadFor::Viewer);
        let created = client.create_bucket().bucket(&bucket).send().await;
        created.unwrap_or_else(|error| panic!("{ENDPOINT_VARIABLE}: {error:?}"));
        Some(Self::Foreign {
            client,
            bucket,
            access,
        })
    }

    /// All there are, each empty.
    pub async fn all() -> Vec<Self> {
        let mut all = vec![Self::embedded().await];
        all.extend(Self::foreign().await);
        all
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        match self {
            Self::Embedded { .. } => BUCKET,
            Self::Foreign { bucket, .. } => bucket,
        }
    }

    /// How to reach it.
    pub fn access(&self) -> &ExplicitAccess {
        match self {
            Self::Embedded { server, .. } => server.access(),
            Self::Foreign { access, .. } => access,
        }
    }

    /// A name for failure texts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embedded { .. } => "embedded S3",
            Self::Foreign { .. } => "foreign S3",
        }
    }

    /// Puts an object.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.put_with(key, bytes, Metadata::default()).await;
    }

    /// Removes an object.
    pub async fn remove(&self, key: &str) {
        match self {
            Self::Embedded { memory, .. } => memory.remove(key),
            Self::Foreign { client, bucket, .. } => {
                let removed = client.delete_object().bucket(bucket).key(key).send().await;
                // Our client takes every answer for one to a read, to which 204 is none.
                let is_removed = removed.as_ref().map_or_else(
                    |error| {
                        error.raw_response().map(|answer| answer.status().as_u16()) == Some(204)
                    },
                    |_| true,
                );
                assert!(is_removed, "{removed:?}");
            }
        }
    }

    /// Puts an object with metadata.
    pub async fn put_with(&self, key: &str, bytes: impl Into<Bytes>, metadata: Metadata) {
        let bytes = bytes.into();
        match self {
            Self::Embedded { memory, .. } => {
                let mut hasher = DefaultHasher::new();
                bytes.hash(&mut hasher);
                let etag = format!("{:016x}", hasher.finish());
                memory.put(key, bytes, &etag, metadata);
            }
            Self::Foreign { client, bucket, .. } => {
                client
                    .put_object()
                    .bucket(bucket)
                    .key(key)
                    .set_content_type(metadata.content_type)
                    .set_content_encoding(metadata.content_encoding)
                    .set_content_language(metadata.content_language)
                    .set_content_disposition(metadata.content_disposition)
                    .set_cache_control(metadata.cache_control)
                    .metadata("title", "not for viewers")
                    .body(ByteStream::from(bytes))
                    .send()
                    .await
                    .unwrap_or_else(|error| panic!("put of {key:?}: {error:?}"));
            }
        }
    }

    /// Puts an object in parts of 5 MiB, which gives it an entity tag that ends in their number.
    pub async fn put_in_parts(&self, key: &str, bytes: &[u8]) {
        const PART: usize = 5 * 1024 * 1024;
        let Self::Foreign { client, bucket, .. } = self else {
            let etag = format!(
                "9a0364b9e99bb480dd25e1f0284c8555-{}",
                bytes.len().div_ceil(PART)
            );
            let Self::Embedded { memory, .. } = self else {
                return;
            };
            memory.put(
                key,
                Bytes::copy_from_slice(bytes),
                &etag,
                Metadata::default(),
            );
            return;
        };
        let upload = client.create_multipart_upload().bucket(bucket).key(key);
        let upload = upload.send().await.expect("an upload");
        let upload_id = upload.upload_id().expect("an id");
        let mut parts = CompletedMultipartUpload::builder();
        for (number, part) in (1..).zip(bytes.chunks(PART)) {
            let uploaded = client
                .upload_part()
                .bucket(bucket)
                .key(key)
                .upload_id(upload_id)
                .part_number(number)
                .body(ByteStream::from(part.to_vec()))
                .send()
                .await
                .expect("a part");
            parts = parts.parts(
                CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(uploaded.e_tag().map(ToOwned::to_owned))
                    .build(),
            );
        }
        client
            .complete_multipart_upload()
            .bucket(bucket)
            .key(key)
            .upload_id(upload_id)
            .multipart_upload(parts.build())
            .send()
            .await
            .expect("a completed upload");
    }
}
