//! Does the bucket answer? Asked at start.

use std::time::Duration;

use aws_sdk_s3::Client;
use tokio::time::sleep;

use super::client::S3Connection;
use super::error::{Call, read_error};
use super::pace::ReadFor;
use crate::storage::error::ReadErrorKind;
use crate::storage::health::{ListPermission, OriginHealth};

/// First and longest wait between two attempts to reach the bucket at start.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Asks for one listed key until S3 answers, so that the service can be started before its
/// storage. Dropping the future stops asking.
pub async fn learn(connection: S3Connection, health: &OriginHealth) {
    let client = connection.client(ReadFor::Viewer);
    let mut wait = WAITS.0;
    let mut said = None;
    loop {
        match list_one(&client, &connection).await {
            Ok(()) => {
                health.listed(ListPermission::Granted);
                log::info!("the bucket answers and may be listed");
                return;
            }
            Err(error) if error.kind == ReadErrorKind::Denied => {
                health.listed(ListPermission::Denied);
                log::info!(
                    "the bucket answers but may not be listed: denied keys are taken for missing ones"
                );
                return;
            }
            Err(error) => {
                health.called(Some(error.kind));
                // The same fault is told once, not with every attempt.
                if said != Some(error.kind) {
                    log::warn!(
                        "the bucket does not answer yet, asking again until it does: {error}"
                    );
                    said = Some(error.kind);
                }
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(WAITS.1);
    }
}

async fn list_one(
    client: &Client,
    connection: &S3Connection,
) -> Result<(), crate::storage::ReadError> {
    let config = connection.config();
    client
        .list_objects_v2()
        .bucket(config.bucket.as_str())
        .prefix(config.prefix.as_str())
        .max_keys(1)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| {
            read_error(
                error,
                "ListObjectsV2".to_owned(),
                Call::Other,
                ListPermission::Granted,
            )
        })
}
