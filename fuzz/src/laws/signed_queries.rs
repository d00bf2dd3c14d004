//! The parameters of a signed URL, taken out of its query.

use s3reel::signing::parameters::{Claims, Parameter};

/// The laws for a query.
pub fn hold(input: &[u8]) {
    // A query that comes as far as this is a text.
    let Ok(query) = std::str::from_utf8(input) else {
        return;
    };
    let pairs: Vec<_> = query.split('&').collect();
    let name = |pair: &&str| pair.split('=').next().unwrap_or_default().to_owned();
    let is_ours = |pair: &&str| {
        Parameter::ALL
            .iter()
            .any(|known| known.in_query() == name(pair))
    };
    let ours: Vec<_> = pairs.iter().copied().filter(is_ours).collect();
    let others: Vec<_> = pairs
        .iter()
        .copied()
        .filter(|pair| !is_ours(pair))
        .collect();
    let is_twice = ours.iter().enumerate().any(|(at, pair)| {
        let mut before = ours.iter().take(at);
        before.any(|other| name(other) == name(pair))
    });
    let split = Claims::from_query(Some(query));
    assert_eq!(split.is_err(), is_twice, "twice");
    let Ok((claims, rest)) = split else { return };
    assert_eq!(claims.is_empty(), ours.is_empty(), "any of ours");
    let joined = (!others.is_empty()).then(|| others.join("&"));
    assert_eq!(rest, joined, "the rest");

    // The order says nothing, and what is left has none of ours.
    let backwards: Vec<_> = pairs.iter().rev().copied().collect();
    let backwards = Claims::from_query(Some(&backwards.join("&")));
    assert!(backwards.is_ok_and(|(same, _)| same == claims), "the order");
    let again = Claims::from_query(rest.as_deref());
    assert!(
        again.is_ok_and(|(none, same)| none.is_empty() && same == rest),
        "the rest"
    );
    carried(&claims);
}

/// The laws for claims, wherever they came from.
pub fn carried(claims: &Claims) {
    if let Some(query) = claims.to_query() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~=&".contains(&byte);
        assert!(query.bytes().all(plain), "carried on: {query}");
        let same = Claims::from_query(Some(&query));
        assert!(
            same.is_ok_and(|(same, rest)| same == *claims && rest.is_none()),
            "carried on"
        );
    }
    if let Some(presented) = claims.read() {
        assert!(
            (1..=1024).contains(&presented.signature.len()),
            "the signature"
        );
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_plain = presented.key_pair_id.bytes().all(plain);
        // So a key that there is, is carried on.
        assert_eq!(
            claims.to_query().is_some(),
            is_plain
                || presented
                    .key_pair_id
                    .bytes()
                    .all(|byte| plain(byte) || byte == b'~')
        );
    }
}
