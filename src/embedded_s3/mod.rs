//! An S3 server in this process, read-only: for the demo and for tests.
//!
//! Protocol, routing and signatures are those of the `s3s` crate; what it serves is ours, because
//! the crate's own file system back end hashes whole files before their first byte and lets keys
//! leave their bucket. [`shelf`] is what there is to serve: a [`directory`] or things in
//! [`memory`], such as the [`samples`] that ship inside the binary. [`backend`] answers S3's
//! operations over a shelf, [`paging`] cuts listings into pages.

pub mod backend;
pub mod directory;
pub mod memory;
pub mod paging;
pub mod samples;
pub mod shelf;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::storage::s3::client::ExplicitAccess;
use backend::Backend;
use shelf::Shelf;

/// The one bucket that it has.
pub const BUCKET: &str = "media";

/// The region that requests have to be signed for.
pub const REGION: &str = "us-east-1";

/// A running server. Dropping it stops it and cuts what is open.
#[derive(Debug)]
pub struct EmbeddedS3 {
    address: SocketAddr,
    access: ExplicitAccess,
    task: JoinHandle<()>,
}

impl EmbeddedS3 {
    /// Starts to serve `shelf` as bucket [`BUCKET`] on a free port of loopback, to whoever holds
    /// the keys made for it.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(shelf: Shelf) -> io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let access = ExplicitAccess {
            endpoint: format!("http://{address}"),
            region: REGION.to_owned(),
            access_key_id: format!("AKIA{:016X}", fastrand::u64(..)),
            secret_access_key: format!("{:032x}", fastrand::u128(..)),
        };
        let mut builder = S3ServiceBuilder::new(Backend::new(shelf));
        builder.set_auth(SimpleAuth::from_single(
            access.access_key_id.clone(),
            access.secret_access_key.clone(),
        ));
        let task = tokio::spawn(accept(listener, builder.build()));
        Ok(Self {
            address,
            access,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Endpoint, region and keys for a client.
    #[must_use]
    pub const fn access(&self) -> &ExplicitAccess {
        &self.access
    }
}

impl Drop for EmbeddedS3 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Wait after a failed accept, which is a lack of descriptors: without it the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

async fn accept(listener: TcpListener, service: S3Service) {
    // Owned here, so that aborting this task aborts every connection's.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let service = service.clone();
                    connections.spawn(async move {
                        // Without it small answers wait for the client's delayed ACK.
                        let _ = stream.set_nodelay(true);
                        let served = auto::Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                        if let Err(error) = served {
                            log::debug!("embedded S3: a connection ended early: {error}");
                        }
                    });
                }
                Err(error) => {
                    log::warn!("embedded S3: a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
