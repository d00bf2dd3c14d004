//! `s3reel serve`.

use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{WRONG_SETTINGS, complain, runtime};
use crate::config::Config;
use crate::config::settings::{Settings, unknown_variables};
use crate::service::listen::listen;
use crate::service::{self, Running};
use crate::telemetry::logging;

/// Reads the settings, serves until SIGTERM or SIGINT, and drains.
#[must_use]
pub fn run(settings: &Settings) -> ExitCode {
    let config = match Config::parse(settings) {
        Ok(config) => config,
        Err(faults) => {
            complain(&format!("the settings are wrong:\n{faults}"));
            return ExitCode::from(WRONG_SETTINGS);
        }
    };
    if let Err(error) = logging::start(config.log_format) {
        complain(&format!("logging could not be started: {error}"));
    }
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in unknown_variables(names) {
        log::warn!("{name} is not a setting of this version and does nothing");
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime could not be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), String> {
    let mut signals = Signals::new()?;
    let viewers = listen(config.listen)
        .map_err(|error| format!("S3REEL_LISTEN={}: {error}", config.listen))?;
    let admin = config
        .admin_listen
        .map(|address| {
            listen(address).map_err(|error| format!("S3REEL_ADMIN_LISTEN={address}: {error}"))
        })
        .transpose()?;
    let running = service::start(config.service, viewers, admin)
        .await
        .map_err(|error| error.to_string())?;
    until_told_to_stop(&mut signals, running).await;
    Ok(())
}

/// Serves until the first signal and drains until the second.
pub(super) async fn until_told_to_stop(signals: &mut Signals, running: Running) {
    signals.wait().await;
    tokio::select! {
        () = running.stop() => {}
        () = signals.wait() => log::warn!("told twice: stopping at once"),
    }
}

/// SIGTERM from whoever runs us, SIGINT from a keyboard.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, String> {
        let listen =
            |kind| signal(kind).map_err(|error| format!("signals cannot be listened to: {error}"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
