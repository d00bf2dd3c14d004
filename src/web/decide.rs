//! Which answer an object gets, with as few calls to S3 as possible.
//!
//! A plain GET or range is one GetObject: its answer tells the validators, and the decision taken
//! on them usually is to send just that body. Everything else asks HeadObject first, decides by
//! RFC 9110 here and not in S3, whose servers disagree on conditions, and then reads the version
//! that was decided on.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::content_type;
use super::extract::{Asked, Want};
use crate::object::media_type::MediaType;
use crate::object::{ObjectKey, Representation};
use crate::semantics::{CompleteLength, Conditions, RangeSpec, Selection};
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::storage::{
    Body, ObjectHead, ObjectRead, ObjectReader, Piece, ReadRequest, Served, VersionPin,
};

/// An answer, ready to be rendered.
pub struct Decided {
    /// Which answer.
    pub selection: Selection,
    /// Of which version.
    pub representation: Arc<Representation>,
    /// What is sent as its `Content-Type`, the same for every answer that has one; empty for 304, 412
    /// and 416.
    pub content_type: MediaType,
    /// Where it comes from.
    pub served: Served,
    /// Its bytes, for [`Selection::Whole`] and [`Selection::Part`] of a GET that have some; those of
    /// the first part for [`Selection::Parts`].
    pub body: Option<OpenBody>,
}

/// A body whose first bytes have arrived, so that a fault before them still had a status.
pub struct OpenBody {
    /// The first piece.
    pub first: Piece,
    /// What follows.
    pub rest: Body,
}

impl OpenBody {
    /// The first piece, in memory. What lies in a file comes again as what follows.
    #[must_use]
    pub fn take_bytes(&mut self) -> Bytes {
        match std::mem::take(&mut self.first) {
            Piece::Memory(bytes) => bytes,
            Piece::File(part) => {
                // A body that hands out files can always do this.
                let unread = u64::try_from(Piece::File(part).len()).unwrap_or(u64::MAX);
                let _ = self.rest.as_mut().pause(unread);
                Bytes::new()
            }
        }
    }
}

/// Decides within `limit`, all calls to S3 together. Dropping the future gives them up.
///
/// # Errors
/// What S3 answered instead, or [`ReadErrorKind::TimedOut`].
pub async fn decide(
    reader: &dyn ObjectReader,
    key: &ObjectKey,
    asked: &Asked,
    limit: Duration,
) -> Result<Decided, ReadError> {
    let once = || async {
        let outcome = attempt(reader, key, asked).await?;
        typed(reader, key, outcome).await
    };
    let mut decision = pin!(async {
        let mut is_first = true;
        loop {
            match once().await {
                // The object was replaced between two calls: decide again on the new version, once.
                Err(error) if is_first && error.kind == ReadErrorKind::Changed => is_first = false,
                outcome => break outcome,
            }
        }
    });
    // What is decided out of memory needs neither a timer nor a look at the clock.
    if let Poll::Ready(outcome) = poll_fn(|cx| Poll::Ready(decision.as_mut().poll(cx))).await {
        return outcome;
    }
    match timeout(limit, decision).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ReadError::new(
            ReadErrorKind::TimedOut,
            format!("all calls for {key}"),
        )),
    }
}

/// A decision whose type is not known yet.
struct Outcome {
    selection: Selection,
    representation: Arc<Representation>,
    served: Served,
    body: Option<OpenBody>,
}

/// Adds the type, where the answer tells one.
async fn typed(
    reader: &dyn ObjectReader,
    key: &ObjectKey,
    outcome: Outcome,
) -> Result<Decided, ReadError> {
    let Outcome {
        selection,
        representation,
        served,
        mut body,
    } = outcome;
    let read = match &selection {
        Selection::Whole => representation.length.whole(),
        Selection::Part(part) => Some(*part),
        Selection::Parts(parts) => parts.first().copied(),
        Selection::NotModified | Selection::PreconditionFailed | Selection::Unsatisfiable => {
            return Ok(Decided {
                selection,
                representation,
                content_type: MediaType::default(),
                served,
                body,
            });
        }
    };
    let at_hand = body.as_mut().zip(read);
    let content_type = content_type::of(reader, key, &representation, at_hand).await?;
    Ok(Decided {
        selection,
        representation,
        content_type,
        served,
        body,
    })
}

async fn attempt(
    reader: &dyn ObjectReader,
    key: &ObjectKey,
    asked: &Asked,
) -> Result<Outcome, ReadError> {
    let conditions = &asked.conditions;
    match first_call(asked) {
        FirstCall::Head => {
            let known = reader.head(key.clone()).await?;
            Box::pin(settle(reader, key, asked, known)).await
        }
        FirstCall::Read(range) => {
            let request = ReadRequest {
                key: key.clone(),
                range,
                pin: None,
            };
            match reader.open(request).await {
                Ok(read) if fits(conditions, &read) => open(conditions, read).await,
                // If-Range did not hold, and the whole object has to be sent.
                Ok(read) => {
                    let known = ObjectHead {
                        representation: read.representation,
                        served: read.served,
                    };
                    Box::pin(settle(reader, key, asked, known)).await
                }
                // The answer to 416 needs the length, which S3 does not tell with its own.
                Err(error) if error.kind == ReadErrorKind::RangeNotSatisfiable => {
                    let known = reader.head(key.clone()).await?;
                    Box::pin(settle(reader, key, asked, known)).await
                }
                Err(error) => Err(error),
            }
        }
    }
}

enum FirstCall {
    /// HeadObject: the answer may need no bytes.
    Head,
    /// GetObject: the bytes will most likely be sent.
    Read(Option<RangeSpec>),
}

fn first_call(asked: &Asked) -> FirstCall {
    let conditions = &asked.conditions;
    if asked.want == Want::HeadOnly || !conditions.preconditions.is_empty() {
        return FirstCall::Head;
    }
    let Some(range) = &conditions.range else {
        return FirstCall::Read(None);
    };
    match range.single() {
        Some(member) if can_be_read(member) => FirstCall::Read(Some(member)),
        // What can only become 416 needs no bytes, and several ranges need the length first.
        Some(_) | None => FirstCall::Head,
    }
}

fn can_be_read(member: RangeSpec) -> bool {
    !member.is_reversed() && member != RangeSpec::Suffix(0)
}

/// Decides on a known version and reads what is to be sent of just that version.
async fn settle(
    reader: &dyn ObjectReader,
    key: &ObjectKey,
    asked: &Asked,
    known: ObjectHead,
) -> Result<Outcome, ReadError> {
    let ObjectHead {
        representation: known,
        served,
    } = known;
    let selection = select(&asked.conditions, &known);
    let range = match &selection {
        Selection::Whole if asked.want == Want::Body && !known.length.is_empty() => None,
        Selection::Part(part) => Some(RangeSpec::from(*part)),
        // The first part; the others are read when it has ended.
        Selection::Parts(parts) => parts.first().copied().map(RangeSpec::from),
        Selection::Whole
        | Selection::NotModified
        | Selection::PreconditionFailed
        | Selection::Unsatisfiable => {
            return Ok(Outcome {
                selection,
                representation: known,
                served,
                body: None,
            });
        }
    };
    let request = ReadRequest {
        key: key.clone(),
        range,
        pin: VersionPin::of(&known),
    };
    let is_pinned = request.pin.is_some();
    let read = reader.read(request).await?;
    if is_pinned && read.representation.length != known.length {
        let kind = ReadErrorKind::BadAnswer(BadAnswer::Length);
        return Err(ReadError::new(
            kind,
            format!("two lengths of one version of {key}"),
        ));
    }
    if fits(&asked.conditions, &read) {
        return open(&asked.conditions, read).await;
    }
    // Without a strong tag the new version came through; it has to be decided on anew.
    Err(ReadError::new(
        ReadErrorKind::Changed,
        format!("GetObject {key}"),
    ))
}

/// What the conditions select of a version. Several parts are several reads, so they need a strong
/// tag to pin; without one the whole object is the answer.
fn select(conditions: &Conditions, version: &Representation) -> Selection {
    match conditions.select(&version.validators, version.length) {
        Selection::Parts(_) if VersionPin::of(version).is_none() => Selection::Whole,
        selection => selection,
    }
}

/// True when what was read is what the conditions select of the version that was read.
fn fits(conditions: &Conditions, read: &ObjectRead) -> bool {
    let length: CompleteLength = read.representation.length;
    match select(conditions, &read.representation) {
        Selection::Whole => read.extent == length.whole(),
        Selection::Part(part) => read.extent == Some(part),
        Selection::Parts(parts) => read.extent == parts.first().copied(),
        Selection::NotModified | Selection::PreconditionFailed | Selection::Unsatisfiable => false,
    }
}

/// Waits for the first bytes.
async fn open(conditions: &Conditions, read: ObjectRead) -> Result<Outcome, ReadError> {
    let ObjectRead {
        representation,
        extent,
        mut body,
        served,
    } = read;
    let selection = select(conditions, &representation);
    let body = match extent {
        None => None,
        Some(_) => match poll_fn(|cx| body.as_mut().poll_piece(cx)).await {
            Some(Ok(first)) => Some(OpenBody { first, rest: body }),
            Some(Err(error)) => return Err(error),
            None => {
                let kind = ReadErrorKind::BadAnswer(BadAnswer::Body);
                return Err(ReadError::new(kind, "an object without its bytes"));
            }
        },
    };
    Ok(Outcome {
        selection,
        representation,
        served,
        body,
    })
}
