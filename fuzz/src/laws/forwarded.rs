//! Whom proxies tell of. What they write stands behind whatever a stranger wrote.

use std::net::IpAddr;

use s3reel::semantics::forwarded::{Hop, MAX_HOPS, forwarded, x_forwarded_for};

/// What a proxy of ours adds.
const ADDED: &str = "203.0.113.9";

/// The laws for a field value.
pub fn hold(value: &[u8]) {
    let text = String::from_utf8_lossy(value);
    let hops = x_forwarded_for([value]);
    let members = text
        .rsplit(',')
        .map(|member| member.trim_matches([' ', '\t']));
    let members = members.filter(|member| !member.is_empty()).take(MAX_HOPS);
    assert_eq!(hops, members.map(node).collect::<Vec<_>>(), "the list");

    let before = forwarded([value]);
    assert!(before.len() <= MAX_HOPS, "{}", before.len());
    let added = ADDED.parse::<IpAddr>().ok();
    // On a line of its own, the word of the proxy stands whatever is before it.
    let rest = |hops: &[Hop]| hops.iter().copied().take(MAX_HOPS - 1).collect::<Vec<_>>();
    let of_proxy = format!("for={ADDED}");
    let both = forwarded([value, of_proxy.as_bytes()]);
    assert_eq!(both.first(), Some(&added), "a line of its own");
    assert_eq!(both.get(1..), Some(&rest(&before)[..]), "the lines before");
    // On the same line it may be lost, but nobody else is taken for it.
    let joined = [value, b", ", of_proxy.as_bytes()].concat();
    let joined = forwarded([&joined[..]]);
    if before.contains(&None) {
        assert!(
            joined == [None] || joined.first() == Some(&added),
            "the same line"
        );
    } else {
        assert_eq!(joined.first(), Some(&added), "the same line");
        assert_eq!(joined.get(1..), Some(&rest(&before)[..]), "the same line");
    }
    let joined = [value, b",", ADDED.as_bytes()].concat();
    assert_eq!(x_forwarded_for([&joined[..]]).first(), Some(&added));
}

/// The address of a node, by taking away what may stand around it.
fn node(text: &str) -> Hop {
    let whole = text.parse::<IpAddr>().ok();
    let without_port = || {
        let (address, port) = text.rsplit_once(':')?;
        let name = port.strip_prefix('_');
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let is_port = match name {
            Some(name) => !name.is_empty() && name.chars().all(is_name),
            None => matches!(port.len(), 1..=5) && port.chars().all(|c| c.is_ascii_digit()),
        };
        let is_right = address.contains('.') && !address.contains(':') || address.ends_with(']');
        (is_port && is_right).then_some(address)
    };
    let bare = |text: &str| match text.strip_prefix('[') {
        Some(rest) => {
            let address: std::net::Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
            Some(IpAddr::V6(address))
        }
        None => text.parse().ok(),
    };
    let address = whole
        .or_else(|| bare(text))
        .or_else(|| bare(without_port()?))?;
    Some(address.to_canonical())
}
