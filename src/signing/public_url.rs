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

    /// The address of origins that are served under a host of their own: the same scheme, port and path
    /// with that host.
    #[must_use]
    pub fn under(&self, host: &str) -> Self {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("https", &self.0));
        let authority_end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(authority_end);
        let behind_name = authority.rfind(']').map_or(0, |end| end.saturating_add(1));
        let named = authority.get(behind_name..).unwrap_or_default();
        let port = named.find(':').and_then(|colon| named.get(colon..));
        Self(format!(
            "{scheme}://{host}{}{path}",
            port.unwrap_or_default()
        ))
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
    fn a_host_of_its_own_has_the_same_scheme_port_and_path() {
        for (text, host, expected) in [
            ("https://media.example", "b.example", "https://b.example"),
            (
                "http://media.example:8080/a/b",
                "b.example",
                "http://b.example:8080/a/b",
            ),
            (
                "https://[2001:db8::1]:8443/a",
                "[::1]",
                "https://[::1]:8443/a",
            ),
            ("https://[2001:db8::1]", "b.example", "https://b.example"),
        ] {
            let url = PublicUrl::parse(text).unwrap();
            assert_eq!(url.under(host).as_str(), expected, "{text}");
        }
    }

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
