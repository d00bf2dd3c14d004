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
    let mut signals = Signals::with_hang_up()?;
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
    loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Stop => break,
                Told::Reload => {}
            },
            why = running.died() => return Err(format!("the server ended by itself: {why}")),
        }
        running.reload().await;
    }
    tokio::select! {
        () = running.stop() => {}
        () = signals.wait() => log::warn!("told twice: stopping at once"),
    }
    Ok(())
}

/// What a signal says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Stop,
    Reload,
}

/// SIGTERM from whoever runs us, SIGINT from a keyboard, SIGHUP where files are to be read again.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Option<Signal>,
}

impl Signals {
    pub(super) fn new() -> Result<Self, String> {
        let listen =
            |kind| signal(kind).map_err(|error| format!("signals cannot be listened to: {error}"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: None,
        })
    }

    /// The same, and SIGHUP does not end the program.
    fn with_hang_up() -> Result<Self, String> {
        let hang_up = signal(SignalKind::hangup())
            .map_err(|error| format!("signals cannot be listened to: {error}"))?;
        Ok(Self {
            hang_up: Some(hang_up),
            ..Self::new()?
        })
    }

    async fn next(&mut self) -> Told {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = hang_up => Told::Reload,
        }
    }

    /// Waits until we are told to stop.
    async fn wait(&mut self) {
        while let Told::Reload = self.next().await {}
    }
}
