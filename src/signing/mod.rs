//! Signed URLs and signed cookies as CloudFront defines them: who may ask for what, and until when.
//!
//! Plain types and functions: no async, no server, no files, and the clock is told. Read in this
//! order: [`parameters`] (what a request brings along), [`policy`] and [`pattern`] (what was
//! signed, and which resources that covers), [`keys`] (whose signature counts), [`decision`] and
//! [`verifier`] (what comes of it). [`minting`] makes what all of this reads, for `s3reel sign`.
//!
//! Only public keys are held here, so nothing that leaks from a running service can make a link.

pub mod decision;
pub mod encoding;
pub mod keys;
pub mod minting;
pub mod parameters;
pub mod pattern;
pub mod policy;
pub mod public_url;
pub mod resource;
pub mod verifier;

pub use decision::{Access, Refusal};
pub use keys::{KeyPairId, KeySet};
pub use parameters::{Claims, Duplicated};
pub use public_url::PublicUrl;
pub use resource::Resource;
pub use verifier::{CurrentKeys, Verifier};
