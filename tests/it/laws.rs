//! Laws that hold for every range of every object, seen from outside: one service, and requests
//! that nobody wrote down.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::LazyLock;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use s3reel::embedded_s3::shelf::Metadata;
use tokio::runtime::Runtime;

use crate::support::multipart::{parts, positions};
use crate::support::{Client, Response, TestS3, TestService, content};

/// Several reads of a socket, and odd.
const LENGTH: usize = 200_003;

static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| content(1, LENGTH));

const TARGET: &str = "/film.mp4";

/// Checks a law on random cases with one service, a connection for each.
fn law<T: std::fmt::Debug>(
    cases: u32,
    strategy: impl Strategy<Value = T>,
    check: impl AsyncFn(Viewer, T),
) {
    let runtime = Runtime::new().expect("a runtime");
    let _guard = runtime.enter();
    let s3 = runtime.block_on(TestS3::embedded());
    let metadata = Metadata {
        content_type: Some("video/mp4".to_owned()),
        ..Metadata::default()
    };
    runtime.block_on(s3.put_with("film.mp4", WHOLE.clone(), metadata));
    runtime.block_on(s3.put("empty.mp4", Vec::new()));
    let service = runtime.block_on(TestService::over(&s3));
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&strategy, |case| {
        runtime.block_on(async {
            let viewer = Viewer {
                address: service.address(),
                client: service.client().await,
            };
            check(viewer, case).await;
        });
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// A connection of a viewer.
struct Viewer {
    address: SocketAddr,
    client: Client,
}

impl Viewer {
    async fn get(&mut self, range: &str) -> Response {
        let response = self.client.ask("GET", TARGET, &[("Range", range)]).await;
        assert!(
            response.complete,
            "{range}: cut after {}",
            response.body.len()
        );
        response
    }

    /// The bytes that a range of an answer of one range has to have.
    async fn is_slice(&mut self, range: &str, first: usize, last: usize) {
        let response = self.get(range).await;
        assert_eq!(response.status, 206, "{range}: {}", response.head);
        let told = response.header("content-range").expect("Content-Range");
        assert_eq!(positions(told), (first, last, LENGTH), "{range}");
        let length = (last - first + 1).to_string();
        assert_eq!(
            response.header("content-length"),
            Some(length.as_str()),
            "{range}"
        );
        assert!(response.body == WHOLE[first..=last], "{range}: other bytes");
    }
}

#[test]
fn any_single_range_is_the_slice_of_the_whole_that_it_names() {
    // Lengths of all sizes, since most faults are near the ends.
    let most = prop_oneof![0..4_usize, 0..1000_usize, 0..2 * LENGTH];
    let first = prop_oneof![0..4_usize, 0..LENGTH, LENGTH - 4..LENGTH];
    law(128, (first, most), async |mut viewer, (first, more)| {
        let last = first + more;
        let end = LENGTH - 1;
        viewer
            .is_slice(&format!("bytes={first}-{last}"), first, last.min(end))
            .await;
        viewer
            .is_slice(&format!("bytes={first}-"), first, end)
            .await;
        let suffix = more + 1;
        let from = LENGTH.saturating_sub(suffix);
        viewer
            .is_slice(&format!("bytes=-{suffix}"), from, end)
            .await;
    });
}

#[test]
fn any_partition_of_the_whole_into_ranges_joins_to_the_whole() {
    let cuts = btree_set(1..LENGTH, 0..12);
    law(64, cuts, async |mut viewer, cuts| {
        let mut joined = Vec::new();
        let starts = std::iter::once(0).chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([LENGTH]);
        for (start, end) in starts.zip(ends) {
            let range = format!("bytes={start}-{}", end - 1);
            let response = viewer.get(&range).await;
            assert_eq!(response.status, 206, "{range}");
            joined.extend(response.body);
        }
        assert!(joined == *WHOLE, "other bytes");
    });
}

/// Where the ranges of a 206 begin, and their bytes.
fn slices(response: Response) -> Vec<(usize, Vec<u8>)> {
    assert_eq!(response.status, 206, "{}", response.head);
    let Some(parts) = parts(&response) else {
        let told = response.header("content-range").expect("Content-Range");
        let (first, _, total) = positions(told);
        assert_eq!(total, LENGTH);
        return vec![(first, response.body)];
    };
    assert!(parts.len() > 1, "one part");
    assert!(parts.iter().all(|part| part.total == LENGTH));
    parts
        .into_iter()
        .map(|part| (part.first, part.bytes))
        .collect()
}

/// A member of a range set and the bytes that it names, if there are any.
fn member() -> impl Strategy<Value = (String, Option<(usize, usize)>)> {
    let end = LENGTH - 1;
    prop_oneof![
        8 => (0..LENGTH, 0..8000_usize).prop_map(move |(first, more)| {
            let last = first + more;
            (format!("{first}-{last}"), Some((first, last.min(end))))
        }),
        1 => (1..8000_usize).prop_map(move |count| {
            (format!("-{count}"), Some((LENGTH - count, end)))
        }),
        1 => (LENGTH..2 * LENGTH).prop_map(|first| (format!("{first}-"), None)),
        1 => Just((String::new(), None)),
    ]
}

#[test]
fn every_byte_of_several_ranges_comes_once_in_parts_that_are_slices() {
    law(128, vec(member(), 2..16), async |mut viewer, members| {
        let texts: Vec<_> = members.iter().map(|(text, _)| text.as_str()).collect();
        let range = format!("bytes={}", texts.join(","));
        let asked: Vec<_> = members.iter().filter_map(|(_, range)| *range).collect();
        let response = viewer.get(&range).await;
        if asked.is_empty() {
            let names_nothing = texts.iter().all(|text| text.is_empty());
            assert_eq!(
                response.status,
                if names_nothing { 200 } else { 416 },
                "{range}"
            );
            return;
        }
        let mut sent = slices(response);
        sent.sort();
        for pair in sent.windows(2) {
            let end = pair[0].0 + pair[0].1.len();
            assert!(end <= pair[1].0, "twice: {range}");
        }
        for (first, bytes) in &sent {
            let slice = &WHOLE[*first..first + bytes.len()];
            assert!(slice == bytes, "other bytes: {range}");
        }
        for (first, last) in asked {
            let mut holding = sent.iter();
            let is_there = holding.any(|part| part.0 <= first && last < part.0 + part.1.len());
            assert!(is_there, "{first}-{last} is missing: {range}");
        }
        // The answer ended where it said, or this would not be one.
        viewer.is_slice("bytes=0-1", 0, 1).await;
    });
}

#[test]
fn any_partition_of_the_whole_joins_to_the_whole_from_two_answers_of_parts() {
    let cuts = btree_set(1..LENGTH, 1..24);
    law(64, cuts, async |mut viewer, cuts| {
        let starts = std::iter::once(0).chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([LENGTH]);
        let ranges: Vec<_> = starts.zip(ends).collect();
        let mut joined = vec![0; LENGTH];
        // Every other range, since neighbours would come as one.
        for from in 0..2 {
            let members: Vec<_> = ranges
                .iter()
                .skip(from)
                .step_by(2)
                .map(|(start, end)| format!("{start}-{}", end - 1))
                .collect();
            let response = viewer.get(&format!("bytes={}", members.join(","))).await;
            for (first, bytes) in slices(response) {
                joined[first..first + bytes.len()].copy_from_slice(&bytes);
            }
        }
        assert!(joined == *WHOLE, "other bytes");
    });
}

/// Fields of a request. `{etag}` is that of the object.
const FIELDS: &[(&str, &[&str])] = &[
    (
        "Range",
        &[
            "bytes=0-1",
            "bytes=0-",
            "bytes=-5",
            "bytes=5-2",
            "bytes=999999999-",
            "bytes=0-1,5000-5001",
            "junk",
        ],
    ),
    (
        "If-Match",
        &["{etag}", "W/{etag}", "\"other\"", "*", "junk"],
    ),
    (
        "If-None-Match",
        &["{etag}", "W/{etag}", "\"other\"", "*", "junk"],
    ),
    ("If-Modified-Since", &[OLD, FUTURE, "junk"]),
    ("If-Unmodified-Since", &[OLD, FUTURE, "junk"]),
    ("If-Range", &["{etag}", "\"other\"", OLD]),
    ("Origin", &["https://example.com", "null"]),
    ("Accept", &["*/*", "video/webm"]),
    ("Accept-Encoding", &["gzip, br", "identity;q=0"]),
    ("Cache-Control", &["no-cache", "only-if-cached"]),
    ("Connection", &["close", "keep-alive"]),
    ("Authorization", &["Basic eDp5"]),
];

const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const FUTURE: &str = "Fri, 31 Dec 9999 23:59:59 GMT";

fn fields() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let some = FIELDS.iter().map(|(name, values)| {
        let value = prop::sample::select(*values);
        prop::option::weighted(0.3, value.prop_map(move |value| (*name, value)))
    });
    let all: Vec<_> = some.collect();
    all.prop_map(|fields| fields.into_iter().flatten().collect())
}

/// Fields of an answer but for those that are never twice the same.
fn stable(response: &Response) -> BTreeMap<String, String> {
    let fields = response.headers();
    fields
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| (name, value.to_owned()))
        .collect()
}

#[test]
fn any_head_has_status_and_fields_of_the_get_without_range() {
    let target = prop::sample::select(&[TARGET, "/empty.mp4", "/none.mp4", "/%zz"][..]);
    law(
        128,
        (target, fields()),
        async |mut viewer, (target, fields)| {
            let known = viewer.client.ask("HEAD", target, &[]).await;
            let etag = known.header("etag").unwrap_or("\"none\"");
            let with_tag: Vec<_> = fields
                .iter()
                .map(|(name, value)| (*name, value.replace("{etag}", etag)))
                .collect();
            let asked: Vec<_> = with_tag
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let mut without = asked.clone();
            without.retain(|(name, _)| *name != "Range");
            let mut client = Client::connect(viewer.address).await;
            let get = client.ask("GET", target, &without).await;
            let mut client = Client::connect(viewer.address).await;
            let head = client.ask("HEAD", target, &asked).await;
            assert!(get.complete, "{asked:?}");
            assert_eq!(head.status, get.status, "{asked:?}");
            assert_eq!(stable(&head), stable(&get), "{asked:?}");
            // Nothing follows the head, or this would not be an answer.
            if head.header("connection") == Some("keep-alive") {
                let next = client.ask("HEAD", target, &[]).await;
                assert_eq!(next.status, known.status, "{asked:?}");
            } else {
                assert_eq!(client.rest().await, b"", "{asked:?}");
            }
        },
    );
}
