//! What an operator sees: figures, one access line a request, and the log format.

pub mod access;
pub mod lifecycle;
pub mod logging;
pub mod metrics;
pub mod request_id;

pub use access::{AbortedBy, AccessRecord, Recorder, Route};
pub use lifecycle::{Lifecycle, Phase};
pub use metrics::{BlockFound, Metrics, OriginMetrics};
pub use request_id::RequestId;
