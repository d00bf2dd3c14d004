//! Composition: from a configuration to a running service and back to silence.

pub mod descriptors;
pub mod key_files;
pub mod listen;
pub mod memory;
pub mod origin;
mod origins;
mod probe;
mod readers;
mod reloading;
pub mod sockets;
pub mod source;
pub mod tls;
mod viewers;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::cache::CacheConfig;
use crate::connection::ViewerLimits;
use crate::telemetry::{Lifecycle, Metrics, Phase};
use crate::web::streams::Streams;
use crate::web::{CorsPolicy, Shared, WebConfig, admin};
use descriptors::Allotment;
use key_files::KeyFiles;
use origin::OriginConfig;
use origins::Origins;
use readers::Cache;
use reloading::{Files, Reason, Reloading, Watch};
use tls::TlsConfig;

/// Everything a service is made of.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// What is served: at least one, no two of them at the same place.
    pub origins: Vec<OriginConfig>,
    /// How answers look.
    pub web: WebConfig,
    /// Workers and connections.
    pub server: ServerConfig,
    /// What is kept in memory.
    pub cache: CacheConfig,
    /// TLS with viewers; plain HTTP without it.
    pub tls: Option<TlsConfig>,
    /// `S3REEL_SIGNED_URL_KEYS`: where the keys in [`WebConfig::signed_urls`] come from, to be read
    /// again; without it they stay as they are.
    pub key_files: Option<KeyFiles>,
}

/// Workers and connections.
#[derive(Debug, Clone, Copy)]
pub struct ServerConfig {
    /// `S3REEL_WORKERS`: threads that serve viewers, each with its own connections to S3; default
    /// the number of cores. More cost memory and gain nothing.
    pub workers: usize,
    /// `S3REEL_REQUEST_HEAD_TIMEOUT`: how long a request head may take; default 10 s.
    pub request_head_timeout: Duration,
    /// How long viewers may take nothing, and how slowly they may take something.
    pub viewer: ViewerLimits,
    /// `S3REEL_DRAIN_DELAY`: how long after SIGTERM new connections are still taken, so that
    /// balancers can notice; default 5 s.
    pub drain_delay: Duration,
    /// `S3REEL_DRAIN_TIMEOUT`: how long open streams may go on after that, in whole seconds;
    /// default 20 s.
    pub drain_timeout: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            request_head_timeout: Duration::from_secs(10),
            viewer: ViewerLimits::default(),
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// A service that could not be started.
#[derive(Debug)]
pub struct StartError(pub(crate) String);

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// A running service. [`Running::stop`] ends it in an orderly way.
pub struct Running {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    shared: Arc<Shared>,
    viewers: Server,
    admin: Option<Server>,
    /// Dropped with the rest.
    _probe: Probe,
    /// Files that may change, and who looks after them.
    reloading: Vec<(Arc<Reloading>, Watch)>,
    drain_delay: Duration,
    drain_timeout: Duration,
    /// Dropped last: the workers read from it.
    _cache: Option<Cache>,
}

/// The task that waits for the origins. Dropping it ends it.
struct Probe(JoinHandle<()>);

/// A server and the task that drives it.
struct Server {
    handle: ServerHandle,
    /// Tells idle connections to end.
    stopping: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

/// How long the end waits for the access lines of answers that it cut.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How long before the server cuts what is left it is taken for cut by us; its timer is another.
const BEFORE_THE_CUT: Duration = Duration::from_millis(100);

/// Connections that wait to be accepted; more are turned away by the kernel.
pub const BACKLOG: i32 = 4096;

/// Starts to serve on these listeners. It returns as soon as connections are taken; S3 need not
/// be there yet.
///
/// # Errors
/// [`StartError`] when a listener cannot be used.
pub async fn start(
    config: ServiceConfig,
    viewers: TcpListener,
    admin: Option<TcpListener>,
) -> Result<Running, StartError> {
    let fault = |what: &str, error: &dyn std::fmt::Display| StartError(format!("{what}: {error}"));
    let address = viewers
        .local_addr()
        .map_err(|error| fault("the viewers' listener", &error))?;
    let admin_address = admin.as_ref().and_then(|admin| admin.local_addr().ok());
    let metrics = Metrics::new().map_err(|error| fault("the figures", &error))?;
    let metrics = Arc::new(metrics);
    let mut web = config.web;
    let allowed = descriptors::allowed();
    let of_blocks = config.cache.disk.as_ref();
    let of_blocks = of_blocks.map_or(0, |_| descriptors::of_blocks(allowed));
    let of_viewers = allowed.saturating_sub(of_blocks);
    let allotment = allot(&mut web, of_viewers, config.server.workers);
    warn_of_cors(&web);
    let mut files: Vec<_> = of_keys(&web, config.key_files).into_iter().collect();
    let tls = config.tls.map(|tls| secured(tls, &mut files)).transpose()?;
    let cache = Cache::start(config.cache, config.origins.len(), of_blocks, &metrics)
        .map_err(|error| fault("the cache's thread", &error))?;
    let connections = allotment.streams / config.server.workers.max(1);
    let origins = Origins::connect(
        config.origins,
        connections,
        &web.cors,
        cache.as_ref(),
        &metrics,
    )
    .await?;
    let shared = Arc::new(Shared {
        streams: Arc::new(Streams::new(web.streams, Arc::clone(&metrics))),
        config: web,
        metrics,
        lifecycle: Arc::new(Lifecycle::default()),
        origins: origins.shared(),
        tiers: cache.as_ref().map(|cache| cache.tiers().clone()),
    });
    let scheme = if tls.is_some() { "https" } else { "http" };
    origins.tell(&format!("{scheme}://{address}"), config.server.workers);
    if let Some(admin) = admin_address {
        log::info!("health and metrics on http://{admin}");
    }
    let admin = admin
        .map(|listener| start_admin(&shared, listener))
        .transpose()
        .map_err(|error| fault("the admin listener", &error))?;
    let asked = origins.asked();
    let viewers = viewers::start(&shared, origins, config.server, allotment, viewers, tls)
        .map_err(|error| fault("the viewers' listener", &error))?;
    shared.lifecycle.reach(Phase::Serving);
    let probe = Probe(tokio::spawn(probe::learn(asked)));
    Ok(Running {
        address,
        admin_address,
        shared,
        viewers,
        admin,
        _probe: probe,
        reloading: files.into_iter().map(look_after).collect(),
        drain_delay: config.server.drain_delay,
        drain_timeout: config.server.drain_timeout,
        _cache: cache,
    })
}

/// Pages of other origins have no way to send cookies where the policy is `*`.
fn warn_of_cors(web: &WebConfig) {
    if web.signed_urls.is_some() && web.cors == CorsPolicy::Any {
        log::warn!(
            "everything has to be signed, and S3REEL_CORS_ORIGINS is *: signed cookies do not reach \
             pages of other origins like that; list the origins of your pages, or leave it empty"
        );
    }
}

/// Who looks after the files of the keys of signed URLs, if there are any.
fn of_keys(web: &WebConfig, files: Option<KeyFiles>) -> Option<Box<dyn Files>> {
    let signed = web.signed_urls.as_ref()?;
    let keys = Arc::clone(&signed.keys);
    Some(Box::new(key_files::InForce::new(files?, keys)))
}

/// What takes connections over TLS, with its certificate among the `files` to look after.
fn secured(tls: TlsConfig, files: &mut Vec<Box<dyn Files>>) -> Result<TlsAcceptor, StartError> {
    let acceptor = tls.acceptor();
    let (acceptor, current) = acceptor.map_err(|error| StartError(format!("TLS: {error}")))?;
    files.push(Box::new(tls::InForce::new(tls.files, current)));
    Ok(acceptor)
}

/// Looks after files from now on.
fn look_after(files: Box<dyn Files>) -> (Arc<Reloading>, Watch) {
    let reloading = Arc::new(Reloading::new(files));
    let watch = Arc::clone(&reloading).watch();
    (reloading, watch)
}

/// Takes back what is set as far as there are not descriptors enough for it, and says so.
fn allot(web: &mut WebConfig, allowed: u64, workers: usize) -> Allotment {
    let wanted = web.streams.total;
    let allotment = Allotment::of(allowed, wanted, workers);
    if allotment.streams < wanted {
        log::warn!(
            "{allowed} file descriptors are allowed, enough for {} streams and not for \
             S3REEL_MAX_STREAMS={wanted}: raise the hard limit (ulimit -Hn, LimitNOFILE) or lower \
             the setting",
            allotment.streams
        );
        web.streams.total = allotment.streams;
    }
    allotment
}

fn start_admin(shared: &Arc<Shared>, listener: TcpListener) -> io::Result<Server> {
    let shared = Arc::clone(shared);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(Arc::clone(&shared)))
            .configure(admin::routes)
    })
    .workers(1)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(Server::spawn(server, watch::channel(false).0))
}

/// The server counts in whole seconds; a part of one is rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}

impl Server {
    fn spawn(server: actix_web::dev::Server, stopping: watch::Sender<bool>) -> Self {
        Self {
            handle: server.handle(),
            stopping,
            task: tokio::spawn(server),
        }
    }

    /// Waits until it ends, which it does by itself only when something is badly wrong.
    async fn died(&mut self) -> String {
        match (&mut self.task).await {
            Ok(Ok(())) => "no reason given".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }

    async fn stop(mut self) {
        self.stopping.send_replace(true);
        self.handle.stop(true).await;
        // It has nothing to tell: the listener was ours and every worker has ended.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    /// Ends it at once, unless it has ended already: the command is sent by the call itself.
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Running {
    /// Where viewers connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and figures are, if anywhere.
    #[must_use]
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// What the workers share, for tests and health.
    #[must_use]
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Reads files again that may have changed, as SIGHUP asks. What was in force stays so if they
    /// cannot be used; the log tells.
    pub async fn reload(&self) {
        if self.reloading.is_empty() {
            log::info!("told to read files again, and there are none");
        }
        for (reloading, _) in &self.reloading {
            Arc::clone(reloading).reload_elsewhere(Reason::Told).await;
        }
    }

    /// Waits until a server ends by itself, and says why.
    pub async fn died(&mut self) -> String {
        let admin = async {
            match &mut self.admin {
                Some(admin) => admin.died().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            why = self.viewers.died() => why,
            why = admin => why,
        }
    }

    /// Ends the service: unready at once, no new connections after the drain delay, open streams
    /// until they end or the drain timeout is over. The admin listener answers until the last.
    pub async fn stop(self) {
        self.shared.lifecycle.reach(Phase::Draining);
        log::info!(
            in_flight = self.shared.metrics.requests_in_flight();
            "draining: unready now, no new connections after the drain delay"
        );
        tokio::time::sleep(self.drain_delay).await;
        // The server cuts what is left without a word, so what it cuts has to be told by the time.
        let patience = Duration::from_secs(whole_seconds(self.drain_timeout));
        let lifecycle = &self.shared.lifecycle;
        let cutting = async {
            tokio::time::sleep(patience.saturating_sub(BEFORE_THE_CUT)).await;
            lifecycle.reach(Phase::Cutting);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.viewers.stop() => {}
            () = cutting => {}
        }
        // Workers that were told to end drop what is left a moment later, and each answer that is
        // cut has a line to write.
        let begun = std::time::Instant::now();
        while self.shared.metrics.requests_in_flight() > 0 && begun.elapsed() < LAST_LINES {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if let Some(admin) = self.admin {
            admin.stop().await;
        }
        log::info!("stopped");
    }
}
