//! S3's nouns: keys, prefixes, bucket names, and what is known of an object.

pub mod bucket;
pub mod first_bytes;
pub mod key;
pub mod media_type;
pub mod mount;
pub mod prefix;
pub mod representation;
pub mod version_id;

pub use bucket::BucketName;
pub use key::{KeyError, ObjectKey, RequestKey};
pub use prefix::KeyPrefix;
pub use representation::Representation;
pub use version_id::VersionId;
