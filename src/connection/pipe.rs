//! The way of a file into a socket: through a pipe, which takes what the page cache holds without a copy.
//!
//! `sendfile` has a pipe of its own, of 64 KiB, and goes round it once for each. A larger one takes a
//! sixth less of the CPU. It belongs to the thread and is empty between calls: what the socket does not
//! take is thrown away and comes again.

#[cfg(target_os = "linux")]
use std::cell::RefCell;
#[cfg(target_os = "linux")]
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

#[cfg(target_os = "linux")]
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use crate::storage::piece::FilePart;

/// Bytes that the pipe takes: more gain no more. The kernel lets a user without privileges have 64 MiB
/// of pipes in all.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 512 * 1024;

/// Parts that are as short as what `sendfile` takes at once go by that: with one call, and not two.
#[cfg(target_os = "linux")]
const SHORT_BYTES: usize = 64 * 1024;

/// Bytes of a file that one call here takes.
const MOST_BYTES: usize = 1024 * 1024;

/// How a part of a file was sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// Bytes that the socket took.
    pub bytes: usize,
    /// Why it took no more.
    pub stopped: Option<Stopped>,
}

/// Why a part of a file is not sent to its end.
#[derive(Debug)]
pub enum Stopped {
    /// The socket takes no more now.
    Full,
    /// The error is of the socket.
    Socket(io::Error),
    /// The error is of the file.
    File(io::Error),
}

/// A pipe that is empty between calls.
#[cfg(target_os = "linux")]
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    nowhere: File,
}

/// The pipe of a thread.
#[cfg(target_os = "linux")]
enum Known {
    NotTried,
    Pipe(Pipe),
    /// There is none to be had: `sendfile` does it all.
    None,
}

#[cfg(target_os = "linux")]
thread_local! {
    static PIPE: RefCell<Known> = const { RefCell::new(Known::NotTried) };
}

/// Has the kernel send a part of a file, as much as it takes at once.
#[cfg(target_os = "linux")]
pub fn send(part: &FilePart, socket: impl AsFd) -> Sent {
    if part.len() <= SHORT_BYTES {
        return send_file(part, socket);
    }
    PIPE.with_borrow_mut(|known| {
        if matches!(known, Known::NotTried) {
            *known = Pipe::new().map_or_else(
                |error| {
                    log::warn!("files leave without a pipe of ours: {error}");
                    Known::None
                },
                Known::Pipe,
            );
        }
        if matches!(known, Known::None) {
            return send_file(part, socket);
        }
        // Put back when it is empty: nothing of one viewer must ever be left for another.
        let Known::Pipe(pipe) = std::mem::replace(known, Known::NotTried) else {
            return send_file(part, socket);
        };
        let (sent, is_empty) = pipe.send(part, socket);
        if is_empty {
            *known = Known::Pipe(pipe);
        }
        sent
    })
}

/// Elsewhere no file is ever sent.
#[cfg(not(target_os = "linux"))]
pub fn send(part: &FilePart, socket: impl AsFd) -> Sent {
    send_file(part, socket)
}

/// The same without a pipe of ours.
fn send_file(part: &FilePart, socket: impl AsFd) -> Sent {
    match part.send(socket, MOST_BYTES) {
        Ok(bytes) => Sent {
            bytes,
            stopped: None,
        },
        Err(error) => Sent::stopped(Stopped::by(error)),
    }
}

impl Stopped {
    fn by(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::WouldBlock {
            Self::Full
        } else if is_of_socket(&error) {
            Self::Socket(error)
        } else {
            Self::File(error)
        }
    }
}

impl Sent {
    const fn stopped(why: Stopped) -> Self {
        Self {
            bytes: 0,
            stopped: Some(why),
        }
    }
}

#[cfg(target_os = "linux")]
impl Pipe {
    fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        fcntl_setpipe_size(&writer, PIPE_BYTES)?;
        let nowhere = File::options().write(true).open("/dev/null")?;
        Ok(Self {
            reader,
            writer,
            nowhere,
        })
    }

    /// Sends from the front of a part what the pipe takes. False if something is left in the pipe.
    fn send(&self, part: &FilePart, socket: impl AsFd) -> (Sent, bool) {
        let Ok(filled) = part.fill(&self.writer, PIPE_BYTES) else {
            // Whatever it is, the usual way tells, and may work where this one does not.
            return (send_file(part, socket), false);
        };
        let mut flags = SpliceFlags::NONBLOCK;
        if filled < part.len() {
            flags |= SpliceFlags::MORE;
        }
        let mut bytes = 0;
        let mut stopped = None;
        while bytes < filled && stopped.is_none() {
            let left = filled.saturating_sub(bytes);
            match splice(&self.reader, None, &socket, None, left, flags) {
                // What the pipe held was of a file that is shorter now.
                Ok(0) => stopped = Some(Stopped::File(io::ErrorKind::UnexpectedEof.into())),
                Ok(sent) => bytes = bytes.saturating_add(sent),
                Err(Errno::INTR) => {}
                Err(error) => stopped = Some(Stopped::by(error.into())),
            }
        }
        let is_empty = self.empty(filled.saturating_sub(bytes));
        (Sent { bytes, stopped }, is_empty)
    }

    /// Throws `length` bytes away. Whether that is done.
    fn empty(&self, length: usize) -> bool {
        let mut left = length;
        while left > 0 {
            match splice(
                &self.reader,
                None,
                &self.nowhere,
                None,
                left,
                SpliceFlags::NONBLOCK,
            ) {
                Ok(0) => return false,
                Ok(gone) => left = left.saturating_sub(gone),
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Whether an error of sending a file is of the socket and not of the file.
fn is_of_socket(error: &io::Error) -> bool {
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

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::thread;

    use super::*;

    const LENGTH: usize = 3_000_001;

    fn content() -> Vec<u8> {
        (0..LENGTH)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect()
    }

    fn part(position: u64, length: usize) -> FilePart {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content()).unwrap();
        FilePart::new(Arc::new(file), position, length)
    }

    fn is_empty() -> bool {
        PIPE.with_borrow(|known| match known {
            Known::Pipe(pipe) => rustix::io::read(&pipe.reader, &mut [0; 1]) == Err(Errno::AGAIN),
            Known::NotTried | Known::None => true,
        })
    }

    #[test]
    fn bytes_arrive_in_order_however_little_the_socket_takes_and_the_pipe_is_empty_after_each_call()
    {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        writer.set_nonblocking(true).unwrap();
        let taking = thread::spawn(move || {
            let mut taken = Vec::new();
            let mut few = [0; 7777];
            while let Ok(length @ 1..) = reader.read(&mut few) {
                taken.extend_from_slice(&few[..length]);
            }
            taken
        });
        let mut left = crate::storage::Piece::File(part(77, LENGTH - 77));
        let mut was_full = 0;
        while let crate::storage::Piece::File(part) = &left
            && !part.is_empty()
        {
            let sent = send(part, &writer);
            assert!(is_empty());
            match sent.stopped {
                Some(Stopped::Full) => was_full += 1,
                Some(other) => panic!("{other:?}"),
                None => {}
            }
            left.advance(sent.bytes);
        }
        drop(writer);
        assert!(was_full > 0, "the socket took all at once");
        assert!(taking.join().unwrap() == content()[77..], "other bytes");
    }

    #[test]
    fn what_fails_is_told_apart() {
        let (reader, writer) = UnixStream::pair().unwrap();
        writer.set_nonblocking(true).unwrap();
        // Long ones and short ones, which go by different calls.
        for length in [1_000_000, 100] {
            let beyond = part(u64::try_from(LENGTH).unwrap(), length);
            let sent = send(&beyond, &writer);
            assert!(matches!(sent.stopped, Some(Stopped::File(_))), "{sent:?}");
            assert!(is_empty());
        }
        drop(reader);
        for length in [1_000_000, 100] {
            let sent = send(&part(0, length), &writer);
            assert!(matches!(sent.stopped, Some(Stopped::Socket(_))), "{sent:?}");
            assert!(is_empty() && sent.bytes == 0);
        }
    }
}
