//! The command line: arguments to configuration, signals, exit codes.

pub mod check;
pub mod demo;
pub mod health;
pub mod serve;
pub mod sign;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::settings::Settings;

/// Exit code for wrong settings and arguments, the one that clap uses too.
const WRONG_SETTINGS: u8 = 2;

/// Plays any media file in any S3 bucket, everywhere.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve buckets and other origins over HTTP.
    Serve(Box<Settings>),
    /// Play a folder or the sample media through an S3 in this process, with nothing set up.
    Demo(demo::DemoArguments),
    /// Tell how a media URL plays in Safari, AVPlayer, Chromium, Firefox and WebKitGTK, and what breaks.
    Check(check::CheckArguments),
    /// Make a signed URL or signed cookies, for development and scripts.
    Sign(Box<sign::SignArguments>),
    /// Exit 0 if the service is live.
    Health(health::HealthArguments),
}

/// Runs the program and says how it ended.
#[must_use]
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(settings) => serve::run(&settings),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
    }
}

/// Writes for the person at the terminal. A closed pipe is no reason to die.
fn tell(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes what went wrong.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "s3reel: {text}");
}

/// The runtime for everything but viewers' connections, which the workers drive themselves.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}
