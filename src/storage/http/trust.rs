//! Whom we trust over TLS.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// How TLS to an origin is done: whom we trust.
#[derive(Clone)]
pub struct Trust {
    config: ClientConfig,
    has_roots: bool,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// The system's root certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Having none
    /// is no error, since an endpoint may speak plain HTTP.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn of_system() -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (usable, _) = roots.add_parsable_certificates(found.certs);
        if usable == 0 {
            let why = found.errors;
            log::warn!("no root certificates are found, so no https endpoint is trusted: {why:?}");
        }
        Self::in_roots(roots)
    }

    /// These authorities and no others.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn in_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let has_roots = !roots.is_empty();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config, has_roots })
    }

    /// Whether anyone is trusted at all.
    #[must_use]
    pub const fn has_roots(&self) -> bool {
        self.has_roots
    }

    /// The same for other clients of this process.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        self.config.clone()
    }
}
