//! Ways to write to a socket that the runtime has no names for.

use std::io;
use std::task::{Context, Poll, ready};

use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::outlet::Unsendable;
use super::pipe::{self, Sent, Stopped};
use crate::storage::piece::FilePart;

/// More comes at once, so no packet is made of the rest yet.
#[cfg(target_os = "linux")]
const GOES_ON: SendFlags = SendFlags::MORE;
#[cfg(not(target_os = "linux"))]
const GOES_ON: SendFlags = SendFlags::empty();

/// Writes what a file follows.
///
/// # Errors
/// Those of the socket.
pub fn poll_begin(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, || Ok(send(stream, bytes, GOES_ON)?)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => return Poll::Ready(written),
        }
    }
}

/// Has the kernel send a part of a file, as much as it takes at once.
///
/// # Errors
/// [`Unsendable`].
pub fn poll_send_file(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    part: &FilePart,
) -> Poll<Result<usize, Unsendable>> {
    loop {
        ready!(stream.poll_write_ready(cx)).map_err(Unsendable::Viewer)?;
        let mut sent = Sent::default();
        let tried = stream.try_io(Interest::WRITABLE, || {
            sent = pipe::send(part, stream);
            // Told to the runtime also when it took something first, so that it is not tried in vain.
            match sent.stopped {
                Some(Stopped::Full) => Err(io::ErrorKind::WouldBlock.into()),
                Some(Stopped::File(_) | Stopped::Socket(_)) | None => Ok(()),
            }
        });
        match sent.stopped {
            _ if sent.bytes > 0 => return Poll::Ready(Ok(sent.bytes)),
            Some(Stopped::File(error)) => return Poll::Ready(Err(Unsendable::File(error))),
            Some(Stopped::Socket(error)) => return Poll::Ready(Err(Unsendable::Viewer(error))),
            Some(Stopped::Full) => {}
            // It was not ready after all, or there was nothing to send.
            None if tried.is_err() => {}
            None => return Poll::Ready(Ok(0)),
        }
    }
}
