//! A body on its way to a viewer of HTTP/2.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};

use super::super::body::ViewerBody;
use crate::connection::{LetGo, Taking, Turn, ViewerLimits};

/// A frame of so many bytes and its head of nine make the largest record of TLS. Viewers take frames that
/// are hardly larger, unless they say so.
const PART_BYTES: usize = 16 * 1024 - 9;

/// What is taken out of a body at once.
const PIECE_BYTES: usize = 2 * PART_BYTES;

/// An answer on its way.
struct Answer {
    body: RefCell<ViewerBody>,
    /// Parts that wait for the viewer.
    waiting: Cell<usize>,
    /// Woken when none waits any more.
    sender: RefCell<Option<Waker>>,
}

/// Bytes of a body that wait for the viewer, in memory of their own: what they come from may have to make
/// room while it takes its time. Each is told of when it leaves.
pub struct Part {
    bytes: Bytes,
    of: Rc<Answer>,
}

impl Part {
    fn new(bytes: Bytes, of: &Rc<Answer>) -> Self {
        of.waiting.set(of.waiting.get().saturating_add(1));
        Self {
            bytes,
            of: Rc::clone(of),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let waiting = self.of.waiting.get().saturating_sub(1);
        self.of.waiting.set(waiting);
        let sender = (waiting == 0).then(|| self.of.sender.take());
        if let Some(sender) = sender.flatten() {
            sender.wake();
        }
    }
}

impl Buf for Part {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, length: usize) {
        self.bytes.advance(length);
        self.of.body.borrow_mut().took(length);
    }
}

/// Why an answer ends before its last byte.
enum Cut {
    /// The viewer has left, or wants no more of this answer.
    Left,
    /// The viewer takes too little.
    LetGo(LetGo),
    /// The bytes do not come.
    Body,
}

/// Sends a body of so many bytes, as fast as the viewer takes it, until it has left.
pub async fn send(
    mut stream: SendStream<Part>,
    body: ViewerBody,
    length: u64,
    turn: &Turn,
    limits: ViewerLimits,
) {
    let answer = Rc::new(Answer {
        body: RefCell::new(body),
        waiting: Cell::new(0),
        sender: RefCell::new(None),
    });
    let mut taking = Taking::new(limits);
    match pass_on(&mut stream, &answer, length, &mut taking).await {
        Ok(()) | Err(Cut::Left) => {}
        // The body has told why, and the viewer has to know that something is missing. It gets first what
        // came before.
        Err(Cut::Body) => {
            let _ = poll_fn(|cx| poll_left(&answer, &mut taking, cx)).await;
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
        Err(Cut::LetGo(why)) => {
            turn.let_go(why);
            stream.send_reset(Reason::CANCEL);
        }
    }
}

async fn pass_on(
    stream: &mut SendStream<Part>,
    answer: &Rc<Answer>,
    mut left: u64,
    taking: &mut Taking,
) -> Result<(), Cut> {
    while left > 0 {
        let mut piece = poll_fn(|cx| poll_piece(stream, answer, cx)).await?;
        while !piece.is_empty() {
            stream.reserve_capacity(piece.len());
            let room = poll_fn(|cx| poll_room(stream, taking, cx)).await?;
            let part = piece.split_to(room.min(piece.len()).min(PART_BYTES));
            let length = part.len();
            left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
            let part = Part::new(part, answer);
            stream.send_data(part, left == 0).map_err(|_| Cut::Left)?;
            taking.took(length).map_err(Cut::LetGo)?;
        }
    }
    poll_fn(|cx| poll_left(answer, taking, cx)).await
}

/// Waits for the next bytes, or until the viewer wants no more.
fn poll_piece(
    stream: &mut SendStream<Part>,
    answer: &Answer,
    cx: &mut Context<'_>,
) -> Poll<Result<Bytes, Cut>> {
    if stream.poll_reset(cx).is_ready() {
        return Poll::Ready(Err(Cut::Left));
    }
    let next = ready!(answer.body.borrow_mut().poll_piece(cx, PIECE_BYTES));
    Poll::Ready(match next {
        Some(Ok(piece)) => Ok(Bytes::copy_from_slice(&piece)),
        Some(Err(_)) | None => Err(Cut::Body),
    })
}

/// Waits until there is room for more, and tells for how many bytes.
fn poll_room(
    stream: &mut SendStream<Part>,
    taking: &mut Taking,
    cx: &mut Context<'_>,
) -> Poll<Result<usize, Cut>> {
    let mut room = stream.capacity();
    while room == 0 {
        let more = stream.poll_capacity(cx);
        if more.is_pending() {
            taking.waits(cx).map_err(Cut::LetGo)?;
        }
        match ready!(more) {
            Some(Ok(more)) => room = more,
            Some(Err(_)) | None => return Poll::Ready(Err(Cut::Left)),
        }
    }
    Poll::Ready(Ok(room))
}

/// Waits until nothing waits for the viewer any more. A window that is taken back holds what was let
/// through it.
fn poll_left(answer: &Answer, taking: &mut Taking, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
    if answer.waiting.get() == 0 {
        return Poll::Ready(Ok(()));
    }
    *answer.sender.borrow_mut() = Some(cx.waker().clone());
    taking.waits(cx).map_err(Cut::LetGo)?;
    Poll::Pending
}
