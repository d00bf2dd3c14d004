//! The origins that a service is made of.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::object::KeyPrefix;
use crate::object::mount::Mount;
use crate::signing::Access;
use crate::storage::databricks::DatabricksConfig;
use crate::storage::file::FileConfig;
use crate::storage::s3::S3Config;
use crate::web::CorsPolicy;

/// One origin: where viewers find it, what it is, and what it may cost.
#[derive(Debug, Clone)]
pub struct OriginConfig {
    /// Where viewers find it.
    pub mount: Mount,
    /// What it is.
    pub source: OriginSource,
    /// `S3REEL_ORIGIN_CONCURRENCY` or `concurrency=`: calls to it that may await the head of their
    /// answer at once, over all workers; default 256. As many again wait for up to a second. More let
    /// a slow origin tie up more of us, and ask more of it.
    pub concurrency: usize,
    /// `cors=`: which pages of other origins may read its answers; `None` for what holds for all.
    pub cors: Option<CorsPolicy>,
    /// `max_answer=`: most bytes of an answer to a range without an end; `None`, the default, for no
    /// such bound. Players of iOS take an answer that is shorter than what they asked for for the end
    /// of the film.
    pub max_answer: Option<NonZeroU64>,
    /// `keys=`: who may read it.
    pub access: Access,
}

/// `S3REEL_ORIGIN_CONCURRENCY`'s default.
pub const DEFAULT_CONCURRENCY: usize = 256;

/// What an origin is.
#[derive(Debug, Clone)]
pub enum OriginSource {
    /// A bucket.
    S3(Box<S3Config>),
    /// `file:/folder`.
    File(FileConfig),
    /// `databricks:/Volumes/catalog/schema/volume`.
    Databricks(Box<DatabricksConfig>),
}

impl OriginConfig {
    /// An origin for all keys of all hosts, with what is the default for the rest.
    #[must_use]
    pub fn of(source: OriginSource) -> Self {
        Self {
            mount: Mount::default(),
            source,
            concurrency: DEFAULT_CONCURRENCY,
            cors: None,
            max_answer: None,
            access: Access::AnyKey,
        }
    }
}

impl fmt::Display for OriginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3(config) => write!(f, "s3://{}/{}", config.bucket, config.prefix),
            Self::File(folder) => write!(f, "file:{}", folder.folder),
            Self::Databricks(volume) => write!(f, "databricks:{}", volume.volume),
        }
    }
}

impl OriginSource {
    /// One word for what it is.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::S3(_) => "bucket",
            Self::File(_) => "folder",
            Self::Databricks(_) => "volume",
        }
    }

    /// What stands before every key that viewers ask for. The readers of folders and volumes begin
    /// where those are.
    #[must_use]
    pub fn prefix(&self) -> KeyPrefix {
        match self {
            Self::S3(config) => config.prefix.clone(),
            Self::File(_) | Self::Databricks(_) => KeyPrefix::default(),
        }
    }

    /// How long all calls for one answer may take.
    #[must_use]
    pub fn total(&self) -> Duration {
        match self {
            Self::S3(config) => config.timeouts.total,
            Self::File(folder) => folder.timeouts.total,
            Self::Databricks(volume) => volume.timeouts.total,
        }
    }
}
