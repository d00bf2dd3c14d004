//! What all origins share that are spoken to over HTTP.
//!
//! [`pool`] has the connections, over TLS with [`trust`] and at the pace of [`pace`]; [`answer`] is what an
//! answer has to be before a byte of it is passed on, and [`body`] streams it within the limits of
//! [`timeouts`].

pub mod answer;
pub mod body;
pub mod pace;
pub mod pool;
pub mod timeouts;
pub mod trust;

pub use body::CheckedBody;
pub use pace::ReadFor;
pub use timeouts::OriginTimeouts;
pub use trust::Trust;
