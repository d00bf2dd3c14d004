//! The body of every answer to a viewer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::decide::OpenBody;
use crate::storage::ByteChunks;
use crate::storage::error::ReadError;
use crate::telemetry::{AbortedBy, AccessRecord};

/// The largest piece handed to the connection at once, in bytes. The server copies each piece
/// into its write buffer and asks for the next when that has drained, so this is what a stalled
/// viewer holds there. Larger pieces save little; measured in `benches/pass-through`.
const PIECE_BYTES: usize = 64 * 1024;

/// A body that tells its length truly, counts what it hands out, and closes the access record when
/// it is dropped.
pub struct ViewerBody {
    content: Content,
    record: AccessRecord,
}

enum Content {
    /// No body and no length (204, 304).
    None,
    /// No body, but the length it would have: HEAD.
    Absent(u64),
    /// A short text of ours.
    Text(Option<Bytes>),
    /// An object.
    Object(ObjectContent),
}

struct ObjectContent {
    promised: u64,
    remaining: u64,
    current: Bytes,
    /// `None` after the last byte or an error: the read is given up as early as it can be.
    rest: Option<ByteChunks>,
}

impl ViewerBody {
    /// No body at all.
    #[must_use]
    pub fn none(record: AccessRecord) -> Self {
        Self {
            content: Content::None,
            record,
        }
    }

    /// The head of an answer whose body would have `length` bytes.
    #[must_use]
    pub fn absent(length: u64, record: AccessRecord) -> Self {
        Self {
            content: Content::Absent(length),
            record,
        }
    }

    /// A short text of ours.
    #[must_use]
    pub fn text(text: Bytes, record: AccessRecord) -> Self {
        Self {
            content: Content::Text(Some(text)),
            record,
        }
    }

    /// Exactly `promised` bytes of an object. What S3 sends beyond is not passed on: handing the
    /// server more than was promised would make it spin.
    #[must_use]
    pub fn object(body: OpenBody, promised: u64, record: AccessRecord) -> Self {
        Self {
            content: Content::Object(ObjectContent {
                promised,
                remaining: promised,
                current: body.first,
                rest: Some(body.rest),
            }),
            record,
        }
    }
}

impl ObjectContent {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        while self.current.is_empty() {
            let Some(rest) = &mut self.rest else {
                return Poll::Ready(None);
            };
            match ready!(rest.as_mut().poll_next(cx)) {
                Some(Ok(chunk)) => self.current = chunk,
                Some(Err(error)) => {
                    self.rest = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.rest = None,
            }
        }
        let most = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let length = self.current.len().min(PIECE_BYTES).min(most);
        let piece = self.current.split_to(length);
        let sent = u64::try_from(length).unwrap_or(u64::MAX);
        self.remaining = self.remaining.saturating_sub(sent);
        if self.remaining == 0 {
            // Read to the end, so that the connection to S3 can be used again: the reader knows
            // that it is complete when it is asked once more.
            self.rest = None;
        }
        Poll::Ready(Some(Ok(piece)))
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
            Content::Object(object) => BodySize::Sized(object.promised),
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
            Content::Object(object) => ready!(object.poll_piece(cx)),
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
