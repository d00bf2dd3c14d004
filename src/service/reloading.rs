//! Files that are read at start, again on SIGHUP, and again when they have changed.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};

/// Longest file that is read, in bytes. Eight of the largest keys take 15 KiB, a chain of certificates
/// less.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// How often the files are looked at. They are read whole: the times of files are too coarse to tell
/// two changes of one second apart, and lie after a restore.
const INTERVAL: Duration = Duration::from_secs(2);

/// Files, and what of them is in force.
pub trait Files: std::fmt::Debug + Send + Sync {
    /// The settings that name them, with their values.
    fn setting(&self) -> String;

    /// What they have, for people.
    fn what(&self) -> &'static str;

    /// Reads them.
    ///
    /// # Errors
    /// A sentence about the first that cannot be read.
    fn texts(&self) -> Result<Vec<Vec<u8>>, String>;

    /// Puts in force what they have, and tells how many that is.
    ///
    /// # Errors
    /// A sentence about what cannot be used. Then nothing has changed.
    fn put_in_force(&self, texts: &[Vec<u8>]) -> Result<usize, String>;
}

/// The whole of a file that is not too long.
///
/// # Errors
/// What the kernel says, and sentences about what is no file or too long.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
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

/// Files that are in force, and are looked at.
#[derive(Debug)]
pub struct Reloading {
    files: Box<dyn Files>,
    /// What was read last, used or not, so that one mistake is told once.
    last: Mutex<Option<Result<Vec<Vec<u8>>, String>>>,
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
    /// For files that are in force already.
    #[must_use]
    pub fn new(files: Box<dyn Files>) -> Self {
        Self {
            files,
            last: Mutex::new(None),
        }
    }

    /// Reads the files, and puts in force what they have or says why not. Blocks while it reads.
    pub fn reload(&self, reason: Reason) {
        // First, or what was read before a change could be put in force after it.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = self.files.texts();
        let is_new = last.as_ref() != Some(&texts);
        // The first look finds what was read at start, unless that has changed since.
        if reason == Reason::Told || is_new {
            let what = self.files.what();
            let put = texts.as_ref().map_err(Clone::clone);
            match put.and_then(|texts| self.files.put_in_force(texts)) {
                Ok(count) => {
                    if reason == Reason::Told || last.is_some() {
                        log::info!(count = count; "{what} were read again");
                    }
                }
                Err(error) => log::error!(
                    "{}: {error}; {what} that were in force stay so",
                    self.files.setting()
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
