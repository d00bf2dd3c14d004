//! What tests stand on: a service on a free port, S3 servers to put before it, and a client that
//! sees every byte.

pub mod browser;
pub mod client;
pub mod content;
pub mod devices;
pub mod disk;
pub mod engines;
pub mod film;
pub mod footage;
pub mod haproxy;
pub mod http2;
pub mod marionette;
pub mod multipart;
pub mod origins;
pub mod page;
pub mod peers;
pub mod program;
pub mod relay;
pub mod s3;
pub mod scene;
pub mod scripted;
pub mod service;
pub mod signed;
pub mod tls;
pub mod workspace;

pub use browser::Browser;
pub use client::{Client, Response};
pub use content::content;
pub use engines::Engine;
pub use origins::Origin;
pub use relay::Relay;
pub use s3::TestS3;
pub use scripted::{Asked, Scripted, Step};
pub use service::TestService;
pub use workspace::Workspace;

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The longest any expected thing may take: generous, since machines that test are busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until a condition holds. It has to come by itself; this only looks.
pub async fn until<F>(what: &str, condition: F)
where
    F: AsyncFn() -> bool,
{
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for a future, but not for ever.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let output = tokio::time::timeout(PATIENCE, future).await;
    output.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Where a program is, of this package of Debian. A test cannot say anything without it, so it
/// fails.
pub fn installed(program: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        // Programs of servers are often outside the path of a user.
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("{program} is missing: install Debian's package {package}, as tests/run does")
        })
}
