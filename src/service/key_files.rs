//! The PEM files that signatures are verified with.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::reloading::{Files, read};
use crate::signing::keys::KeyError;
use crate::signing::{CurrentKeys, KeyPairId, KeySet, Verifier};

/// `S3REEL_SIGNED_URL_KEYS`: which file has the public key of which name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFiles(Vec<(KeyPairId, PathBuf)>);

/// The files cannot be used, with the reason.
#[derive(Debug)]
pub enum KeyFilesError {
    /// A member of the setting is not of the form `KEYPAIRID=file.pem`.
    Form(String),
    /// A file cannot be read.
    File(PathBuf, io::Error),
    /// What is in them cannot be used.
    Keys(KeyError),
}

impl fmt::Display for KeyFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(member) => write!(
                f,
                "a comma list of KEYPAIRID=file.pem, such as K2JCJMDEHXQW5F=/etc/s3reel/public.pem; \
                 {member:?} is none"
            ),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Keys(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeyFilesError {}

/// The texts of the files by the names of their keys.
type Texts = Vec<(KeyPairId, Vec<u8>)>;

impl KeyFiles {
    /// The names of the keys.
    pub fn ids(&self) -> impl Iterator<Item = &KeyPairId> {
        self.0.iter().map(|(id, _)| id)
    }

    /// Reads the setting.
    ///
    /// # Errors
    /// [`KeyFilesError::Form`], and [`KeyFilesError::Keys`] for a name that is none.
    pub fn parse(text: &str) -> Result<Self, KeyFilesError> {
        let members = text.split(',').map(str::trim);
        let members = members.filter(|member| !member.is_empty()).map(|member| {
            let form = || KeyFilesError::Form(member.to_owned());
            let (id, path) = member.split_once('=').ok_or_else(form)?;
            let (id, path) = (id.trim(), path.trim());
            if path.is_empty() {
                return Err(form());
            }
            let id = KeyPairId::parse(id).map_err(KeyFilesError::Keys)?;
            Ok((id, PathBuf::from(path)))
        });
        let members: Vec<_> = members.collect::<Result<_, _>>()?;
        if members.is_empty() {
            return Err(KeyFilesError::Form(text.to_owned()));
        }
        Ok(Self(members))
    }

    /// Reads the files.
    ///
    /// # Errors
    /// [`KeyFilesError`] for the first that cannot be used.
    pub fn load(&self) -> Result<Verifier, KeyFilesError> {
        verifier(&self.texts()?)
    }

    fn texts(&self) -> Result<Texts, KeyFilesError> {
        let text = |(id, path): &(KeyPairId, PathBuf)| match read(path) {
            Ok(text) => Ok((id.clone(), text)),
            Err(error) => Err(KeyFilesError::File(path.clone(), error)),
        };
        self.0.iter().map(text).collect()
    }
}

impl fmt::Display for KeyFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (id, path)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{id}={}", path.display())?;
        }
        Ok(())
    }
}

fn verifier(texts: &Texts) -> Result<Verifier, KeyFilesError> {
    KeySet::from_pem(texts)
        .map(Verifier::new)
        .map_err(KeyFilesError::Keys)
}

/// The files, and the keys in force that they have.
#[derive(Debug)]
pub struct InForce {
    files: KeyFiles,
    keys: Arc<CurrentKeys>,
}

impl InForce {
    /// For files whose keys are in force already.
    #[must_use]
    pub fn new(files: KeyFiles, keys: Arc<CurrentKeys>) -> Self {
        Self { files, keys }
    }
}

impl Files for InForce {
    fn setting(&self) -> String {
        format!("S3REEL_SIGNED_URL_KEYS={}", self.files)
    }

    fn what(&self) -> &'static str {
        "the keys for signed URLs"
    }

    fn texts(&self) -> Result<Vec<Vec<u8>>, String> {
        let texts = self.files.texts().map_err(|error| error.to_string())?;
        Ok(texts.into_iter().map(|(_, text)| text).collect())
    }

    fn put_in_force(&self, texts: &[Vec<u8>]) -> Result<usize, String> {
        let ids = self.files.ids().cloned();
        let texts: Texts = ids.zip(texts.iter().cloned()).collect();
        let verifier = verifier(&texts).map_err(|error| error.to_string())?;
        let count = verifier.keys().count();
        self.keys.replace(verifier);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_names_keys_and_files() {
        let files = KeyFiles::parse("K1=a.pem, K-2_b=/x/y z=.pem,").unwrap();
        assert_eq!(files.to_string(), "K1=a.pem,K-2_b=/x/y z=.pem");
        for (text, told) in [
            ("", "\"\" is none"),
            ("a.pem", "\"a.pem\" is none"),
            ("K1=a.pem,K2=", "\"K2=\" is none"),
            ("=a.pem", "\"\" is no name of a key"),
            ("none=a.pem", "\"none\" is no name of a key"),
            ("K 1=a.pem", "\"K 1\" is no name of a key"),
        ] {
            let error = KeyFiles::parse(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
