//! Viewers that speak TLS, and what they trust.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use s3reel::service::tls::{CertificateFiles, TlsConfig};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::client::Client;
use super::haproxy::certificate;
use super::service::Setup;
use super::{TestS3, TestService, content, in_time};

/// A certificate for `localhost`, and who trusts it and no other.
pub struct Identity {
    folder: TempDir,
}

impl Identity {
    /// A new one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        certificate(folder.path());
        Self { folder }
    }

    /// The file of the certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The file of its key.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// What a service shows it with.
    pub fn config(&self) -> TlsConfig {
        let files = CertificateFiles {
            certificate: self.certificate(),
            key: self.key(),
        };
        let certificate = files.load().expect("a certificate");
        TlsConfig { files, certificate }
    }

    /// A service that shows it, over a bucket with a film of so many bytes.
    pub async fn service(
        &self,
        s3: &TestS3,
        length: usize,
        change: impl FnOnce(&mut Setup),
    ) -> TestService {
        s3.put("film.mp4", content(1, length)).await;
        TestService::with(s3, |setup| {
            setup.tls = Some(self.config());
            change(setup);
        })
        .await
    }

    /// A viewer over TLS, which can speak these protocols; `Err` says why there is none.
    pub async fn try_over(
        &self,
        stream: TcpStream,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let connector = trusting(&self.certificate(), protocols);
        let name = ServerName::try_from("localhost").expect("a name");
        in_time("TLS", connector.connect(name, stream)).await
    }

    /// The same, which succeeds.
    pub async fn connect(&self, address: SocketAddr, protocols: &[&str]) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let secure = self.try_over(stream, protocols).await;
        secure.expect("TLS")
    }

    /// A client that speaks HTTP/1.1 over TLS.
    pub async fn client(&self, address: SocketAddr) -> Client {
        let stream = self.connect(address, &["http/1.1"]).await;
        Client::inside(stream, address.to_string())
    }
}

/// A client that trusts the certificates in a file and no others.
fn trusting(file: &Path, protocols: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).expect("a file") {
        let certificate = certificate.expect("a certificate");
        roots.add(certificate).expect("an authority");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
    config.alpn_protocols = protocols.collect();
    TlsConnector::from(Arc::new(config))
}
