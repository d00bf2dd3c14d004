//! `s3reel check`: would it play, and if not, why?

use std::process::ExitCode;

use clap::Args;

use super::{WRONG_SETTINGS, complain, runtime, tell};
use crate::check::check;
use crate::check::limits::Limits;
use crate::check::report::Report;
use crate::check::target::MediaUrl;
use crate::storage::s3::connector::Trust;

/// Arguments of `s3reel check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Addresses of media files, http or https.
    #[arg(value_name = "URL", required = true)]
    urls: Vec<String>,
    /// Print JSON instead of text.
    #[arg(long, env = "S3REEL_JSON")]
    json: bool,
}

/// Checks all addresses. Exit code 0 if every player plays all of them, warnings included, else 1; 2
/// if one is no address, before anything is asked.
#[must_use]
pub fn run(arguments: &CheckArguments) -> ExitCode {
    let (urls, faults) = parse(&arguments.urls);
    if !faults.is_empty() {
        for fault in faults {
            complain(&fault);
        }
        return ExitCode::from(WRONG_SETTINGS);
    }
    let report = runtime()
        .map_err(|error| format!("the runtime could not be started: {error}"))
        .and_then(|runtime| {
            let trust = Trust::of_system().map_err(|error| format!("no TLS: {error}"))?;
            let report = runtime.block_on(all(&urls, &trust));
            // A name that is still being looked up is not waited for.
            runtime.shutdown_background();
            Ok(report)
        });
    let told = report.and_then(|report| {
        let text = if arguments.json {
            serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?
        } else {
            report.to_string().trim_end().to_owned()
        };
        tell(&text);
        Ok(report.all_play())
    });
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// The addresses, and a sentence for each text that is none.
fn parse(texts: &[String]) -> (Vec<MediaUrl>, Vec<String>) {
    let (mut urls, mut faults) = (Vec::new(), Vec::new());
    for text in texts {
        match MediaUrl::parse(text) {
            Ok(url) => urls.push(url),
            // A password is not repeated.
            Err(error) if text.contains('@') => faults.push(format!("the URL {error}")),
            Err(error) => faults.push(format!("{text:?} {error}")),
        }
    }
    (urls, faults)
}

async fn all(urls: &[MediaUrl], trust: &Trust) -> Report {
    let mut reports = Vec::new();
    for url in urls {
        reports.push(check(url, trust, Limits::default()).await);
    }
    Report { urls: reports }
}
