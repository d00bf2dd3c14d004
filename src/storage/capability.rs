//! What an origin can promise of its objects.
//!
//! All that follows where versions cannot be told apart is decided by
//! [`VersionPin::of`](super::VersionPin::of): without a strong entity tag there is none, so nothing is kept,
//! opened again, sent in several parts or continued by `If-Range`. A reader that cannot be sure of
//! a version gives it a weak tag and has nothing else to do.

/// What an origin can promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// What tells the versions of an object apart.
    pub validator: Validator,
    /// Whether it can say what it has.
    pub listing: ListingBy,
}

/// What tells the versions of an object apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validator {
    /// An entity tag that is another one for other bytes (RFC 9110 section 8.8.1).
    Strong,
    /// The second of the last change, of which the reader makes a strong tag once it is long over, and a
    /// weak one before (RFC 9110 section 8.8.2.2).
    StrongWhenSettled,
}

/// How an origin lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingBy {
    /// By any prefix of keys.
    Prefix,
    /// Not at all.
    Nothing,
}

impl Capabilities {
    /// All that S3 can.
    pub const ALL: Self = Self {
        validator: Validator::Strong,
        listing: ListingBy::Prefix,
    };
}
