//! The reader over a Unity Catalog volume of a Databricks workspace, by its Files API.
//!
//! [`address`] has the workspace and the path of the volume; [`credentials`] what we show it, and
//! [`tokens`] the token that is made of them; [`client`] sends requests; [`answer`] is what every answer
//! has to be before a byte of it is passed on, and [`version`] what it tells of which version it is of;
//! [`error`] is the one door for what the workspace says; [`reader`] and [`lister`] turn reads and
//! listings into that.
//!
//! The API is documented at <https://docs.databricks.com/api/workspace/files>.

pub mod address;
pub mod answer;
pub mod client;
pub mod credentials;
pub mod error;
pub mod lister;
pub mod reader;
pub mod tokens;
pub mod version;

pub use address::{VolumePath, WorkspaceUrl};
pub use client::{DatabricksClient, DatabricksConfig, DatabricksConnection};
pub use credentials::{Credentials, Secret};
pub use reader::DatabricksReader;
