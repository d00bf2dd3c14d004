//! The address that the outside knows the service by.

use std::fmt;

use url::Url;

/// `S3REEL_PUBLIC_URL`: what stands before the path in every address that is signed, such as
/// `https://media.example`. Never taken from a request's `Host`, which anyone can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// The text is no such address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrlError(Option<String>);

impl fmt::Display for PublicUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str(
                "the http or https address that links begin with, such as https://media.example, \
                 without a user, a query and a fragment",
            ),
            Some(normal) => write!(f, "links have it as {normal}, so write it like that"),
        }
    }
}

impl std::error::Error for PublicUrlError {}

impl PublicUrl {
    /// Reads an address; a `/` at its end does not matter.
    ///
    /// # Errors
    /// [`PublicUrlError`] for what is none, and for another spelling than that of links: signatures
    /// cover the very letters.
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let url = Url::parse(text).map_err(|_| PublicUrlError(None))?;
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.has_host()
            && !text.contains(['*', '?', '\\']);
        if !matches!(url.scheme(), "http" | "https") || !is_plain {
            return Err(PublicUrlError(None));
        }
        let normal = url.as_str().trim_end_matches('/');
        if normal == text.trim_end_matches('/') {
            Ok(Self(normal.to_owned()))
        } else {
            Err(PublicUrlError(Some(normal.to_owned())))
        }
    }

    /// Without a `/` at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_links_have_it() {
        for (text, read) in [
            ("https://media.example", "https://media.example"),
            ("https://media.example/", "https://media.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            (
                "https://[2001:db8::1]:8443/a/b/",
                "https://[2001:db8::1]:8443/a/b",
            ),
        ] {
            assert_eq!(PublicUrl::parse(text).unwrap().as_str(), read);
        }
        for text in [
            "",
            "media.example",
            "ftp://a",
            "https://",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://u:p@a",
            "https://*.example",
            "mailto:a@b",
        ] {
            assert_eq!(PublicUrl::parse(text), Err(PublicUrlError(None)), "{text}");
        }
        for (text, normal) in [
            ("https://Media.example", "https://media.example"),
            ("https://media.example:443", "https://media.example"),
            ("https://media.example/a/../b", "https://media.example/b"),
            (
                "https://b\u{fc}cher.example",
                "https://xn--bcher-kva.example",
            ),
        ] {
            let error = PublicUrl::parse(text).unwrap_err();
            assert_eq!(error, PublicUrlError(Some(normal.to_owned())), "{text}");
        }
    }
}
