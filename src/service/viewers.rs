//! The server of viewers: what each worker is made of, and what becomes of a connection.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::{HttpService, KeepAlive, Protocol};
use actix_service::{Service as _, ServiceFactory as _, fn_factory, fn_service};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::descriptors::Allotment;
use super::origins::Origins;
use super::tls::{self, Accepted};
use super::{Server, ServerConfig, sockets, whole_seconds};
use crate::connection::{Connection, Encrypted, Times};
use crate::telemetry::Recorder;
use crate::web::keep_alive::field_value;
use crate::web::pauses::Pauses;
use crate::web::{Described, Shared, Worker, entry, http2};

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
    tls: Option<TlsAcceptor>,
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
    let times = Times {
        head: config.request_head_timeout,
        keep_alive,
        taking: config.viewer,
    };
    let server = actix_server::Server::build()
        .workers(config.workers)
        .max_concurrent_connections(allotment.connections)
        .shutdown_timeout(whole_seconds(config.drain_timeout))
        .disable_signals()
        .listen("viewers", listener, move || {
            let (stop_signal, worker, tls) = (stop_signal.clone(), worker.clone(), tls.clone());
            fn_factory(move || {
                let worker = Rc::new(worker());
                let answer = {
                    let worker = Rc::clone(&worker);
                    // What an application of actix-web would do before this costs a tenth of a probe
                    // out of the cache, and there is one route.
                    move |request| entry::entry(request, Rc::clone(&worker))
                };
                let stop = stop_signal.clone();
                let http = HttpService::build()
                    // The connection has a clock for that itself.
                    .keep_alive(KeepAlive::Os)
                    .client_request_timeout(times.head)
                    // Without this a viewer that left is not noticed while we wait for S3.
                    .h1_allow_half_closed(false)
                    .local_addr(address)
                    // Idle connections end with the first word of the end, others with their answer.
                    .graceful_shutdown_signal(move || {
                        let mut stop = stop.clone();
                        async move {
                            // An error means that nobody can say so any more, which is an end too.
                            let _ = stop.wait_for(|stop| *stop).await;
                        }
                    })
                    .on_connect_ext(|connection: &Connection, data| {
                        data.insert(connection.turn());
                        if let Some(outlet) = connection.outlet() {
                            data.insert(outlet);
                        }
                    })
                    .finish(fn_service(answer));
                let stop = stop_signal.clone();
                let tls = tls.clone();
                async move {
                    let http = Rc::new(http.new_service(()).await?);
                    Ok::<_, ()>(fn_service(move |stream: TcpStream| {
                        let (http, tls) = (Rc::clone(&http), tls.clone());
                        let (worker, stop) = (Rc::clone(&worker), stop.clone());
                        async move {
                            sockets::prepare(&stream);
                            let peer = stream.peer_addr().ok();
                            let connection = match tls {
                                None => Connection::plain(stream, times),
                                Some(tls) => {
                                    // What few connections need takes no room of the others.
                                    let secured =
                                        Box::pin(secured(&tls, stream, worker, times, stop));
                                    match secured.await {
                                        Some(connection) => connection,
                                        None => return Ok(()),
                                    }
                                }
                            };
                            http.call((connection, Protocol::Http1, peer)).await
                        }
                    }))
                }
            })
        })?
        .run();
    Ok(Server::spawn(server, stopping))
}

/// Agrees on TLS with a viewer. If it wants HTTP/2 it is served to its end; a connection that is left is
/// one of HTTP/1.1.
async fn secured(
    tls: &TlsAcceptor,
    stream: TcpStream,
    worker: Rc<Worker>,
    times: Times,
    mut stop: watch::Receiver<bool>,
) -> Option<Connection> {
    let peer = stream.peer_addr().ok();
    let metrics = &worker.shared.metrics;
    let accepted = tokio::select! {
        accepted = tls::accept(tls, stream, times.head, metrics) => accepted,
        // It has asked for nothing yet.
        _ = stop.wait_for(|stop| *stop) => None,
    };
    match accepted? {
        Accepted::Http1(stream) => Some(Connection::encrypted(stream, times)),
        Accepted::Http2(stream) => {
            let stream = Encrypted::of_many(stream, times.taking);
            http2::serve(stream, peer, worker, times, stop).await;
            None
        }
    }
}
