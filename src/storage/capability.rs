//! What an origin can promise, and what follows where it cannot.
//!
//! All that follows from versions that cannot be told apart is decided by
//! [`VersionPin::of`](super::VersionPin::of): without a strong entity tag there is none, so nothing is kept,
//! opened again, sent in several parts or continued by `If-Range`. A reader that cannot be sure of
//! a version gives it a weak tag and has nothing else to do.

/// What a reader promises of every object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How versions of an object are told apart.
    pub versions: Versions,
    /// Whether objects can be listed.
    pub listing: Listable,
}

/// How versions of an object are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Each has a strong entity tag from its first moment.
    Tagged,
    /// Each has a strong entity tag once it has been left alone for a while, and a weak one before:
    /// the origin knows the second of the last change and no more (RFC 9110 section 8.8.2.2).
    TaggedWhenSettled,
}

/// Whether objects can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listable {
    /// By prefix, in pages.
    ByPrefix,
    /// Not at all.
    No,
}

impl Capabilities {
    /// All that S3 can.
    pub const ALL: Self = Self {
        versions: Versions::Tagged,
        listing: Listable::ByPrefix,
    };
}
