//! Reading objects: what every reader promises, and the one over S3.
//!
//! A reader is asked for one version and one range and gives a body whose every byte has been
//! checked to belong to it, or an error. Wrappers (retry, cache, read-ahead) are readers that hold
//! a reader: [`resume`] is one, which makes calls again as [`retry`] allows, [`gate`] another.
//! Innermost is the reader of an origin: [`s3`], the only place that knows the AWS SDK, [`mod@file`] or
//! [`databricks`]. What the latter needs of HTTP is in [`http`], and what each can promise is
//! [`capability`], whether it answers its [`health`].

pub mod capability;
pub mod databricks;
pub mod error;
pub mod file;
pub mod gate;
pub mod health;
pub mod http;
pub mod piece;
pub mod resume;
pub mod retry;
pub mod s3;
pub mod version;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;

use crate::object::{ObjectKey, Representation};
use crate::semantics::{InclRange, RangeSpec};

pub use capability::Capabilities;
pub use error::{Fault, ReadError, ReadErrorKind};
pub use piece::Piece;
pub use version::VersionPin;

/// A future that may move between threads, boxed so that readers can be chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The bytes of a read in order. It ends after exactly the bytes that were promised, or with an
/// error; never short without one. Dropping it gives up the read at once.
pub trait ObjectBody: Stream<Item = Result<Bytes, ReadError>> + Send {
    /// Gives up what the read holds, connection and buffers, until it is polled again: the viewer
    /// takes nothing at the moment. The last `unread` bytes that were handed out were not used
    /// and have to come again.
    ///
    /// A body that cannot do this stays as it is, and says so.
    #[must_use]
    fn pause(self: Pin<&mut Self>, unread: u64) -> Paused {
        let _ = unread;
        Paused::No
    }

    /// Takes back the last `unread` bytes that were handed out: the viewer is slow, and they lie in
    /// memory that others may need. Only a body that has them again at no cost does so.
    #[must_use]
    fn give_back(self: Pin<&mut Self>, unread: u64) -> Paused {
        let _ = unread;
        Paused::No
    }

    /// The next bytes as they lie, for whoever can send files. The same as polling the stream, but for
    /// those.
    fn poll_piece(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece, ReadError>>> {
        self.poll_next(cx).map_ok(Piece::Memory)
    }

    /// Takes back the last `unread` bytes that were handed out, the first of which lie in a file that
    /// could not be sent. They come again from elsewhere.
    #[must_use]
    fn file_failed(self: Pin<&mut Self>, unread: u64) -> Paused {
        self.pause(unread)
    }

    /// How often it had to be opened again.
    fn resumes(&self) -> u32 {
        0
    }
}

/// Whether a body gave up what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paused {
    /// It did; what it handed out last is to be thrown away.
    Yes,
    /// It did not.
    No,
}

/// A body, chosen at run time.
pub type Body = Pin<Box<dyn ObjectBody>>;

/// What to read.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// The object.
    pub key: ObjectKey,
    /// Which bytes; `None` for all.
    pub range: Option<RangeSpec>,
    /// The version it has to be, if that is settled already. Readers fail with
    /// [`ReadErrorKind::Changed`] for any other.
    pub pin: Option<VersionPin>,
}

/// An object, open for reading.
pub struct ObjectRead {
    /// The version that the bytes belong to. It is passed from hand to hand.
    pub representation: Arc<Representation>,
    /// Which bytes of it the body carries; `None` for an empty object, which has none.
    pub extent: Option<InclRange>,
    /// The bytes.
    pub body: Body,
    /// Where they come from.
    pub served: Served,
}

/// A read that is begun: a future of it.
pub enum Opened<'a> {
    /// It is open, or cannot be; `None` once that was told.
    Now(Option<Result<ObjectRead, ReadError>>),
    /// It has to be waited for.
    Later(BoxFuture<'a, Result<ObjectRead, ReadError>>),
}

impl Opened<'_> {
    /// What is open, or cannot be.
    #[must_use]
    pub const fn now(read: Result<ObjectRead, ReadError>) -> Self {
        Self::Now(Some(read))
    }
}

impl Future for Opened<'_> {
    type Output = Result<ObjectRead, ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            // No future is asked again.
            Self::Now(read) => read.take().map_or(Poll::Pending, Poll::Ready),
            Self::Later(read) => read.as_mut().poll(cx),
        }
    }
}

/// What an object is, without its bytes.
#[derive(Debug, Clone)]
pub struct ObjectHead {
    /// The current version.
    pub representation: Arc<Representation>,
    /// Where that is known from.
    pub served: Served,
}

/// Where an answer comes from, and how old what it says of the object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Where from.
    pub source: Source,
    /// How long ago the origin said so.
    pub age: Duration,
}

/// Where an answer comes from (RFC 9211 has names for most).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// From the origin: there is no cache.
    Origin,
    /// All that the answer began with was kept.
    Kept,
    /// It was kept, and the origin said that it still holds.
    AskedAgain,
    /// It was fetched for this request, and is kept.
    Missed,
    /// It was being fetched for another request.
    Joined,
    /// From the origin, past the cache: it cannot be kept, or there is no room.
    PassedBy,
}

impl Source {
    /// The name in labels and log lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Origin => "-",
            Self::Kept => "hit",
            Self::AskedAgain => "revalidated",
            Self::Missed => "miss",
            Self::Joined => "coalesced",
            Self::PassedBy => "bypass",
        }
    }
}

impl Served {
    /// From there, and said just now.
    #[must_use]
    pub const fn now(source: Source) -> Self {
        Self {
            source,
            age: Duration::ZERO,
        }
    }
}

/// The body of an empty object.
pub struct Nothing;

impl Stream for Nothing {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

impl ObjectBody for Nothing {}

/// Reads objects.
pub trait ObjectReader: Send + Sync {
    /// Opens an object. The body may be polled on any thread; dropping the future or the body
    /// closes the connection to the origin unless all bytes have been read.
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>>;

    /// The same, without memory of its own where nothing has to be waited for.
    fn open(&self, request: ReadRequest) -> Opened<'_> {
        Opened::Later(self.read(request))
    }

    /// Asks what an object is, without its bytes.
    fn head(&self, key: ObjectKey) -> BoxFuture<'_, Result<ObjectHead, ReadError>>;

    /// What its origin can promise. Wrappers pass on what they wrap.
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }
}

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct ListRequest {
    /// Keys have to start with this.
    pub prefix: String,
    /// The token of the page before, if this is not the first.
    pub after: Option<String>,
}

/// What a bucket holds at one level, folders being what lies before the next `/`.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Prefixes one level down, with their final `/`.
    pub folders: Vec<String>,
    /// Objects at this level.
    pub objects: Vec<ListedObject>,
    /// Token for the next page, if there is one.
    pub next: Option<String>,
}

/// An object in a listing.
#[derive(Debug, Clone)]
pub struct ListedObject {
    /// Full key.
    pub key: String,
    /// Length in bytes.
    pub size: u64,
    /// Seconds since 1970 of the last change, if told.
    pub modified: Option<i64>,
}

/// Lists objects.
pub trait ObjectLister: Send + Sync {
    /// Lists one page, at most a thousand entries.
    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, ReadError>>;
}
