//! HTTP semantics of an object answer (RFC 9110 sections 8, 13, 14): what was asked, what we
//! hold, and which answer follows.
//!
//! Everything here is plain types and functions: no async, no server, no S3. Read in this order:
//! [`range_specifier`] (what a client wrote), [`content_range`] (what it means for an object of a
//! known length), [`entity_tag`] and [`http_date`] (validators), [`preconditions`] (the client's
//! conditions) and [`selection`] (the decision).

pub mod coalesce;
pub mod content_range;
pub mod entity_tag;
pub mod forwarded;
pub mod http_date;
pub mod preconditions;
pub mod range_specifier;
pub mod selection;

pub use content_range::{CompleteLength, ContentRange, InclRange};
pub use entity_tag::EntityTag;
pub use http_date::HttpDate;
pub use preconditions::{IfRange, Preconditions, Validators};
pub use range_specifier::{RangeSpec, RangesSpecifier};
pub use selection::{Conditions, Selection};
