//! Where an origin is in the key space of viewers: a path, and perhaps a host name.

use std::cmp::Reverse;
use std::fmt;

use super::key::{KeyError, ObjectKey, percent_decode};

/// The longest mount path, in bytes after decoding. With a key of 1024 bytes behind it, all of them
/// percent-encoded, it still fits into the longest path that is looked at.
pub const MAX_MOUNT_BYTES: usize = 256;

/// The longest name in the DNS, in bytes.
const MAX_HOST_BYTES: usize = 253;

/// The segment that is ours.
const RESERVED: &str = "-";

/// The path under which viewers find an origin: empty for all keys, or ending in `/` so that it can
/// only match whole segments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct MountPath(String);

/// A host name as viewers send it, in lower case, without its port and without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

/// Where an origin is: under a path, of all hosts or of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Mount {
    /// The one host name that leads here; `None` for all.
    pub host: Option<HostName>,
    /// The path.
    pub path: MountPath,
}

/// The text is no place for an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountError {
    /// It does not begin with `/`.
    NoSlash,
    /// The host name between `//` and the next `/` is none.
    Host,
    /// It begins with `/-/`, which is ours.
    Reserved,
    /// It has an empty segment.
    EmptySegment,
    /// More than 256 bytes.
    TooLong,
    /// No key could begin like this.
    Key(KeyError),
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlash => f.write_str("a path begins with `/`, or with `//` and a host name"),
            Self::Host => f.write_str(
                "between `//` and the next `/` stands a host name of letters, digits, `-` and `.` \
                 or an address, without a port",
            ),
            Self::Reserved => f.write_str("`/-/` is reserved for the page and the health checks"),
            Self::EmptySegment => f.write_str("the path has an empty segment (`//`)"),
            Self::TooLong => write!(f, "the path is longer than {MAX_MOUNT_BYTES} bytes"),
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MountError {}

impl MountPath {
    /// Reads a path such as `/old/films`, percent-decoded once like the paths of viewers, and adds the
    /// final `/` if it is missing.
    ///
    /// # Errors
    /// [`MountError`] where no origin can be.
    pub fn parse(written: &str) -> Result<Self, MountError> {
        let encoded = written.strip_prefix('/').ok_or(MountError::NoSlash)?;
        let decoded = percent_decode(encoded.as_bytes()).map_err(MountError::Key)?;
        let mut path =
            String::from_utf8(decoded).map_err(|_| MountError::Key(KeyError::NotUtf8))?;
        if path.is_empty() {
            return Ok(Self::default());
        }
        if !path.ends_with('/') {
            path.push('/');
        }
        if path.len() > MAX_MOUNT_BYTES {
            return Err(MountError::TooLong);
        }
        if path.starts_with('/') || path.contains("//") {
            return Err(MountError::EmptySegment);
        }
        if path.split('/').next() == Some(RESERVED) {
            return Err(MountError::Reserved);
        }
        let path = ObjectKey::new(path).map_err(MountError::Key)?;
        Ok(Self(path.as_str().to_owned()))
    }

    /// What of a viewer's key is below this path; `None` if it is elsewhere.
    #[must_use]
    pub fn strip<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(self.0.as_str())
    }

    /// The path with its final `/` and without its first; empty for all keys.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HostName {
    /// Reads the host of a `Host` field or of a setting: a name or an address (an IPv6 one in
    /// brackets), perhaps with a port; `None` for what is neither.
    #[must_use]
    pub fn parse(host: &str) -> Option<Self> {
        let (name, port) = if host.starts_with('[') {
            let (address, after) = host.split_at(host.find(']')?.checked_add(1)?);
            (address, after)
        } else {
            host.split_at(host.find(':').unwrap_or(host.len()))
        };
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
            return None;
        }
        let is_address = |name: &str| name.parse::<std::net::Ipv6Addr>().is_ok();
        let bracketed = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_name = (1..=MAX_HOST_BYTES).contains(&name.len())
            && name.split('.').all(|label| !label.is_empty())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        let is_host = bracketed.map_or(is_name, is_address);
        is_host.then(|| Self(name.to_ascii_lowercase()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Mount {
    /// Reads `/path` or `//host/path`.
    ///
    /// # Errors
    /// [`MountError`] where no origin can be.
    pub fn parse(written: &str) -> Result<Self, MountError> {
        let Some(rest) = written.strip_prefix("//") else {
            return MountPath::parse(written).map(|path| Self { host: None, path });
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let name = HostName::parse(host).ok_or(MountError::Host)?;
        let has_port = host.len() > name.as_str().len() && !host.ends_with('.');
        if has_port {
            return Err(MountError::Host);
        }
        Ok(Self {
            host: Some(name),
            path: MountPath::parse(if path.is_empty() { "/" } else { path })?,
        })
    }

    /// Whether requests for this host can lead here.
    #[must_use]
    pub fn is_of(&self, host: Option<&HostName>) -> bool {
        self.host.is_none() || self.host.as_ref() == host
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "//{}", host.0)?;
        }
        write!(f, "/{}", self.path.0.trim_end_matches('/'))
    }
}

/// What is mounted, found by host and key: an origin of that very host before one of all hosts, and
/// the longest path first.
#[derive(Debug, Clone)]
pub struct Routes<T>(Vec<(Mount, T)>);

impl<T> Routes<T> {
    /// Routes to these.
    #[must_use]
    pub fn new(mut mounted: Vec<(Mount, T)>) -> Self {
        mounted
            .sort_by_key(|(mount, _)| (mount.host.is_none(), Reverse(mount.path.as_str().len())));
        Self(mounted)
    }

    /// What is mounted where this key is, and what of the key is below it.
    #[must_use]
    pub fn select<'a>(&self, host: Option<&HostName>, key: &'a str) -> Option<Found<'_, 'a, T>> {
        self.0.iter().find_map(|(mount, what)| {
            let rest = mount.is_of(host).then(|| mount.path.strip(key))??;
            Some(Found { mount, what, rest })
        })
    }

    /// Whether the host of a request says anything about where it leads.
    #[must_use]
    pub fn knows_hosts(&self) -> bool {
        self.0.iter().any(|(mount, _)| mount.host.is_some())
    }

    /// The host of a request, if anything is mounted for it alone.
    #[must_use]
    pub fn own_host(&self, host: Option<&HostName>) -> Option<&HostName> {
        let mut hosts = self.0.iter().filter_map(|(mount, _)| mount.host.as_ref());
        hosts.find(|own| Some(*own) == host)
    }

    /// All, in the order in which they are looked at.
    pub fn iter(&self) -> impl Iterator<Item = (&Mount, &T)> {
        self.0.iter().map(|(mount, what)| (mount, what))
    }
}

/// What a key leads to.
#[derive(Debug, Clone, Copy)]
pub struct Found<'r, 'k, T> {
    /// Where it is mounted.
    pub mount: &'r Mount,
    /// What is mounted there.
    pub what: &'r T,
    /// What of the key is below the mount path; may be empty.
    pub rest: &'k str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_a_path_or_a_host_with_a_path() {
        for (written, host, path, shown) in [
            ("/", None, "", "/"),
            ("/old", None, "old/", "/old"),
            ("/old/", None, "old/", "/old"),
            ("/a/b%20c", None, "a/b c/", "/a/b c"),
            ("/-x", None, "-x/", "/-x"),
            (
                "//Films.Example",
                Some("films.example"),
                "",
                "//films.example/",
            ),
            (
                "//films.example./x",
                Some("films.example"),
                "x/",
                "//films.example/x",
            ),
            ("//127.0.0.1/x/", Some("127.0.0.1"), "x/", "//127.0.0.1/x"),
            ("//[::1]/x", Some("[::1]"), "x/", "//[::1]/x"),
        ] {
            let mount = Mount::parse(written).unwrap();
            assert_eq!(mount.host.as_ref().map(HostName::as_str), host, "{written}");
            assert_eq!(mount.path.as_str(), path, "{written}");
            assert_eq!(mount.to_string(), shown);
        }
    }

    #[test]
    fn where_no_origin_can_be_is_refused() {
        for (written, error) in [
            ("", MountError::NoSlash),
            ("old", MountError::NoSlash),
            ("/-", MountError::Reserved),
            ("/-/x", MountError::Reserved),
            ("/%2D/x", MountError::Reserved),
            ("/a//b", MountError::EmptySegment),
            ("/%2Fa", MountError::EmptySegment),
            ("///a", MountError::Host),
            ("//host:80/a", MountError::Host),
            ("//a b/c", MountError::Host),
            ("//[::1/a", MountError::Host),
            ("//a..b/", MountError::Host),
            ("/a/../b", MountError::Key(KeyError::DotSegment)),
            ("/%zz", MountError::Key(KeyError::PercentEncoding)),
            ("/%ff", MountError::Key(KeyError::NotUtf8)),
            ("/a%00", MountError::Key(KeyError::ControlCharacter)),
        ] {
            assert_eq!(Mount::parse(written), Err(error), "{written}");
        }
        let long = format!("/{}", "x".repeat(MAX_MOUNT_BYTES));
        assert_eq!(Mount::parse(&long), Err(MountError::TooLong));
    }

    #[test]
    fn a_host_is_read_without_its_port_and_its_case() {
        for (sent, name) in [
            ("films.example", Some("films.example")),
            ("FILMS.example:8080", Some("films.example")),
            ("films.example.:443", Some("films.example")),
            ("[2001:DB8::1]:80", Some("[2001:db8::1]")),
            ("[::1]", Some("[::1]")),
            ("", None),
            (":80", None),
            ("a:b", None),
            ("a:80:90", None),
            ("[::1]x", None),
            ("[films]", None),
            ("a/b", None),
            ("user@films.example", None),
            ("films .example", None),
            (".", None),
        ] {
            let parsed = HostName::parse(sent);
            assert_eq!(parsed.as_ref().map(HostName::as_str), name, "{sent}");
        }
        assert!(HostName::parse(&"x".repeat(254)).is_none());
    }

    proptest::proptest! {
        #[test]
        fn a_host_name_reads_itself_and_nothing_makes_the_reader_panic(sent in "[a-zA-Z0-9.:\\[\\]_@/ -]{0,40}") {
            if let Some(host) = HostName::parse(&sent) {
                let again = HostName::parse(host.as_str());
                proptest::prop_assert_eq!(again.as_ref(), Some(&host));
                let written = format!("//{}/a", host.as_str());
                let mount = Mount::parse(&written).unwrap();
                proptest::prop_assert_eq!(mount.to_string(), written);
            }
        }

        #[test]
        fn a_mount_that_is_read_leads_where_it_says(written in "/[a-c%2F.-]{0,12}", key in "[a-c./-]{0,12}") {
            if let Ok(path) = MountPath::parse(&written) {
                if let Some(rest) = path.strip(&key) {
                    proptest::prop_assert_eq!(format!("{}{rest}", path.as_str()), key);
                }
                proptest::prop_assert!(path.as_str().is_empty() || path.as_str().ends_with('/'));
                proptest::prop_assert!(!path.as_str().starts_with("-/"));
            }
        }
    }

    #[test]
    fn the_longest_match_wins_by_whole_segments_and_a_hosts_own_first() {
        let mounts = ["/", "/old", "/old/films", "//h/", "//h/old"];
        let routes = Routes::new(
            mounts
                .iter()
                .map(|written| (Mount::parse(written).unwrap(), *written))
                .collect(),
        );
        for (host, key, what, rest) in [
            (None, "a", "/", "a"),
            (None, "old", "/", "old"),
            (None, "older/a", "/", "older/a"),
            (None, "old/a", "/old", "a"),
            (None, "old/", "/old", ""),
            (None, "old//a", "/old", "/a"),
            (None, "old/films/a", "/old/films", "a"),
            (None, "old/filmsx/a", "/old", "filmsx/a"),
            (Some("h"), "a", "//h/", "a"),
            (Some("H:80"), "old/a", "//h/old", "a"),
            // A host's own comes before a longer path of all hosts.
            (Some("h"), "old/films/a", "//h/old", "films/a"),
            (Some("other"), "old/films/a", "/old/films", "a"),
        ] {
            let host = host.and_then(HostName::parse);
            let found = routes.select(host.as_ref(), key).unwrap();
            assert_eq!((*found.what, found.rest), (what, rest), "{host:?} {key}");
        }
        let only = Routes::new(vec![(Mount::parse("/old").unwrap(), ())]);
        assert!(only.select(None, "new/a").is_none());
        assert!(only.select(None, "old").is_none());
    }
}
