//! What a request brings along: the parameters of a signed URL, or the cookies of the same meaning.

use std::fmt;

use super::encoding;
use crate::object::key::percent_decode;

/// Longest policy that is looked at, in bytes of JSON.
pub const MAX_POLICY_BYTES: usize = 4096;

/// Longest signature that is looked at, in bytes: that of the largest RSA key, 8192 bits.
pub const MAX_SIGNATURE_BYTES: usize = 1024;

/// One of the parameters that carry a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// The end of a canned policy, in seconds since 1970.
    Expires,
    /// A custom policy, encoded.
    Policy,
    /// The signature over the policy, encoded.
    Signature,
    /// Whose signature it is.
    KeyPairId,
    /// What was signed of the policy: `SHA1`, which is the default, or `SHA256`.
    HashAlgorithm,
}

impl Parameter {
    /// All of them, in the order in which links carry them.
    pub const ALL: [Self; 5] = [
        Self::Expires,
        Self::Policy,
        Self::Signature,
        Self::KeyPairId,
        Self::HashAlgorithm,
    ];

    /// The name in a query.
    #[must_use]
    pub const fn in_query(self) -> &'static str {
        match self {
            Self::Expires => "Expires",
            Self::Policy => "Policy",
            Self::Signature => "Signature",
            Self::KeyPairId => "Key-Pair-Id",
            Self::HashAlgorithm => "Hash-Algorithm",
        }
    }

    /// The name of the cookie.
    #[must_use]
    pub const fn as_cookie(self) -> &'static str {
        match self {
            Self::Expires => "CloudFront-Expires",
            Self::Policy => "CloudFront-Policy",
            Self::Signature => "CloudFront-Signature",
            Self::KeyPairId => "CloudFront-Key-Pair-Id",
            Self::HashAlgorithm => "CloudFront-Hash-Algorithm",
        }
    }
}

/// A parameter or cookie stands there twice, and which one is meant cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicated(pub &'static str);

impl fmt::Display for Duplicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is sent twice", self.0)
    }
}

impl std::error::Error for Duplicated {}

/// What a request says of its signature, decoded from percent-encoding and not yet read. It has no
/// `Debug`, so that no log can have it.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Claims([Option<Vec<u8>>; 5]);

/// What the claims of one policy are, read but not believed yet.
#[derive(PartialEq, Eq)]
pub struct Presented {
    /// What was signed.
    pub statement: Statement,
    /// The signature, 1 to 1024 bytes.
    pub signature: Vec<u8>,
    /// The name of the key, as it was sent.
    pub key_pair_id: String,
    /// What was hashed with.
    pub hash: HashAlgorithm,
}

/// What was signed.
#[derive(PartialEq, Eq)]
pub enum Statement {
    /// This very resource until then, in seconds since 1970.
    Canned(u64),
    /// A policy in JSON, at most [`MAX_POLICY_BYTES`].
    Custom(Vec<u8>),
}

/// What a policy is hashed with before it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// Unless the request says otherwise.
    Sha1,
    /// `Hash-Algorithm=SHA256`.
    Sha256,
}

impl Claims {
    /// Takes the parameters out of a raw query, and gives what is left of it: `None` if that is
    /// nothing.
    ///
    /// # Errors
    /// [`Duplicated`] for the first that stands there twice.
    pub fn from_query(query: Option<&str>) -> Result<(Self, Option<String>), Duplicated> {
        let mut claims = Self::default();
        let mut rest = None::<String>;
        let Some(query) = query else {
            return Ok((claims, None));
        };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match Parameter::ALL.iter().find(|known| known.in_query() == name) {
                Some(known) => claims.insert(*known, known.in_query(), value.as_bytes())?,
                None => match &mut rest {
                    Some(rest) => {
                        rest.push('&');
                        rest.push_str(pair);
                    }
                    None => rest = Some(pair.to_owned()),
                },
            }
        }
        Ok((claims, rest))
    }

    /// Takes the cookies out of the lines of `Cookie` (RFC 6265 section 4.2.1).
    ///
    /// # Errors
    /// [`Duplicated`] for the first that stands there twice, as it does where two cookies of one name
    /// have different paths: their order says nothing (section 4.2.2).
    pub fn from_cookies<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, Duplicated> {
        let mut claims = Self::default();
        let pairs = lines
            .into_iter()
            .flat_map(|line| line.split(|&byte| byte == b';'));
        for pair in pairs {
            let Some(at) = pair.iter().position(|&byte| byte == b'=') else {
                continue;
            };
            let (name, value) = (pair.get(..at), pair.get(at + 1..));
            let (name, value) = (name.unwrap_or_default(), value.unwrap_or_default());
            let known = Parameter::ALL
                .iter()
                .find(|known| known.as_cookie().as_bytes() == name.trim_ascii());
            if let Some(known) = known {
                claims.insert(*known, known.as_cookie(), value.trim_ascii())?;
            }
        }
        Ok(claims)
    }

    fn insert(
        &mut self,
        parameter: Parameter,
        name: &'static str,
        value: &[u8],
    ) -> Result<(), Duplicated> {
        let place = Parameter::ALL.iter().position(|known| *known == parameter);
        if let Some(place) = place.and_then(|at| self.0.get_mut(at)) {
            // Java's encoder writes `~` as %7E. What does not decode stays, and is refused later.
            let value = percent_decode(value).unwrap_or_else(|_| value.to_vec());
            if place.replace(value).is_some() {
                return Err(Duplicated(name));
            }
        }
        Ok(())
    }

    /// Whether there is none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    fn value(&self, parameter: Parameter) -> Option<&[u8]> {
        let at = Parameter::ALL
            .iter()
            .position(|known| *known == parameter)?;
        self.0.get(at)?.as_deref()
    }

    /// Reads them; `None` if one is missing, malformed, too long, or contradicts another.
    #[must_use]
    pub fn read(&self) -> Option<Presented> {
        let (expires, policy) = (
            self.value(Parameter::Expires),
            self.value(Parameter::Policy),
        );
        let statement = match (expires, policy) {
            (Some(expires), None) => Statement::Canned(seconds(expires)?),
            (None, Some(policy)) => {
                Statement::Custom(bounded(encoding::decode(policy)?, MAX_POLICY_BYTES)?)
            }
            (None, None) | (Some(_), Some(_)) => return None,
        };
        let signature = encoding::decode(self.value(Parameter::Signature)?)?;
        let hash = match self.value(Parameter::HashAlgorithm) {
            None | Some(b"SHA1") => HashAlgorithm::Sha1,
            Some(b"SHA256") => HashAlgorithm::Sha256,
            Some(_) => return None,
        };
        let key_pair_id = self.value(Parameter::KeyPairId)?;
        Some(Presented {
            statement,
            signature: bounded(signature, MAX_SIGNATURE_BYTES)?,
            key_pair_id: std::str::from_utf8(key_pair_id).ok()?.to_owned(),
            hash,
        })
    }

    /// The same as a query, for the links of an answer: what [`read`](Self::read) takes is letters,
    /// digits, `-`, `_` and `~`, which mean nothing to HTML, scripts, shells and queries. `None` if
    /// there is something else.
    #[must_use]
    pub fn to_query(&self) -> Option<String> {
        let mut query = String::new();
        for (parameter, value) in Parameter::ALL.iter().zip(&self.0) {
            let Some(value) = value else { continue };
            let value = std::str::from_utf8(value).ok()?;
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
            if !value.bytes().all(is_plain) {
                return None;
            }
            let and = if query.is_empty() { "" } else { "&" };
            query = format!("{query}{and}{}={value}", parameter.in_query());
        }
        (!query.is_empty()).then_some(query)
    }
}

/// Bytes that are some and not too many.
fn bounded(bytes: Vec<u8>, most: usize) -> Option<Vec<u8>> {
    (1..=most).contains(&bytes.len()).then_some(bytes)
}

/// A whole number in its one spelling: digits, no zero before others.
fn seconds(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_leave_a_query_and_the_rest_stays_as_it_was() {
        for (query, rest) in [
            (None, None),
            (Some(""), Some("")),
            (Some("a=b"), Some("a=b")),
            (Some("Expires=1&Signature=x&Key-Pair-Id=K"), None),
            (Some("a=b&Expires=1"), Some("a=b")),
            (Some("Expires=1&a=b"), Some("a=b")),
            (Some("a&Policy=x&b=%20&&c"), Some("a&b=%20&&c")),
            // A base URL that ends with a question mark.
            (Some("&Expires=1"), Some("")),
            // Names are what they are, to the letter.
            (
                Some("expires=1&Expire%73=2&Expires2=3"),
                Some("expires=1&Expire%73=2&Expires2=3"),
            ),
            (Some("Hash-Algorithm=SHA256"), None),
            (Some("Signature"), None),
        ] {
            let split = Claims::from_query(query).unwrap();
            assert_eq!(split.1.as_deref(), rest, "{query:?}");
        }
        assert!(Claims::from_query(Some("a=b")).unwrap().0.is_empty());
        assert!(!Claims::from_query(Some("Signature")).unwrap().0.is_empty());
    }

    #[test]
    fn what_stands_there_twice_is_told() {
        for parameter in Parameter::ALL {
            let name = parameter.in_query();
            let twice = Claims::from_query(Some(&format!("{name}=1&a=b&{name}=1")));
            assert_eq!(twice.err(), Some(Duplicated(name)));
            let cookie = parameter.as_cookie();
            let line = format!("{cookie}=1; a=b; {cookie}=1");
            let twice = Claims::from_cookies([line.as_bytes()]);
            assert_eq!(twice.err(), Some(Duplicated(cookie)));
            let lines = format!("{cookie}=1");
            let twice = Claims::from_cookies([lines.as_bytes(), lines.as_bytes()]);
            assert_eq!(twice.err(), Some(Duplicated(cookie)));
        }
    }

    #[test]
    fn cookies_say_the_same_as_parameters() {
        let query = "Policy=YQ__&Signature=Yg__&Key-Pair-Id=K1&Hash-Algorithm=SHA256";
        let (claims, _) = Claims::from_query(Some(query)).unwrap();
        for lines in [
            &[
                "CloudFront-Policy=YQ__; CloudFront-Signature=Yg__; CloudFront-Key-Pair-Id=K1; \
               CloudFront-Hash-Algorithm=SHA256",
            ][..],
            &[
                "a=b;CloudFront-Policy=YQ__;;=;x",
                "CloudFront-Signature=Yg__ ;CloudFront-Key-Pair-Id=K1",
                "\u{e9}=1; CloudFront-Hash-Algorithm=SHA256",
            ],
        ] {
            let cookies = Claims::from_cookies(lines.iter().map(|line| line.as_bytes())).unwrap();
            assert!(cookies == claims, "{lines:?}");
            assert_eq!(cookies.to_query().as_deref(), Some(query));
        }
        let presented = claims.read().unwrap();
        assert!(presented.statement == Statement::Custom(b"a".to_vec()));
        assert_eq!(presented.signature, b"b");
        assert_eq!(presented.key_pair_id, "K1");
        assert_eq!(presented.hash, HashAlgorithm::Sha256);
        let other =
            Claims::from_cookies([&b"cloudfront-policy=1; CloudFront-PolicyX=1; Policy=1"[..]]);
        assert!(other.unwrap().is_empty());
    }

    #[test]
    fn what_is_no_set_of_claims_is_not_read() {
        let long = |bytes: usize| encoding::encode(&vec![b' '; bytes]);
        let custom = |policy: &str| format!("Policy={policy}&Signature=Yg__&Key-Pair-Id=K");
        let canned = |expires: &str| format!("Expires={expires}&Signature=Yg__&Key-Pair-Id=K");
        let read = |query: &str| Claims::from_query(Some(query)).unwrap().0.read().is_some();
        for query in [
            canned("1"),
            canned("18446744073709551615"),
            custom("YQ__"),
            custom("YQ%5F%5f"),
            custom(&long(MAX_POLICY_BYTES)),
            format!(
                "Expires=1&Signature={}&Key-Pair-Id=",
                long(MAX_SIGNATURE_BYTES)
            ),
            canned("1") + "&Hash-Algorithm=SHA1",
        ] {
            assert!(read(&query), "{query}");
        }
        for query in [
            canned(""),
            canned("01"),
            canned("+1"),
            canned("-1"),
            canned("1.0"),
            canned("18446744073709551616"),
            canned("%zz"),
            canned("1") + "&Policy=YQ__",
            canned("1") + "&Hash-Algorithm=",
            canned("1") + "&Hash-Algorithm=sha256",
            canned("1") + "&Hash-Algorithm=SHA512",
            custom(""),
            custom("YQ=="),
            custom("YQ"),
            custom(&long(MAX_POLICY_BYTES + 1)),
            "Signature=Yg__&Key-Pair-Id=K".to_owned(),
            "Expires=1&Key-Pair-Id=K".to_owned(),
            "Expires=1&Signature=Yg__".to_owned(),
            "Expires=1&Signature=&Key-Pair-Id=K".to_owned(),
            "Expires=1&Signature=Yg__&Key-Pair-Id=%ff".to_owned(),
            format!(
                "Expires=1&Signature={}&Key-Pair-Id=K",
                long(MAX_SIGNATURE_BYTES + 1)
            ),
        ] {
            assert!(!read(&query), "{query}");
        }
    }

    #[test]
    fn only_what_is_plain_everywhere_is_carried_on() {
        let carried = |query: &str| Claims::from_query(Some(query)).unwrap().0.to_query();
        assert_eq!(carried("a=b"), None);
        assert_eq!(
            carried("Key-Pair-Id=K&x&Expires=1"),
            Some("Expires=1&Key-Pair-Id=K".to_owned())
        );
        for value in ["%22", "a b", "%3C", "'", "%26x", "%C3%A9"] {
            assert_eq!(carried(&format!("Key-Pair-Id={value}")), None, "{value}");
        }
    }
}
