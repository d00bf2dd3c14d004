//! Cross-origin reads (the Fetch standard's CORS protocol).

use actix_http::{HttpMessage as _, Request};
use actix_web::http::header::ORIGIN;

use super::fields;
use super::head::Head;

/// Which pages of other origins may read answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsPolicy {
    /// None; no CORS field is ever sent.
    Off,
    /// All, without credentials.
    Any,
    /// These, with credentials. Each is an origin as a browser writes it: `https://example.org`.
    Listed(Vec<String>),
}

/// The text is not an origin such as `https://example.org`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorsPolicyError;

impl std::fmt::Display for CorsPolicyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "`*`, empty, or a comma list of origins such as https://example.org, without a path",
        )
    }
}

impl std::error::Error for CorsPolicyError {}

impl CorsPolicy {
    /// Reads `*`, a comma list of origins, or nothing for off.
    ///
    /// # Errors
    /// [`CorsPolicyError`] for a member that no browser would send as `Origin`.
    pub fn parse(text: &str) -> Result<Self, CorsPolicyError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::Off);
        }
        if text == "*" {
            return Ok(Self::Any);
        }
        text.split(',')
            .map(|origin| parse_origin(origin.trim()))
            .collect::<Result<Vec<_>, _>>()
            .map(Self::Listed)
    }

    /// Adds the fields that every answer carries.
    pub fn apply(&self, request: &Request, head: &mut Head) {
        match self {
            Self::Off => {}
            Self::Any => {
                head.fixed(fields::ALLOW_ANY_ORIGIN)
                    .fixed(fields::EXPOSE_FIELDS)
                    .fixed(fields::CROSS_ORIGIN);
            }
            Self::Listed(_) => {
                // Also without a match: a cache must not give one page's answer to another.
                head.fixed(fields::VARY_ORIGIN);
                if let Some(origin) = self.listed_origin(request) {
                    head.text(fields::ACCESS_CONTROL_ALLOW_ORIGIN, origin)
                        .fixed(fields::ALLOW_CREDENTIALS)
                        .fixed(fields::EXPOSE_FIELDS);
                }
            }
        }
    }

    /// Adds the fields that a preflight asks for, if its origin may ask at all.
    pub fn apply_preflight(&self, request: &Request, head: &mut Head) {
        let allowed = match self {
            Self::Off => false,
            Self::Any => true,
            Self::Listed(_) => self.listed_origin(request).is_some(),
        };
        if allowed {
            head.fixed(fields::ALLOW_METHODS)
                .fixed(fields::ALLOW_FIELDS)
                .fixed(fields::PREFLIGHT_AGE);
        }
    }

    /// The origin of the request in our own spelling, if it is listed. `null` cannot be.
    fn listed_origin(&self, request: &Request) -> Option<&str> {
        let Self::Listed(origins) = self else {
            return None;
        };
        let origin = request.headers().get(ORIGIN)?.to_str().ok()?;
        origins
            .iter()
            .find(|listed| listed.as_str() == origin)
            .map(String::as_str)
    }
}

/// An origin as browsers serialise it: scheme, host in lower case, port unless it is the default.
fn parse_origin(origin: &str) -> Result<String, CorsPolicyError> {
    let (scheme, authority) = origin.split_once("://").ok_or(CorsPolicyError)?;
    let scheme_is_name = scheme
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let authority_is_host = !authority.is_empty()
        && authority
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte));
    if scheme.is_empty() || !scheme_is_name || !authority_is_host {
        return Err(CorsPolicyError);
    }
    Ok(format!("{scheme}://{}", authority.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_star_nothing_or_origins() {
        assert_eq!(CorsPolicy::parse("*"), Ok(CorsPolicy::Any));
        assert_eq!(CorsPolicy::parse(" "), Ok(CorsPolicy::Off));
        assert_eq!(
            CorsPolicy::parse("https://Example.org, http://localhost:3000"),
            Ok(CorsPolicy::Listed(vec![
                "https://example.org".to_owned(),
                "http://localhost:3000".to_owned()
            ]))
        );
        for text in [
            "null",
            "example.org",
            "https://",
            "https://a/b",
            "https://a,",
            "*,https://a",
            "https://*.example.org",
        ] {
            assert_eq!(CorsPolicy::parse(text), Err(CorsPolicyError), "{text}");
        }
    }
}
