//! What is decided on, and what the decision can be.

use std::net::IpAddr;

use super::keys::KeyPairId;
use super::resource::Resource;

/// Who may read a part of the key space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Access {
    /// Everyone, whatever they bring along.
    Public,
    /// Who has a signature of any key in force.
    #[default]
    AnyKey,
    /// Who has a signature of one of these keys.
    Keys(Vec<KeyPairId>),
}

impl Access {
    /// Reads `none` or names of keys with `+` between them; `None` if it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::Public);
        }
        let ids = text.split('+').map(|id| KeyPairId::parse(id).ok());
        ids.collect::<Option<_>>().map(Self::Keys)
    }

    /// Whether a signature of this key opens it.
    #[must_use]
    pub fn admits(&self, id: &KeyPairId) -> bool {
        match self {
            Self::Public | Self::AnyKey => true,
            Self::Keys(keys) => keys.contains(id),
        }
    }
}

/// What a request asks for, and when.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What for.
    pub resource: &'a Resource,
    /// Seconds since 1970.
    pub now: u64,
    /// Whose it is.
    pub viewer: Option<IpAddr>,
    /// How many seconds the end of a policy is put off for this request.
    pub grace: u64,
}

/// Why nothing is opened. Viewers are told that it is refused; figures and the log tell why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request brings no signature.
    Missing,
    /// What it brings is not a signature with all that belongs to it.
    Malformed,
    /// No key in force has this name.
    UnknownKey,
    /// The key is not one of those that open this.
    OtherKey,
    /// The signature is not one of that key over this.
    Signature,
    /// What was signed is no policy.
    Policy,
    /// The policy is about other resources.
    Resource,
    /// The policy is over.
    Expired,
    /// The policy has not begun.
    NotYet,
    /// The policy is for other viewers.
    Address,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Missing,
        Self::Malformed,
        Self::UnknownKey,
        Self::OtherKey,
        Self::Signature,
        Self::Policy,
        Self::Resource,
        Self::Expired,
        Self::NotYet,
        Self::Address,
    ];

    /// The name in labels and lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::OtherKey => "other_key",
            Self::Signature => "bad_signature",
            Self::Policy => "bad_policy",
            Self::Resource => "other_resource",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Address => "other_address",
        }
    }
}

/// That it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// In time.
    InTime,
    /// After the end of the policy, within the grace.
    Late,
}

/// A decision, and by which key if that is one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub outcome: Result<Grant, Refusal>,
    /// The name of a key in force; never a name that someone made up.
    pub key: Option<KeyPairId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_none_or_names_of_keys() {
        let keys = |ids: &[&str]| {
            let ids = ids.iter().map(|id| KeyPairId::parse(id).unwrap());
            Some(Access::Keys(ids.collect()))
        };
        assert_eq!(Access::parse("none"), Some(Access::Public));
        assert_eq!(Access::parse("K1"), keys(&["K1"]));
        assert_eq!(Access::parse("K-1+k_2"), keys(&["K-1", "k_2"]));
        for text in ["", "+", "K1+", "K1++K2", "K 1", "K,1", "K1+none", "\u{e9}"] {
            assert_eq!(Access::parse(text), None, "{text}");
        }
    }
}
