//! Options of viewers' sockets.

use socket2::SockRef;
use tokio::net::TcpStream;

/// How many unsent bytes the kernel takes from us for a connection. It bounds what a stalled
/// viewer holds; at loopback speed smaller values cost throughput and larger ones gain none.
const UNSENT_BYTES: u32 = 128 * 1024;

/// Sets up a new connection. It works without these options, only less well.
pub fn prepare(stream: &TcpStream) {
    // Without it an answer in several writes waits for the viewer's delayed ACK.
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("TCP_NODELAY could not be set: {error}");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES) {
        log::debug!("TCP_NOTSENT_LOWAT could not be set: {error}");
    }
}
