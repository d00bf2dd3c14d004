//! Patterns of resources: a line with a pattern, and a line with a path and a query.

use s3reel::signing::pattern::ResourcePattern;
use s3reel::signing::resource::Resource;

/// What resources of ours begin with.
const BASE: &str = "https://a.example";

/// The laws for a pattern and a resource.
pub fn hold(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (pattern, target) = text.split_once('\n').unwrap_or((text, "/"));
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let path = format!("/{}", path.strip_prefix('/').unwrap_or(path));
    let resource = Resource::new(BASE, &path, query);
    let target = resource.as_str().strip_prefix(BASE).unwrap_or_default();
    assert_eq!(
        (resource.scheme(), resource.authority()),
        ("https", "a.example")
    );
    assert_eq!(
        (resource.path(), resource.query()),
        (path.as_str(), query.unwrap_or_default())
    );
    assert!(
        ResourcePattern::parse("*").is_ok_and(|all| all.matches(&resource)),
        "everything"
    );
    assert!(covers(&format!("{BASE}/*"), &resource), "everything here");
    let is_literal = !target.contains(['*', '\\']);
    assert!(
        !is_literal || covers(&format!("{BASE}{target}"), &resource),
        "itself"
    );

    let Ok(pattern) = ResourcePattern::parse(pattern).map(|parsed| (parsed, pattern)) else {
        return;
    };
    let (parsed, pattern) = pattern;
    // Whatever the parts do, it never covers more than one blind match of the whole would: an
    // escaped question mark or star is at most one character, and the end may be any query.
    if parsed.matches(&resource) && pattern.contains("://") {
        let loose = pattern.replace("\\?", "*").replace("\\*", "*");
        let whole = resource.as_str();
        let bare = whole.trim_end_matches('?');
        let slash = format!("{loose}/");
        let is_loosely = |text: &str| {
            blind(loose.as_bytes(), text.as_bytes()) || blind(slash.as_bytes(), text.as_bytes())
        };
        assert!(
            is_loosely(whole) || is_loosely(bare),
            "{pattern} and {whole}"
        );
    }
}

fn covers(pattern: &str, resource: &Resource) -> bool {
    ResourcePattern::parse(pattern).is_ok_and(|pattern| pattern.matches(resource))
}

/// `*` for any bytes and `?` for one, by the set of places in the pattern where a reader can be.
fn blind(pattern: &[u8], text: &[u8]) -> bool {
    let star = |at: usize| pattern.get(at) == Some(&b'*');
    let mut places = vec![false; pattern.len() + 1];
    let reach = |places: &mut Vec<bool>| {
        for at in 0..pattern.len() {
            if places.get(at) == Some(&true) && star(at) {
                places.splice(at + 1..at + 2, [true]);
            }
        }
    };
    places.splice(..1, [true]);
    reach(&mut places);
    for byte in text {
        let mut next = vec![false; pattern.len() + 1];
        for (at, token) in pattern.iter().enumerate() {
            if places.get(at) != Some(&true) {
                continue;
            }
            match token {
                b'*' => drop(next.splice(at..=at, [true])),
                b'?' => drop(next.splice(at + 1..at + 2, [true])),
                token if token == byte => drop(next.splice(at + 1..at + 2, [true])),
                _ => {}
            }
        }
        places = next;
        reach(&mut places);
    }
    places.last() == Some(&true)
}
