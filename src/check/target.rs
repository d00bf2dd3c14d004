//! The address of a file, as somebody typed it or a server redirected to it.

use std::fmt;

use hyper::Uri;
use url::Url;

/// Longest address in bytes: what servers commonly take.
const MAX_BYTES: usize = 8192;

/// An absolute `http` or `https` URL with a host and without credentials or fragment.
///
/// ```
/// use s3reel::check::target::MediaUrl;
/// let url = MediaUrl::parse("http://media.example/a film.mp4#t=10").unwrap();
/// assert_eq!(url.as_str(), "http://media.example/a%20film.mp4");
/// assert!(MediaUrl::parse("ftp://media.example/film.mp4").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaUrl(Url);

/// Why a text is no address of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlError {
    /// Not an absolute URL.
    NotAUrl(String),
    /// Neither `http` nor `https`.
    Scheme(String),
    /// A user's name or password, which browsers refuse for media and which nobody should see in a
    /// report.
    Credentials,
    /// Longer than 8192 bytes.
    TooLong,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAUrl(why) => write!(
                f,
                "is no URL such as https://media.example/film.mp4 ({why})"
            ),
            Self::Scheme(scheme) => write!(f, "is {scheme} and neither http nor https"),
            Self::Credentials => {
                f.write_str("has a user name or password, which browsers refuse for media")
            }
            Self::TooLong => f.write_str("is longer than 8192 bytes"),
        }
    }
}

impl std::error::Error for UrlError {}

impl MediaUrl {
    /// Reads an address as a browser's address bar does; a fragment is dropped.
    ///
    /// # Errors
    /// [`UrlError`] when it is none that media can be loaded from.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_BYTES {
            return Err(UrlError::TooLong);
        }
        let url = Url::parse(text).map_err(|error| UrlError::NotAUrl(error.to_string()))?;
        Self::of(url)
    }

    /// Where a `Location` leads from here.
    ///
    /// # Errors
    /// [`UrlError`] when that is nothing that media can be loaded from.
    pub fn join(&self, location: &str) -> Result<Self, UrlError> {
        if location.len() > MAX_BYTES {
            return Err(UrlError::TooLong);
        }
        let url = self.0.join(location);
        Self::of(url.map_err(|error| UrlError::NotAUrl(error.to_string()))?)
    }

    fn of(mut url: Url) -> Result<Self, UrlError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials);
        }
        url.set_fragment(None);
        let url = Self(url);
        // What hyper does not take would fail at each request.
        if url.connect_to().is_none() || url.request_target().is_none() {
            return Err(UrlError::NotAUrl("characters that HTTP has not".to_owned()));
        }
        Ok(url)
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Host and, if it is not the scheme's own, port: the value of `Host`.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// Path and query, as they stand in the request line.
    #[must_use]
    pub fn target(&self) -> &str {
        let text = self.0.as_str();
        let from = self.0.scheme().len() + "://".len() + self.0.authority().len();
        text.get(from..).unwrap_or("/")
    }

    /// Scheme and authority, for the connector.
    pub(super) fn connect_to(&self) -> Option<Uri> {
        let origin = format!("{}://{}/", self.0.scheme(), self.0.authority());
        origin.parse().ok()
    }

    /// Path and query, for the request.
    pub(super) fn request_target(&self) -> Option<Uri> {
        self.target().parse().ok()
    }
}

impl fmt::Display for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (text, authority, target) in [
            ("http://a", "a", "/"),
            ("HTTP://A:80/x?y=z#w", "a", "/x?y=z"),
            ("https://a:8443/x", "a:8443", "/x"),
            ("http://[::1]:8080/ü.mp4", "[::1]:8080", "/%C3%BC.mp4"),
            ("http://a/?x=http://b", "a", "/?x=http://b"),
        ] {
            let url = MediaUrl::parse(text).unwrap();
            assert_eq!((url.authority(), url.target()), (authority, target));
        }
    }

    #[test]
    fn what_media_cannot_be_loaded_from_is_refused_with_the_reason() {
        for (text, told) in [
            ("film.mp4", "is no URL"),
            ("", "is no URL"),
            ("http://", "is no URL"),
            ("http:///", "is no URL"),
            ("file:///film.mp4", "is file and neither"),
            ("127.0.0.1:8080/film.mp4", "is no URL"),
            ("localhost:8080/film.mp4", "is localhost and neither"),
            ("http://user:secret@a/", "user name or password"),
            ("http://a:99999/", "is no URL"),
            (&format!("http://a/{}", "x".repeat(9000)), "longer"),
        ] {
            let error = MediaUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text:?}: {error}");
            assert!(!error.contains("secret"));
        }
    }

    #[test]
    fn a_location_is_read_from_where_it_was_sent() {
        let from = MediaUrl::parse("https://a/films/one?x").unwrap();
        for (location, to) in [
            ("two.mp4", "https://a/films/two.mp4"),
            ("/two", "https://a/two"),
            ("//b/two", "https://b/two"),
            ("http://b", "http://b/"),
        ] {
            assert_eq!(from.join(location).unwrap().as_str(), to);
        }
        assert!(from.join("data:video/mp4,x").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(https?:/?/?)?.{0,60}") {
            if let Ok(url) = MediaUrl::parse(&text) {
                prop_assert!(url.target().starts_with('/'));
                let _ = url.join(&text);
            }
        }
    }
}
