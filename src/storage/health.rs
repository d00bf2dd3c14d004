//! Does an origin answer? Asked at start, then known from the calls that viewers cause.

use std::sync::{Mutex, PoisonError};

use super::error::{Fault, ReadErrorKind};

/// Whether we may list the bucket, which decides what `AccessDenied` for a key means: with that
/// permission S3 says `NoSuchKey` for what is missing, without it `AccessDenied`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListPermission {
    /// Not learned yet.
    #[default]
    Unknown,
    /// We may.
    Granted,
    /// We may not.
    Denied,
}

/// What is known of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OriginState {
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

impl OriginState {
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

/// What all workers know of an origin together.
#[derive(Debug, Default)]
pub struct OriginHealth {
    known: Mutex<Known>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Known {
    state: OriginState,
    listing: ListPermission,
    any_key_readable: bool,
    versions_denied: bool,
}

impl OriginHealth {
    /// What is known now.
    #[must_use]
    pub fn state(&self) -> OriginState {
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
                    OriginState::Denied
                }
                Some(kind) if kind.fault() != Fault::Client => OriginState::Failing(kind),
                Some(_) | None => OriginState::Answering,
            };
        });
    }

    /// It is known now whether we may list.
    pub fn listed(&self, listing: ListPermission) {
        self.with(|known| {
            known.listing = listing;
            known.state = OriginState::Answering;
        });
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Known) -> T) -> T {
        // Nothing panics while holding it, and a poisoned lock would still hold plain values.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(&mut known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_an_answer_and_a_failure_is_told_until_the_next_answer() {
        let health = OriginHealth::default();
        assert_eq!(health.state(), OriginState::Unknown);
        health.called(Some(ReadErrorKind::TimedOut));
        assert_eq!(
            health.state(),
            OriginState::Failing(ReadErrorKind::TimedOut)
        );
        health.called(Some(ReadErrorKind::NotFound));
        assert_eq!(health.state(), OriginState::Answering);
    }

    #[test]
    fn denied_keys_are_suspicious_until_one_could_be_read() {
        let health = OriginHealth::default();
        health.called(Some(ReadErrorKind::DeniedOrMissing));
        assert_eq!(health.state(), OriginState::Denied);
        health.called(None);
        health.called(Some(ReadErrorKind::DeniedOrMissing));
        assert_eq!(health.state(), OriginState::Answering);
    }
}
