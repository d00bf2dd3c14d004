//! Reading past the cache, where there is no room in it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::semantics::InclRange;
use crate::storage::error::ReadError;
use crate::storage::version::PinnedVersion;
use crate::storage::{Body, BoxFuture, ObjectRead};

/// A read of a part of a version, as if there were no cache.
pub struct PastCache {
    version: PinnedVersion,
    range: InclRange,
    state: State,
}

enum State {
    Opening(BoxFuture<'static, Result<ObjectRead, ReadError>>),
    Reading(Body),
}

impl PastCache {
    /// Begins to read `range`.
    #[must_use]
    pub fn open(version: PinnedVersion, range: InclRange) -> Self {
        let state = State::Opening(version.open(range));
        Self {
            version,
            range,
            state,
        }
    }

    /// The next bytes.
    ///
    /// # Errors
    /// Those of the read, also that it is not of this version and range.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        loop {
            match &mut self.state {
                State::Opening(opening) => {
                    let read = ready!(opening.as_mut().poll(cx));
                    match read.and_then(|read| self.version.check(read, self.range)) {
                        Ok(body) => self.state = State::Reading(body),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                State::Reading(body) => return body.as_mut().poll_next(cx),
            }
        }
    }

    /// How often it had to be opened again.
    #[must_use]
    pub fn resumes(&self) -> u32 {
        match &self.state {
            State::Opening(_) => 0,
            State::Reading(body) => body.resumes(),
        }
    }
}
