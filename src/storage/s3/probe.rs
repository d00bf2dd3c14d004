//! Does the bucket answer? Asked at start.

use aws_sdk_s3::Client;

use super::client::S3Connection;
use super::error::{Call, read_error};
use super::pace::ReadFor;
use super::region::RegionalClient;
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::health::ListPermission;

/// Asks once for one listed key, which tells whether the bucket answers and whether we may list it.
/// Dropping the future gives the call up.
///
/// # Errors
/// Why it does not answer.
pub async fn ask(connection: &S3Connection) -> Result<ListPermission, ReadError> {
    let config = connection.config();
    let call = |client: Client| {
        client
            .list_objects_v2()
            .bucket(config.bucket.as_str())
            .prefix(config.prefix.as_str())
            .set_request_payer(connection.request_payer())
            .max_keys(1)
            .send()
    };
    let client = RegionalClient::new(connection, ReadFor::Viewer);
    let listed = client.call(call).await;
    let listed = listed.map_err(|error| {
        let target = "ListObjectsV2".to_owned();
        read_error(error, target, Call::Other, ListPermission::Granted)
    });
    match listed {
        Ok(_) => Ok(ListPermission::Granted),
        Err(error) if error.kind == ReadErrorKind::Denied => Ok(ListPermission::Denied),
        Err(error) => Err(error),
    }
}
