//! What a block is called on disk.

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

/// The front of a SHA-256, as far as it is used: nobody finds two names with the same one.
pub type Digest = [u8; 16];

/// The digest of several parts in this order.
#[must_use]
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        // With their lengths, or `ab` and `c` would be `a` and `bc`.
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        context.update(&length.to_le_bytes());
        context.update(part);
    }
    let whole = context.finish();
    let front = whole.as_ref().first_chunk();
    front.copied().unwrap_or_default()
}

/// The name of a block: which object, which version of it, and where in that. A digest stands
/// for names that may be longer than file systems take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockName {
    /// Of origin and key.
    pub object: Digest,
    /// Of tag, version and length.
    pub version: Digest,
    /// Where it begins in the object, in bytes: blocks may have another size after a start.
    pub position: u64,
}

impl Hash for BlockName {
    /// Half of each digest is as good as all of it, and hashed in half the time.
    fn hash<H: Hasher>(&self, state: &mut H) {
        for digest in [&self.object, &self.version] {
            let front = digest.first_chunk().copied().unwrap_or_default();
            state.write_u64(u64::from_le_bytes(front));
        }
        state.write_u64(self.position);
    }
}

impl BlockName {
    /// Where it lies in the folder. Folders of a few hundred files each are read faster than one of
    /// a hundred thousand.
    #[must_use]
    pub fn path_in(&self, folder: &Path) -> PathBuf {
        let object = hex(&self.object);
        let front = object.get(..2).unwrap_or("00");
        let file = format!("{object}-{}-{:x}", hex(&self.version), self.position);
        folder.join(front).join(file)
    }

    /// The block that a file name says; `None` for files that are not ours.
    #[must_use]
    pub fn parse(file: &str) -> Option<Self> {
        let mut parts = file.split('-');
        let (object, version, position) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let name = Self {
            object: unhex(object)?,
            version: unhex(version)?,
            position: u64::from_str_radix(position, 16).ok()?,
        };
        // One block has one name: neither `+1` nor capitals nor leading zeros.
        (format!("{:x}", name.position) == position).then_some(name)
    }

    /// As bytes, to stand in the file itself.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let parts = self.object.iter().chain(&self.version).copied();
        for (to, from) in bytes
            .iter_mut()
            .zip(parts.chain(self.position.to_le_bytes()))
        {
            *to = from;
        }
        bytes
    }
}

fn hex(digest: &Digest) -> String {
    format!("{:032x}", u128::from_be_bytes(*digest))
}

fn unhex(text: &str) -> Option<Digest> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_ours = text.len() == 32 && text.bytes().all(is_hex);
    let number = is_ours.then(|| u128::from_str_radix(text, 16).ok())??;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_read_back_from_its_file(
            object in any::<Digest>(), version in any::<Digest>(), position in any::<u64>(),
        ) {
            let name = BlockName { object, version, position };
            let path = name.path_in(Path::new("/c"));
            let file = path.file_name().unwrap().to_str().unwrap();
            prop_assert_eq!(BlockName::parse(file), Some(name));
            prop_assert!(path.starts_with("/c") && path.components().count() == 4);
        }

        #[test]
        fn other_names_are_not_ours(file in "[0-9a-fA-F+-]{0,80}") {
            if let Some(name) = BlockName::parse(&file) {
                let path = name.path_in(Path::new("/c"));
                prop_assert_eq!(path.file_name().unwrap().to_str().unwrap(), file);
            }
        }
    }
}
