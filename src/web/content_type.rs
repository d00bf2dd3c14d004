//! Which `Content-Type` an answer about an object has: what S3 says, else what the key's extension
//! says, else what the first bytes say. A probe, a HEAD and a whole film get the same.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};

use super::decide::OpenBody;
use crate::object::first_bytes::{FIRST_BYTES, by_first_bytes};
use crate::object::media_type::{MediaType, OCTET_STREAM};
use crate::object::representation::told;
use crate::object::{ObjectKey, Representation};
use crate::semantics::{InclRange, RangeSpec};
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::storage::{ObjectReader, Piece, ReadRequest, VersionPin};

/// The type of an object. `at_hand` is a read of it and what that read is of; if it does not begin at
/// the beginning, or ends too early, and nothing else tells, the first bytes are read by themselves.
///
/// # Errors
/// Those of reading, [`ReadErrorKind::Changed`] among them.
pub async fn of(
    reader: &dyn ObjectReader,
    key: &ObjectKey,
    representation: &Representation,
    at_hand: Option<(&mut OpenBody, InclRange)>,
) -> Result<MediaType, ReadError> {
    let stored = representation.content_type.as_ref();
    if let Some(told) = told(stored, key.as_str()) {
        return Ok(told);
    }
    // With memory of its own, or every answer would have that much more to pass on.
    Box::pin(by_bytes(reader, key, representation, at_hand)).await
}

async fn by_bytes(
    reader: &dyn ObjectReader,
    key: &ObjectKey,
    representation: &Representation,
    at_hand: Option<(&mut OpenBody, InclRange)>,
) -> Result<MediaType, ReadError> {
    // Always so many and no more, so that every answer looks at the same bytes.
    let wanted = representation.length.bytes().min(FIRST_BYTES);
    let last = wanted.checked_sub(1);
    let Some(range) = last.and_then(|last| InclRange::new(0, last)) else {
        return Ok(MediaType::of_program(OCTET_STREAM));
    };
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let has_them = |(_, of): &(_, InclRange)| of.first() == 0 && of.last() >= range.last();
    let media_type = if let Some((body, _)) = at_hand.filter(has_them) {
        by_first_bytes(&first(body, wanted).await?)
    } else {
        let mut body = open(reader, key, representation, range).await?;
        by_first_bytes(&first(&mut body, wanted).await?)
    };
    Ok(MediaType::of_program(media_type.unwrap_or(OCTET_STREAM)))
}

/// Opens a read of a range of the version that is known.
async fn open(
    reader: &dyn ObjectReader,
    key: &ObjectKey,
    known: &Representation,
    range: InclRange,
) -> Result<OpenBody, ReadError> {
    let request = ReadRequest {
        key: key.clone(),
        range: Some(RangeSpec::from(range)),
        pin: VersionPin::of(known),
    };
    let read = reader.read(request).await?;
    if read.representation.length != known.length || read.extent != Some(range) {
        let target = format!("first bytes of {key}");
        return Err(ReadError::new(ReadErrorKind::Changed, target));
    }
    Ok(OpenBody {
        first: Piece::default(),
        rest: read.body,
    })
}

/// Waits until this many bytes have come in the first piece, which a network may cut anywhere, and
/// tells them.
async fn first(body: &mut OpenBody, wanted: usize) -> Result<Bytes, ReadError> {
    let first = body.take_bytes();
    if first.len() >= wanted {
        body.first = first.clone().into();
        return Ok(first.slice(..wanted));
    }
    let mut bytes = BytesMut::from(&*first);
    while bytes.len() < wanted {
        let Some(piece) = poll_fn(|cx| body.rest.as_mut().poll_next(cx)).await else {
            let kind = ReadErrorKind::BadAnswer(BadAnswer::Body);
            return Err(ReadError::new(kind, "an object without its first bytes"));
        };
        bytes.extend_from_slice(&piece?);
    }
    let bytes = bytes.freeze();
    body.first = bytes.clone().into();
    Ok(bytes.slice(..wanted))
}
