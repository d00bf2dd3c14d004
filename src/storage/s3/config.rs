//! How a bucket is reached: what is set, before anything is asked.

use std::time::Duration;

use crate::object::{BucketName, KeyPrefix};

/// How a bucket is reached.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The bucket.
    pub bucket: BucketName,
    /// The part of it that is served.
    pub prefix: KeyPrefix,
    /// `S3REEL_FORCE_PATH_STYLE`: bucket in the path and not in the host name. `None`: yes if an
    /// endpoint URL is configured, since S3-like servers rarely have a wildcard host name.
    pub force_path_style: Option<bool>,
    /// Whether requests are signed, and with what.
    pub access: Access,
    /// Time limits.
    pub timeouts: OriginTimeouts,
}

/// Where credentials come from.
#[derive(Debug, Clone)]
pub enum Access {
    /// aws-config's own chain: environment, profile, SSO, web identity, container, instance.
    Chain,
    /// `S3REEL_ANONYMOUS`: unsigned requests to a public bucket.
    Anonymous,
    /// Everything given outright and nothing read from the environment, for the demo and tests.
    Explicit(ExplicitAccess),
}

/// An endpoint with keys, independent of the caller's environment.
#[derive(Clone)]
pub struct ExplicitAccess {
    /// Endpoint URL, such as `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// Region name to sign for.
    pub region: String,
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
}

impl std::fmt::Debug for ExplicitAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExplicitAccess")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// How long S3 may take. Larger values forgive a slower origin and let viewers wait longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginTimeouts {
    /// `S3REEL_ORIGIN_CONNECT_TIMEOUT`: until the connection stands; default 1 s.
    pub connect: Duration,
    /// `S3REEL_ORIGIN_FIRST_BYTE_TIMEOUT`: until the head of the answer, each attempt; default 3 s.
    pub first_byte: Duration,
    /// `S3REEL_ORIGIN_IDLE_TIMEOUT`: between two pieces of a body while the viewer is ready for
    /// more; default 6 s.
    pub idle: Duration,
    /// `S3REEL_ORIGIN_MIN_RATE`: bytes a second that a body has to bring, over 30 s in which the viewer
    /// waits for it; default 16 KiB, 0 for no limit. A read that is slower is opened again.
    pub min_rate: u64,
    /// All calls and attempts of one request together; 10 s.
    pub total: Duration,
}

impl Default for OriginTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            first_byte: Duration::from_secs(3),
            idle: Duration::from_secs(6),
            min_rate: 16 * 1024,
            total: Duration::from_secs(10),
        }
    }
}
