//! What an origin can promise of its objects, and what follows where it cannot.
//!
//! S3 can everything. What follows from a promise that an origin does not make is decided here and
//! nowhere else: [`honest`] makes the tags of such an origin weak, and a version without a strong tag
//! cannot be pinned ([`VersionPin::of`](super::VersionPin::of) gives nothing). So no read of it is
//! opened again, no parts of several reads are put into one answer, nothing of it is cached, and no
//! range is continued by `If-Range` or found by `If-Match`.

use std::sync::Arc;

use super::{BoxFuture, ObjectHead, ObjectRead, ObjectReader, ReadRequest};
use crate::object::{ObjectKey, Representation};
use crate::storage::error::ReadError;

/// What an origin can promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether something tells the versions of an object apart.
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
    /// Nothing that could be relied on byte for byte.
    Weak,
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

    /// Whether anything of the origin may be kept: blocks are kept under strong tags only.
    #[must_use]
    pub const fn may_be_kept(self) -> bool {
        match self.validator {
            Validator::Strong | Validator::StrongWhenSettled => true,
            Validator::Weak => false,
        }
    }
}

/// The reader itself if its tags may be relied on, else one over it whose tags claim no more than the
/// origin can promise.
#[must_use]
pub fn honest(reader: Arc<dyn ObjectReader>) -> Arc<dyn ObjectReader> {
    match reader.capabilities().validator {
        // The second kind of reader makes weak tags by itself where it has to.
        Validator::Strong | Validator::StrongWhenSettled => reader,
        Validator::Weak => Arc::new(Weakened(reader)),
    }
}

/// A reader all of whose tags are weak.
struct Weakened(Arc<dyn ObjectReader>);

fn weakened(known: &Arc<Representation>) -> Arc<Representation> {
    let mut known = Representation::clone(known);
    let etag = known.validators.etag.take();
    known.validators.etag = etag.map(|etag| etag.weakened());
    // A version could be pinned too, and the origin does not keep versions apart.
    known.version = None;
    Arc::new(known)
}

impl ObjectReader for Weakened {
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>> {
        Box::pin(async move {
            let read = self.0.read(request).await?;
            Ok(ObjectRead {
                representation: weakened(&read.representation),
                ..read
            })
        })
    }

    fn head(&self, key: ObjectKey) -> BoxFuture<'_, Result<ObjectHead, ReadError>> {
        Box::pin(async move {
            let head = self.0.head(key).await?;
            Ok(ObjectHead {
                representation: weakened(&head.representation),
                ..head
            })
        })
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::{CompleteLength, EntityTag};
    use crate::storage::{Nothing, Served, Source, VersionPin};

    /// A reader of one object with a strong tag, whatever it can promise.
    struct One(Capabilities);

    fn known() -> Representation {
        let mut known = Representation::of_length(CompleteLength::new(0));
        known.validators.etag = EntityTag::parse("\"1\"").ok();
        known.version = crate::object::VersionId::parse("v1");
        known
    }

    impl ObjectReader for One {
        fn read(&self, _: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>> {
            Box::pin(async {
                Ok(ObjectRead {
                    representation: known().into(),
                    extent: None,
                    body: Box::pin(Nothing),
                    served: Served::now(Source::Origin),
                })
            })
        }

        fn head(&self, _: ObjectKey) -> BoxFuture<'_, Result<ObjectHead, ReadError>> {
            Box::pin(async {
                Ok(ObjectHead {
                    representation: known().into(),
                    served: Served::now(Source::Origin),
                })
            })
        }

        fn capabilities(&self) -> Capabilities {
            self.0
        }
    }

    #[tokio::test]
    async fn where_nothing_tells_versions_apart_nothing_can_be_pinned() {
        let key = || ObjectKey::new("film.mp4".to_owned()).unwrap();
        let request = || ReadRequest {
            key: key(),
            range: None,
            pin: None,
        };
        for (validator, can_be_pinned) in [(Validator::Strong, true), (Validator::Weak, false)] {
            let can = Capabilities {
                validator,
                ..Capabilities::ALL
            };
            let reader = honest(Arc::new(One(can)));
            let read = reader.read(request()).await.unwrap().representation;
            let head = reader.head(key()).await.unwrap().representation;
            for told in [read, head] {
                assert_eq!(VersionPin::of(&told).is_some(), can_be_pinned, "{told:?}");
                let etag = told.validators.etag.clone().unwrap();
                assert!(etag.weak_eq(&EntityTag::parse("\"1\"").unwrap()));
            }
            assert_eq!(reader.capabilities(), can);
            assert_eq!(can.may_be_kept(), can_be_pinned);
        }
    }
}
