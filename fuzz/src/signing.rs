//! What is read before any signature is looked at; the rest would bring the crypto library along.

#[path = "../../src/signing/encoding.rs"]
pub mod encoding;
#[path = "../../src/signing/parameters.rs"]
pub mod parameters;
#[path = "../../src/signing/pattern.rs"]
pub mod pattern;
#[path = "../../src/signing/policy.rs"]
pub mod policy;
#[path = "../../src/signing/resource.rs"]
pub mod resource;
