//! Keys that something on the way could read otherwise.

use super::{bytes, head, key, request};
use crate::support::Origin;
use s3reel::storage::ListRequest;

const KEYS: &[&str] = &[
    "a b.mp4",
    " a.mp4",
    "a .mp4",
    "a+b.mp4",
    "a%20b.mp4",
    "a%2Fb.mp4",
    "100%.mp4",
    "a?b.mp4",
    "a?b=c&d=e.mp4",
    "a#b.mp4",
    "a&b;c=d,e.mp4",
    "a:b@c.mp4",
    "a!$'()*.mp4",
    "a\"b<c>.mp4",
    "a[b]{c}|^`~.mp4",
    "films/new & old/a b.mp4",
    "\u{e9}t\u{e9}.mp4",
    "e\u{301}.mp4",
    "\u{65e5}\u{672c}\u{8a9e}.mp4",
    "\u{1f3ac}.mp4",
    "no-extension",
    "a..b",
    "-.mp4",
    "film.html",
];

#[tokio::test]
async fn every_key_is_its_own_object() {
    for origin in Origin::all().await {
        let name = origin.name();
        let readers = origin.readers().await;
        for key in KEYS {
            origin.put(key, format!("content of {key}")).await;
        }
        for key in KEYS {
            let expected = format!("content of {key}").into_bytes();
            assert_eq!(
                bytes(&*readers.reader, request(key, "")).await,
                expected,
                "{name} {key}"
            );
            let length = head(&*readers.reader, key)
                .await
                .map(|known| known.length.bytes());
            assert_eq!(length, Ok(expected.len() as u64), "{name} {key}");
        }
        let listed = readers.lister.list(ListRequest {
            prefix: String::new(),
            after: None,
        });
        let listed = listed.await.unwrap();
        let mut keys: Vec<_> = listed
            .objects
            .into_iter()
            .map(|object| object.key)
            .collect();
        keys.sort_unstable();
        let is_below = |key: &&&str| key.starts_with("films/");
        let mut expected: Vec<_> = KEYS.iter().filter(|key| !is_below(key)).collect();
        expected.sort_unstable();
        assert!(keys.iter().eq(expected), "{name}: {keys:?}");
        assert_eq!(listed.folders, ["films/"], "{name}");
    }
}

#[tokio::test]
async fn the_longest_names_are_answered() {
    for origin in Origin::all().await {
        let readers = origin.readers().await;
        for length in [255, 256, 1024] {
            let long = "x".repeat(length);
            let error = readers.reader.head(key(&long)).await.unwrap_err();
            let expected = s3reel::storage::ReadErrorKind::NotFound;
            assert_eq!(error.kind, expected, "{} {length}", origin.name());
        }
    }
}
