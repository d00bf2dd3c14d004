//! What readers of a body may do with it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

use super::{BlockBody, State, Wants};
use crate::storage::{ObjectBody, Paused, Piece, ReadError};

impl Stream for BlockBody {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.poll_any(cx, Wants::Bytes);
        // Files are not handed out where bytes are wanted.
        next.map(|next| next.and_then(|piece| piece.map(Piece::into_bytes).transpose()))
    }
}

impl ObjectBody for BlockBody {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece, ReadError>>> {
        self.poll_any(cx, Wants::Pieces)
    }

    fn file_failed(mut self: Pin<&mut Self>, unread: u64) -> Paused {
        let paused = self.as_mut().pause(unread);
        self.has_failed_file = true;
        if let Some(disk) = &self.engine().disk {
            let index = self.next / self.engine().blocks.block_size();
            disk.distrust(&self.engine().on_disk(&self.identity, index));
        }
        paused
    }

    fn pause(mut self: Pin<&mut Self>, unread: u64) -> Paused {
        let stashed = self.stash.take().map_or(0, |stash| stash.len());
        let unread = unread.saturating_add(u64::try_from(stashed).unwrap_or(u64::MAX));
        self.next = self.next.saturating_sub(unread);
        self.interest = None;
        self.ahead = None;
        if matches!(self.state, State::Passing(_)) {
            self.resumes = self.resumes.saturating_add(1);
        }
        self.state = State::Between;
        Paused::Yes
    }

    fn give_back(mut self: Pin<&mut Self>, unread: u64) -> Paused {
        match self.state {
            State::Between | State::In { .. } if unread <= self.next => {
                let stashed = self.stash.take().map_or(0, |stash| stash.len());
                let unread = unread.saturating_add(u64::try_from(stashed).unwrap_or(u64::MAX));
                self.next = self.next.saturating_sub(unread);
                Paused::Yes
            }
            State::Between | State::In { .. } | State::Waiting(..) | State::Passing(_) => {
                Paused::No
            }
        }
    }

    fn resumes(&self) -> u32 {
        let passing = match &self.state {
            State::Passing(past) => past.resumes(),
            State::Between | State::In { .. } | State::Waiting(..) => 0,
        };
        self.resumes.saturating_add(passing)
    }
}
