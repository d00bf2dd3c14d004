//! One origin, as requests meet it.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::CorsPolicy;
use crate::cache::Engine;
use crate::object::KeyPrefix;
use crate::storage::health::OriginHealth;
use crate::storage::{ObjectLister, ObjectReader};

/// What all workers know of an origin.
#[derive(Debug)]
pub struct Origin {
    /// Where it is mounted, as the setting says it: its name in figures, log and readiness.
    pub name: String,
    /// One word for what it is.
    pub kind: &'static str,
    /// Stands before every key that viewers ask for.
    pub prefix: KeyPrefix,
    /// Which pages of other origins may read its answers.
    pub cors: CorsPolicy,
    /// Who may read it.
    pub access: OriginAccess,
    /// Most bytes of an answer to a range without an end.
    pub max_answer: Option<NonZeroU64>,
    /// How long all calls for one answer may take.
    pub total: Duration,
    /// Whether it answers.
    pub health: Arc<OriginHealth>,
    /// What is known and kept of it, if there is a cache.
    pub cache: Option<Arc<Engine>>,
}

/// An origin and a worker's own way to read it: its connections belong to the worker's runtime.
pub struct WorkerOrigin {
    /// Shared with the other workers.
    pub origin: Arc<Origin>,
    /// Reads objects.
    pub reader: Arc<dyn ObjectReader>,
    /// Lists them.
    pub lister: Box<dyn ObjectLister>,
}

/// Who may read an origin, where anything is signed at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OriginAccess {
    /// `keys=none`: everyone.
    Public,
    /// Whoever has something signed with any of the service's keys.
    #[default]
    AnyKey,
    /// `keys=A+B`: with one of these.
    Keys(Vec<String>),
}

/// The longest id of a key pair.
const MAX_KEY_ID_BYTES: usize = 128;

impl OriginAccess {
    /// Reads `none` or ids of key pairs with `+` between them; `None` if it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::Public);
        }
        let is_id = |id: &str| {
            (1..=MAX_KEY_ID_BYTES).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        let ids: Vec<_> = text.split('+').map(ToOwned::to_owned).collect();
        ids.iter().all(|id| is_id(id)).then_some(Self::Keys(ids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_none_or_ids() {
        let keys = |ids: &[&str]| {
            Some(OriginAccess::Keys(
                ids.iter().map(|id| (*id).to_owned()).collect(),
            ))
        };
        assert_eq!(OriginAccess::parse("none"), Some(OriginAccess::Public));
        assert_eq!(OriginAccess::parse("K1"), keys(&["K1"]));
        assert_eq!(OriginAccess::parse("K-1+k_2"), keys(&["K-1", "k_2"]));
        for text in ["", "+", "K1+", "K1++K2", "K 1", "K,1", "\u{e9}"] {
            assert_eq!(OriginAccess::parse(text), None, "{text}");
        }
        assert_eq!(OriginAccess::parse(&"x".repeat(129)), None);
        assert!(OriginAccess::parse(&"x".repeat(128)).is_some());
    }
}
