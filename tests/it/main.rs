//! The service from outside: real sockets, the real AWS SDK, real S3 servers.
//!
//! One binary, because the SDK takes long to link. Tests that speak to S3 run on the embedded S3
//! and, when `S3REEL_TEST_ENDPOINT` is set, on the server behind it as well.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "a test that fails should stop where it does"
)]

mod support;

mod answers;
mod balancer;
mod browsers;
mod cache;
mod checking;
mod conditions;
mod conformance;
mod cross_origin;
mod differential;
mod disk;
#[cfg(target_os = "linux")]
mod disk_files;
mod documents;
mod embedded;
mod equality;
mod failures;
mod faults;
mod fields;
mod folders;
mod fuzzing;
mod http2;
mod interruptions;
mod keys;
mod large;
mod laws;
mod lies;
mod listing;
mod manual;
mod operation;
mod origins;
mod outages;
mod overload;
mod page;
mod page_signed;
mod page_trouble;
mod parts;
mod players;
mod program;
mod sending;
mod signed_answers;
mod signed_origins;
mod signed_players;
mod signers;
mod signing;
mod signing_keys;
mod tls;
mod types;
mod variants;
mod versions;
mod viewers;
mod volumes;
