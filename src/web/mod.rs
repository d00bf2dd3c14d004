//! HTTP in front of the readers: extract, decide, respond.
//!
//! A request enters at [`entry`], where [`admission`] decides on its signature. [`extract`] turns its fields into types, [`decide`] asks S3 and
//! chooses the answer, [`respond`] renders it; [`problem`] is every answer that is a failure.
//! [`http2`] has requests enter that come over HTTP/2. [`origin`] is what a request is led to; [`page`] is what lives under `/-/`, [`admin`] the other listener.

pub mod admin;
pub mod admission;
pub mod body;
pub mod content_type;
pub mod cors;
pub mod decide;
mod described;
pub mod entry;
pub mod extract;
mod fields;
mod head;
pub mod http2;
pub mod keep_alive;
pub mod multipart;
pub mod object_body;
pub mod object_headers;
pub mod origin;
pub mod page;
pub mod pauses;
pub mod problem;
pub mod respond;
pub mod streams;
pub mod viewer_address;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::engine::Tiers;
use crate::object::mount::Routes;
use crate::object::representation::FieldValue;
use crate::telemetry::{Lifecycle, Metrics, Recorder};

use admission::SignedUrls;
pub use described::Described;
use origin::{Origin, WorkerOrigin};
use pauses::Pauses;
use streams::{StreamLimits, Streams};
use viewer_address::TrustedProxies;

pub use cors::CorsPolicy;

/// How answers look.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// `S3REEL_CORS_ORIGINS`: which pages of other origins may read answers, those of the page under
    /// `/-/` and of origins without a policy of their own.
    pub cors: CorsPolicy,
    /// `S3REEL_CACHE_CONTROL`: sent when S3 stores none. Longer lives save requests and show an
    /// overwritten object later.
    pub cache_control: FieldValue,
    /// `S3REEL_BROWSE`: whether the page and the listing are there.
    pub browse: Browse,
    /// `S3REEL_KEEP_ALIVE`: how long an idle connection stays open; told in `Keep-Alive`. Longer
    /// than a balancer's own limit avoids races at its end.
    pub keep_alive: Duration,
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
    /// What is served.
    pub origins: Routes<Arc<Origin>>,
    /// Where blocks are kept, if there is a cache.
    pub tiers: Option<Tiers>,
}

/// What one worker works with. The readers are its own: their connections belong to its runtime.
pub struct Worker {
    /// Shared with the other workers.
    pub shared: Arc<Shared>,
    /// Reads what is served.
    pub origins: Routes<WorkerOrigin>,
    /// Writes down what becomes of requests.
    pub recorder: Rc<Recorder>,
    /// Watches over viewers that take nothing.
    pub pauses: Rc<Pauses>,
    /// What answers said of objects.
    pub described: Described,
    /// What answers say about connections that stay open; see [`keep_alive::field_value`].
    pub keep_alive: String,
}
