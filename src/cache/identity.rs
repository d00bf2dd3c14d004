//! What tells objects apart in the cache.

use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock, OnceLock};

use super::disk::BlockName;
use super::disk::name::{Digest, digest};
use crate::object::{ObjectKey, Representation, VersionId};
use crate::storage::VersionPin;

/// One version of one object of one origin: origin, full key, strong entity tag, version and length.
/// Blocks are kept under nothing less, so versions and origins cannot mix.
#[derive(Debug, Clone)]
pub struct ObjectIdentity(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    origin: Arc<str>,
    key: ObjectKey,
    pin: VersionPin,
    length: u64,
    /// Of all of the above: names are long, and looked up for every request. With a secret, or someone could
    /// choose names that all fall on one place.
    hash: u64,
    /// What its blocks are called on disk, but for their numbers.
    on_disk: OnceLock<(Digest, Digest)>,
}

/// What hashes of identities are made with.
static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What an object is called on disk, whatever its version.
#[must_use]
pub fn object_on_disk(origin: &str, key: &ObjectKey) -> Digest {
    digest([origin.as_bytes(), key.as_str().as_bytes()])
}

impl ObjectIdentity {
    /// The identity of a version; `None` without a strong tag, when nothing tells versions apart.
    #[must_use]
    pub fn of(origin: &Arc<str>, key: &ObjectKey, known: &Representation) -> Option<Self> {
        let pin = VersionPin::of(known)?;
        let length = known.length.bytes();
        let mut hasher = SECRET.build_hasher();
        (origin, key, length).hash(&mut hasher);
        pin.etag().as_str().hash(&mut hasher);
        pin.version().map(VersionId::as_str).hash(&mut hasher);
        Some(Self(Arc::new(Parts {
            origin: Arc::clone(origin),
            key: key.clone(),
            pin,
            length,
            hash: hasher.finish(),
            on_disk: OnceLock::new(),
        })))
    }

    /// The full key.
    #[must_use]
    pub fn key(&self) -> &ObjectKey {
        &self.0.key
    }

    /// Whether it is a version of this object.
    #[must_use]
    pub fn is_of(&self, origin: &Arc<str>, key: &ObjectKey) -> bool {
        self.0.origin == *origin && self.0.key == *key
    }

    /// What the block is called on disk that begins at this position.
    #[must_use]
    pub fn on_disk(&self, position: u64) -> BlockName {
        let parts = &*self.0;
        let (object, version) = parts.on_disk.get_or_init(|| {
            let version = parts.pin.version().map_or("", VersionId::as_str);
            let of_version = [
                parts.pin.etag().as_str().as_bytes(),
                version.as_bytes(),
                &parts.length.to_le_bytes(),
            ];
            (
                object_on_disk(&parts.origin, &parts.key),
                digest(of_version),
            )
        });
        BlockName {
            object: *object,
            version: *version,
            position,
        }
    }

    /// Length of the whole object in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.length
    }

    /// Whether a read that has to be of `pin` may be served from these blocks.
    #[must_use]
    pub fn satisfies(&self, pin: &VersionPin) -> bool {
        // A pin without a version is one by the tag alone, which is all that it promises.
        self.0.pin.etag().strong_eq(pin.etag())
            && pin
                .version()
                .is_none_or(|version| self.0.pin.version() == Some(version))
    }
}

impl PartialEq for ObjectIdentity {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (&*self.0, &*other.0);
        Arc::ptr_eq(&self.0, &other.0)
            || (ours.hash == theirs.hash
                && ours.origin == theirs.origin
                && ours.key == theirs.key
                && ours.length == theirs.length
                && ours.pin.etag().strong_eq(theirs.pin.etag())
                && ours.pin.version() == theirs.pin.version())
    }
}

impl Eq for ObjectIdentity {}

impl Hash for ObjectIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::{CompleteLength, EntityTag};

    fn identity(
        origin: &str,
        key: &str,
        etag: &str,
        version: Option<&str>,
        length: u64,
    ) -> Option<ObjectIdentity> {
        let mut known = Representation::of_length(CompleteLength::new(length));
        known.validators.etag = EntityTag::parse(etag).ok();
        known.version = version.and_then(VersionId::parse);
        ObjectIdentity::of(
            &origin.into(),
            &ObjectKey::new(key.to_owned()).unwrap(),
            &known,
        )
    }

    #[test]
    fn everything_that_can_differ_makes_another_object() {
        let all = [
            identity("a", "k", "\"1\"", None, 10),
            identity("b", "k", "\"1\"", None, 10),
            identity("a", "l", "\"1\"", None, 10),
            identity("a", "k", "\"2\"", None, 10),
            identity("a", "k", "\"1\"", Some("v1"), 10),
            identity("a", "k", "\"1\"", Some("v2"), 10),
            identity("a", "k", "\"1\"", None, 11),
        ];
        for (number, one) in all.iter().enumerate() {
            for (other_number, other) in all.iter().enumerate() {
                assert_eq!(one == other, number == other_number, "{one:?} {other:?}");
            }
        }
        assert_eq!(identity("a", "k", "\"1\"", None, 10), all[0]);
    }

    #[test]
    fn without_a_strong_tag_there_is_none() {
        assert!(identity("a", "k", "W/\"1\"", None, 10).is_none());
        assert!(identity("a", "k", "none", None, 10).is_none());
    }
}
