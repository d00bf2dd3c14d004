//! `s3reel demo`: the whole thing with nothing set up.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::serve::{Signals, until_told_to_stop};
use super::{WRONG_SETTINGS, complain, runtime, tell};
use crate::cache::CacheConfig;
use crate::config::{
    DEFAULT_ADMIN_LISTEN, DEFAULT_CACHE_CONTROL, DEFAULT_KEEP_ALIVE, DEFAULT_LISTEN,
    DEFAULT_VIEWER_HOLD,
};
use crate::embedded_s3::directory::Directory;
use crate::embedded_s3::shelf::Shelf;
use crate::embedded_s3::{BUCKET, EmbeddedS3, samples};
use crate::object::BucketName;
use crate::object::representation::FieldValue;
use crate::service::listen::listen_or_free;
use crate::service::origin::{OriginConfig, OriginSource};
use crate::service::{self, ServerConfig, ServiceConfig};
use crate::service::{descriptors, memory};
use crate::storage::s3::S3Config;
use crate::storage::s3::client::Access;
use crate::telemetry::logging::{self, LogFormat};
use crate::web::streams::StreamLimits;
use crate::web::viewer_address::TrustedProxies;
use crate::web::{Browse, CorsPolicy, Hosts, WebConfig};

/// Arguments of `s3reel demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// The folder to play; the sample media inside the binary if there is none.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Where viewers connect; a free port is taken if this one is not free.
    #[arg(long, env = "S3REEL_LISTEN", value_name = "ADDRESS:PORT", default_value_t = DEFAULT_LISTEN)]
    listen: SocketAddr,
}

/// Starts an S3 and the service over it, prints the address of the page, and serves until told to
/// stop.
#[must_use]
pub fn run(arguments: &DemoArguments) -> ExitCode {
    let shelf = match shelf(arguments.folder.as_deref()) {
        Ok(shelf) => shelf,
        Err(error) => {
            complain(&error);
            return ExitCode::from(WRONG_SETTINGS);
        }
    };
    if let Err(error) = logging::start(LogFormat::Text) {
        complain(&format!("logging could not be started: {error}"));
    }
    descriptors::raise();
    memory::prefer_small_pages();
    let outcome = runtime()
        .map_err(|error| format!("the runtime could not be started: {error}"))
        .and_then(|runtime| {
            let outcome = runtime.block_on(demo(arguments.listen, shelf));
            // Blocking work, such as reading a slow disk, is not waited for.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn shelf(folder: Option<&Path>) -> Result<Shelf, String> {
    match folder {
        None => Ok(samples::shelf()),
        Some(folder) => Directory::open_folder(folder)
            .map(Shelf::Directory)
            .map_err(|error| format!("{} cannot be played: {error}", folder.display())),
    }
}

async fn demo(listen: SocketAddr, shelf: Shelf) -> Result<(), String> {
    let mut signals = Signals::new()?;
    let s3 = EmbeddedS3::start(shelf)
        .await
        .map_err(|error| format!("the embedded S3 could not be started: {error}"))?;
    let viewers = listen_or_free(listen).map_err(|error| format!("--listen {listen}: {error}"))?;
    let admin = listen_or_free(DEFAULT_ADMIN_LISTEN)
        .map_err(|error| format!("the admin listener: {error}"))?;
    let config = config(&s3, listen)?;
    let running = service::start(config, viewers, Some(admin))
        .await
        .map_err(|error| error.to_string())?;
    tell(&format!(
        "Open http://{}/-/ in a browser; stop with Ctrl-C.",
        running.address()
    ));
    let outcome = until_told_to_stop(&mut signals, running).await;
    drop(s3);
    outcome
}

/// The same service as `serve` runs, with the demo's own settings: nothing from the environment,
/// the page on, no CORS, an end without ceremony.
fn config(s3: &EmbeddedS3, listen: SocketAddr) -> Result<ServiceConfig, String> {
    let bucket = BucketName::parse(BUCKET).map_err(|error| error.to_string())?;
    let cache_control = FieldValue::parse(DEFAULT_CACHE_CONTROL)
        .ok_or_else(|| "the default Cache-Control is none".to_owned())?;
    Ok(ServiceConfig {
        origins: vec![OriginConfig::of(OriginSource::S3(Box::new(S3Config::of(
            bucket,
            Access::Explicit(s3.access().clone()),
        ))))],
        web: WebConfig {
            cors: CorsPolicy::Off,
            cache_control,
            browse: Browse::On,
            keep_alive: DEFAULT_KEEP_ALIVE,
            viewer_hold: DEFAULT_VIEWER_HOLD,
            streams: StreamLimits::default(),
            trusted_proxies: TrustedProxies::default(),
            hosts: if listen.ip().is_loopback() {
                Hosts::Loopback
            } else {
                Hosts::Any
            },
            signed_urls: None,
        },
        server: ServerConfig {
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(1),
            ..ServerConfig::default()
        },
        cache: CacheConfig::default(),
        tls: None,
        key_files: None,
    })
}
