//! What every origin's reader does, whatever it reads: the one suite that all of them pass, wrapped as
//! viewers are served through them.

mod errors;
mod keys;
mod listing;
mod pins;
mod ranges;
mod service;

use std::future::poll_fn;

use bytes::Bytes;
use s3reel::object::{ObjectKey, Representation};
use s3reel::semantics::{RangeSpec, RangesSpecifier};
use s3reel::storage::{
    Body, ObjectRead, ObjectReader, ReadError, ReadErrorKind, ReadRequest, VersionPin,
};

use crate::support::in_time;

/// A key.
pub fn key(key: &str) -> ObjectKey {
    ObjectKey::new(key.to_owned()).expect("a key")
}

/// A range as a viewer writes it; empty for none.
pub fn range(text: &str) -> Option<RangeSpec> {
    let parsed = RangesSpecifier::parse(text.as_bytes()).ok()?;
    Some(parsed.single().expect("one range"))
}

/// A request for a range of an object.
pub fn request(name: &str, text: &str) -> ReadRequest {
    ReadRequest {
        key: key(name),
        range: range(text),
        pin: None,
    }
}

/// The next piece of a body.
pub async fn piece(body: &mut Body) -> Option<Result<Bytes, ReadError>> {
    in_time("a piece", poll_fn(|cx| body.as_mut().poll_next(cx))).await
}

/// All that comes of a body, and how it ended.
pub async fn collect(body: &mut Body) -> (Vec<u8>, Option<ReadErrorKind>) {
    let mut bytes = Vec::new();
    loop {
        match piece(body).await {
            None => return (bytes, None),
            Some(Ok(piece)) => bytes.extend_from_slice(&piece),
            Some(Err(error)) => return (bytes, Some(error.kind)),
        }
    }
}

/// Opens a read, or says why not.
pub async fn open(
    reader: &dyn ObjectReader,
    request: ReadRequest,
) -> Result<ObjectRead, ReadErrorKind> {
    let read = in_time("an answer", reader.read(request)).await;
    read.map_err(|error| error.kind)
}

/// The bytes of a read that goes well.
pub async fn bytes(reader: &dyn ObjectReader, request: ReadRequest) -> Vec<u8> {
    let named = format!("{request:?}");
    let mut read = match reader.read(request).await {
        Ok(read) => read,
        Err(error) => panic!("{named}: {error}"),
    };
    let (bytes, error) = collect(&mut read.body).await;
    assert_eq!(error, None, "{named}");
    bytes
}

/// What is told of an object.
pub async fn head(reader: &dyn ObjectReader, name: &str) -> Result<Representation, ReadErrorKind> {
    let head = in_time("an answer", reader.head(key(name))).await;
    head.map(|head| Representation::clone(&head.representation))
        .map_err(|error| error.kind)
}

/// The pin of what an object is now.
pub async fn pin(reader: &dyn ObjectReader, name: &str) -> VersionPin {
    let known = head(reader, name).await.expect("an object");
    VersionPin::of(&known).expect("a strong tag")
}
