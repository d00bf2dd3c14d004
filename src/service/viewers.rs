//! The server of viewers: what each worker is made of, and what becomes of a connection.

use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_service::{ServiceFactoryExt as _, fn_factory, fn_service};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::descriptors::Allotment;
use super::origins::Origins;
use super::{Server, ServerConfig, sockets, whole_seconds};
use crate::connection::Connection;
use crate::telemetry::Recorder;
use crate::web::keep_alive::field_value;
use crate::web::pauses::Pauses;
use crate::web::{Described, Shared, Worker, entry};

/// Starts to serve viewers on a listener.
///
/// # Errors
/// Those of the listener.
pub fn start(
    shared: &Arc<Shared>,
    origins: Origins,
    config: ServerConfig,
    allotment: Allotment,
    listener: TcpListener,
) -> io::Result<Server> {
    let shared = Arc::clone(shared);
    let keep_alive = shared.config.keep_alive;
    // Runs once in each worker's thread.
    let worker = move || Worker {
        recorder: Rc::new(Recorder {
            metrics: Arc::clone(&shared.metrics),
            lifecycle: Arc::clone(&shared.lifecycle),
        }),
        shared: Arc::clone(&shared),
        origins: origins.of_worker(),
        pauses: Pauses::start(shared.config.viewer_hold),
        described: Described::default(),
        keep_alive: field_value(keep_alive),
    };
    let address = listener.local_addr()?;
    let (stopping, stop_signal) = watch::channel(false);
    let head_timeout = config.request_head_timeout;
    let limits = config.viewer;
    let server = actix_server::Server::build()
        .workers(config.workers)
        .max_concurrent_connections(allotment.connections)
        .shutdown_timeout(whole_seconds(config.drain_timeout))
        .disable_signals()
        .listen("viewers", listener, move || {
            let stop_signal = stop_signal.clone();
            let worker = worker.clone();
            // What an application of actix-web would do before this costs a tenth of a probe out of the
            // cache, and there is one route.
            let answer = fn_factory(move || {
                let worker = Rc::new(worker());
                let answer = move |request| entry::entry(request, Rc::clone(&worker));
                ready(Ok::<_, ()>(fn_service(answer)))
            });
            let http = HttpService::build()
                // The connection has a clock for that itself.
                .keep_alive(KeepAlive::Os)
                .client_request_timeout(head_timeout)
                // Without this a viewer that left is not noticed while we wait for S3.
                .h1_allow_half_closed(false)
                .local_addr(address)
                // Idle connections end with the first word of the end, others with their answer.
                .graceful_shutdown_signal(move || {
                    let mut stop_signal = stop_signal.clone();
                    async move {
                        // An error means that nobody can say so any more, which is an end too.
                        let _ = stop_signal.wait_for(|stop| *stop).await;
                    }
                })
                .on_connect_ext(|connection: &Connection, data| {
                    data.insert(connection.turn());
                    data.insert(connection.outlet());
                })
                .finish(answer);
            fn_service(move |stream: TcpStream| async move {
                sockets::prepare(&stream);
                let peer = stream.peer_addr().ok();
                let connection = Connection::new(stream, head_timeout, keep_alive, limits);
                Ok::<_, DispatchError>((connection, Protocol::Http1, peer))
            })
            .and_then(http)
        })?
        .run();
    Ok(Server::spawn(server, stopping))
}
