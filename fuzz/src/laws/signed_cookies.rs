//! Signed cookies, taken out of the lines of `Cookie`.

use s3reel::signing::parameters::{Claims, Parameter};

/// The laws for lines, which end where a line ends.
pub fn hold(input: &[u8]) {
    let lines = || input.split(|&byte| byte == b'\n');
    let claims = Claims::from_cookies(lines());
    // The same in one line, as some servers in between write it.
    let joined = lines().collect::<Vec<_>>().join(&b"; "[..]);
    let in_one = Claims::from_cookies([joined.as_slice()]);
    assert!(claims == in_one, "one line");
    // Cookies of others say nothing.
    let others = [
        b"a=b; Policy=1; CloudFront-Other=2; ",
        joined.as_slice(),
        b"; Expires=1",
    ]
    .concat();
    assert!(
        claims == Claims::from_cookies([others.as_slice()]),
        "of others"
    );

    let text = String::from_utf8_lossy(&joined);
    let count = |parameter: &Parameter| {
        let name = parameter.as_cookie();
        let trimmed = |cookie: &&str| {
            cookie.split_once('=').is_some_and(|(known, _)| {
                known.trim_matches([' ', '\t', '\r', '\u{c}', '\n']) == name
            })
        };
        text.split(';').filter(trimmed).count()
    };
    let most = Parameter::ALL.iter().map(count).max();
    assert_eq!(claims.is_err(), most > Some(1), "twice");
    let Ok(claims) = claims else { return };
    assert_eq!(claims.is_empty(), most == Some(0), "any of ours");
    super::signed_queries::carried(&claims);
}
