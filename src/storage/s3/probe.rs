//! Does the bucket answer? Asked at start, then known from the calls that viewers cause.

use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_s3::Client;
use tokio::time::sleep;

use super::client::S3Connection;
use super::error::{Call, ListPermission, read_error};
use super::pace::ReadFor;
use crate::storage::error::ReadErrorKind;

/// What is known of the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BucketState {
    /// Nothing was heard from it yet.
    #[default]
    Unknown,
    /// The last call was answered.
    Answering,
    /// Calls fail, for this reason.
    Failing(ReadErrorKind),
    /// Every key so far was denied: a permission is missing, or none of them exists.
    Denied,
}

impl BucketState {
    /// One word for the readiness answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Answering => "answering",
            Self::Failing(kind) => kind.as_str(),
            Self::Denied => "every_key_denied",
        }
    }
}

/// What all workers know of the bucket together.
#[derive(Debug, Default)]
pub struct BucketHealth {
    known: Mutex<Known>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Known {
    state: BucketState,
    listing: ListPermission,
    any_key_readable: bool,
    versions_denied: bool,
}

impl BucketHealth {
    /// What is known now.
    #[must_use]
    pub fn state(&self) -> BucketState {
        self.with(|known| known.state)
    }

    /// Whether we may list, if that has been learned.
    #[must_use]
    pub fn list_permission(&self) -> ListPermission {
        self.with(|known| known.listing)
    }

    /// Whether versions other than the current one may be read, as far as is known.
    #[must_use]
    pub fn may_read_versions(&self) -> bool {
        !self.with(|known| known.versions_denied)
    }

    /// It has turned out that they may not.
    pub fn versions_denied(&self) {
        let is_news = self.with(|known| !std::mem::replace(&mut known.versions_denied, true));
        if is_news {
            log::info!(
                "versions may not be read (s3:GetObjectVersion): an overwrite cuts what plays"
            );
        }
    }

    /// A call about a key ended, well or with this kind of error.
    pub fn called(&self, error: Option<ReadErrorKind>) {
        self.with(|known| {
            known.any_key_readable |= matches!(
                error,
                None | Some(
                    ReadErrorKind::NotFound
                        | ReadErrorKind::Changed
                        | ReadErrorKind::Archived
                        | ReadErrorKind::RangeNotSatisfiable
                )
            );
            known.state = match error {
                Some(ReadErrorKind::DeniedOrMissing) if !known.any_key_readable => {
                    BucketState::Denied
                }
                Some(kind) if kind.fault() != crate::storage::Fault::Client => {
                    BucketState::Failing(kind)
                }
                Some(_) | None => BucketState::Answering,
            };
        });
    }

    fn listed(&self, listing: ListPermission) {
        self.with(|known| {
            known.listing = listing;
            known.state = BucketState::Answering;
        });
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Known) -> T) -> T {
        // Nothing panics while holding it, and a poisoned lock would still hold plain values.
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        use_it(&mut known)
    }
}

/// First and longest wait between two attempts to reach the bucket at start.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Asks for one listed key until S3 answers, so that the service can be started before its
/// storage. Dropping the future stops asking.
pub async fn learn(connection: S3Connection, health: &BucketHealth) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_an_answer_and_a_failure_is_told_until_the_next_answer() {
        let health = BucketHealth::default();
        assert_eq!(health.state(), BucketState::Unknown);
        health.called(Some(ReadErrorKind::TimedOut));
        assert_eq!(
            health.state(),
            BucketState::Failing(ReadErrorKind::TimedOut)
        );
        health.called(Some(ReadErrorKind::NotFound));
        assert_eq!(health.state(), BucketState::Answering);
    }

    #[test]
    fn denied_keys_are_suspicious_until_one_could_be_read() {
        let health = BucketHealth::default();
        health.called(Some(ReadErrorKind::DeniedOrMissing));
        assert_eq!(health.state(), BucketState::Denied);
        health.called(None);
        health.called(Some(ReadErrorKind::DeniedOrMissing));
        assert_eq!(health.state(), BucketState::Answering);
    }
}
