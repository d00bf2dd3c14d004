//! Reads that outlive their connection to the origin.
//!
//! A read that breaks off, ends short or stalls is opened again from the next byte, and so is one
//! that was given up because its viewer paused. Each time it is pinned to the version of its first
//! answer: bytes of two versions never meet in one body. Without a strong entity tag nothing can
//! be pinned, and such a read is never opened again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Sleep, sleep};

use super::error::{BadAnswer, ReadError, ReadErrorKind};
use super::version::PinnedVersion;
use super::{Body, BoxFuture, ObjectBody, ObjectRead, ObjectReader, Paused, ReadRequest};
use crate::object::{ObjectKey, Representation};
use crate::semantics::InclRange;
use crate::telemetry::Metrics;

/// Longest waits before the first, second and third attempt without progress. Each is a random part
/// of this, so that the viewers of a broken origin do not come back all at once; the first is
/// short because most breaks are of one connection only.
const BACKOFF: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// Faults that one answer outlives, and how many bytes make room for one more. Without this bound
/// an origin that breaks off after every byte would be asked once for each.
const MAX_FAULTS: u64 = 16;
const BYTES_PER_FURTHER_FAULT: u64 = 1024 * 1024;

/// Whether an answer that has come so far may outlive one more fault.
fn has_room(faults: u64, handed_out: u64) -> bool {
    faults < MAX_FAULTS.saturating_add(handed_out / BYTES_PER_FURTHER_FAULT)
}

/// A reader whose bodies go on after a fault.
pub struct Resuming {
    inner: Arc<dyn ObjectReader>,
    metrics: Arc<Metrics>,
}

impl Resuming {
    /// Wraps a reader whose bodies end with their connection.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectReader>, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }
}

impl ObjectReader for Resuming {
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>> {
        Box::pin(async move {
            let key = request.key.clone();
            let read = self.inner.read(request).await?;
            let pin = read.representation.validators.etag.clone();
            let (Some(extent), Some(etag)) = (read.extent, pin.filter(|tag| !tag.is_weak())) else {
                return Ok(read);
            };
            let body = ResumingBody {
                version: PinnedVersion {
                    reader: Arc::clone(&self.inner),
                    key,
                    etag,
                    complete: read.representation.length,
                },
                metrics: Arc::clone(&self.metrics),
                next: extent.first(),
                last: extent.last(),
                state: State::Open(read.body),
                reason: "",
                failures: 0,
                faults: 0,
                handed_out: 0,
                resumes: 0,
            };
            Ok(ObjectRead {
                body: Box::pin(body),
                ..read
            })
        })
    }

    fn head(&self, key: ObjectKey) -> BoxFuture<'_, Result<Representation, ReadError>> {
        self.inner.head(key)
    }
}

/// A body that knows which bytes are still missing.
struct ResumingBody {
    version: PinnedVersion,
    metrics: Arc<Metrics>,
    /// Position of the next byte to hand out; one beyond `last` when all have been.
    next: u64,
    /// Position of the last.
    last: u64,
    state: State,
    /// Why it is being opened again.
    reason: &'static str,
    /// Faults since the last byte.
    failures: usize,
    /// Faults in all.
    faults: u64,
    handed_out: u64,
    resumes: u32,
}

enum State {
    Open(Body),
    /// Given up while the viewer pauses.
    Released,
    Waiting(Pin<Box<Sleep>>),
    Reopening(BoxFuture<'static, Result<ObjectRead, ReadError>>),
    Ended,
}

impl ResumingBody {
    /// What was not handed out yet.
    fn missing(&self) -> Option<InclRange> {
        InclRange::new(self.next, self.last)
    }

    /// Goes on after a fault, unless it is final or there were too many.
    fn after_fault(&mut self, error: ReadError) -> Result<(), ReadError> {
        let may_go_on = can_pass(error.kind) && has_room(self.faults, self.handed_out);
        let wait = BACKOFF.get(self.failures).filter(|_| may_go_on);
        let Some(wait) = wait else {
            self.state = State::Ended;
            self.metrics.s3_resumed(error.kind.as_str(), "failed");
            return Err(error);
        };
        log::info!("a read breaks off and is opened again: {error}");
        self.failures = self.failures.saturating_add(1);
        self.faults = self.faults.saturating_add(1);
        self.reason = error.kind.as_str();
        let jittered = wait.mul_f64(fastrand::f64());
        self.state = State::Waiting(Box::pin(sleep(jittered)));
        Ok(())
    }

    /// Takes note of bytes that are handed out; an error if they are more than are missing.
    fn advance(&mut self, chunk: &Bytes) -> Result<(), ReadError> {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let surplus = || {
            let kind = ReadErrorKind::BadAnswer(BadAnswer::Body);
            ReadError::new(kind, format!("body of {}", self.version.key))
        };
        let room = self.missing().map_or(0, InclRange::byte_count);
        if length > room {
            return Err(surplus());
        }
        self.failures = 0;
        self.next = self.next.saturating_add(length);
        self.handed_out = self.handed_out.saturating_add(length);
        Ok(())
    }
}

/// Faults of a connection or a moment. Anything else would happen again.
fn can_pass(kind: ReadErrorKind) -> bool {
    matches!(
        kind,
        ReadErrorKind::Unreachable
            | ReadErrorKind::TimedOut
            | ReadErrorKind::OriginFailed
            | ReadErrorKind::Throttled
            | ReadErrorKind::BadAnswer(BadAnswer::Body)
    )
}

impl Stream for ResumingBody {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(missing) = this.missing() else {
                this.state = State::Ended;
                return Poll::Ready(None);
            };
            let fault = match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Released => {
                    this.reason = "viewer_paused";
                    this.state = State::Reopening(this.version.open(missing));
                    continue;
                }
                State::Waiting(wait) => {
                    ready!(wait.as_mut().poll(cx));
                    this.state = State::Reopening(this.version.open(missing));
                    continue;
                }
                State::Reopening(opening) => {
                    let read = ready!(opening.as_mut().poll(cx));
                    match read.and_then(|read| this.version.check(read, missing)) {
                        Ok(body) => {
                            this.resumes = this.resumes.saturating_add(1);
                            this.metrics.s3_resumed(this.reason, "ok");
                            this.state = State::Open(body);
                            continue;
                        }
                        Err(error) => error,
                    }
                }
                State::Open(body) => match ready!(body.as_mut().poll_next(cx)) {
                    Some(Ok(chunk)) => {
                        let advanced = this.advance(&chunk);
                        if advanced.is_err() {
                            this.state = State::Ended;
                        }
                        return Poll::Ready(Some(advanced.map(|()| chunk)));
                    }
                    Some(Err(error)) => error,
                    None => ReadError::new(
                        ReadErrorKind::BadAnswer(BadAnswer::Body),
                        format!("body of {}", this.version.key),
                    ),
                },
            };
            if let Err(error) = this.after_fault(fault) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl ObjectBody for ResumingBody {
    fn pause(mut self: Pin<&mut Self>, unread: u64) -> Paused {
        let this = &mut *self;
        if !matches!(this.state, State::Open(_)) {
            return Paused::No;
        }
        let Some(next) = this.next.checked_sub(unread) else {
            return Paused::No;
        };
        this.next = next;
        this.state = State::Released;
        Paused::Yes
    }

    fn resumes(&self) -> u32 {
        self.resumes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::{CompleteLength, EntityTag, RangeSpec};
    use std::collections::VecDeque;
    use std::future::poll_fn;
    use std::sync::Mutex;

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
            let etag = request.if_match.as_ref().map(ToString::to_string);
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
                    representation,
                    extent: Some(extent),
                    body: Box::pin(ScriptedBody(items)),
                })
            })
        }

        fn head(&self, _: ObjectKey) -> BoxFuture<'_, Result<Representation, ReadError>> {
            Box::pin(async { Ok(Representation::of_length(CompleteLength::new(10))) })
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
        let metrics = Arc::new(Metrics::new().unwrap());
        let inner: Arc<dyn ObjectReader> = Arc::<Scripted>::clone(&reader);
        let request = ReadRequest {
            key: ObjectKey::new("film.mp4".to_owned()).unwrap(),
            range: None,
            if_match: None,
        };
        let read = Resuming::new(inner, metrics).read(request).await.unwrap();
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

    #[test]
    fn faults_are_bounded_by_what_came_between_them() {
        const MIB: u64 = 1024 * 1024;
        for (faults, handed_out, room) in [
            (0, 0, true),
            (15, 0, true),
            (16, 0, false),
            (16, MIB - 1, false),
            (16, MIB, true),
            (116, 100 * MIB, false),
            (u64::MAX - 1, u64::MAX, false),
        ] {
            assert_eq!(has_room(faults, handed_out), room, "{faults} {handed_out}");
        }
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
