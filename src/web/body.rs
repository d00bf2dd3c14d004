//! The body of every answer to a viewer.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::HttpRequest;
use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::object_body::ObjectContent;
use super::pauses::Pauses;
use super::streams::Place;
use crate::connection::{LetGo, Turn};
use crate::storage::error::ReadError;
use crate::telemetry::{AbortedBy, AccessRecord};

/// A body that tells its length truly, counts what it hands out, and closes the access record when
/// it is dropped.
pub struct ViewerBody {
    content: Content,
    record: AccessRecord,
    /// Given back when the answer has ended, so that the next request may come.
    turn: TurnGuard,
}

/// Our turn on a viewer's connection; dropping it ends it.
pub struct TurnGuard(Option<Rc<Turn>>);

impl TurnGuard {
    /// The turn of the connection that a request came on.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        Self(request.conn_data::<Rc<Turn>>().map(Rc::clone))
    }

    /// Says that no further request on the connection gets an answer.
    pub fn make_last(request: &HttpRequest) {
        if let Some(turn) = request.conn_data::<Rc<Turn>>() {
            turn.is_last();
        }
    }
}

impl Drop for ViewerBody {
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
        /// Shared with the watch over pauses, on the same thread.
        content: Rc<RefCell<ObjectContent>>,
        /// Taken when the body turns out to be long enough to be worth watching.
        pauses: Option<Rc<Pauses>>,
        /// Free for another viewer when this is dropped.
        _place: Option<Place>,
    },
}

impl ViewerBody {
    /// No body at all.
    #[must_use]
    pub fn none(record: AccessRecord, turn: TurnGuard) -> Self {
        Self {
            content: Content::None,
            record,
            turn,
        }
    }

    /// The head of an answer whose body would have `length` bytes.
    #[must_use]
    pub fn absent(length: u64, record: AccessRecord, turn: TurnGuard) -> Self {
        Self {
            content: Content::Absent(length),
            record,
            turn,
        }
    }

    /// A short text of ours.
    #[must_use]
    pub fn text(text: Bytes, record: AccessRecord, turn: TurnGuard) -> Self {
        Self {
            content: Content::Text(Some(text)),
            record,
            turn,
        }
    }

    /// Exactly `promised` bytes of an object, watched by `pauses`, which take a place among the
    /// streams.
    #[must_use]
    pub fn object(
        content: ObjectContent,
        promised: u64,
        pauses: Rc<Pauses>,
        place: Option<Place>,
        record: AccessRecord,
        turn: TurnGuard,
    ) -> Self {
        Self {
            content: Content::Object {
                promised,
                content: Rc::new(RefCell::new(content)),
                pauses: Some(pauses),
                _place: place,
            },
            record,
            turn,
        }
    }
}

impl MessageBody for ViewerBody {
    type Error = ReadError;

    fn size(&self) -> BodySize {
        match &self.content {
            Content::None => BodySize::None,
            Content::Absent(length) => BodySize::Sized(*length),
            Content::Text(text) => {
                let length = text.as_ref().map_or(0, Bytes::len);
                BodySize::Sized(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Content::Object { promised, .. } => BodySize::Sized(*promised),
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ReadError>>> {
        let this = &mut *self;
        let next = match &mut this.content {
            Content::None | Content::Absent(_) => None,
            Content::Text(text) => text.take().map(Ok),
            Content::Object {
                content, pauses, ..
            } => {
                let mut object = content.borrow_mut();
                let next = ready!(this.record.id().during(|| object.poll_piece(cx)));
                this.record.resumed(object.resumes());
                if object.has_more()
                    && let Some(pauses) = pauses.take()
                {
                    pauses.watch(content);
                }
                next
            }
        };
        match &next {
            Some(Ok(piece)) => this
                .record
                .sent(u64::try_from(piece.len()).unwrap_or(u64::MAX)),
            Some(Err(error)) => {
                this.record.aborted(AbortedBy::Origin);
                log::warn!(request_id = this.record.id().as_str(); "cut off: {error}");
            }
            None => {}
        }
        Poll::Ready(next)
    }
}
