//! The reader over S3: the only place that names the AWS SDK.
//!
//! [`client`] finds credentials, region and endpoint and makes clients, over the connections of
//! [`connector`]; [`reader`] turns reads
//! into GetObject and HeadObject; [`answer`] holds what every answer must be before a byte of it
//! is passed on; [`error`] is the one door for the SDK's errors; [`lister`]
//! lists; [`probe`] learns at start whether the bucket answers.

pub mod answer;
pub mod client;
pub mod connector;
pub mod error;
pub mod lister;
pub mod probe;
pub mod reader;

/// The SDK's client: a pool of connections of the runtime that first uses it.
pub use aws_sdk_s3::Client as S3Client;

pub use super::http::pace;

pub use client::{S3Config, S3Connection};
pub use probe::{BucketHealth, BucketState};
pub use reader::S3Reader;
