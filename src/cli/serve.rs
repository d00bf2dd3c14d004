//! `s3reel serve`.

use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{WRONG_SETTINGS, complain, runtime};
use crate::config::Config;
use crate::config::settings::{Settings, unknown_variables};
use crate::service::listen::listen;
use crate::service::{self, Running};
use crate::service::{descriptors, memory};
use crate::telemetry::logging;

/// Reads the settings, serves until SIGTERM or SIGINT, and drains.
#[must_use]
pub fn run(settings: &Settings) -> ExitCode {
    let config = match Config::parse(settings) {
        Ok(config) => config,
        Err(faults) => {
            complain(&format!("the settings are wrong:\n{faults}"));
            for name in unknown_in_environment() {
                complain(&format!(
                    "{name} is not a setting of this version and does nothing"
                ));
            }
            return ExitCode::from(WRONG_SETTINGS);
        }
    };
    if let Err(error) = logging::start(config.log_format) {
        complain(&format!("logging could not be started: {error}"));
    }
    descriptors::raise();
    memory::prefer_small_pages();
    for name in unknown_in_environment() {
        log::warn!("{name} is not a setting of this version and does nothing");
    }
    let effective = config.effective();
    let line = effective.iter().fold(String::new(), |line, (name, value)| {
        format!("{line} {name}={value:?}")
    });
    log::info!("settings in force:{line}");
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime could not be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(serve(config));
    // Blocking work, such as looking up a name, is not waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn unknown_in_environment() -> Vec<String> {
    unknown_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
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
    // Looking for credentials and region may take a while where a metadata service is silent.
    let running = tokio::select! {
        running = service::start(config.service, viewers, admin) => running,
        () = signals.wait() => return Ok(()),
    }
    .map_err(|error| error.to_string())?;
    until_told_to_stop(&mut signals, running).await
}

/// Serves until the first signal and drains until the second.
pub(super) async fn until_told_to_stop(
    signals: &mut Signals,
    mut running: Running,
) -> Result<(), String> {
    tokio::select! {
        () = signals.wait() => {}
        why = running.died() => return Err(format!("the server ended by itself: {why}")),
    }
    tokio::select! {
        () = running.stop() => {}
        () = signals.wait() => log::warn!("told twice: stopping at once"),
    }
    Ok(())
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
