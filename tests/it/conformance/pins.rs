//! Which version a read is of.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use s3reel::object::ObjectKey;
use s3reel::storage::{
    Body, BoxFuture, ObjectBody, ObjectHead, ObjectRead, ObjectReader, Paused, ReadError,
    ReadErrorKind, ReadRequest, VersionPin,
};

use super::{bytes, collect, head, open, piece, pin, request};
use crate::support::origins::wrapped;
use crate::support::{Origin, content, until};

const LENGTH: usize = 1_500_000;

#[tokio::test]
async fn head_and_read_tell_of_the_same_version_and_a_new_one_is_another() {
    for origin in Origin::all().await {
        let name = origin.name();
        let reader = origin.readers().await.reader;
        let mut tags: Vec<String> = Vec::new();
        for version in 1..=3 {
            // The same length each time: that alone must not tell them apart.
            origin.put("film.mp4", content(version, 1000)).await;
            let known = head(&*reader, "film.mp4").await.unwrap();
            for text in ["", "bytes=0-1", "bytes=-1"] {
                let read = open(&*reader, request("film.mp4", text))
                    .await
                    .ok()
                    .unwrap();
                let told = &read.representation.validators;
                let (told_tag, known_tag) = (told.etag.as_ref(), known.validators.etag.as_ref());
                let is_same = told_tag
                    .zip(known_tag)
                    .is_some_and(|(told, known)| told.strong_eq(known));
                assert!(is_same, "{name} {text}: {told_tag:?} {known_tag:?}");
                assert_eq!(told.last_modified, known.validators.last_modified, "{name}");
                assert!(told.last_modified.is_some(), "{name}");
                assert_eq!(read.representation.length, known.length, "{name}");
                assert_eq!(
                    read.representation.content_type, known.content_type,
                    "{name}"
                );
            }
            let tag = known.validators.etag.unwrap().to_string();
            assert!(!tags.contains(&tag), "{name}: {tag} again");
            tags.push(tag);
        }
    }
}

#[tokio::test]
async fn a_pinned_read_is_of_its_version_or_none() {
    for origin in Origin::all().await {
        let name = origin.name();
        let reader = origin.readers().await.reader;
        origin.put("film.mp4", content(1, 1000)).await;
        let first = pin(&*reader, "film.mp4").await;
        let pinned = |pin: &VersionPin, text| ReadRequest {
            pin: Some(pin.clone()),
            ..request("film.mp4", text)
        };
        for text in ["", "bytes=10-19", "bytes=-1", "bytes=990-"] {
            let read = open(&*reader, pinned(&first, text)).await.ok().unwrap();
            let told = read.representation.validators.etag.clone().unwrap();
            assert!(told.strong_eq(first.etag()), "{name} {text}");
        }
        origin.put("film.mp4", content(2, 1000)).await;
        for text in ["", "bytes=10-19", "bytes=-1", "bytes=990-"] {
            let error = open(&*reader, pinned(&first, text)).await.err();
            assert_eq!(error, Some(ReadErrorKind::Changed), "{name} {text}");
        }
        let second = pin(&*reader, "film.mp4").await;
        assert!(
            bytes(&*reader, pinned(&second, "")).await == content(2, 1000),
            "{name}"
        );
        origin.remove("film.mp4").await;
        let error = open(&*reader, pinned(&second, "")).await.err();
        assert_eq!(error, Some(ReadErrorKind::NotFound), "{name}");
    }
}

#[tokio::test]
async fn a_read_that_is_overtaken_by_a_new_version_never_mixes_them() {
    let [old, new] = [1, 2].map(|version| content(version, LENGTH));
    for origin in Origin::all().await {
        let name = origin.name();
        let reader = origin.readers().await.reader;
        origin.put("film.mp4", old.clone()).await;
        let mut read = open(&*reader, request("film.mp4", "")).await.ok().unwrap();
        let begin = piece(&mut read.body).await.unwrap().unwrap();
        origin.put("film.mp4", new.clone()).await;
        let (rest, error) = collect(&mut read.body).await;
        let all = [&*begin, &rest].concat();
        assert!(old.starts_with(&all), "{name}: other bytes");
        match error {
            None => assert_eq!(all.len(), LENGTH, "{name}: short without an error"),
            Some(kind) => assert_eq!(kind, ReadErrorKind::Changed, "{name}"),
        }
    }
}

#[tokio::test]
async fn a_paused_read_goes_on_where_it_was_or_tells_that_it_cannot() {
    let [old, new] = [1, 2].map(|version| content(version, LENGTH));
    for is_replaced in [false, true] {
        for origin in Origin::all().await {
            let name = origin.name();
            let readers = origin.readers().await;
            origin.put("film.mp4", old.clone()).await;
            let mut read = open(&*readers.reader, request("film.mp4", "bytes=5-"))
                .await
                .ok()
                .unwrap();
            let begin = piece(&mut read.body).await.unwrap().unwrap();
            assert_eq!(read.body.as_mut().pause(3), Paused::Yes, "{name}");
            if is_replaced {
                origin.put("film.mp4", new.clone()).await;
            }
            let (rest, error) = collect(&mut read.body).await;
            let all = [&begin[..begin.len() - 3], &rest].concat();
            assert!(old[5..].starts_with(&all), "{name}: other bytes");
            match error {
                None => assert_eq!(all.len(), LENGTH - 5, "{name}"),
                Some(kind) => {
                    assert!(is_replaced, "{name}: {kind:?}");
                    assert_eq!(kind, ReadErrorKind::Changed, "{name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_goes_on_with_the_same_version() {
    let whole = content(1, LENGTH);
    for origin in Origin::all().await {
        let name = origin.name();
        let readers = origin.readers().await;
        origin.put("film.mp4", whole.clone()).await;
        let breaking = Arc::new(Breaking {
            inner: Arc::clone(&readers.bare),
            most: 200_000,
            opened: AtomicUsize::new(0),
        });
        let reader = wrapped(Arc::clone(&breaking) as _, &readers.metrics);
        let mut read = open(&*reader, request("film.mp4", "bytes=7-"))
            .await
            .ok()
            .unwrap();
        let (bytes, error) = collect(&mut read.body).await;
        assert_eq!(error, None, "{name}");
        assert!(bytes == whole[7..], "{name}: other bytes");
        assert!(read.body.resumes() >= 7, "{name}");
        assert!(breaking.opened.load(Ordering::Relaxed) >= 8, "{name}");
        // And over a new version not at all.
        let mut read = open(&*reader, request("film.mp4", "")).await.ok().unwrap();
        let begin = piece(&mut read.body).await.unwrap().unwrap();
        origin.put("film.mp4", content(2, LENGTH)).await;
        let (rest, error) = collect(&mut read.body).await;
        assert_eq!(error, Some(ReadErrorKind::Changed), "{name}");
        assert!(whole.starts_with(&[&*begin, &rest].concat()), "{name}");
    }
}

#[tokio::test]
async fn dropping_frees_what_a_read_holds() {
    for origin in Origin::all().await {
        let name = origin.name();
        let readers = origin.readers().await;
        origin.put("film.mp4", content(1, LENGTH)).await;
        let open_bodies = || readers.metrics.s3_bodies_open().get();
        let unread = open(&*readers.reader, request("film.mp4", ""))
            .await
            .ok()
            .unwrap();
        let mut begun = open(&*readers.reader, request("film.mp4", ""))
            .await
            .ok()
            .unwrap();
        assert!(piece(&mut begun.body).await.unwrap().is_ok());
        assert_eq!(open_bodies(), 2, "{name}");
        drop(unread);
        drop(begun);
        until("nothing is open", async || open_bodies() == 0).await;
        // What was never answered leaves nothing behind either.
        drop(readers.reader.read(request("film.mp4", "")));
        assert_eq!(open_bodies(), 0, "{name}");
    }
}

/// A reader whose bodies break off after so many bytes.
struct Breaking {
    inner: Arc<dyn ObjectReader>,
    most: usize,
    opened: AtomicUsize,
}

impl ObjectReader for Breaking {
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>> {
        Box::pin(async move {
            let read = self.inner.read(request).await?;
            self.opened.fetch_add(1, Ordering::Relaxed);
            Ok(ObjectRead {
                body: Box::pin(BreakingBody(read.body, self.most)),
                ..read
            })
        })
    }

    fn head(&self, key: ObjectKey) -> BoxFuture<'_, Result<ObjectHead, ReadError>> {
        self.inner.head(key)
    }
}

struct BreakingBody(Body, usize);

impl Stream for BreakingBody {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self(body, left) = &mut *self;
        if *left == 0 {
            let broken = ReadError::new(ReadErrorKind::Unreachable, "a test");
            return Poll::Ready(Some(Err(broken)));
        }
        body.as_mut().poll_next(cx).map_ok(|mut piece| {
            piece.truncate(*left);
            *left -= piece.len();
            piece
        })
    }
}

impl ObjectBody for BreakingBody {}
