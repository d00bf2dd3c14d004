//! Ways to write to a socket that the runtime has no names for.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::storage::piece::FilePart;

/// Bytes of a file that one call to the kernel takes.
const MOST_OF_FILE: usize = 1024 * 1024;

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
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    poll_with(stream, cx, || {
        let mut nothing = SendAncillaryBuffer::default();
        Ok(sendmsg(stream, slices, &mut nothing, GOES_ON)?)
    })
}

/// Has the kernel send a part of a file, as much as one call takes.
///
/// # Errors
/// Those of the socket or of the file, which [`is_of_socket`] tells apart.
pub fn poll_send_file(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    part: &FilePart,
) -> Poll<io::Result<usize>> {
    poll_with(stream, cx, || part.send(stream, MOST_OF_FILE))
}

/// Whether an error of sending a file is of the socket and not of the file.
#[must_use]
pub fn is_of_socket(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

/// Does what writes, once the socket takes something.
fn poll_with(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, &mut write) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => return Poll::Ready(written),
        }
    }
}
