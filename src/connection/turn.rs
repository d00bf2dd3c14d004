//! Whose turn it is on a connection.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use super::pace::LetGo;

/// The viewer may send a request, or we have to answer one. Shared between a connection and the
/// answers to its requests, on one thread.
#[derive(Debug, Default)]
pub struct Turn {
    is_ours: Cell<bool>,
    is_over: Cell<bool>,
    let_go: Cell<Option<LetGo>>,
    reader: RefCell<Option<Waker>>,
    /// The reader has bytes that it holds back until its turn comes.
    is_held_back: Cell<bool>,
}

impl Turn {
    /// True while a request is being answered.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.is_ours.get()
    }

    /// A complete request head came: it is our turn.
    pub fn request_came(&self) {
        self.is_ours.set(true);
    }

    /// The answer was handed to the server to its last byte: it is the viewer's turn.
    pub fn answered(&self) {
        self.is_ours.set(false);
        // Otherwise the socket wakes it, with the first byte that comes.
        let is_awaited = self.is_held_back.get() || self.is_over.get();
        if let Some(reader) = self.reader.take().filter(|_| is_awaited) {
            reader.wake();
        }
    }

    /// No answer follows the one being given: the viewer was told that the connection closes.
    pub fn is_last(&self) {
        self.is_over.set(true);
    }

    /// True when no further answer will be given.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// The connection is being closed under the answer.
    pub fn let_go(&self, why: LetGo) {
        self.let_go.set(Some(why));
    }

    /// Why the connection is being closed under the answer, if it is.
    #[must_use]
    pub fn why_let_go(&self) -> Option<LetGo> {
        self.let_go.get()
    }

    /// Wakes a reader that waits for its turn, if it has bytes that it holds back, or when no further
    /// answer will be given.
    pub fn wake_when_answered(&self, reader: &Waker, is_held_back: bool) {
        self.is_held_back.set(is_held_back);
        let mut waiting = self.reader.borrow_mut();
        match waiting.as_mut() {
            Some(known) => known.clone_from(reader),
            None => *waiting = Some(reader.clone()),
        }
    }
}
