//! TLS for viewers: the certificate that is shown, and what is agreed on.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::reloading::{Files, read};
use crate::telemetry::Metrics;

/// Bytes of a request without TLS that are read and thrown away.
const MOST_DISCARDED_BYTES: u64 = 64 * 1024;

/// HTTP/2 in the list of protocols that is agreed on (RFC 9113 section 3.2).
const HTTP2: &[u8] = b"h2";

/// HTTP/1.1 in the same list (RFC 7301 section 6).
const HTTP1: &[u8] = b"http/1.1";

/// `S3REEL_TLS_CERTIFICATE` and `S3REEL_TLS_KEY`: PEM files of the certificate, its issuers behind it, and
/// of its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The files cannot be used, with the reason.
#[derive(Debug)]
pub enum CertificateError {
    /// `S3REEL_TLS_CERTIFICATE`.
    Certificate(String),
    /// `S3REEL_TLS_KEY`.
    Key(String),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(why) => write!(f, "S3REEL_TLS_CERTIFICATE: {why}"),
            Self::Key(why) => write!(f, "S3REEL_TLS_KEY: {why}"),
        }
    }
}

impl std::error::Error for CertificateError {}

impl CertificateFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// [`CertificateError`] for the first that cannot be used.
    pub fn load(&self) -> Result<Certificate, CertificateError> {
        let (chain, key) = self.texts()?;
        Certificate::from_pem(&chain, &key)
    }

    fn texts(&self) -> Result<(Vec<u8>, Vec<u8>), CertificateError> {
        let told = |path: &Path, error| format!("{}: {error}", path.display());
        let chain = read(&self.certificate)
            .map_err(|error| CertificateError::Certificate(told(&self.certificate, error)))?;
        let key = read(&self.key).map_err(|error| CertificateError::Key(told(&self.key, error)))?;
        Ok((chain, key))
    }
}

/// A certificate with its issuers, and its private key.
#[derive(Debug, Clone)]
pub struct Certificate(Arc<CertifiedKey>);

impl Certificate {
    /// Reads both from PEM (RFC 7468).
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| CertificateError::Certificate(error.to_string()))?;
        if chain.is_empty() {
            let why = "there is no certificate in PEM form in it (-----BEGIN CERTIFICATE-----)";
            return Err(CertificateError::Certificate(why.to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
            CertificateError::Key(match error {
                pem::Error::NoItemsFound => "there is no private key in PEM form in it \
                     (-----BEGIN PRIVATE KEY-----); one with a passphrase cannot be used"
                    .to_owned(),
                error => error.to_string(),
            })
        })?;
        match CertifiedKey::from_der(chain, key, &default_provider()) {
            Ok(certified) => Ok(Self(Arc::new(certified))),
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let why = "it is not the key of the first certificate in S3REEL_TLS_CERTIFICATE";
                Err(CertificateError::Key(why.to_owned()))
            }
            Err(rustls::Error::InvalidCertificate(error)) => Err(CertificateError::Certificate(
                format!("the first certificate cannot be used: {error}"),
            )),
            Err(error) => Err(CertificateError::Key(error.to_string())),
        }
    }
}

/// The certificate that is shown now.
#[derive(Debug)]
pub struct CurrentCertificate(RwLock<Certificate>);

impl CurrentCertificate {
    /// Shows this one from now on.
    fn replace(&self, certificate: Certificate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certificate;
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current.0))
    }
}

/// What viewers are spoken to with over TLS.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// Where the certificate comes from.
    pub files: CertificateFiles,
    /// What they had when they were read.
    pub certificate: Certificate,
}

impl TlsConfig {
    /// What takes connections, and what has the certificate that it shows.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn acceptor(&self) -> Result<(TlsAcceptor, Arc<CurrentCertificate>), rustls::Error> {
        let current = Arc::new(CurrentCertificate(RwLock::new(self.certificate.clone())));
        let provider = Arc::new(default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<CurrentCertificate>::clone(&current));
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        // A viewer that comes again needs no signature of ours, whichever worker it comes to.
        config.ticketer = Ticketer::new()?;
        Ok((TlsAcceptor::from(Arc::new(config)), current))
    }
}

/// A viewer with whom TLS was agreed on, and what will be spoken over it.
pub enum Accepted {
    /// HTTP/1.1, also where the viewer names nothing.
    Http1(TlsStream<TcpStream>),
    /// HTTP/2.
    Http2(TlsStream<TcpStream>),
}

/// Agrees on TLS with a viewer, `within` which that has to be done. `None` if it is not, which is counted.
pub async fn accept(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    within: Duration,
    metrics: &Metrics,
) -> Option<Accepted> {
    let (outcome, accepted) = match timeout(within, agree(acceptor, stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(HTTP2) => {
            ("http2", Some(Accepted::Http2(stream)))
        }
        Ok(Ok(stream)) => ("http1", Some(Accepted::Http1(stream))),
        Ok(Err(error)) => {
            log::debug!("no TLS with a viewer: {error}");
            ("failed", None)
        }
        Err(_) => ("timeout", None),
    };
    metrics.tls_handshake(outcome);
    accepted
}

async fn agree(acceptor: &TlsAcceptor, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    // TLS begins with the number of a handshake record, and HTTP with the letter of a method.
    if stream.peek(&mut first).await? == 1 && first.iter().all(u8::is_ascii_alphabetic) {
        tell_plain(stream).await?;
        return Err(io::Error::other("it speaks HTTP without TLS"));
    }
    acceptor.accept(stream).await
}

/// Tells a viewer that it is at the right door without a key.
async fn tell_plain(mut stream: TcpStream) -> io::Result<()> {
    const TEXT: &str = "This port speaks HTTPS: use https:// in place of http://.\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{TEXT}",
        TEXT.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // To close before the request was read would reset the connection, answer and all.
    let mut rest = stream.take(MOST_DISCARDED_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

/// The files of the certificate, and what of them is shown.
#[derive(Debug)]
pub struct InForce {
    files: CertificateFiles,
    current: Arc<CurrentCertificate>,
}

impl InForce {
    /// For files whose certificate is shown already.
    #[must_use]
    pub const fn new(files: CertificateFiles, current: Arc<CurrentCertificate>) -> Self {
        Self { files, current }
    }
}

impl Files for InForce {
    fn setting(&self) -> String {
        let CertificateFiles { certificate, key } = &self.files;
        format!(
            "S3REEL_TLS_CERTIFICATE={}, S3REEL_TLS_KEY={}",
            certificate.display(),
            key.display()
        )
    }

    fn what(&self) -> &'static str {
        "the certificates of TLS"
    }

    fn texts(&self) -> Result<Vec<Vec<u8>>, String> {
        let (chain, key) = self.files.texts().map_err(|error| error.to_string())?;
        Ok(vec![chain, key])
    }

    fn put_in_force(&self, texts: &[Vec<u8>]) -> Result<usize, String> {
        let [chain, key] = texts else {
            return Err("two files are two texts".to_owned());
        };
        let certificate = Certificate::from_pem(chain, key).map_err(|error| error.to_string())?;
        let count = certificate.0.cert.len();
        self.current.replace(certificate);
        Ok(count)
    }
}
