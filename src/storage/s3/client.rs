//! Credentials, region, endpoint and the clients made of them.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use aws_sdk_s3::types::RequestPayer;
use aws_types::service_config::ServiceConfigKey;

use super::answer::AnswerCheck;
use super::config::Payer;
use super::connector::{self, Trust};
use super::region::LearnedRegion;
use super::trust::CaFile;

use crate::storage::http::ReadFor;

pub use super::config::{Access, ExplicitAccess, OriginTimeouts, S3Config};

/// Everything needed to make clients: the loaded configuration, shared by all, so that
/// credentials are fetched once and not by each worker.
#[derive(Debug, Clone)]
pub struct S3Connection {
    sdk: SdkConfig,
    config: S3Config,
    force_path_style: bool,
    /// `None`: the SDK's own HTTP client has to do.
    trust: Option<Trust>,
    learned_region: LearnedRegion,
}

impl S3Connection {
    /// Loads credentials' sources, region and endpoint. Nothing is sent to S3 yet, and credentials
    /// are fetched with the first call.
    ///
    /// # Errors
    /// [`NoTrust`] when S3 is to be reached through a proxy and no certificate could be checked.
    pub async fn load(config: S3Config) -> Result<Self, NoTrust> {
        let system = trust(&config.access, config.ca_file.as_ref())?;
        let mut chain = aws_config::defaults(behavior());
        if let Some(trust) = system.clone() {
            chain = chain.http_client(connector::http_client_for_credentials(trust));
        }
        if let Some(profile) = &config.profile {
            chain = chain.profile_name(profile);
        }
        if let Some(region) = &config.region {
            chain = chain.region(Region::new(region.as_str().to_owned()));
        }
        let sdk = match &config.access {
            Access::Chain => chain.load().await,
            Access::Anonymous => chain.no_credentials().load().await,
            Access::Explicit(access) => explicit(access),
        };
        let trust = match &config.ca_file {
            Some(file) => Some(Trust::in_roots(file.roots()).map_err(|_| NoTrust)?),
            None => system,
        };
        let has_endpoint = config.endpoint.is_some() || endpoint(&sdk).is_some();
        let force_path_style = config
            .force_path_style
            .unwrap_or_else(|| has_endpoint && config.bucket.may_be_in_paths());
        Ok(Self {
            sdk,
            config,
            force_path_style,
            trust,
            learned_region: LearnedRegion::default(),
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
                self.config.most_idle,
            )));
        }
        if let Some(region) = &self.config.region {
            config.set_region(Some(Region::new(region.as_str().to_owned())));
        }
        if let Some(endpoint) = &self.config.endpoint {
            config.set_endpoint_url(Some(endpoint.as_str().to_owned()));
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
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .interceptor(AnswerCheck)
            .build();
        Client::from_conf(config)
    }

    /// What its clients have learned of the bucket's region.
    #[must_use]
    pub const fn learned_region(&self) -> &LearnedRegion {
        &self.learned_region
    }

    /// What every call says about who pays.
    #[must_use]
    pub fn request_payer(&self) -> Option<RequestPayer> {
        match self.config.payer {
            Payer::Owner => None,
            Payer::Requester => Some(RequestPayer::Requester),
        }
    }

    /// What it was made of.
    #[must_use]
    pub const fn config(&self) -> &S3Config {
        &self.config
    }

    /// Where it goes, for the start-up line: endpoint or region.
    #[must_use]
    pub fn describe(&self) -> String {
        let (own, region) = (&self.config.endpoint, &self.config.region);
        own.as_ref()
            .map(|endpoint| endpoint.as_str().to_owned())
            .or_else(|| endpoint(&self.sdk))
            .or_else(|| region.as_ref().map(|region| region.as_str().to_owned()))
            .or_else(|| self.sdk.region().map(ToString::to_string))
            .unwrap_or_else(|| "no region set".to_owned())
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
/// SDK's can. Explicit access knows no variable, and who has authorities of their own is reached
/// without a proxy, since the SDK's client would not know them.
fn trust(access: &Access, ca_file: Option<&CaFile>) -> Result<Option<Trust>, NoTrust> {
    let trust = Trust::of_system()
        .inspect_err(|error| log::warn!("TLS cannot be set up by us: {error}"))
        .ok();
    let may_be_proxied = ca_file.is_none() && matches!(access, Access::Chain | Access::Anonymous);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::BucketName;
    use crate::storage::s3::config::{EndpointUrl, RegionName};
    use aws_sdk_s3::error::SdkError;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use std::sync::{Arc, Mutex};

    /// A connector that keeps where requests go and sends none.
    #[derive(Debug, Clone, Default)]
    struct Noting(Arc<Mutex<Vec<String>>>);

    impl HttpConnector for Noting {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let uri = request.uri().split('?').next().unwrap_or_default();
            self.0.lock().unwrap().push(uri.to_owned());
            HttpConnectorFuture::ready(Err(ConnectorError::user("not sent".into())))
        }
    }

    /// Where a GetObject of `a/b c.mp4` goes.
    async fn target(change: impl FnOnce(&mut S3Config), bucket: &str) -> String {
        let access = ExplicitAccess {
            endpoint: String::new(),
            region: "eu-north-1".to_owned(),
            access_key_id: "AKIA".to_owned(),
            secret_access_key: "secret".to_owned(),
        };
        let bucket = BucketName::parse(bucket).unwrap();
        let mut config = S3Config::of(bucket.clone(), Access::Explicit(access));
        change(&mut config);
        let mut connection = S3Connection::load(config).await.unwrap();
        if connection.config.endpoint.is_none() {
            // As for AWS itself, which explicit access has no word for.
            connection.force_path_style = false;
        }
        let noting = Noting::default();
        let connector = SharedHttpConnector::new(noting.clone());
        let client = connection.client(ReadFor::Viewer);
        let mut config = client.config().to_builder();
        config.set_http_client(Some(http_client_fn(move |_, _| connector.clone())));
        if connection.config.endpoint.is_none() {
            config.set_endpoint_url(None);
        }
        let sent = Client::from_conf(config.build())
            .get_object()
            .bucket(bucket.as_str())
            .key("a/b c.mp4")
            .send()
            .await;
        assert!(
            matches!(sent, Err(SdkError::DispatchFailure(_))),
            "{sent:?}"
        );
        noting.0.lock().unwrap().pop().unwrap()
    }

    #[tokio::test]
    async fn requests_go_where_each_kind_of_bucket_is() {
        let arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/films";
        let global = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap";
        for (bucket, region, endpoint, url) in [
            (
                "films",
                "eu-north-1",
                None,
                "https://films.s3.eu-north-1.amazonaws.com/a/b%20c.mp4",
            ),
            // A dot in the name would not fit the certificate.
            (
                "films.example",
                "eu-north-1",
                None,
                "https://s3.eu-north-1.amazonaws.com/films.example/a/b%20c.mp4",
            ),
            (
                "films",
                "auto",
                Some("https://id.r2.cloudflarestorage.com"),
                "https://id.r2.cloudflarestorage.com/films/a/b%20c.mp4",
            ),
            (
                "films",
                "garage",
                Some("http://127.0.0.1:3900/base"),
                "http://127.0.0.1:3900/base/films/a/b%20c.mp4",
            ),
            (
                arn,
                "us-west-2",
                None,
                "https://films-123456789012.s3-accesspoint.us-west-2.amazonaws.com/a/b%20c.mp4",
            ),
            (
                global,
                "us-west-2",
                None,
                "https://mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com/a/b%20c.mp4",
            ),
        ] {
            let change = |config: &mut S3Config| {
                config.region = RegionName::parse(region);
                config.endpoint = endpoint.and_then(EndpointUrl::parse);
            };
            assert_eq!(target(change, bucket).await, url);
        }
        let by_name = |config: &mut S3Config| {
            config.endpoint = EndpointUrl::parse("https://s3.example");
            config.force_path_style = Some(false);
        };
        let url = "https://films.s3.example/a/b%20c.mp4";
        assert_eq!(target(by_name, "films").await, url);
    }
}
