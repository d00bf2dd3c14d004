//! Several ranges in one answer: `multipart/byteranges` (RFC 9110 section 14.6).
//!
//! Each part is a ranged read of its own, opened when the part before it has ended and pinned to
//! the version of the first. The length of the whole is known before the first byte.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use super::decide::OpenBody;
use crate::semantics::{CompleteLength, ContentRange, InclRange};
use crate::storage::error::ReadError;
use crate::storage::version::PinnedVersion;
use crate::storage::{Body, BoxFuture, ObjectBody, ObjectRead, Paused};

/// The text around the parts, and with it the length of the answer.
#[derive(Debug, Clone)]
pub struct Framing {
    boundary: String,
    heads: Vec<Bytes>,
    end: Bytes,
    length: u64,
}

impl Framing {
    /// Frames `parts` of an object of this length and type. The boundary is 128 random bits, so
    /// that no object can be made to contain it.
    #[must_use]
    pub fn new(parts: &[InclRange], complete: CompleteLength, content_type: &str) -> Self {
        let boundary = format!("{:032x}", fastrand::u128(..));
        let heads: Vec<Bytes> = parts
            .iter()
            .enumerate()
            .filter_map(|(index, part)| {
                let line_end = if index == 0 { "" } else { "\r\n" };
                let content_range = ContentRange::new(*part, complete)?;
                Some(Bytes::from(format!(
                    "{line_end}--{boundary}\r\nContent-Type: {content_type}\r\n\
                     Content-Range: {content_range}\r\n\r\n"
                )))
            })
            .collect();
        let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let texts = heads.iter().chain([&end]).map(length_of).sum::<u64>();
        let bytes = parts
            .iter()
            .fold(0_u64, |sum, part| sum.saturating_add(part.byte_count()));
        Self {
            boundary,
            heads,
            end,
            length: bytes.saturating_add(texts),
        }
    }

    /// `Content-Type` of the answer.
    #[must_use]
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// `Content-Length` of the answer.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }
}

fn length_of(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Parts and the text around them, as one body.
pub struct MultipartBody {
    version: PinnedVersion,
    texts: VecDeque<Bytes>,
    parts: VecDeque<InclRange>,
    /// The first piece of the first part, which is in hand already.
    first: Option<Bytes>,
    state: State,
    /// How many of the bytes handed out last are the open part's own.
    own: u64,
    resumes: u32,
}

enum State {
    /// The text before the next part, or the end, is to be handed out.
    Text,
    Opening(InclRange, BoxFuture<'static, Result<ObjectRead, ReadError>>),
    Part(Body),
    Ended,
}

impl MultipartBody {
    /// `first` is the open read of the first of `parts`.
    #[must_use]
    pub fn new(
        version: PinnedVersion,
        framing: Framing,
        parts: &[InclRange],
        mut first: OpenBody,
    ) -> Self {
        let bytes = first.take_bytes();
        let mut texts = VecDeque::from(framing.heads);
        texts.push_back(framing.end);
        let mut body = Self {
            version,
            texts,
            parts: parts.iter().skip(1).copied().collect(),
            first: None,
            state: State::Part(first.rest),
            own: length_of(&bytes),
            resumes: 0,
        };
        // The head of the first part and its first piece go out as one.
        let head = body.texts.pop_front().unwrap_or_default();
        body.first = Some([head, bytes].concat().into());
        body
    }

    /// The first piece, apart from what follows, as bodies are handed on.
    #[must_use]
    pub fn open(mut self) -> OpenBody {
        OpenBody {
            first: self.first.take().unwrap_or_default().into(),
            rest: Box::pin(self),
        }
    }
}

impl MultipartBody {
    /// Only in the midst of a part: what is unread has to be that part's own bytes.
    fn take_back(
        &mut self,
        unread: u64,
        give: impl FnOnce(Pin<&mut dyn ObjectBody>) -> Paused,
    ) -> Paused {
        let State::Part(body) = &mut self.state else {
            return Paused::No;
        };
        if unread > self.own {
            return Paused::No;
        }
        let given = give(body.as_mut());
        if given == Paused::Yes {
            self.own = self.own.saturating_sub(unread);
        }
        given
    }
}

impl Stream for MultipartBody {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let error = match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Text => {
                    this.state = match this.parts.pop_front() {
                        Some(part) => State::Opening(part, this.version.open(part)),
                        None => State::Ended,
                    };
                    this.own = 0;
                    return Poll::Ready(this.texts.pop_front().map(Ok));
                }
                State::Opening(part, opening) => {
                    let part = *part;
                    let read = ready!(opening.as_mut().poll(cx));
                    match read.and_then(|read| this.version.check(read, part)) {
                        Ok(body) => {
                            this.state = State::Part(body);
                            continue;
                        }
                        Err(error) => error,
                    }
                }
                State::Part(body) => match ready!(body.as_mut().poll_next(cx)) {
                    Some(Ok(chunk)) => {
                        this.own = this.own.saturating_add(length_of(&chunk));
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                    Some(Err(error)) => error,
                    None => {
                        this.resumes = this.resumes.saturating_add(body.resumes());
                        this.state = State::Text;
                        continue;
                    }
                },
            };
            this.state = State::Ended;
            return Poll::Ready(Some(Err(error)));
        }
    }
}

impl ObjectBody for MultipartBody {
    fn pause(mut self: Pin<&mut Self>, unread: u64) -> Paused {
        self.take_back(unread, |body| body.pause(unread))
    }

    fn give_back(mut self: Pin<&mut Self>, unread: u64) -> Paused {
        self.take_back(unread, |body| body.give_back(unread))
    }

    fn resumes(&self) -> u32 {
        let open = match &self.state {
            State::Part(body) => body.resumes(),
            State::Text | State::Opening(..) | State::Ended => 0,
        };
        self.resumes.saturating_add(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_that_of_its_parts_and_all_text_around_them() {
        let parts: Vec<_> = [(0, 1), (500, 501)]
            .into_iter()
            .filter_map(|(first, last)| InclRange::new(first, last))
            .collect();
        let framing = Framing::new(&parts, CompleteLength::new(1000), "video/mp4");
        let boundary = &framing.boundary;
        let expected = format!(
            "--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-1/1000\r\n\r\n\
             ab\
             \r\n--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes 500-501/1000\r\n\r\n\
             cd\
             \r\n--{boundary}--\r\n"
        );
        assert_eq!(framing.length(), u64::try_from(expected.len()).unwrap());
    }
}
