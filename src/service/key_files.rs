//! The PEM files that signatures are verified with: read at start, again on SIGHUP, and again when
//! they have changed.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};

use crate::signing::keys::KeyError;
use crate::signing::{CurrentKeys, KeyPairId, KeySet, Verifier};

/// Longest file that is read, in bytes. Eight of the largest keys take 15 KiB.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// How often the files are looked at. They are read whole: the times of files are too coarse to tell
/// two changes of one second apart, and lie after a restore.
const INTERVAL: Duration = Duration::from_secs(2);

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

/// The whole of a file that is not too long.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A device may have no end, and a pipe makes whoever opens it wait.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let file = std::fs::File::open(path)?;
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(io::Error::other("it is longer than 64 KiB"));
    }
    Ok(text)
}

/// The files, and the keys in force that they have.
#[derive(Debug)]
pub struct Reloading {
    files: KeyFiles,
    keys: Arc<CurrentKeys>,
    /// What was read last, used or not, so that one mistake is told once.
    last: Mutex<Option<Result<Texts, String>>>,
}

/// Why the files are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Somebody said so: what comes of it is told, whatever that is.
    Told,
    /// It is time to look: only changes matter.
    Time,
}

impl Reloading {
    /// For files whose keys are in force already.
    #[must_use]
    pub fn new(files: KeyFiles, keys: Arc<CurrentKeys>) -> Self {
        Self {
            files,
            keys,
            last: Mutex::new(None),
        }
    }

    /// Reads the files, and puts their keys in force or says why not. Blocks while it reads.
    pub fn reload(&self, reason: Reason) {
        // First, or what was read before a change could be put in force after it.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = self.files.texts().map_err(|error| error.to_string());
        let is_new = last.as_ref() != Some(&texts);
        // The first look finds what was read at start, unless that has changed since.
        if reason == Reason::Told || is_new {
            let verifier = match &texts {
                Ok(texts) => verifier(texts).map_err(|error| error.to_string()),
                Err(error) => Err(error.clone()),
            };
            match verifier {
                Ok(verifier) => {
                    let count = verifier.keys().count();
                    self.keys.replace(verifier);
                    if reason == Reason::Told || last.is_some() {
                        log::info!(keys = count; "the keys for signed URLs were read again");
                    }
                }
                Err(error) => log::error!(
                    "S3REEL_SIGNED_URL_KEYS={}: {error}; the keys that were in force stay so",
                    self.files
                ),
            }
        }
        *last = Some(texts);
    }

    /// Looks at the files now and then until it is dropped.
    #[must_use]
    pub fn watch(self: Arc<Self>) -> Watch {
        Watch(tokio::spawn(async move {
            loop {
                Arc::clone(&self).reload_elsewhere(Reason::Time).await;
                tokio::time::sleep(INTERVAL).await;
            }
        }))
    }

    /// Reads the files on a thread for such work.
    pub async fn reload_elsewhere(self: Arc<Self>, reason: Reason) {
        // An error means that the runtime ends, and this with it.
        let _ = spawn_blocking(move || self.reload(reason)).await;
    }
}

/// The task that looks at the files. Dropping it ends it.
#[derive(Debug)]
pub struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
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

    #[test]
    fn only_whole_files_of_some_length_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(&path, vec![b'x'; 64 * 1024]).unwrap();
        assert_eq!(read(&path).unwrap().len(), 64 * 1024);
        std::fs::write(&path, vec![b'x'; 64 * 1024 + 1]).unwrap();
        assert!(read(&path).is_err());
        assert!(read(folder.path()).is_err());
        assert!(read(Path::new("/dev/zero")).is_err());
    }
}
