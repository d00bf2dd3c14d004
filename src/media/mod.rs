//! Containers: bytes in, facts out. Nothing here reads, waits or knows HTTP.
//!
//! [`boxes`] reads the headers of ISO base media files (MP4, QuickTime), [`walk`] finds the index of
//! such a file by asking for a few bytes at a time, and [`sample_entry`] says what an index calls the
//! coding of its tracks.

pub mod boxes;
pub mod sample_entry;
pub mod walk;

pub use boxes::{BoxError, BoxHeader, BoxType};
pub use walk::{IndexPlace, Walk, WalkError};
