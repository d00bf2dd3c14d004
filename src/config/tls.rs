//! The settings of TLS with viewers.

use std::path::PathBuf;

use super::faults::Reader;
use super::settings::Settings;
use crate::service::tls::{CertificateError, CertificateFiles, TlsConfig};

const CERTIFICATE: &str = "S3REEL_TLS_CERTIFICATE";
const KEY: &str = "S3REEL_TLS_KEY";

/// What is set: nothing, or a certificate and its key, which can be used.
pub fn tls(read: &mut Reader, settings: &Settings) -> Option<TlsConfig> {
    let certificate = settings.tls_certificate.as_deref();
    let key = settings.tls_key.as_deref();
    let (certificate, key) = match (certificate, key) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            read.fault(
                KEY,
                None,
                "the file of the certificate's private key, in PEM form",
            );
            return None;
        }
        (None, Some(_)) => {
            read.fault(
                CERTIFICATE,
                None,
                "the file of the key's certificate, in PEM form",
            );
            return None;
        }
    };
    let files = CertificateFiles {
        certificate: PathBuf::from(certificate),
        key: PathBuf::from(key),
    };
    match files.load() {
        Ok(certificate) => Some(TlsConfig { files, certificate }),
        Err(CertificateError::Certificate(why)) => {
            read.fault(CERTIFICATE, Some(certificate), &why);
            None
        }
        Err(CertificateError::Key(why)) => {
            read.fault(KEY, Some(key), &why);
            None
        }
    }
}
