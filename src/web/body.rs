//! The body of every answer to a viewer.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::{HttpMessage as _, Request};
use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::object_body::{ObjectContent, Sent, Unsent};
use super::pauses::Pauses;
use super::streams::Place;
use crate::connection::{Leaving, LetGo, Outlet, Turn};
use crate::telemetry::{AbortedBy, AccessRecord};

/// A body that tells its length truly, counts what it hands out, and closes the access record when
/// it is dropped.
pub struct ViewerBody {
    content: Content,
    /// `None` when the outlet has it.
    account: Option<Box<Account>>,
}

/// What is kept of an answer until it has ended.
struct Account {
    /// Free for another viewer when this is dropped.
    _place: Option<Place>,
    record: Box<AccessRecord>,
    /// Given back when the answer has ended, so that the next request may come.
    turn: TurnGuard,
}

/// The largest piece that the server is given, where it sends a body itself. It copies each piece
/// into its write buffer and asks for the next when that has drained.
const PIECE_BYTES: usize = 32 * 1024;

/// Our turn on a viewer's connection; dropping it ends it.
pub struct TurnGuard(Option<Rc<Turn>>);

impl TurnGuard {
    /// The turn of the connection, or of the stream of one, that a request came on.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let of_connection = request.conn_data::<Rc<Turn>>().map(Rc::clone);
        Self(of_connection.or_else(|| request.extensions().get::<Rc<Turn>>().map(Rc::clone)))
    }

    /// Says that no further request on the connection gets an answer.
    pub fn make_last(request: &Request) {
        if let Some(turn) = request.conn_data::<Rc<Turn>>() {
            turn.is_last();
        }
    }
}

impl Drop for ViewerBody {
    fn drop(&mut self) {
        if let (
            Content::Object {
                outlet: Some(outlet),
                ..
            },
            Some(account),
        ) = (&self.content, &mut self.account)
        {
            // What left since it was polled.
            account.took(outlet.taken());
        }
    }
}

impl Leaving for Account {
    fn took(&mut self, bytes: usize) {
        self.record.sent(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let turn = self.turn.0.as_ref();
        match turn.and_then(|turn| turn.why_let_go()) {
            Some(LetGo::Timeout) => self.record.aborted(AbortedBy::ViewerTimeout),
            Some(LetGo::TooSlow) => self.record.aborted(AbortedBy::ViewerTooSlow),
            None => {}
        }
    }
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        if let Some(turn) = &self.0 {
            turn.answered();
        }
    }
}

enum Content {
    /// No body and no length (204, 304).
    None,
    /// No body, but the length it would have: HEAD.
    Absent(u64),
    /// A short text of ours.
    Text(Option<Bytes>),
    /// An object.
    Object {
        promised: u64,
        /// Where it goes past the server.
        outlet: Option<Rc<Outlet>>,
        /// Shared with the watch over pauses, on the same thread.
        content: Rc<RefCell<ObjectContent>>,
        /// Taken when the body turns out to be long enough to be worth watching.
        pauses: Option<Rc<Pauses>>,
    },
}

impl ViewerBody {
    fn new(
        content: Content,
        place: Option<Place>,
        record: Box<AccessRecord>,
        turn: TurnGuard,
    ) -> Self {
        Self {
            content,
            account: Some(Box::new(Account {
                _place: place,
                record,
                turn,
            })),
        }
    }

    /// No body at all.
    #[must_use]
    pub fn none(record: Box<AccessRecord>, turn: TurnGuard) -> Self {
        Self::new(Content::None, None, record, turn)
    }

    /// The head of an answer whose body would have `length` bytes.
    #[must_use]
    pub fn absent(length: u64, record: Box<AccessRecord>, turn: TurnGuard) -> Self {
        Self::new(Content::Absent(length), None, record, turn)
    }

    /// A short text of ours.
    #[must_use]
    pub fn text(text: Bytes, record: Box<AccessRecord>, turn: TurnGuard) -> Self {
        Self::new(Content::Text(Some(text)), None, record, turn)
    }

    /// Exactly `promised` bytes of an object, watched by `pauses`, which take a place among the
    /// streams. With an `outlet` the server is not told their number, so the head has to tell it.
    #[must_use]
    pub fn object(
        content: ObjectContent,
        promised: u64,
        outlet: Option<Rc<Outlet>>,
        pauses: Rc<Pauses>,
        place: Option<Place>,
        record: Box<AccessRecord>,
        turn: TurnGuard,
    ) -> Self {
        let content = Content::Object {
            promised,
            outlet,
            content: Rc::new(RefCell::new(content)),
            pauses: Some(pauses),
        };
        Self::new(content, place, record, turn)
    }
}

impl MessageBody for ViewerBody {
    type Error = Unsent;

    fn size(&self) -> BodySize {
        match &self.content {
            Content::None => BodySize::None,
            Content::Absent(length) => BodySize::Sized(*length),
            Content::Text(text) => {
                let length = text.as_ref().map_or(0, Bytes::len);
                BodySize::Sized(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Content::Object {
                outlet: Some(_), ..
            } => BodySize::Stream,
            Content::Object { promised, .. } => BodySize::Sized(*promised),
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Unsent>>> {
        let next = self.poll_piece(cx, PIECE_BYTES);
        if let Poll::Ready(Some(Ok(piece))) = &next {
            self.took(piece.len());
        }
        next
    }
}

impl ViewerBody {
    /// The viewer took so many bytes of what [`Self::poll_piece`] gave.
    pub fn took(&mut self, bytes: usize) {
        if let Some(account) = &mut self.account {
            account.took(bytes);
        }
    }

    /// The next piece, of at most `most_bytes` of an object, for whoever tells what becomes of it.
    pub fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        most_bytes: usize,
    ) -> Poll<Option<Result<Bytes, Unsent>>> {
        let Self { content, account } = self;
        let Some(Account { record, .. }) = account.as_deref_mut() else {
            return Poll::Ready(None);
        };
        let mut leaves_by = None;
        let next = match content {
            Content::None | Content::Absent(_) => Poll::Ready(None),
            Content::Text(text) => Poll::Ready(text.take().map(Ok)),
            Content::Object {
                content,
                pauses,
                outlet,
                ..
            } => {
                let mut object = content.borrow_mut();
                let next = match outlet.as_deref() {
                    Some(outlet) => {
                        let sent = record.id().during(|| object.poll_sent(cx, outlet));
                        record.sent(u64::try_from(outlet.taken()).unwrap_or(u64::MAX));
                        if matches!(sent, Poll::Ready(Ok(Sent::Queued))) {
                            leaves_by = Some(outlet);
                        }
                        sent.map(|end| end.err().map(Err))
                    }
                    None => record
                        .id()
                        .during(|| object.poll_bytes(cx, most_bytes))
                        .map(|next| next.map(|piece| piece.map_err(Unsent::Read))),
                };
                record.resumed(object.resumes());
                // Where the server sends it, a viewer that takes nothing shows only in that no more is asked for.
                let may_pause = next.is_pending() || outlet.is_none();
                if may_pause && let Some(pauses) = pauses.take() {
                    pauses.watch(content);
                }
                next
            }
        };
        match &next {
            Poll::Ready(Some(Err(Unsent::Read(error)))) => {
                record.aborted(AbortedBy::Origin);
                log::warn!(request_id = record.id().as_str(); "cut off: {error}");
            }
            Poll::Ready(Some(Ok(_) | Err(Unsent::Viewer(_))) | None) | Poll::Pending => {}
        }
        if let Some(outlet) = leaves_by
            && let Some(account) = account.take()
        {
            outlet.see_off(account);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use futures_core::Stream;

    use super::*;
    use crate::storage::error::ReadError;
    use crate::storage::{ObjectBody, Paused};
    use crate::telemetry::{Lifecycle, Metrics, Recorder, RequestId};
    use crate::web::decide::OpenBody;

    /// A body that is all at hand, and notes that it was given up.
    struct AtHand(Arc<AtomicBool>);

    impl Stream for AtHand {
        type Item = Result<Bytes, ReadError>;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(Some(Ok(Bytes::from(vec![0; PIECE_BYTES]))))
        }
    }

    impl ObjectBody for AtHand {
        fn pause(self: Pin<&mut Self>, _: u64) -> Paused {
            self.0.store(true, Ordering::Relaxed);
            Paused::Yes
        }
    }

    #[test]
    fn a_viewer_that_the_server_asks_no_more_for_is_noticed_although_all_is_at_hand() {
        actix_web::rt::System::new().block_on(stalled());
    }

    async fn stalled() {
        let recorder = Rc::new(Recorder {
            metrics: Arc::new(Metrics::new().unwrap()),
            lifecycle: Arc::new(Lifecycle::default()),
        });
        let record = AccessRecord::begin(recorder, RequestId::from_header(None), "GET", None);
        let given_up = Arc::new(AtomicBool::new(false));
        let open = OpenBody {
            first: Bytes::from(vec![0; PIECE_BYTES]).into(),
            rest: Box::pin(AtHand(Arc::clone(&given_up))),
        };
        let content = ObjectContent::new(open, 1 << 30, None, Instant::now());
        let pauses = Pauses::start(Duration::from_millis(20));
        let mut body = ViewerBody::object(
            content,
            1 << 30,
            None,
            Rc::clone(&pauses),
            None,
            Box::new(record),
            TurnGuard(None),
        );
        // One piece, and then nothing is asked for.
        let first = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await;
        assert!(matches!(first, Some(Ok(_))));
        let begun = Instant::now();
        while !given_up.load(Ordering::Relaxed) {
            assert!(begun.elapsed() < Duration::from_secs(20), "nobody looks");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
