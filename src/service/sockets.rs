//! Options of viewers' sockets.

use std::any::Any;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::SockRef;

/// How many unsent bytes the kernel takes from us for a connection. It bounds what a stalled
/// viewer holds; at loopback speed smaller values cost throughput and larger ones gain none.
const UNSENT_BYTES: u32 = 128 * 1024;

/// Called with each new connection.
pub fn prepare(connection: &dyn Any, _extensions: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else {
        return;
    };
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES) {
        // The stream works without; only its memory bound is looser.
        log::debug!("TCP_NOTSENT_LOWAT could not be set: {error}");
    }
}
