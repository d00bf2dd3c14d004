//! The `Resource` of a custom policy: an address with wildcards.
//!
//! CloudFront divides an address into scheme, host, path and query, and a wildcard matches within
//! its part: `*` any characters, `?` exactly one. A `*` at the end of a path stands for any query
//! too, one at the end of a host for any path and query, and alone for everything. An address that
//! begins with `*` may lack the scheme. A query is divided off by `\?` in what the AWS manual writes,
//! and by a bare `?` in what the AWS signers write; that is read both ways.

use std::fmt;

use super::resource::Resource;

/// Most places where a bare `?` may divide path and query that are tried.
const MAX_DIVISIONS: usize = 8;

/// A pattern of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePattern(Option<Parts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    scheme: Vec<Token>,
    authority: Vec<Token>,
    /// Path and query.
    target: Vec<Token>,
    /// In how many ways these can be told apart; at least one.
    divisions: Vec<Division>,
}

/// Where the path ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Division {
    /// At this token, after which the query begins.
    At(usize),
    /// At this token, which stands for the very `?` of a query that has to be there.
    AtBare(usize),
    /// At the end: there is no query.
    None,
    /// At the end, where a `*` stands for any query too.
    AnyQuery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// This byte.
    Byte(u8),
    /// Any one byte, or the division of path and query.
    One,
    /// Any bytes.
    Any,
    /// The division of path and query, written as such.
    Division,
}

/// The text begins with neither a scheme nor `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatternError;

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a resource begins with http://, https:// or *")
    }
}

impl std::error::Error for PatternError {}

impl ResourcePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] for what cannot be an address, such as the name of a stream or nothing.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self(None));
        }
        let is_scheme = |text: &str| {
            let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"*?".contains(&byte);
            !text.is_empty() && text.bytes().all(is_scheme)
        };
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme, rest),
            _ if text.starts_with('*') => ("*", text),
            _ => return Err(PatternError),
        };
        let authority_end = rest.find('/').unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(authority_end).unwrap_or((rest, ""));
        if authority.is_empty() {
            return Err(PatternError);
        }
        let authority = tokens(authority);
        let target = match target {
            // Nothing but a host: everything below a host of any ending, or its first page.
            "" if authority.last() == Some(&Token::Any) => tokens("*"),
            "" => tokens("/"),
            target => tokens(target),
        };
        Ok(Self(Some(Parts {
            scheme: tokens(scheme),
            authority,
            divisions: divisions(&target),
            target,
        })))
    }

    /// Whether a resource is covered. It is compared raw, to the letter.
    #[must_use]
    pub fn matches(&self, resource: &Resource) -> bool {
        let Some(parts) = &self.0 else {
            return true;
        };
        let (path, query) = (resource.path().as_bytes(), resource.query().as_bytes());
        matches(&parts.scheme, resource.scheme().as_bytes())
            && matches(&parts.authority, resource.authority().as_bytes())
            && parts.divisions.iter().any(|division| {
                let is_there = !matches!(division, Division::AtBare(_)) || resource.has_query();
                is_there
                    && parts.divided(*division).is_some_and(|(of_path, of_query)| {
                        matches(of_path, path) && matches(of_query, query)
                    })
            })
    }
}

impl Parts {
    /// The tokens of the path and of the query.
    fn divided(&self, division: Division) -> Option<(&[Token], &[Token])> {
        let whole = self.target.as_slice();
        match division {
            Division::At(at) | Division::AtBare(at) => {
                let (path, query) = whole.split_at_checked(at)?;
                query.split_first().map(|(_, query)| (path, query))
            }
            Division::None => Some((whole, &[])),
            Division::AnyQuery => Some((whole, &[Token::Any])),
        }
    }
}

/// The ways to tell path and query apart.
fn divisions(target: &[Token]) -> Vec<Division> {
    if let Some(at) = target.iter().position(|token| *token == Token::Division) {
        return vec![Division::At(at)];
    }
    let undivided = match target.last() {
        Some(Token::Any) => Division::AnyQuery,
        _ => Division::None,
    };
    let places = target.iter().enumerate();
    let bare = places.filter(|(_, token)| **token == Token::One);
    std::iter::once(undivided)
        .chain(bare.map(|(at, _)| Division::AtBare(at)).take(MAX_DIVISIONS))
        .collect()
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        let (token, after) = match rest {
            [] => return tokens,
            [b'\\', b'?', after @ ..] => (Token::Division, after),
            [b'\\', b'*', after @ ..] => (Token::Byte(b'*'), after),
            [b'*', after @ ..] => (Token::Any, after),
            [b'?', after @ ..] => (Token::One, after),
            [byte, after @ ..] => (Token::Byte(*byte), after),
        };
        // One after another is the same as one.
        if token != Token::Any || tokens.last() != Some(&Token::Any) {
            tokens.push(token);
        }
        rest = after;
    }
}

/// Whether a text is one that tokens describe. Takes at most the product of both lengths in steps:
/// what a `*` has taken is given back only to that same `*`, as later ones can take whatever is
/// left.
fn matches(tokens: &[Token], text: &[u8]) -> bool {
    let (mut token_at, mut text_at) = (0, 0);
    // The last `*`, and how far it has taken.
    let mut any: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(text_at) {
        let is_met = match tokens.get(token_at) {
            Some(Token::Byte(expected)) => expected == byte,
            Some(Token::One) => true,
            // After the first one, a `?` is a character of queries.
            Some(Token::Division) => *byte == b'?',
            Some(Token::Any) => {
                any = Some((token_at, text_at));
                token_at += 1;
                continue;
            }
            None => false,
        };
        if is_met {
            token_at += 1;
            text_at += 1;
        } else if let Some((star, taken)) = any {
            any = Some((star, taken + 1));
            token_at = star + 1;
            text_at = taken + 1;
        } else {
            return false;
        }
    }
    let rest = tokens.get(token_at..).unwrap_or_default();
    rest.iter().all(|token| *token == Token::Any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(pattern: &str, url: &str) -> bool {
        let after_scheme = url.find("://").unwrap() + 3;
        let path = url[after_scheme..].find('/').unwrap() + after_scheme;
        let (target, query) = match url[path..].split_once('?') {
            Some((target, query)) => (target, Some(query)),
            None => (&url[path..], None),
        };
        let resource = Resource::new(&url[..path], target, query);
        ResourcePattern::parse(pattern).unwrap().matches(&resource)
    }

    #[test]
    fn wildcards_match_within_their_part() {
        for (pattern, covered, not_covered) in [
            (
                "https://a.example/films/one.mp4",
                &["https://a.example/films/one.mp4"][..],
                &[
                    "https://a.example/films/one.mp4?x",
                    "https://a.example/films/one.mp4x",
                    "https://a.example/films/One.mp4",
                    "http://a.example/films/one.mp4",
                    "https://b.example/films/one.mp4",
                    "https://a.example:1/films/one.mp4",
                    "https://a.example/films%2Fone.mp4",
                ][..],
            ),
            (
                "https://a.example/films/*",
                &[
                    "https://a.example/films/",
                    "https://a.example/films/a/b?c=d",
                    "https://a.example/films/?",
                ],
                &[
                    "https://a.example/films",
                    "https://a.example/film/s/",
                    "https://a.example/x/films/a",
                    "https://a.example/?films/",
                    "https://b.example/films/a",
                ],
            ),
            (
                "https://a.example/*.mp4",
                &["https://a.example/a/b.mp4"],
                &["https://a.example/a?b.mp4", "https://a.example/a.mp4?b"],
            ),
            (
                "https://a.example/he*ld",
                &["https://a.example/hello/world"],
                &["https://a.example/hello?world"],
            ),
            (
                "https://a.example/he*\\?*",
                &["https://a.example/hello?world", "https://a.example/he"],
                &["https://a.example/h?ello"],
            ),
            (
                "https://a.example/a\\?b=*",
                &["https://a.example/a?b=c?d"],
                &["https://a.example/axb=c", "https://a.example/a"],
            ),
            (
                "https://a.example/a?b=c",
                &["https://a.example/a?b=c", "https://a.example/axb=c"],
                &["https://a.example/ab=c", "https://a.example/a?b=cc"],
            ),
            (
                "https://a.example/a?.mp4?b=c",
                &["https://a.example/a1.mp4?b=c"],
                &["https://a.example/a.mp4?b=c"],
            ),
            (
                "https://a.example/part-???",
                &["https://a.example/part-001"],
                &["https://a.example/part-01", "https://a.example/part-0001"],
            ),
            (
                "http*://a.example/*",
                &["http://a.example/", "https://a.example/x"],
                &["https://a.example.evil/"],
            ),
            (
                "*://a.example/x",
                &["http://a.example/x", "https://a.example/x"],
                &["https://a.example/"],
            ),
            (
                "https://*.example/x",
                &["https://a.b.example/x"],
                &["https://evil/.example/x", "https://example/x"],
            ),
            (
                "https://a.*",
                &["https://a.example/x?y", "https://a.b/"],
                &["http://a.example/"],
            ),
            (
                "https://a.example",
                &["https://a.example/"],
                &["https://a.example/x", "https://a.example/?x"],
            ),
            (
                "*a.example",
                &["http://a.example/", "https://x.a.example/"],
                &["https://a.example/x"],
            ),
            (
                "*/films/*",
                &["https://a.example/films/x?y"],
                &["https://a.example/film"],
            ),
            ("*", &["https://a.example/", "http://b/x?y"], &[]),
            (
                "https://a.example/a\\*b",
                &["https://a.example/a*b"],
                &["https://a.example/axb"],
            ),
            (
                "https://a.example/*a*a*b",
                &["https://a.example/xaxaxb"],
                &["https://a.example/xaxb", "https://a.example/aaaaaa"],
            ),
            ("*x/?u=http://y", &["https://x/?u=http://y"], &["http://y/"]),
        ] {
            for url in covered {
                assert!(covers(pattern, url), "{pattern} does not cover {url}");
            }
            for url in not_covered {
                assert!(!covers(pattern, url), "{pattern} covers {url}");
            }
        }
    }

    #[test]
    fn what_begins_with_neither_a_scheme_nor_a_wildcard_is_no_pattern() {
        for text in [
            "",
            "films/one.mp4",
            "/films/*",
            "://a/b",
            "https://",
            "https:///x",
            "a b://c/d",
        ] {
            assert_eq!(ResourcePattern::parse(text), Err(PatternError), "{text}");
        }
    }

    proptest! {
        /// The same as a plain definition of it.
        #[test]
        fn matching_is_what_its_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            fn defined(tokens: &[Token], text: &[u8]) -> bool {
                match (tokens, text) {
                    ([], text) => text.is_empty(),
                    ([Token::Any, rest @ ..], text) => {
                        (0..=text.len()).any(|taken| defined(rest, &text[taken..]))
                    }
                    ([token, rest @ ..], [byte, after @ ..]) => {
                        (*token == Token::One || *token == Token::Byte(*byte)) && defined(rest, after)
                    }
                    _ => false,
                }
            }
            let tokens = tokens(&pattern);
            prop_assert_eq!(matches(&tokens, text.as_bytes()), defined(&tokens, text.as_bytes()));
        }
    }
}
