//! How a bucket is reached: what is set, before anything is asked.

use url::Url;

use super::trust::CaFile;
use crate::object::{BucketName, KeyPrefix};

pub use crate::storage::http::OriginTimeouts;

/// How a bucket is reached. What is not set here, the AWS chain tells.
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
    /// `region=`: the region to sign for, and of AWS's endpoint.
    pub region: Option<RegionName>,
    /// `endpoint=`: where requests go.
    pub endpoint: Option<EndpointUrl>,
    /// `profile=`: the profile of the AWS files that credentials come from.
    pub profile: Option<String>,
    /// `requester_pays=`: who pays for requests.
    pub payer: Payer,
    /// `ca_file=`: the authorities whose certificates are taken, in place of the system's.
    pub ca_file: Option<CaFile>,
    /// Idle connections that each client keeps; no bound where a process has one origin, whose
    /// connections are as many as it has streams.
    pub most_idle: usize,
    /// Time limits.
    pub timeouts: OriginTimeouts,
}

impl S3Config {
    /// A whole bucket, reached like this, with what is the default for the rest.
    #[must_use]
    pub fn of(bucket: BucketName, access: Access) -> Self {
        Self {
            bucket,
            prefix: KeyPrefix::default(),
            force_path_style: None,
            access,
            region: None,
            endpoint: None,
            profile: None,
            payer: Payer::default(),
            ca_file: None,
            most_idle: usize::MAX,
            timeouts: OriginTimeouts::default(),
        }
    }
}

/// Who pays for requests and for what they bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payer {
    /// Who owns the bucket.
    #[default]
    Owner,
    /// We do; every call says so (`x-amz-request-payer`), since S3 refuses it otherwise.
    Requester,
}

/// The name of a region: letters, digits, `-` and `_`, at most 63. It becomes part of host names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionName(String);

impl RegionName {
    /// Checks a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let is_name = (1..=63).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        is_name.then(|| Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The URL of an endpoint: `http` or `https`, a host, perhaps a port and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl(String);

impl EndpointUrl {
    /// Reads a URL; `None` also if it has a user name, a query or a fragment, which would be passed on
    /// with every request or lost.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_endpoint = matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        // The SDK puts the bucket right behind a path.
        let text = match url.path().trim_end_matches('/') {
            "" => url.as_str().trim_end_matches('/').to_owned(),
            _ => format!("{}/", url.as_str().trim_end_matches('/')),
        };
        is_endpoint.then_some(Self(text))
    }

    /// The URL, with a final slash if it has a path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_of_a_host_and_nothing_that_could_get_lost() {
        for (written, url) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("https://S3.example/", "https://s3.example"),
            ("https://s3.example/base", "https://s3.example/base/"),
            ("https://[::1]:1", "https://[::1]:1"),
        ] {
            assert_eq!(EndpointUrl::parse(written).unwrap().as_str(), url);
        }
        for written in [
            "",
            "s3.example",
            "ftp://s3.example",
            "https://",
            "https://user@s3.example",
            "https://user:secret@s3.example",
            "https://s3.example/?a=b",
            "https://s3.example/#a",
        ] {
            assert_eq!(EndpointUrl::parse(written), None, "{written}");
        }
    }

    #[test]
    fn a_region_cannot_be_more_than_a_label_of_a_host_name() {
        for name in ["eu-north-1", "auto", "garage", "us_east"] {
            assert!(RegionName::parse(name).is_some(), "{name}");
        }
        for name in ["", "a.b", "evil/", "a b", "a@b", &"x".repeat(64)] {
            assert_eq!(RegionName::parse(name), None, "{name}");
        }
    }
}
