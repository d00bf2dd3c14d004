//! Reads that outlive their connection to the origin.
//!
//! A read that breaks off, ends short or stalls is opened again from the next byte, and so is one
//! that was given up because its viewer paused. Each time it is pinned to the version of its first
//! answer: bytes of two versions never meet in one body. Without a strong entity tag nothing can
//! be pinned, and such a read is never opened again.

mod body;

use std::sync::Arc;
use std::time::Duration;

use super::error::ReadError;
use super::retry::{RetryBudget, with_retries};
use super::version::PinnedVersion;
use super::{BoxFuture, Capabilities, ObjectHead, ObjectRead, ObjectReader, ReadRequest};
use crate::object::ObjectKey;
use crate::telemetry::OriginMetrics;

use body::ResumingBody;

/// A reader that makes calls again which fail before their answer, and whose bodies go on after a
/// fault.
pub struct Resuming {
    inner: Arc<dyn ObjectReader>,
    metrics: Arc<OriginMetrics>,
    budget: Arc<RetryBudget>,
    total: Duration,
}

impl Resuming {
    /// Wraps a reader whose calls fail at the first fault and whose bodies end with their connection.
    /// The budget is one for the whole origin; `total` is how long all attempts at one call may
    /// take.
    #[must_use]
    pub fn new(
        inner: Arc<dyn ObjectReader>,
        metrics: Arc<OriginMetrics>,
        budget: Arc<RetryBudget>,
        total: Duration,
    ) -> Self {
        Self {
            inner,
            metrics,
            budget,
            total,
        }
    }

    async fn again<'a, T>(
        &self,
        call: impl Fn() -> BoxFuture<'a, Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        with_retries(&self.budget, &self.metrics, self.total, call).await
    }
}

impl ObjectReader for Resuming {
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>> {
        Box::pin(async move {
            let key = request.key.clone();
            let read = self.again(|| self.inner.read(request.clone())).await?;
            let inner = Arc::clone(&self.inner);
            let version = PinnedVersion::new(inner, key, &read.representation);
            let (Some(extent), Some(version)) = (read.extent, version) else {
                return Ok(read);
            };
            let budget = Arc::clone(&self.budget);
            let metrics = Arc::clone(&self.metrics);
            let body = ResumingBody::new(version, extent, read.body, budget, metrics);
            Ok(ObjectRead {
                body: Box::pin(body),
                ..read
            })
        })
    }

    fn head(&self, key: ObjectKey) -> BoxFuture<'_, Result<ObjectHead, ReadError>> {
        Box::pin(async move { self.again(|| self.inner.head(key.clone())).await })
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Representation;
    use crate::semantics::{CompleteLength, EntityTag, RangeSpec};
    use crate::storage::error::{BadAnswer, ReadErrorKind};
    use crate::storage::{Body, ObjectBody, Paused, Served, Source};
    use bytes::Bytes;
    use futures_core::Stream;
    use std::collections::VecDeque;
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll};

    const WHOLE: &[u8] = b"0123456789";

    /// A reader that is told what each of its reads does.
    struct Scripted {
        reads: Mutex<VecDeque<Script>>,
        asked: Mutex<Vec<(Option<RangeSpec>, Option<String>)>>,
    }

    /// What a read hands out before it ends with an error, and of which version it is.
    struct Script {
        etag: &'static str,
        hands_out: usize,
        then: Option<ReadErrorKind>,
    }

    struct ScriptedBody(VecDeque<Result<Bytes, ReadError>>);

    impl Stream for ScriptedBody {
        type Item = Result<Bytes, ReadError>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    impl ObjectBody for ScriptedBody {}

    impl ObjectReader for Scripted {
        fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>> {
            let etag = request.pin.as_ref().map(|pin| pin.etag().to_string());
            self.asked.lock().unwrap().push((request.range, etag));
            let script = self.reads.lock().unwrap().pop_front().unwrap();
            Box::pin(async move {
                let length = CompleteLength::new(10);
                let extent = match request.range.map(|range| range.resolve(length)) {
                    Some(crate::semantics::range_specifier::Resolved::Range(range)) => range,
                    _ => length.whole().unwrap(),
                };
                let first = usize::try_from(extent.first()).unwrap();
                let mut representation = Representation::of_length(length);
                representation.validators.etag = EntityTag::parse(script.etag).ok();
                let mut items: VecDeque<_> = WHOLE[first..]
                    .iter()
                    .take(script.hands_out)
                    .map(|byte| Ok(Bytes::copy_from_slice(&[*byte])))
                    .collect();
                items.extend(script.then.map(|kind| Err(ReadError::new(kind, "read"))));
                Ok(ObjectRead {
                    representation: representation.into(),
                    extent: Some(extent),
                    body: Box::pin(ScriptedBody(items)),
                    served: Served::now(Source::Origin),
                })
            })
        }

        fn head(&self, _: ObjectKey) -> BoxFuture<'_, Result<ObjectHead, ReadError>> {
            Box::pin(async {
                Ok(ObjectHead {
                    representation: Representation::of_length(CompleteLength::new(10)).into(),
                    served: Served::now(Source::Origin),
                })
            })
        }
    }

    fn script(etag: &'static str, hands_out: usize, then: Option<ReadErrorKind>) -> Script {
        Script {
            etag,
            hands_out,
            then,
        }
    }

    async fn open(scripts: Vec<Script>) -> (Body, Arc<Scripted>) {
        let reader = Arc::new(Scripted {
            reads: Mutex::new(scripts.into()),
            asked: Mutex::default(),
        });
        let metrics = Arc::new(crate::telemetry::Metrics::new().unwrap().of_origin("/"));
        let inner: Arc<dyn ObjectReader> = Arc::<Scripted>::clone(&reader);
        let request = ReadRequest {
            key: ObjectKey::new("film.mp4".to_owned()).unwrap(),
            range: None,
            pin: None,
        };
        let budget = Arc::new(RetryBudget::default());
        let resuming = Resuming::new(inner, metrics, budget, Duration::from_secs(10));
        let read = resuming.read(request).await.unwrap();
        (read.body, reader)
    }

    async fn collect(body: &mut Body) -> (Vec<u8>, Option<ReadErrorKind>) {
        let mut bytes = Vec::new();
        loop {
            match poll_fn(|cx| body.as_mut().poll_next(cx)).await {
                Some(Ok(chunk)) => bytes.extend(chunk),
                Some(Err(error)) => return (bytes, Some(error.kind)),
                None => return (bytes, None),
            }
        }
    }

    fn ranges(reader: &Scripted) -> Vec<String> {
        let asked = reader.asked.lock().unwrap();
        let text = |range: &Option<RangeSpec>| range.map(|range| range.to_string());
        asked
            .iter()
            .map(|(range, _)| text(range).unwrap_or_default())
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_at_any_offset_is_healed_from_the_next_byte() {
        for kind in [
            ReadErrorKind::Unreachable,
            ReadErrorKind::TimedOut,
            ReadErrorKind::BadAnswer(BadAnswer::Body),
        ] {
            for offset in 0..10 {
                let scripts = vec![
                    script("\"1\"", offset, Some(kind)),
                    script("\"1\"", 10, None),
                ];
                let (mut body, reader) = open(scripts).await;
                assert_eq!(collect(&mut body).await, (WHOLE.to_vec(), None), "{offset}");
                assert_eq!(ranges(&reader)[1], format!("{offset}-9"));
                assert_eq!(reader.asked.lock().unwrap()[1].1.as_deref(), Some("\"1\""));
                assert_eq!(body.resumes(), 1);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_end_without_an_error_is_a_fault() {
        let scripts = vec![script("\"1\"", 4, None), script("\"1\"", 10, None)];
        let (mut body, _) = open(scripts).await;
        assert_eq!(collect(&mut body).await, (WHOLE.to_vec(), None));
    }

    #[tokio::test(start_paused = true)]
    async fn three_faults_without_progress_are_healed_and_a_fourth_is_not() {
        let broken =
            |count| (0..count).map(|_| script("\"1\"", 0, Some(ReadErrorKind::Unreachable)));
        let mut scripts: Vec<_> = broken(3).collect();
        scripts.push(script("\"1\"", 10, None));
        let (mut body, _) = open(scripts).await;
        assert_eq!(collect(&mut body).await, (WHOLE.to_vec(), None));
        let (mut body, reader) = open(broken(4).collect()).await;
        let (bytes, error) = collect(&mut body).await;
        assert_eq!((bytes.len(), error), (0, Some(ReadErrorKind::Unreachable)));
        assert_eq!(ranges(&reader).len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_makes_room_for_more_faults() {
        let mut scripts: Vec<_> = (0..10)
            .map(|_| script("\"1\"", 1, Some(ReadErrorKind::Unreachable)))
            .collect();
        scripts.push(script("\"1\"", 10, None));
        let (mut body, _) = open(scripts).await;
        assert_eq!(collect(&mut body).await, (WHOLE.to_vec(), None));
    }

    #[tokio::test(start_paused = true)]
    async fn another_version_is_never_appended() {
        let scripts = vec![
            script("\"1\"", 4, Some(ReadErrorKind::Unreachable)),
            script("\"2\"", 10, None),
        ];
        let (mut body, _) = open(scripts).await;
        let expected = (WHOLE[..4].to_vec(), Some(ReadErrorKind::Changed));
        assert_eq!(collect(&mut body).await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_strong_tag_nothing_is_opened_again() {
        for etag in ["W/\"1\"", "none"] {
            let scripts = vec![script(etag, 4, Some(ReadErrorKind::Unreachable))];
            let (mut body, _) = open(scripts).await;
            let expected = (WHOLE[..4].to_vec(), Some(ReadErrorKind::Unreachable));
            assert_eq!(collect(&mut body).await, expected);
            assert_eq!(body.as_mut().pause(0), Paused::No);
        }
    }

    /// A body of ten bytes that waits by itself, as that of a file does.
    struct Patient(usize);

    impl Stream for Patient {
        type Item = Result<Bytes, ReadError>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            let next = WHOLE.get(self.0..=self.0).map(Bytes::from_static);
            self.0 += 1;
            Poll::Ready(next.map(Ok))
        }
    }

    impl ObjectBody for Patient {
        fn pause(mut self: Pin<&mut Self>, unread: u64) -> Paused {
            self.0 -= usize::try_from(unread).unwrap();
            Paused::Yes
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_can_wait_by_itself_is_not_opened_again() {
        let (_, reader) = open(vec![script("\"1\"", 10, None)]).await;
        let mut known = Representation::of_length(CompleteLength::new(10));
        known.validators.etag = EntityTag::parse("\"1\"").ok();
        let key = ObjectKey::new("film.mp4".to_owned()).unwrap();
        let inner: Arc<dyn ObjectReader> = Arc::<Scripted>::clone(&reader);
        let version = PinnedVersion::new(inner, key, &known).unwrap();
        let mut body: Body = Box::pin(ResumingBody::new(
            version,
            known.length.whole().unwrap(),
            Box::pin(Patient(0)),
            Arc::default(),
            Arc::new(crate::telemetry::Metrics::new().unwrap().of_origin("/")),
        ));
        for _ in 0..4 {
            poll_fn(|cx| body.as_mut().poll_next(cx))
                .await
                .unwrap()
                .unwrap();
        }
        assert_eq!(body.as_mut().pause(1), Paused::Yes);
        assert_eq!(collect(&mut body).await, (WHOLE[3..].to_vec(), None));
        assert_eq!(ranges(&reader).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_read_goes_on_with_what_was_not_used() {
        let scripts = vec![script("\"1\"", 10, None), script("\"1\"", 10, None)];
        let (mut body, reader) = open(scripts).await;
        for _ in 0..4 {
            poll_fn(|cx| body.as_mut().poll_next(cx))
                .await
                .unwrap()
                .unwrap();
        }
        assert_eq!(body.as_mut().pause(1), Paused::Yes);
        assert_eq!(collect(&mut body).await, (WHOLE[3..].to_vec(), None));
        assert_eq!(ranges(&reader)[1], "3-9");
    }
}
