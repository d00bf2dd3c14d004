//! Which version of a file an answer is of.
//!
//! The Files API knows no entity tags. It tells the second of the last change and the length. The
//! standard lets a date with a resolution of seconds tell versions apart for certain once the second is
//! over (RFC 9110 section 8.8.2.2); with what the clocks of a workspace and of the storage behind it may
//! differ, a minute after it.

use crate::object::Representation;
use crate::semantics::{CompleteLength, EntityTag, HttpDate};
use crate::storage::VersionPin;

/// How long a file has to have been left alone until its date tells its versions apart, in seconds:
/// what RFC 7232 section 2.2.2 gave before its successor left the figure to us.
const SETTLED: u64 = 60;

/// The date of the last change and the length, which is all that is known of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatedVersion {
    /// The second of the last change.
    pub modified: HttpDate,
    /// The length.
    pub length: CompleteLength,
}

impl DatedVersion {
    /// Its entity tag, as of an answer that was made at `now` by the clock of the workspace: strong when
    /// no other version can have the same, else weak.
    #[must_use]
    pub fn tag(&self, now: Option<HttpDate>) -> Option<EntityTag> {
        let modified = self.modified.epoch_seconds();
        let settled = modified.saturating_add(SETTLED);
        let is_settled = now.is_some_and(|now| now.epoch_seconds() >= settled);
        let weak = if is_settled { "" } else { "W/" };
        let length = self.length.bytes();
        EntityTag::parse(&format!("{weak}\"{modified:x}-{length:x}\"")).ok()
    }

    /// The version that a pin names; `None` for a tag that is none of ours.
    #[must_use]
    pub fn of_pin(pin: &VersionPin) -> Option<Self> {
        let tag = pin.etag().as_str();
        let (modified, length) = tag.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
        let seconds = i64::from_str_radix(modified, 16).ok()?;
        Some(Self {
            modified: HttpDate::from_epoch_seconds(seconds)?,
            length: CompleteLength::new(u64::from_str_radix(length, 16).ok()?),
        })
    }

    /// Whether this is what is told of.
    #[must_use]
    pub fn is(&self, told: &Representation) -> bool {
        told.length == self.length && told.validators.last_modified == Some(self.modified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(seconds: i64) -> HttpDate {
        HttpDate::from_epoch_seconds(seconds).unwrap()
    }

    fn version(seconds: i64, length: u64) -> DatedVersion {
        DatedVersion {
            modified: date(seconds),
            length: CompleteLength::new(length),
        }
    }

    #[test]
    fn a_tag_is_strong_a_minute_after_the_change_and_the_same_for_weak_comparison() {
        let version = version(1000, 5);
        for (now, weak) in [
            (None, true),
            (Some(900), true),
            (Some(1000), true),
            (Some(1059), true),
            (Some(1060), false),
            (Some(99_999), false),
        ] {
            let tag = version.tag(now.map(date)).unwrap();
            assert_eq!(tag.is_weak(), weak, "{now:?}");
            assert!(tag.weak_eq(&version.tag(None).unwrap()));
        }
    }

    proptest! {
        #[test]
        fn the_tag_names_its_version(seconds in 0_i64..253_402_300_740, length in any::<u64>()) {
            let version = version(seconds, length);
            let mut known = Representation::of_length(version.length);
            known.validators.etag = version.tag(Some(date(seconds + 60)));
            let pin = VersionPin::of(&known).unwrap();
            prop_assert_eq!(DatedVersion::of_pin(&pin), Some(version));
            known.validators.etag = version.tag(Some(date(seconds)));
            prop_assert!(VersionPin::of(&known).is_none());
        }

        #[test]
        fn no_tag_makes_the_parser_panic(tag in "[!#-~]{0,40}") {
            let mut known = Representation::of_length(CompleteLength::new(0));
            known.validators.etag = EntityTag::parse(&format!("\"{tag}\"")).ok();
            let _ = VersionPin::of(&known).as_ref().and_then(DatedVersion::of_pin);
        }
    }
}
