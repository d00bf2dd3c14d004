//! Why a read failed, in the words of the service and not of the SDK.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A failed read. [`ReadErrorKind`] decides what a viewer is told; the rest is for the log.
#[derive(Debug)]
pub struct ReadError {
    /// What kind of failure.
    pub kind: ReadErrorKind,
    /// What was attempted, for the log: operation and key.
    pub target: String,
    /// The cause, for the log. It may tell internals and never reaches a viewer.
    pub source: Option<Box<dyn Error + Send + Sync>>,
    /// How long the origin wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// The kinds of failure that are answered or counted differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadErrorKind {
    /// No such key.
    NotFound,
    /// Access to the key was denied by an origin that also says so for missing keys, because we
    /// may not list.
    DeniedOrMissing,
    /// Access to the key was denied although we may list: a permission is missing.
    Denied,
    /// The object is archived and has no restored copy.
    Archived,
    /// The object is not the version that was asked for any more.
    Changed,
    /// No byte of the object is in the range.
    RangeNotSatisfiable,
    /// The origin wants fewer requests.
    Throttled,
    /// More calls wait for the origin than we let.
    Overloaded,
    /// The origin could not be reached, or the connection broke.
    Unreachable,
    /// The origin did not answer, or stopped sending, in time.
    TimedOut,
    /// The origin says that it failed.
    OriginFailed,
    /// The answer contradicts the request or itself.
    BadAnswer(BadAnswer),
    /// Credentials, clock, region, bucket or keys of ours are wrong.
    Misconfigured,
    /// A fault of this program.
    Internal,
}

/// What was wrong with an answer; a label of the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadAnswer {
    /// Not HTTP, or not what the operation answers.
    Malformed,
    /// 206 without `Content-Range`, 200 with one, or 200 to a ranged read.
    Status,
    /// `Content-Range` names other bytes than were asked for, or cannot be read.
    ContentRange,
    /// No length, or one that contradicts `Content-Range`.
    Length,
    /// Another entity tag than was asked for.
    EntityTag,
    /// The body ended early or went on too long.
    Body,
    /// A page for people to sign in, or a redirect to one, in place of the object.
    SignInPage,
}

impl BadAnswer {
    /// The name in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Status => "status",
            Self::ContentRange => "content_range",
            Self::Length => "length",
            Self::EntityTag => "entity_tag",
            Self::Body => "body",
            Self::SignInPage => "sign_in_page",
        }
    }
}

/// Whose fault a failure is, which decides how loudly it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The viewer asked for what is not there.
    Client,
    /// The origin misbehaves.
    Upstream,
    /// We are set up wrongly.
    Own,
}

impl ReadErrorKind {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::NotFound
            | Self::DeniedOrMissing
            | Self::Archived
            | Self::Changed
            | Self::RangeNotSatisfiable => Fault::Client,
            Self::Throttled
            | Self::Unreachable
            | Self::TimedOut
            | Self::OriginFailed
            | Self::Overloaded
            | Self::BadAnswer(_) => Fault::Upstream,
            Self::Denied | Self::Misconfigured | Self::Internal => Fault::Own,
        }
    }

    /// The name in labels and log lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::DeniedOrMissing => "denied_or_missing",
            Self::Denied => "denied",
            Self::Archived => "archived",
            Self::Changed => "changed",
            Self::RangeNotSatisfiable => "range_not_satisfiable",
            Self::Throttled => "throttled",
            Self::Overloaded => "overloaded",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::OriginFailed => "origin_failed",
            Self::BadAnswer(_) => "bad_answer",
            Self::Misconfigured => "misconfigured",
            Self::Internal => "internal",
        }
    }
}

impl ReadError {
    /// An error without a cause.
    #[must_use]
    pub fn new(kind: ReadErrorKind, target: impl Into<String>) -> Self {
        Self {
            kind,
            target: target.into(),
            source: None,
            retry_after: None,
        }
    }

    /// The same error for another who waited for the same.
    #[must_use]
    pub fn shared(error: &Arc<Self>) -> Self {
        let source = error.source.is_some();
        Self {
            kind: error.kind,
            target: error.target.clone(),
            source: source.then(|| Box::new(SharedCause(Arc::clone(error))).into()),
            retry_after: error.retry_after,
        }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.target, self.kind.as_str())?;
        if let ReadErrorKind::BadAnswer(what) = self.kind {
            write!(f, " ({})", what.as_str())?;
        }
        // The whole chain, since the interesting cause of an SDK error is its innermost.
        let mut cause: Option<&dyn Error> = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The cause of an error that several wait for.
#[derive(Debug)]
struct SharedCause(Arc<ReadError>);

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .source
            .as_ref()
            .map_or(Ok(()), |source| source.fmt(f))
    }
}

impl Error for SharedCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref()?.source()
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| {
            let source: &(dyn Error + 'static) = source;
            source
        })
    }
}
