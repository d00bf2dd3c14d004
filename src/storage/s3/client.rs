//! Credentials, region, endpoint and the clients made of them.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Credentials, Region, ResponseChecksumValidation, SharedCredentialsProvider,
    StalledStreamProtectionConfig,
};
use aws_types::service_config::ServiceConfigKey;

use super::answer::AnswerCheck;
use super::connector::{self, Trust};
use crate::object::{BucketName, KeyPrefix};
use crate::storage::http::ReadFor;

pub use crate::storage::http::OriginTimeouts;

/// How a bucket is reached.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The bucket.
    pub bucket: BucketName,
    /// The part of it that is served.
    pub prefix: KeyPrefix,
    /// `S3REEL_FORCE_PATH_STYLE`: bucket in the path and not in the host name. `None`: yes if an
    /// endpoint URL is configured, since S3-like servers rarely have a wildcard host name.
    pub force_path_style: Option<bool>,
    /// Whether requests are signed, and with what.
    pub access: Access,
    /// Time limits.
    pub timeouts: OriginTimeouts,
}

/// Where credentials come from.
#[derive(Debug, Clone)]
pub enum Access {
    /// aws-config's own chain: environment, profile, SSO, web identity, container, instance.
    Chain,
    /// `S3REEL_ANONYMOUS`: unsigned requests to a public bucket.
    Anonymous,
    /// Everything given outright and nothing read from the environment, for the demo and tests.
    Explicit(ExplicitAccess),
}

/// An endpoint with keys, independent of the caller's environment.
#[derive(Clone)]
pub struct ExplicitAccess {
    /// Endpoint URL, such as `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// Region name to sign for.
    pub region: String,
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
}

impl std::fmt::Debug for ExplicitAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExplicitAccess")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Everything needed to make clients: the loaded configuration, shared by all, so that
/// credentials are fetched once and not by each worker.
#[derive(Debug, Clone)]
pub struct S3Connection {
    sdk: SdkConfig,
    config: S3Config,
    force_path_style: bool,
    /// `None`: the SDK's own HTTP client has to do.
    trust: Option<Trust>,
}

impl S3Connection {
    /// Loads credentials' sources, region and endpoint. Nothing is sent to S3 yet, and credentials
    /// are fetched with the first call.
    ///
    /// # Errors
    /// [`NoTrust`] when S3 is to be reached through a proxy and no certificate could be checked.
    pub async fn load(config: S3Config) -> Result<Self, NoTrust> {
        let trust = trust(&config.access)?;
        let mut chain = aws_config::defaults(behavior());
        if let Some(trust) = trust.clone() {
            chain = chain.http_client(connector::http_client_for_credentials(trust));
        }
        let sdk = match &config.access {
            Access::Chain => chain.load().await,
            Access::Anonymous => chain.no_credentials().load().await,
            Access::Explicit(access) => explicit(access),
        };
        let force_path_style = config
            .force_path_style
            .unwrap_or_else(|| endpoint(&sdk).is_some());
        Ok(Self {
            sdk,
            config,
            force_path_style,
            trust,
        })
    }

    /// A client with connections of its own. Its connections are driven by the runtime that first
    /// uses them, so each worker has one: a shared client costs a fifth more and waits on others.
    #[must_use]
    pub fn client(&self, read_for: ReadFor) -> Client {
        let mut config = aws_sdk_s3::config::Builder::from(&self.sdk);
        if let Some(trust) = &self.trust {
            config.set_http_client(Some(connector::http_client(
                trust,
                self.config.timeouts,
                read_for,
            )));
        }
        let config = config
            .force_path_style(self.force_path_style)
            .timeout_config(timeouts(self.config.timeouts))
            // Calls are made again by one layer with one budget for all: `storage::retry`.
            .retry_config(RetryConfig::disabled())
            // A stall is ours to notice: theirs tolerates one byte a second.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Ranged answers carry no checksum that fits them, and servers that send the whole
            // object's make every range fail at its last byte.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .interceptor(AnswerCheck)
            .build();
        Client::from_conf(config)
    }

    /// What it was made of.
    #[must_use]
    pub const fn config(&self) -> &S3Config {
        &self.config
    }

    /// Where it goes, for the start-up line: endpoint or region.
    #[must_use]
    pub fn describe(&self) -> String {
        endpoint(&self.sdk).unwrap_or_else(|| {
            self.sdk
                .region()
                .map_or_else(|| "no region set".to_owned(), ToString::to_string)
        })
    }
}

/// Pinned: a newer behaviour is taken up on purpose, since it may move retries and time limits.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Nobody is trusted, and the SDK's own HTTP client, which is needed for a proxy, panics then.
#[derive(Debug)]
pub struct NoTrust;

impl std::fmt::Display for NoTrust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "a proxy is configured and no root certificates are found: install ca-certificates or \
             set SSL_CERT_FILE, or unset HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
        )
    }
}

impl std::error::Error for NoTrust {}

/// How our own HTTP client does TLS, or `None` where a proxy is to be gone through, which only the
/// SDK's can. Explicit access knows no variable.
fn trust(access: &Access) -> Result<Option<Trust>, NoTrust> {
    let trust = Trust::of_system()
        .inspect_err(|error| log::warn!("TLS cannot be set up by us: {error}"))
        .ok();
    let may_be_proxied = matches!(access, Access::Chain | Access::Anonymous);
    if !(may_be_proxied && connector::proxy_is_configured()) {
        return Ok(trust);
    }
    if trust.is_some_and(|trust| !trust.has_roots()) {
        return Err(NoTrust);
    }
    log::info!("a proxy is configured, so S3 is reached through the SDK's own HTTP client");
    Ok(None)
}

fn timeouts(timeouts: OriginTimeouts) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.first_byte)
        .operation_timeout(timeouts.total)
        .build()
}

/// A configuration whose endpoint, region, keys and connections no environment variable and no file
/// has a part in.
fn explicit(access: &ExplicitAccess) -> SdkConfig {
    let credentials = Credentials::new(
        &access.access_key_id,
        &access.secret_access_key,
        None,
        None,
        "explicit",
    );
    SdkConfig::builder()
        .behavior_version(behavior())
        .endpoint_url(&access.endpoint)
        .region(Region::new(access.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// The endpoint URL that the SDK will use for S3: `AWS_ENDPOINT_URL_S3`, the profile's, then
/// `AWS_ENDPOINT_URL`, which is the SDK's own order. It has no getter for the outcome.
fn endpoint(sdk: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    sdk.service_config()
        .and_then(|config| config.load_config(key))
        .or_else(|| sdk.endpoint_url().map(ToOwned::to_owned))
}
