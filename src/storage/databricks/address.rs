//! Where a volume is: the workspace's address and the path in it.

use std::fmt;
use std::net::IpAddr;

use hyper::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::object::ObjectKey;

/// The address of a workspace without a path, such as `https://adb-123.4.azuredatabricks.net`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceUrl(String);

/// Why an address is none of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceUrlError {
    /// It is no address of a server.
    Malformed,
    /// It has more than a scheme, a host and a port.
    NotAnOrigin,
    /// It would send the token in the clear to another machine.
    NotEncrypted,
}

impl fmt::Display for WorkspaceUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is no address such as https://my-workspace.cloud.databricks.com",
            Self::NotAnOrigin => "it has more than scheme, host and port",
            Self::NotEncrypted => {
                "it has to begin with https://, or the token could be read on the way"
            }
        })
    }
}

impl std::error::Error for WorkspaceUrlError {}

impl WorkspaceUrl {
    /// Reads an address. As in Databricks' own tools the scheme may be missing, and a final `/` does
    /// no harm.
    ///
    /// # Errors
    /// [`WorkspaceUrlError`] for what is none.
    pub fn parse(text: &str) -> Result<Self, WorkspaceUrlError> {
        let text = text.trim();
        let text = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let uri: Uri = text.parse().map_err(|_| WorkspaceUrlError::Malformed)?;
        let (scheme, authority) = uri
            .scheme_str()
            .zip(uri.authority())
            .ok_or(WorkspaceUrlError::Malformed)?;
        if authority.host().is_empty() {
            return Err(WorkspaceUrlError::Malformed);
        }
        let has_more = authority.as_str().contains('@') || text.contains(['?', '#']);
        if has_more || !matches!(uri.path(), "" | "/") {
            return Err(WorkspaceUrlError::NotAnOrigin);
        }
        match scheme {
            "https" => {}
            "http" if is_loopback(authority.host()) => {}
            "http" => return Err(WorkspaceUrlError::NotEncrypted),
            _ => return Err(WorkspaceUrlError::Malformed),
        }
        Ok(Self(format!("{scheme}://{authority}")))
    }

    /// The address, without a final `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_loopback(host: &str) -> bool {
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || ip.is_some_and(|ip| ip.is_loopback())
}

impl fmt::Display for WorkspaceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The absolute path of a volume or of a folder in it, without a final `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePath(String);

/// The path names no volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumePathError;

impl fmt::Display for VolumePathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a volume is named by /Volumes/catalog/schema/volume, and may have folders after it",
        )
    }
}

impl std::error::Error for VolumePathError {}

impl VolumePath {
    /// Checks a path.
    ///
    /// # Errors
    /// [`VolumePathError`] when no volume can have it.
    pub fn parse(path: &str) -> Result<Self, VolumePathError> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let inner = path.strip_prefix("/Volumes/").ok_or(VolumePathError)?;
        let is_name = |segment: &str| !matches!(segment, "" | "." | "..");
        let is_volume = inner.split('/').count() >= 3 && inner.split('/').all(is_name);
        // What bounds keys bounds this, so that both together are bounded.
        if is_volume && ObjectKey::new(inner.to_owned()).is_ok() {
            Ok(Self(path.to_owned()))
        } else {
            Err(VolumePathError)
        }
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of what lies below as it is written into a request: percent-encoded but for its slashes.
    #[must_use]
    pub fn below(&self, path: &str) -> String {
        let encode = |text| utf8_percent_encode(text, PATH);
        format!("{}/{}", encode(&self.0), encode(path))
    }
}

impl fmt::Display for VolumePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All but the characters that stand for themselves everywhere (RFC 3986 section 2.3) and slashes, as
/// Databricks' own clients do it (`urllib.parse.quote`).
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A value in a query.
#[must_use]
pub fn query_value(value: &str) -> String {
    utf8_percent_encode(value, UNRESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_scheme_host_and_port_and_encrypted_unless_it_stays_here() {
        use WorkspaceUrlError::{Malformed, NotAnOrigin, NotEncrypted};
        for (text, url) in [
            (
                "https://a.cloud.databricks.com",
                Ok("https://a.cloud.databricks.com"),
            ),
            (
                "https://a.cloud.databricks.com/",
                Ok("https://a.cloud.databricks.com"),
            ),
            (
                "adb-1.2.azuredatabricks.net",
                Ok("https://adb-1.2.azuredatabricks.net"),
            ),
            (" https://a:8443 ", Ok("https://a:8443")),
            ("http://127.0.0.1:80", Ok("http://127.0.0.1:80")),
            ("http://localhost:80", Ok("http://localhost:80")),
            ("http://[::1]:80", Ok("http://[::1]:80")),
            ("http://a.cloud.databricks.com", Err(NotEncrypted)),
            ("http://localhost.example.com", Err(NotEncrypted)),
            ("https://a/sql", Err(NotAnOrigin)),
            ("https://a/?o=1", Err(NotAnOrigin)),
            ("https://a#b", Err(NotAnOrigin)),
            ("https://user:secret@a", Err(NotAnOrigin)),
            ("ftp://a", Err(Malformed)),
            ("", Err(Malformed)),
            ("https://", Err(Malformed)),
            ("https://a b", Err(Malformed)),
        ] {
            let parsed = WorkspaceUrl::parse(text);
            assert_eq!(
                parsed.as_ref().map(WorkspaceUrl::as_str),
                url.as_ref().copied(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_volume_has_a_catalog_and_a_schema() {
        for (path, parsed) in [
            ("/Volumes/c/s/v", Ok("/Volumes/c/s/v")),
            ("/Volumes/c/s/v/", Ok("/Volumes/c/s/v")),
            ("/Volumes/c/s/v/films/new", Ok("/Volumes/c/s/v/films/new")),
            ("/Volumes/c/s", Err(VolumePathError)),
            ("/Volumes/c//v", Err(VolumePathError)),
            ("/Volumes/c/../v", Err(VolumePathError)),
            ("/Volumes/c/s/v//", Err(VolumePathError)),
            ("/Volumes/c/s/v\n", Err(VolumePathError)),
            ("Volumes/c/s/v", Err(VolumePathError)),
            ("/volumes/c/s/v", Err(VolumePathError)),
            ("/dbfs/c/s/v", Err(VolumePathError)),
        ] {
            let volume = VolumePath::parse(path);
            assert_eq!(
                volume.as_ref().map(VolumePath::as_str),
                parsed.as_ref().copied(),
                "{path}"
            );
        }
    }

    #[test]
    fn slashes_stay_and_what_could_be_read_otherwise_is_encoded() {
        let volume = VolumePath::parse("/Volumes/c/s/my volume").unwrap();
        for (key, path) in [
            ("a/b.mp4", "/Volumes/c/s/my%20volume/a/b.mp4"),
            ("a b+c", "/Volumes/c/s/my%20volume/a%20b%2Bc"),
            (
                "100%?#&=;",
                "/Volumes/c/s/my%20volume/100%25%3F%23%26%3D%3B",
            ),
            ("%2F", "/Volumes/c/s/my%20volume/%252F"),
            ("\u{e9}", "/Volumes/c/s/my%20volume/%C3%A9"),
        ] {
            assert_eq!(volume.below(key), path);
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_to_the_same(key in "[^\\p{C}]{1,80}") {
            let path = VolumePath::parse("/Volumes/c/s/v").unwrap().below(&key);
            let uri: Uri = format!("https://a{path}").parse().unwrap();
            prop_assert_eq!(uri.path(), path.as_str());
            prop_assert_eq!(uri.query(), None);
            let decoded = crate::object::RequestKey::from_path(&path);
            if let Ok(decoded) = decoded {
                prop_assert_eq!(decoded.as_str(), format!("Volumes/c/s/v/{key}"));
            }
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in "\\PC{0,60}") {
            let _ = WorkspaceUrl::parse(&text);
            let _ = VolumePath::parse(&text);
        }
    }
}
