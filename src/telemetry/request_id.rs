//! The name of one request in answers and in the log.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

thread_local! {
    /// The request that this thread works on at this moment.
    static CURRENT: RefCell<Option<RequestId>> = const { RefCell::new(None) };
}

/// What a caller may choose as request id, in bytes.
const MAX_BYTES: usize = 64;

/// A request id: letters, digits, `_` and `-` only, so that it is safe in a field, in a log line
/// and in JSON without escaping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id that the caller sent in `X-Request-Id` if it is harmless, else a new one.
    #[must_use]
    pub fn from_header(value: Option<&[u8]>) -> Self {
        value
            .and_then(|value| std::str::from_utf8(value).ok())
            .filter(|id| {
                (1..=MAX_BYTES).contains(&id.len())
                    && id
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            })
            .map_or_else(Self::random, |id| Self(id.into()))
    }

    /// A new id: 64 random bits. It names a request for people and protects nothing.
    #[must_use]
    pub fn random() -> Self {
        // Every request needs one, and formatting costs as much as all else about it.
        let bits = fastrand::u64(..);
        let digits: [u8; 16] = std::array::from_fn(|place| hex_digit(bits >> (60 - 4 * place)));
        Self(std::str::from_utf8(&digits).unwrap_or_default().into())
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Does a piece of work for this request: lines that are logged meanwhile tell its id, also those
    /// of layers that know nothing of requests.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let _back = Entered(CURRENT.replace(Some(self.clone())));
        work()
    }

    /// The same for all the work of a future.
    pub fn throughout<T>(
        &self,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> impl Future<Output = T> {
        poll_fn(move |cx| self.during(|| work.as_mut().poll(cx)))
    }

    /// The request that this thread works on.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }
}

/// The last four bits as a digit.
fn hex_digit(bits: u64) -> u8 {
    match u8::try_from(bits & 0xf).unwrap_or_default() {
        digit @ 0..=9 => b'0' + digit,
        digit => b'a' + digit - 10,
    }
}

/// Puts back what was current before, also when the work panics.
struct Entered(Option<RequestId>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn what_is_done_for_a_request_knows_it_and_nothing_else_does() {
        let (outer, inner) = (RequestId::random(), RequestId::random());
        let mut polled = 0;
        let both = poll_fn(|_| {
            polled += 1;
            let within = inner.during(RequestId::current);
            let seen = (within, RequestId::current());
            if polled < 2 {
                Poll::Pending
            } else {
                Poll::Ready(seen)
            }
        });
        let both = pin!(both);
        let mut work = pin!(outer.throughout(both));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(work.as_mut().poll(&mut cx).is_pending());
        assert_eq!(RequestId::current(), None);
        let Poll::Ready((within, around)) = work.as_mut().poll(&mut cx) else {
            panic!("it is done");
        };
        assert_eq!(within.as_ref(), Some(&inner));
        assert_eq!(around.as_ref(), Some(&outer));
        assert_eq!(RequestId::current(), None);
    }

    #[test]
    fn a_harmless_id_is_kept_and_any_other_replaced() {
        let kept = RequestId::from_header(Some(b"trace_42-A"));
        assert_eq!(kept.as_str(), "trace_42-A");
        let long = "x".repeat(65);
        for refused in [&b""[..], b"a b", b"a\"b", b"\xff", long.as_bytes()] {
            let id = RequestId::from_header(Some(refused));
            assert_eq!(id.as_str().len(), 16, "{refused:?}");
        }
    }
}
