//! HTTP in front of the readers: extract, decide, respond.
//!
//! A request enters at [`entry`], where [`admission`] decides on its signature. [`extract`] turns its fields into types, [`decide`] asks S3 and
//! chooses the answer, [`respond`] renders it; [`problem`] is every answer that is a failure.
//! [`page`] is what lives under `/-/`, [`admin`] the other listener.

pub mod admin;
pub mod admission;
pub mod body;
pub mod content_type;
pub mod cors;
pub mod decide;
pub mod entry;
pub mod extract;
pub mod keep_alive;
pub mod multipart;
pub mod object_body;
pub mod object_headers;
pub mod page;
pub mod pauses;
pub mod problem;
pub mod respond;
pub mod streams;
pub mod viewer_address;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::Engine;
use crate::object::KeyPrefix;
use crate::object::representation::FieldValue;
use crate::storage::s3::BucketHealth;
use crate::storage::{ObjectLister, ObjectReader};
use crate::telemetry::{Lifecycle, Metrics};

use admission::SignedUrls;
use pauses::Pauses;
use streams::{StreamLimits, Streams};
use viewer_address::TrustedProxies;

pub use cors::CorsPolicy;

/// How answers look.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// `S3REEL_PREFIX`: the part of the bucket that is served.
    pub prefix: KeyPrefix,
    /// `S3REEL_CORS_ORIGINS`: which pages of other origins may read answers.
    pub cors: CorsPolicy,
    /// `S3REEL_CACHE_CONTROL`: sent when S3 stores none. Longer lives save requests and show an
    /// overwritten object later.
    pub cache_control: FieldValue,
    /// `S3REEL_BROWSE`: whether the page and the listing are there.
    pub browse: Browse,
    /// `S3REEL_KEEP_ALIVE`: how long an idle connection stays open; told in `Keep-Alive`. Longer
    /// than a balancer's own limit avoids races at its end.
    pub keep_alive: Duration,
    /// How long all calls to S3 for one request may take.
    pub origin_total: Duration,
    /// `S3REEL_VIEWER_HOLD`: how long a viewer may take nothing before its read from S3 is given
    /// up, to be opened again when it reads on; at most a second at the beginning of an answer.
    /// Longer holds spare calls and cost memory, up to a megabyte a viewer here and more in socket
    /// buffers.
    pub viewer_hold: Duration,
    /// How many answers with objects may be in flight.
    pub streams: StreamLimits,
    /// Whose word on viewers' addresses counts.
    pub trusted_proxies: TrustedProxies,
    /// Which host names are answered to.
    pub hosts: Hosts,
    /// Who may read; everyone without it.
    pub signed_urls: Option<SignedUrls>,
}

/// Whether the page under `/-/` is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browse {
    /// It is.
    On,
    /// Only the health checks are.
    Off,
}

/// Which host names are answered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// All.
    Any,
    /// Names of this machine only, so that no page on the internet can make its visitor's browser
    /// read the demo under a name of its own (DNS rebinding).
    Loopback,
}

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// How answers look.
    pub config: WebConfig,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Answers with objects that are in flight.
    pub streams: Arc<Streams>,
    /// Serving or draining.
    pub lifecycle: Arc<Lifecycle>,
    /// What is known of the bucket.
    pub health: Arc<BucketHealth>,
    /// Blocks in memory, if there is a cache.
    pub cache: Option<Arc<Engine>>,
}

/// What one worker works with. The readers are its own: their connections belong to its runtime.
pub struct Worker {
    /// Shared with the other workers.
    pub shared: Arc<Shared>,
    /// Reads objects.
    pub reader: Arc<dyn ObjectReader>,
    /// Lists them.
    pub lister: Box<dyn ObjectLister>,
    /// Watches over viewers that take nothing.
    pub pauses: Rc<Pauses>,
}
