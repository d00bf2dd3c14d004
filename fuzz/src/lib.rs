//! The parsers of bytes from outside, and the laws that hold for whatever they are given.

// The laws name the crate as the tests of s3reel do, which include them too.
extern crate self as s3reel;

pub mod laws;
#[path = "../../src/media/mod.rs"]
pub mod media;
#[path = "../../src/object/mod.rs"]
pub mod object;
#[path = "../../src/semantics/mod.rs"]
pub mod semantics;
pub mod signing;
