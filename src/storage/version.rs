//! One version of one object, of which further ranges are read.

use std::sync::Arc;

use super::error::{ReadError, ReadErrorKind};
use super::{Body, BoxFuture, ObjectRead, ObjectReader, ReadRequest};
use crate::object::{ObjectKey, Representation, VersionId};
use crate::semantics::{CompleteLength, EntityTag, InclRange, RangeSpec};

/// What a read has to be of: an entity tag that tells versions apart and, in a bucket that keeps
/// them, the version that can be read still when another has become the current one.
#[derive(Debug, Clone)]
pub struct VersionPin {
    etag: EntityTag,
    version: Option<VersionId>,
}

impl VersionPin {
    /// The pin of a version that is known; `None` without a strong tag, since a weak one does not
    /// promise the same bytes.
    #[must_use]
    pub fn of(known: &Representation) -> Option<Self> {
        let etag = known.validators.etag.as_ref();
        Some(Self {
            etag: etag.filter(|tag| !tag.is_weak())?.clone(),
            version: known.version.clone(),
        })
    }

    /// The same without the version, for where versions may not be read.
    #[must_use]
    pub fn by_tag_alone(&self) -> Self {
        Self {
            etag: self.etag.clone(),
            version: None,
        }
    }

    /// The tag; strong.
    #[must_use]
    pub const fn etag(&self) -> &EntityTag {
        &self.etag
    }

    /// The version, in a bucket that keeps them.
    #[must_use]
    pub const fn version(&self) -> Option<&VersionId> {
        self.version.as_ref()
    }
}

/// A version that reads can be pinned to.
pub struct PinnedVersion {
    /// Where from.
    reader: Arc<dyn ObjectReader>,
    /// Which object.
    key: ObjectKey,
    /// Which version.
    pin: VersionPin,
    /// How long it is.
    complete: CompleteLength,
}

impl PinnedVersion {
    /// This version of this object; `None` where nothing can be pinned.
    #[must_use]
    pub fn new(
        reader: Arc<dyn ObjectReader>,
        key: ObjectKey,
        known: &Representation,
    ) -> Option<Self> {
        Some(Self {
            reader,
            key,
            pin: VersionPin::of(known)?,
            complete: known.length,
        })
    }

    /// Which object.
    #[must_use]
    pub const fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Opens a read of just these bytes of just this version. Dropping the future gives it up.
    #[must_use]
    pub fn open(&self, range: InclRange) -> BoxFuture<'static, Result<ObjectRead, ReadError>> {
        let reader = Arc::clone(&self.reader);
        let request = ReadRequest {
            key: self.key.clone(),
            range: Some(RangeSpec::from(range)),
            pin: Some(self.pin.clone()),
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
        let is_same = etag.is_some_and(|etag| etag.strong_eq(self.pin.etag()));
        if is_same && told.length == self.complete && read.extent == Some(range) {
            return Ok(read.body);
        }
        let target = format!("further read of {}", self.key);
        Err(ReadError::new(ReadErrorKind::Changed, target))
    }
}
