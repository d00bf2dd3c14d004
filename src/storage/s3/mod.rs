//! The reader over S3: the only place that names the AWS SDK.
//!
//! [`config`] is what is set of it; [`client`] finds credentials, region and endpoint and makes clients,
//! over the connections of [`connector`], with the authorities of [`trust`];
//! [`region`] lets them find a bucket that is elsewhere; [`reader`] turns reads into GetObject and HeadObject; [`answer`] holds what every answer must be before a byte of it
//! is passed on; [`error`] is the one door for the SDK's errors; [`lister`]
//! lists; [`probe`] asks at start whether the bucket answers.

pub mod answer;
pub mod client;
pub mod config;
pub mod connector;
pub mod error;
pub mod lister;
pub mod probe;
pub mod reader;
pub mod region;
pub mod trust;

pub use super::http::pace;

pub use client::S3Connection;
pub use config::S3Config;
pub use reader::S3Reader;
