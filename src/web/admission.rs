//! Whether a request may be answered at all: the decision about its signature, taken before
//! anything is looked up, in memory or in S3.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_http::{HttpMessage as _, Request};
use actix_web::http::Method;
use actix_web::http::header::{COOKIE, HeaderValue, RANGE};

use super::problem::ServeError;
use crate::object::mount::HostName;
use crate::semantics::RangesSpecifier;
use crate::signing::decision::{Asked, Decision, Grant};
use crate::signing::{Access, Claims, CurrentKeys, Duplicated, PublicUrl, Resource};
use crate::telemetry::{AccessRecord, Route};

/// What is needed to tell who may read. Without it everyone may read everything.
#[derive(Debug, Clone)]
pub struct SignedUrls {
    /// `S3REEL_SIGNED_URL_KEYS`: the keys in force.
    pub keys: Arc<CurrentKeys>,
    /// `S3REEL_PUBLIC_URL`: what signatures are about, before the path.
    pub public_url: PublicUrl,
    /// `S3REEL_SIGNED_URL_GRACE`: how long after the end of a policy requests with `Range` are still
    /// let through; default none. Longer lets films that began in time go on, and links that were
    /// passed on be used that much longer.
    pub grace: Duration,
}

/// What a request has to be let in to.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Who may have it.
    pub access: &'a Access,
    /// The host that it is served under alone, as the settings have it: the same path under another
    /// host is something else.
    pub host: Option<&'a HostName>,
    /// The viewer's address, if nobody could have made it up.
    pub viewer: Option<IpAddr>,
}

/// Whom an answer is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audience {
    /// Everyone.
    #[default]
    Everyone,
    /// Who has a signature: no cache on the way may share it.
    Signed,
}

/// A request that is let in.
#[derive(Debug, Default)]
pub struct Admission {
    /// The parameters of a signed URL, for the links of the answer; empty with cookies, which come
    /// along by themselves, and without a signature.
    pub carried: String,
    /// The query without them.
    pub query: Option<String>,
}

impl Admission {
    /// Of a request whose query is nobody's business.
    fn as_asked(request: &Request) -> Self {
        Self {
            carried: String::new(),
            query: request.uri().query().map(ToOwned::to_owned),
        }
    }

    /// A link of ours with the parameters behind it.
    #[must_use]
    pub fn link(&self, to: &str) -> String {
        if self.carried.is_empty() {
            to.to_owned()
        } else {
            let mark = if to.contains('?') { '&' } else { '?' };
            format!("{to}{mark}{}", self.carried)
        }
    }
}

/// Lets a request in that asks for something with this access, or refuses it, and tells the record.
///
/// # Errors
/// [`ServeError::Forbidden`], the same whatever is wrong, or [`ServeError::Duplicated`].
pub fn admit(
    signed: Option<&SignedUrls>,
    wanted: Wanted<'_>,
    request: &Request,
    record: &mut AccessRecord,
) -> Result<Admission, ServeError> {
    let Some(signed) = signed else {
        return Ok(Admission::as_asked(request));
    };
    if *wanted.access == Access::Public {
        record.decided("public", None);
        return Ok(Admission::as_asked(request));
    }
    let (claims, admission) = match claims(request) {
        Ok(claimed) => claimed,
        Err(duplicated) => {
            record.decided("duplicated", None);
            return Err(ServeError::Duplicated(duplicated));
        }
    };
    let Decision { outcome, key } = decide(signed, wanted, &claims, request, &admission, record);
    let result = match outcome {
        Ok(Grant::InTime) => "allowed",
        Ok(Grant::Late) => "allowed_late",
        Err(refusal) => refusal.as_str(),
    };
    record.decided(result, key.as_ref().map(|key| key.as_str().to_owned()));
    outcome
        .map(|_| admission)
        .map_err(|_| ServeError::Forbidden)
}

/// What a request brings along, of its URL or else its cookies, and what is left of its query.
fn claims(request: &Request) -> Result<(Claims, Admission), Duplicated> {
    let (claims, query) = Claims::from_query(request.uri().query())?;
    if claims.is_empty() {
        let lines = request.headers().get_all(COOKIE);
        let claims = Claims::from_cookies(lines.map(HeaderValue::as_bytes))?;
        let carried = String::new();
        return Ok((claims, Admission { carried, query }));
    }
    let carried = claims.to_query().unwrap_or_default();
    Ok((claims, Admission { carried, query }))
}

fn decide(
    signed: &SignedUrls,
    wanted: Wanted<'_>,
    claims: &Claims,
    request: &Request,
    admission: &Admission,
    record: &AccessRecord,
) -> Decision {
    let path = request.uri().path();
    let own = wanted
        .host
        .map(|host| signed.public_url.under(host.as_str()));
    let base = own.as_ref().unwrap_or(&signed.public_url).as_str();
    let resource = Resource::new(base, path, admission.query.as_deref());
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let asked = Asked {
        resource: &resource,
        // A clock that is before 1970 is broken, and opens nothing.
        now: now.map_or(u64::MAX, |now| now.as_secs()),
        viewer: wanted.viewer,
        grace: if record.route == Route::Object && continues(request) {
            signed.grace.as_secs()
        } else {
            0
        },
    };
    signed.keys.verifier().decide(wanted.access, claims, &asked)
}

/// Whether a request is for a part of something, as those for a film that plays are.
fn continues(request: &Request) -> bool {
    let mut ranges = request.headers().get_all(RANGE).map(HeaderValue::as_bytes);
    let (range, another) = (ranges.next(), ranges.next());
    request.method() == Method::GET
        && another.is_none()
        && range.is_some_and(|range| RangesSpecifier::parse(range).is_ok())
}

/// `Cache-Control` of an answer for one viewer: what is stored, without what shared caches would
/// take for leave, and `private`.
///
/// ```
/// use s3reel::web::admission::private;
/// assert_eq!(private("public, s-maxage=600, max-age=60"), "private, max-age=60");
/// ```
#[must_use]
pub fn private(cache_control: &str) -> String {
    let mut private = "private".to_owned();
    for directive in directives(cache_control) {
        let name = directive.split('=').next().unwrap_or_default().trim();
        let is_shared = ["public", "s-maxage", "private", "proxy-revalidate"]
            .iter()
            .any(|shared| name.eq_ignore_ascii_case(shared));
        if !is_shared && !directive.is_empty() {
            private = format!("{private}, {directive}");
        }
    }
    private
}

/// The members of a list whose values may be quoted (RFC 9111 section 5.2).
fn directives(text: &str) -> Vec<&str> {
    let mut members = Vec::new();
    let (mut start, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                members.push(text.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(text.get(start..).unwrap_or_default().trim());
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shared_cache_is_given_leave() {
        for (stored, sent) in [
            (
                "public, max-age=0, must-revalidate",
                "private, max-age=0, must-revalidate",
            ),
            ("PUBLIC,S-MaxAge=1 , immutable", "private, immutable"),
            ("s-maxage = 5, max-age=1", "private, max-age=1"),
            ("no-store", "private, no-store"),
            ("private", "private"),
            ("private=\"set-cookie, x\", max-age=1", "private, max-age=1"),
            ("ext=\"a, public\", public", "private, ext=\"a, public\""),
            ("ext=\"a\\\", public", "private, ext=\"a\\\", public"),
            (", ,", "private"),
            ("x=\"", "private, x=\""),
        ] {
            assert_eq!(private(stored), sent, "{stored}");
        }
    }
}
