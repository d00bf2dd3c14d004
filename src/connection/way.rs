//! How bytes come and go.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

use super::encrypted::Encrypted;
use super::outlet::Outlet;

/// The two ways to a viewer.
pub enum Way {
    /// Plain TCP, where bodies may go past the server.
    Plain(Rc<Outlet>),
    /// TLS, where everything goes through it.
    Encrypted(Box<Encrypted>),
}

impl Way {
    /// Whether anything waits to be taken.
    pub fn is_waiting(&self) -> bool {
        match self {
            Self::Plain(outlet) => outlet.is_waiting(),
            Self::Encrypted(stream) => stream.is_waiting(),
        }
    }

    /// Reads what the viewer sends.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(outlet) => outlet.poll_read(cx, buffer),
            Self::Encrypted(stream) => stream.poll_read(cx, buffer),
        }
    }

    /// What the server writes.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(outlet) => outlet.poll_write(cx, bytes),
            Self::Encrypted(stream) => stream.poll_write(cx, bytes),
        }
    }

    /// Sends what waits.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(outlet) => outlet.poll_flush(cx),
            Self::Encrypted(stream) => stream.poll_flush(cx),
        }
    }

    /// Closes our side.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(outlet) => outlet.poll_shutdown(cx),
            Self::Encrypted(stream) => stream.poll_shutdown(cx),
        }
    }

    /// Writes what is taken at once, if nothing is on its way before it.
    pub fn try_write(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(outlet) => outlet.try_write(bytes),
            Self::Encrypted(stream) => stream.try_write(bytes),
        }
    }

    /// The connection is closed, whatever waits.
    pub fn has_ended(&self) {
        match self {
            Self::Plain(outlet) => outlet.has_ended(),
            Self::Encrypted(_) => {}
        }
    }
}
