//! Whom a request came from, as proxies tell it: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
//!
//! Each proxy adds the address that it was asked by at the end, so a list is worth reading from its
//! end only, and only as far as those who wrote it are trusted. Both fields may be lies from the
//! beginning on: anyone can send them.

use std::net::{IpAddr, Ipv6Addr};

/// Whom a proxy was asked by: an address, or `None` for what names none, such as `unknown`, a hidden
/// name like `_gateway`, or what follows no grammar.
pub type Hop = Option<IpAddr>;

/// Most hops that are looked at, from the end. Real chains have a handful.
pub const MAX_HOPS: usize = 16;

/// The last hops that the lines of `X-Forwarded-For` tell, latest first.
///
/// ```
/// use s3reel::semantics::forwarded::x_forwarded_for;
/// let hops = x_forwarded_for([&b"192.0.2.1, 203.0.113.9:4711"[..]]);
/// assert_eq!(hops[0], "203.0.113.9".parse().ok());
/// ```
pub fn x_forwarded_for<'a, L>(lines: L) -> Vec<Hop>
where
    L: IntoIterator<Item = &'a [u8], IntoIter: DoubleEndedIterator>,
{
    lines
        .into_iter()
        .rev()
        .flat_map(|line| line.rsplit(|&byte| byte == b','))
        .map(trim)
        // Empty members of a list say nothing (RFC 9110 section 5.6.1.2).
        .filter(|member| !member.is_empty())
        .map(|member| std::str::from_utf8(member).ok().and_then(node))
        .take(MAX_HOPS)
        .collect()
}

/// The last hops that the lines of `Forwarded` tell, latest first. A line that does not follow the
/// grammar is one hop that names nobody: what such a line hides cannot be told.
///
/// ```
/// use s3reel::semantics::forwarded::forwarded;
/// let hops = forwarded([&br#"for=192.0.2.1, for="[2001:db8::1]:4711";proto=https"#[..]]);
/// assert_eq!(hops[0], "2001:db8::1".parse().ok());
/// ```
pub fn forwarded<'a, L>(lines: L) -> Vec<Hop>
where
    L: IntoIterator<Item = &'a [u8], IntoIter: DoubleEndedIterator>,
{
    lines
        .into_iter()
        .rev()
        .flat_map(|line| elements(line).unwrap_or_else(|| vec![None]))
        .take(MAX_HOPS)
        .collect()
}

/// The hops of the last elements of a line, latest first; `None` if the line does not follow the
/// grammar. A quoted text may hold commas, so it has to be read from its beginning.
fn elements(line: &[u8]) -> Option<Vec<Hop>> {
    let mut hops = std::collections::VecDeque::with_capacity(MAX_HOPS);
    let mut rest = trim(line);
    while !rest.is_empty() {
        if let [b',', after @ ..] = rest {
            rest = trim(after);
            continue;
        }
        let (hop, after) = element(rest)?;
        hops.truncate(MAX_HOPS - 1);
        hops.push_front(hop);
        rest = trim(after);
        if !matches!(rest, [] | [b',', ..]) {
            return None;
        }
    }
    Some(hops.into())
}

/// Reads `[ pair ] *( ";" [ pair ] )`. A `for` that stands there twice names nobody (section 4).
fn element(mut rest: &[u8]) -> Option<(Hop, &[u8])> {
    let mut known: Option<Hop> = None;
    loop {
        if !matches!(rest, [] | [b';' | b',', ..]) {
            let (name, after) = token(rest)?;
            let (value, after) = value(after.strip_prefix(b"=")?)?;
            rest = trim(after);
            if name.eq_ignore_ascii_case(b"for") {
                let is_first = known.is_none();
                known = Some(node(&value).filter(|_| is_first));
            }
        }
        match rest {
            // Spaces around the semicolon are not in the grammar, and are sent.
            [b';', after @ ..] => rest = trim(after),
            _ => return Some((known.flatten(), rest)),
        }
    }
}

/// Reads a token or a quoted text, without its quotes.
fn value(rest: &[u8]) -> Option<(String, &[u8])> {
    let Some(mut rest) = rest.strip_prefix(b"\"") else {
        let (token, rest) = token(rest)?;
        return Some((String::from_utf8_lossy(token).into_owned(), rest));
    };
    let mut text = Vec::new();
    loop {
        match rest {
            [b'"', after @ ..] => {
                return Some((String::from_utf8_lossy(&text).into_owned(), after));
            }
            [] | [b'\\'] => return None,
            [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                text.push(*byte);
                rest = after;
            }
        }
    }
}

/// Reads a token (RFC 9110 section 5.6.2), which is not empty.
fn token(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = rest
        .iter()
        .position(|byte| !is_token(byte))
        .unwrap_or(rest.len());
    rest.split_at_checked(end).filter(|_| end > 0)
}

/// The address of a node: `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`, the first and the last also
/// with a port.
fn node(text: &str) -> Hop {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let is_right = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_right.then(|| IpAddr::V6(address).to_canonical());
    }
    let address = match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => address
            .parse()
            .ok()
            .filter(|_| is_port(port))
            .map(IpAddr::V4),
        _ => text.parse().ok(),
    };
    address.map(|address| address.to_canonical())
}

/// A number, or a hidden name of a port (RFC 7239 section 6).
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(name) => {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !name.is_empty() && name.bytes().all(is_name)
        }
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !is_space(byte));
    let end = bytes.iter().rposition(|byte| !is_space(byte));
    match (start, end) {
        (Some(start), Some(end)) => bytes.get(start..=end).unwrap_or_default(),
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hops as text, `-` for nobody.
    fn told(hops: &[Hop]) -> Vec<String> {
        let text = |hop: &Hop| hop.map_or_else(|| "-".to_owned(), |address| address.to_string());
        hops.iter().map(text).collect()
    }

    fn lines<'a>(lines: &'a [&str]) -> Vec<&'a [u8]> {
        lines.iter().map(|line| line.as_bytes()).collect()
    }

    #[test]
    fn x_forwarded_for_is_read_from_its_end() {
        for (given, expected) in [
            (&[][..], &[][..]),
            (&[""], &[]),
            (&[" , ,"], &[]),
            (&["192.0.2.1"], &["192.0.2.1"]),
            (&["192.0.2.1,\t192.0.2.2 "], &["192.0.2.2", "192.0.2.1"]),
            (&["192.0.2.1", "192.0.2.2"], &["192.0.2.2", "192.0.2.1"]),
            (
                &["192.0.2.1:80, [2001:db8::1]:80"],
                &["2001:db8::1", "192.0.2.1"],
            ),
            (
                &["2001:db8::1, [2001:db8::2]"],
                &["2001:db8::2", "2001:db8::1"],
            ),
            (&["::ffff:192.0.2.1"], &["192.0.2.1"]),
            (&["[::ffff:192.0.2.1]:65535"], &["192.0.2.1"]),
            (&["unknown, _hidden, 1.2.3"], &["-", "-", "-"]),
            (&["\"192.0.2.1\""], &["-"]),
            (&["192.0.2.1 192.0.2.2"], &["-"]),
            (&["192.0.2.01"], &["-"]),
            (&["192.0.2.1:"], &["-"]),
            (&["192.0.2.1:123456"], &["-"]),
            (&["[2001:db8::1"], &["-"]),
            (&["[2001:db8::1]80"], &["-"]),
            (&["[192.0.2.1]"], &["-"]),
            (&["fe80::1%eth0"], &["-"]),
            (&["2001:db8::1:80"], &["2001:db8::1:80"]),
        ] {
            assert_eq!(told(&x_forwarded_for(lines(given))), expected, "{given:?}");
        }
        let odd: &[u8] = b"192.0.2.1, \xff\xfe";
        assert_eq!(told(&x_forwarded_for([odd])), ["-", "192.0.2.1"]);
    }

    #[test]
    fn forwarded_is_read_by_its_grammar() {
        for (given, expected) in [
            (&[][..], &[][..]),
            (&[""], &[]),
            (&[",,"], &[]),
            (&["for=192.0.2.1"], &["192.0.2.1"]),
            (&["For=\"192.0.2.1:80\";proto=http;by=_x"], &["192.0.2.1"]),
            (&["proto=http;FOR=192.0.2.1"], &["192.0.2.1"]),
            (
                &["for=192.0.2.1, for=192.0.2.2"],
                &["192.0.2.2", "192.0.2.1"],
            ),
            (
                &["for=192.0.2.1", "for=192.0.2.2"],
                &["192.0.2.2", "192.0.2.1"],
            ),
            (&["for=\"[2001:db8::1]:_port\""], &["2001:db8::1"]),
            (
                &["for=\"[2001:db8::1]\" , for=\"[::ffff:192.0.2.1]\""],
                &["192.0.2.1", "2001:db8::1"],
            ),
            (&["for=\"\\1\\92.0.2.1\""], &["192.0.2.1"]),
            (&["proto=https;host=\"a,for=192.0.2.9\""], &["-"]),
            (
                &["for=unknown, for=_hidden, for=\"_hidden:80\""],
                &["-", "-", "-"],
            ),
            (&["for=192.0.2.1;for=192.0.2.2"], &["-"]),
            (&["for=192.0.2.1 ; proto=http"], &["192.0.2.1"]),
            (&["for=192.0.2.1;"], &["192.0.2.1"]),
            // What is not the grammar's names nobody, and says nothing of what stands before it.
            (&["for=192.0.2.1, for=2001:db8::1"], &["-"]),
            (&["for=\"192.0.2.1"], &["-"]),
            (&["for=\"192.0.2.1\\"], &["-"]),
            (&["for=\"x, for=192.0.2.1"], &["-"]),
            (&["for=\"192.0.2.1\"x"], &["-"]),
            (&["for"], &["-"]),
            (&["for="], &["-"]),
            (&["=192.0.2.1"], &["-"]),
            (&["192.0.2.1"], &["-"]),
            // A lie on a line of its own does not spoil the line of the proxy.
            (&["for=\"", "for=192.0.2.1"], &["192.0.2.1", "-"]),
        ] {
            assert_eq!(told(&forwarded(lines(given))), expected, "{given:?}");
        }
    }

    #[test]
    fn of_ten_thousand_hops_only_the_last_are_kept() {
        let many = |hop: &str| vec![hop; 10_000].join(", ");
        let hops = x_forwarded_for([many("192.0.2.1").as_bytes()]);
        assert_eq!(hops.len(), MAX_HOPS);
        let list = format!("{}, for=192.0.2.7", many("for=192.0.2.1"));
        let hops = forwarded([list.as_bytes()]);
        assert_eq!(hops.len(), MAX_HOPS);
        assert_eq!(told(&hops)[..2], ["192.0.2.7", "192.0.2.1"]);
        assert_eq!(forwarded([vec![b','; 10_000].as_slice()]).len(), 0);
    }
}
