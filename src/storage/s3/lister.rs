//! Listings of a bucket, one level and one page at a time.

use std::sync::Arc;
use std::time::Instant;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::Object;

use super::client::S3Connection;
use super::error::{Call, read_error};
use super::region::RegionalClient;
use crate::storage::error::ReadError;
use crate::storage::health::ListPermission;
use crate::storage::{BoxFuture, ListRequest, ListedObject, Listing, ObjectLister};
use crate::telemetry::OriginMetrics;

/// Lists one bucket with ListObjectsV2.
pub struct S3Lister {
    client: Arc<RegionalClient>,
    connection: S3Connection,
    metrics: Arc<OriginMetrics>,
}

impl S3Lister {
    /// A lister with this client.
    #[must_use]
    pub const fn new(
        client: Arc<RegionalClient>,
        connection: S3Connection,
        metrics: Arc<OriginMetrics>,
    ) -> Self {
        Self {
            client,
            connection,
            metrics,
        }
    }

    async fn page(&self, request: ListRequest) -> Result<Listing, ReadError> {
        let started = Instant::now();
        let call = |client: Client| {
            client
                .list_objects_v2()
                .bucket(self.connection.config().bucket.as_str())
                .prefix(&request.prefix)
                .delimiter("/")
                .set_request_payer(self.connection.request_payer())
                .set_continuation_token(request.after.clone())
                .send()
        };
        let result = self.client.call(call).await;
        let result = result.map_err(|error| {
            let target = format!("ListObjectsV2 {}", request.prefix);
            // Without the permission to list, a denial is about that permission and nothing else.
            read_error(error, target, Call::Other, ListPermission::Granted)
        });
        let outcome = result
            .as_ref()
            .err()
            .map_or("ok", |error| error.kind.as_str());
        self.metrics
            .s3_called("ListObjectsV2", outcome, started.elapsed());
        let output = result?;
        Ok(Listing {
            folders: output
                .common_prefixes()
                .iter()
                .filter_map(|folder| folder.prefix().map(ToOwned::to_owned))
                .collect(),
            objects: output.contents().iter().filter_map(listed).collect(),
            next: output
                .next_continuation_token()
                .filter(|_| output.is_truncated() == Some(true))
                .map(ToOwned::to_owned),
        })
    }
}

impl ObjectLister for S3Lister {
    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, ReadError>> {
        Box::pin(self.page(request))
    }
}

fn listed(object: &Object) -> Option<ListedObject> {
    Some(ListedObject {
        key: object.key()?.to_owned(),
        size: object.size().and_then(|size| u64::try_from(size).ok())?,
        modified: object
            .last_modified()
            .map(aws_sdk_s3::primitives::DateTime::secs),
    })
}
