//! What a signature is about: an address, taken apart.

/// The address that a request is for: the public URL, the raw path, and the query without the
/// parameters that carry the signature. Where the public URL ends does not show any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    text: String,
    /// Where the scheme ends: before `://`.
    scheme_end: usize,
    /// Where the host and port end: before the `/` of the path.
    authority_end: usize,
    /// Where the path ends: before the `?` of the query, if there is one.
    path_end: usize,
}

impl Resource {
    /// The resource of a request with this path, which begins with `/`, below a public URL such as
    /// `https://media.example` or `https://example.org/media`.
    #[must_use]
    pub fn new(public_url: &str, path: &str, query: Option<&str>) -> Self {
        let mut text = format!("{public_url}{path}");
        let path_end = text.len();
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        let scheme_end = public_url.find("://").unwrap_or(0);
        let after_scheme = public_url.get(scheme_end..).unwrap_or_default();
        let after_scheme = after_scheme.strip_prefix("://").unwrap_or(after_scheme);
        let authority = after_scheme.find('/').unwrap_or(after_scheme.len());
        Self {
            text,
            scheme_end,
            authority_end: public_url.len() - after_scheme.len() + authority,
            path_end,
        }
    }

    /// All of it, as canned policies have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.text.get(..self.scheme_end).unwrap_or_default()
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> &str {
        let rest = self.text.get(self.scheme_end..self.authority_end);
        let rest = rest.unwrap_or_default();
        rest.strip_prefix("://").unwrap_or(rest)
    }

    /// The path, raw, with its first `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.text.get(self.authority_end..self.path_end);
        path.unwrap_or_default()
    }

    /// The query, raw, without its `?`; empty also where there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.text.get(self.path_end + 1..).unwrap_or_default()
    }

    /// Whether there is a query, be it empty.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.text.len() > self.path_end
    }

    /// Whether a segment of the path is `.` or `..` in any spelling, so that some reader of the path
    /// would take it for another one.
    #[must_use]
    pub fn has_dot_segments(&self) -> bool {
        let has_dots = |path: &str| {
            let mut segments = path.split(['/', '\\']);
            segments.any(|segment| matches!(segment, "." | ".."))
        };
        // Most paths have nothing encoded, and no copy has to be made of them.
        if !self.path().contains('%') {
            return has_dots(self.path());
        }
        let decoded = self.path().replace("%2e", ".").replace("%2E", ".");
        let decoded = decoded.replace("%2f", "/").replace("%2F", "/");
        has_dots(&decoded.replace("%5c", "/").replace("%5C", "/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_where_its_parts_begin() {
        for (base, path, query, parts) in [
            (
                "https://a.example",
                "/",
                None,
                ["https", "a.example", "/", ""],
            ),
            (
                "https://a.example:8443",
                "/b//c",
                Some("d?e"),
                ["https", "a.example:8443", "/b//c", "d?e"],
            ),
            (
                "http://[::1]:80/media",
                "/x%2F",
                Some(""),
                ["http", "[::1]:80", "/media/x%2F", ""],
            ),
        ] {
            let resource = Resource::new(base, path, query);
            let seen = [
                resource.scheme(),
                resource.authority(),
                resource.path(),
                resource.query(),
            ];
            assert_eq!(seen, parts);
            let query = query.map_or_else(String::new, |query| format!("?{query}"));
            assert_eq!(resource.as_str(), format!("{base}{path}{query}"));
        }
    }

    #[test]
    fn dot_segments_are_seen_in_every_spelling() {
        let has = |path: &str| Resource::new("https://a", path, None).has_dot_segments();
        for path in [
            "/..",
            "/.",
            "/a/../b",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a%2f..%2Fb",
            "/a\\..\\b",
            "/a%5c..%5Cb",
            "/./",
        ] {
            assert!(has(path), "{path}");
        }
        for path in ["/", "/...", "/a..b/", "/.a/b.", "/%252e%252e/"] {
            assert!(!has(path), "{path}");
        }
    }
}
