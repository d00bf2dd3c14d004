//! Which bytes a read has.

use s3reel::semantics::InclRange;
use s3reel::storage::ReadErrorKind;

use super::{bytes, collect, head, open, range, request};
use crate::support::{Origin, content};

const LENGTH: usize = 1_500_000;

#[tokio::test]
async fn a_range_is_those_bytes_of_the_object() {
    let whole = content(1, LENGTH);
    for origin in Origin::all().await {
        let reader = origin.readers().await.reader;
        origin.put("film.mp4", whole.clone()).await;
        for (text, first, end) in [
            ("", 0, LENGTH),
            ("bytes=0-", 0, LENGTH),
            ("bytes=0-0", 0, 1),
            ("bytes=0-1", 0, 2),
            ("bytes=1-1", 1, 2),
            ("bytes=65535-65536", 65_535, 65_537),
            ("bytes=65536-400000", 65_536, 400_001),
            ("bytes=1000000-", 1_000_000, LENGTH),
            ("bytes=1499999-", LENGTH - 1, LENGTH),
            ("bytes=1499999-1499999", LENGTH - 1, LENGTH),
            ("bytes=1000000-1499999", 1_000_000, LENGTH),
            ("bytes=1000000-99999999", 1_000_000, LENGTH),
            ("bytes=0-99999999999999999999999999", 0, LENGTH),
            ("bytes=-1", LENGTH - 1, LENGTH),
            ("bytes=-500000", 1_000_000, LENGTH),
            ("bytes=-1500000", 0, LENGTH),
            ("bytes=-99999999999999999999999999", 0, LENGTH),
        ] {
            let name = origin.name();
            let mut read = open(&*reader, request("film.mp4", text)).await;
            let read = read
                .as_mut()
                .unwrap_or_else(|kind| panic!("{name} {text}: {kind:?}"));
            assert_eq!(read.representation.length.bytes(), LENGTH as u64);
            let extent = InclRange::new(first as u64, end as u64 - 1);
            assert_eq!(read.extent, extent, "{name} {text}");
            let (bytes, error) = collect(&mut read.body).await;
            assert_eq!(error, None, "{name} {text}");
            assert!(bytes == whole[first..end], "{name} {text}: other bytes");
        }
    }
}

#[tokio::test]
async fn any_partition_of_an_object_joins_to_the_whole() {
    let whole = content(2, 300_000);
    for origin in Origin::all().await {
        let reader = origin.readers().await.reader;
        origin.put("film.mp4", whole.clone()).await;
        let mut joined = Vec::new();
        while joined.len() < whole.len() {
            let next = joined.len() + fastrand::usize(1..60_000);
            let text = format!("bytes={}-{}", joined.len(), next - 1);
            joined.extend(bytes(&*reader, request("film.mp4", &text)).await);
        }
        assert!(joined == whole, "{}", origin.name());
    }
}

#[tokio::test]
async fn a_range_behind_the_end_is_not_satisfiable() {
    for origin in Origin::all().await {
        let reader = origin.readers().await.reader;
        origin.put("film.mp4", content(1, 10)).await;
        for text in [
            "bytes=10-",
            "bytes=10-20",
            "bytes=9007199254740992-",
            "bytes=99999999999999999999-",
        ] {
            let error = open(&*reader, request("film.mp4", text)).await.err();
            let expected = Some(ReadErrorKind::RangeNotSatisfiable);
            assert_eq!(error, expected, "{} {text}", origin.name());
        }
    }
}

#[tokio::test]
async fn an_empty_object_has_no_bytes_and_no_range() {
    for origin in Origin::all().await {
        let name = origin.name();
        let reader = origin.readers().await.reader;
        origin.put("empty.mp4", "").await;
        let known = head(&*reader, "empty.mp4").await.unwrap();
        assert!(known.length.is_empty(), "{name}");
        let mut read = open(&*reader, request("empty.mp4", "")).await.ok().unwrap();
        assert_eq!(read.extent, None, "{name}");
        assert_eq!(collect(&mut read.body).await, (Vec::new(), None), "{name}");
        // Servers differ here; both are right, and the one who decides knows both.
        match open(&*reader, request("empty.mp4", "bytes=0-1")).await {
            Ok(mut read) => {
                assert_eq!(read.extent, None, "{name}");
                assert_eq!(collect(&mut read.body).await, (Vec::new(), None), "{name}");
            }
            Err(kind) => assert_eq!(kind, ReadErrorKind::RangeNotSatisfiable, "{name}"),
        }
    }
}

#[tokio::test]
async fn many_read_at_once_and_each_gets_its_own_bytes() {
    let whole = content(3, 400_000);
    for origin in Origin::all().await {
        let readers = origin.readers().await;
        origin.put("film.mp4", whole.clone()).await;
        let reading: Vec<_> = (0..40_usize)
            .map(|number| {
                let reader = std::sync::Arc::clone(&readers.reader);
                tokio::spawn(async move {
                    let first = number * 10_000;
                    let text = format!("bytes={first}-{}", first + 9_999);
                    assert!(range(&text).is_some());
                    (first, bytes(&*reader, request("film.mp4", &text)).await)
                })
            })
            .collect();
        for one in reading {
            let (first, bytes) = one.await.unwrap();
            assert!(bytes == whole[first..first + 10_000], "{}", origin.name());
        }
        assert_eq!(
            readers.metrics.s3_bodies_open().get(),
            0,
            "{}",
            origin.name()
        );
    }
}
