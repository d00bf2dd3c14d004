//! s3reel puts media files of an S3 bucket before any player: `GET /{key}` becomes one ranged
//! GetObject, and its answer is what Safari, Chromium, Firefox and curl expect, to the byte.
//!
//! This is the library behind the program; the program is [`cli`]. Read it in this order, from
//! plain types to composition. A module uses only modules named before it:
//!
//! 1. [`semantics`]: what HTTP says about ranges, validators and conditions, without any I/O;
//!    [`object`]: S3's nouns; [`signing`]: who may read; [`units`]; [`telemetry`]: figures and log
//!    lines.
//! 2. [`storage`]: reading objects, and the readers of buckets, folders and volumes; [`cache`]: a reader that
//!    keeps blocks in memory; [`media`]: containers.
//! 3. [`connection`]: a viewer's socket under the HTTP server; [`web`]: requests to answers.
//! 4. [`service`]: composition, start and stop; [`config`]: settings; [`embedded_s3`]: an S3 in
//!    this process for the demo and for tests.
//!    [`check`]: how a media URL plays in the players of others.
//! 5. [`cli`]: arguments, signals, exit codes.
//!
//! The [`manual`] has chapters on the architecture, the promises and their tests, settings,
//! origins, errors, operation, checking, playing, performance and the decisions behind it all.

pub mod cache;
pub mod check;
pub mod cli;
pub mod config;
pub mod connection;
pub mod embedded_s3;
pub mod manual;
pub mod media;
pub mod object;
pub mod semantics;
pub mod service;
pub mod signing;
pub mod storage;
pub mod telemetry;
pub mod units;
pub mod web;
