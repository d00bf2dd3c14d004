//! Listeners.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::BACKLOG;

/// A listening socket that can be bound again right after its predecessor was closed.
///
/// # Errors
/// What the kernel says, such as an address in use.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // On Windows this option would let another process take the port over.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The same, on a free port of the same address if that one is taken.
///
/// # Errors
/// What the kernel says when there is no free port either.
pub fn listen_or_free(address: SocketAddr) -> io::Result<TcpListener> {
    match listen(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            listen(SocketAddr::new(address.ip(), 0))
        }
        other => other,
    }
}
