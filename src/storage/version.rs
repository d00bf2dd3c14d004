//! One version of one object, of which further ranges are read.

use std::sync::Arc;

use super::error::{ReadError, ReadErrorKind};
use super::{Body, BoxFuture, ObjectRead, ObjectReader, ReadRequest};
use crate::object::ObjectKey;
use crate::semantics::{CompleteLength, EntityTag, InclRange, RangeSpec};

/// A version that reads can be pinned to, because it has a strong entity tag.
pub struct PinnedVersion {
    /// Where from.
    pub reader: Arc<dyn ObjectReader>,
    /// Which object.
    pub key: ObjectKey,
    /// Which version; strong.
    pub etag: EntityTag,
    /// How long it is.
    pub complete: CompleteLength,
}

impl PinnedVersion {
    /// Opens a read of just these bytes of just this version. Dropping the future gives it up.
    #[must_use]
    pub fn open(&self, range: InclRange) -> BoxFuture<'static, Result<ObjectRead, ReadError>> {
        let reader = Arc::clone(&self.reader);
        let request = ReadRequest {
            key: self.key.clone(),
            range: Some(RangeSpec::from(range)),
            if_match: Some(self.etag.clone()),
        };
        Box::pin(async move { reader.read(request).await })
    }

    /// The body of such a read.
    ///
    /// # Errors
    /// [`ReadErrorKind::Changed`] if it is not what was asked for: another tag, length or range.
    pub fn check(&self, read: ObjectRead, range: InclRange) -> Result<Body, ReadError> {
        let told = &read.representation;
        let etag = told.validators.etag.as_ref();
        let is_same = etag.is_some_and(|etag| etag.strong_eq(&self.etag));
        if is_same && told.length == self.complete && read.extent == Some(range) {
            return Ok(read.body);
        }
        let target = format!("further read of {}", self.key);
        Err(ReadError::new(ReadErrorKind::Changed, target))
    }
}
