//! Certificates of authorities that are not the system's.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Larger files hold something else: all authorities of a system together have a quarter of this.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The authorities of a PEM file, read once: at least one.
#[derive(Clone)]
pub struct CaFile {
    path: PathBuf,
    certificates: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for CaFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CaFile").field(&self.path).finish()
    }
}

/// Why there are no authorities in a file, as the end of a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaFileError(String);

impl fmt::Display for CaFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CaFileError {}

impl CaFile {
    /// Reads a file of certificates in PEM.
    ///
    /// # Errors
    /// [`CaFileError`] if it cannot be read, or a certificate in it cannot, or there is none.
    pub fn read(path: &Path) -> Result<Self, CaFileError> {
        let unreadable = |error: std::io::Error| CaFileError(format!("cannot be read: {error}"));
        let file = std::fs::metadata(path).map_err(unreadable)?;
        if !file.is_file() || file.len() > MAX_FILE_BYTES {
            return Err(CaFileError("is no file of at most 1 MiB".to_owned()));
        }
        let pem = std::fs::read(path).map_err(unreadable)?;
        let certificates = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| CaFileError(format!("is no PEM: {error}")))?;
        let file = Self {
            path: path.to_owned(),
            certificates,
        };
        let usable = file.roots().len();
        if usable == 0 || usable < file.certificates.len() {
            let what = "has to hold certificates of authorities, and no others, in PEM";
            return Err(CaFileError(what.to_owned()));
        }
        Ok(file)
    }

    /// Where it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The authorities.
    #[must_use]
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.certificates.iter().cloned());
        roots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_authority_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let told = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            CaFile::read(&path).unwrap_err().to_string()
        };
        assert!(told("empty", b"").contains("certificates of authorities"));
        let broken = b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        assert!(told("broken", broken).contains("is no PEM"));
        let none = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(told("none", none).contains("certificates of authorities"));
        let missing = CaFile::read(&folder.path().join("missing")).unwrap_err();
        assert!(missing.to_string().contains("cannot be read"));
        let is_folder = CaFile::read(folder.path()).unwrap_err();
        assert!(is_folder.to_string().contains("is no file"));
    }
}
