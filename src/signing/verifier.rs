//! Whether what a request brings along opens what it asks for.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::digest::{Context, SHA256};
use lru::LruCache;

use super::decision::{Access, Asked, Decision, Grant, Refusal};
use super::keys::{KeyPairId, KeySet};
use super::parameters::{Claims, HashAlgorithm, Presented, Statement};
use super::policy::{Policy, canned};
use super::resource::Resource;

/// How far a signer's clock may be ahead of ours before what it allows from now on is refused here,
/// in seconds. The end of a policy has no such leeway.
const LEEWAY: u64 = 60;

/// Policies whose signature has been verified that are remembered: 8 MiB of the longest ones.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// What was verified: the conditions that are left to look at.
#[derive(Debug)]
enum Verified {
    /// Until then. The resource is in what was signed.
    Canned(u64),
    /// As it says.
    Custom(Policy),
}

/// The keys in force, and what they have been seen to sign. Another set of keys is another verifier,
/// so that nothing is remembered of a key that is gone.
#[derive(Debug)]
pub struct Verifier {
    keys: KeySet,
    /// By a digest of all that a signature depends on. Only what is right is remembered, so that
    /// nobody without a key can push anything out.
    seen: Option<Mutex<LruCache<Fingerprint, Arc<Verified>>>>,
}

/// SHA-256 over key, hash algorithm, what was signed, and the signature: how long it takes to find
/// one says nothing of how much of a signature is right.
type Fingerprint = [u8; 32];

impl Verifier {
    /// A verifier with these keys.
    #[must_use]
    pub fn new(keys: KeySet) -> Self {
        let seen = Some(Mutex::new(LruCache::new(REMEMBERED)));
        Self { keys, seen }
    }

    /// The same without a memory, to see what that is worth.
    #[must_use]
    pub fn forgetful(keys: KeySet) -> Self {
        Self { keys, seen: None }
    }

    /// The keys.
    #[must_use]
    pub const fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Decides.
    #[must_use]
    pub fn decide(&self, access: &Access, claims: &Claims, asked: &Asked<'_>) -> Decision {
        let refused = |why: Refusal| Decision {
            outcome: Err(why),
            key: None,
        };
        if claims.is_empty() {
            return refused(Refusal::Missing);
        }
        let Some(presented) = claims.read() else {
            return refused(Refusal::Malformed);
        };
        let Some(key) = self.keys.known(&presented.key_pair_id) else {
            return refused(Refusal::UnknownKey);
        };
        let outcome = if access.admits(key) {
            self.verified(key, &presented, asked.resource)
                .and_then(|verified| verified.opens(asked))
        } else {
            Err(Refusal::OtherKey)
        };
        Decision {
            outcome,
            key: Some(key.clone()),
        }
    }

    /// The policy, if the key signed it.
    fn verified(
        &self,
        key: &KeyPairId,
        presented: &Presented,
        resource: &Resource,
    ) -> Result<Arc<Verified>, Refusal> {
        let text;
        let message = match &presented.statement {
            Statement::Canned(expires) => {
                text = canned(resource, *expires);
                text.as_bytes()
            }
            Statement::Custom(policy) => policy,
        };
        let fingerprint = fingerprint(key, presented, message);
        if let Some(known) = self.recall(&fingerprint) {
            return Ok(known);
        }
        let Presented {
            signature, hash, ..
        } = presented;
        if !self.keys.verifies(key, *hash, message, signature) {
            return Err(Refusal::Signature);
        }
        let verified = Arc::new(match &presented.statement {
            Statement::Canned(expires) => Verified::Canned(*expires),
            Statement::Custom(policy) => {
                Verified::Custom(Policy::parse(policy).map_err(|_| Refusal::Policy)?)
            }
        });
        if let Some(seen) = &self.seen {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.put(fingerprint, Arc::clone(&verified));
        }
        Ok(verified)
    }

    fn recall(&self, fingerprint: &Fingerprint) -> Option<Arc<Verified>> {
        let mut seen = self
            .seen
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.get(fingerprint).cloned()
    }
}

impl Verified {
    /// Whether its conditions hold.
    fn opens(&self, asked: &Asked<'_>) -> Result<Grant, Refusal> {
        // A path that means another one to someone on the way could leave what a wildcard covers.
        if asked.resource.has_dot_segments() {
            return Err(Refusal::Resource);
        }
        let expires = match self {
            Self::Canned(expires) => *expires,
            Self::Custom(policy) => {
                if !policy.resource.matches(asked.resource) {
                    return Err(Refusal::Resource);
                }
                if !policy.is_for(asked.viewer) {
                    return Err(Refusal::Address);
                }
                let begun = policy
                    .not_before
                    .is_none_or(|start| asked.now.saturating_add(LEEWAY) >= start);
                if !begun {
                    return Err(Refusal::NotYet);
                }
                policy.expires
            }
        };
        if asked.now < expires {
            Ok(Grant::InTime)
        } else if asked.now < expires.saturating_add(asked.grace) {
            Ok(Grant::Late)
        } else {
            Err(Refusal::Expired)
        }
    }
}

fn fingerprint(key: &KeyPairId, presented: &Presented, message: &[u8]) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    let hash: &[u8] = match presented.hash {
        HashAlgorithm::Sha1 => b"SHA1",
        HashAlgorithm::Sha256 => b"SHA256",
    };
    let statement: &[u8] = match presented.statement {
        Statement::Canned(_) => b"canned",
        Statement::Custom(_) => b"custom",
    };
    for part in [
        key.as_str().as_bytes(),
        hash,
        statement,
        message,
        presented.signature.as_slice(),
    ] {
        // With their lengths, or one could end where another begins.
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    let mut fingerprint = Fingerprint::default();
    for (to, from) in fingerprint.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    fingerprint
}

/// The verifier in force, which can be changed while requests are decided.
#[derive(Debug)]
pub struct CurrentKeys(RwLock<Arc<Verifier>>);

impl CurrentKeys {
    /// With this one to begin with.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self(RwLock::new(Arc::new(verifier)))
    }

    /// The one in force.
    #[must_use]
    pub fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another one in force. Requests that are being decided go by the one before.
    pub fn replace(&self, verifier: Verifier) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(verifier);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::minting::{Covered, PrivateKey, Ticket};

    const PUBLIC: &[u8] = include_bytes!("../../tests/it/signed/ecdsa.pub.pem");
    const PRIVATE: &[u8] = include_bytes!("../../tests/it/signed/ecdsa.pem");
    const OTHER: &[u8] = include_bytes!("../../tests/it/signed/rsa.pub.pem");

    fn id() -> KeyPairId {
        KeyPairId::parse("K1").unwrap()
    }

    fn verifier(pem: &[u8]) -> Verifier {
        Verifier::new(KeySet::from_pem(&[(id(), pem.to_vec())]).unwrap())
    }

    /// Claims to all films of a.example from `not_before` until 2000.
    fn claims(not_before: Option<u64>) -> Claims {
        let ticket = Ticket {
            resource: Covered::Pattern("https://a.example/films/*".to_owned()),
            expires: 2000,
            not_before,
            addresses: None,
        };
        let claims = ticket.sign(&id(), &PrivateKey::from_pem(PRIVATE).unwrap());
        let url = crate::signing::minting::signed_url("", &claims.unwrap());
        Claims::from_query(url.strip_prefix('?')).unwrap().0
    }

    fn decide(
        verifier: &Verifier,
        claims: &Claims,
        now: u64,
        grace: u64,
    ) -> Result<Grant, Refusal> {
        let resource = Resource::new("https://a.example", "/films/one.mp4", None);
        let asked = Asked {
            resource: &resource,
            now,
            viewer: None,
            grace,
        };
        verifier.decide(&Access::AnyKey, claims, &asked).outcome
    }

    #[test]
    fn a_policy_holds_from_its_first_second_to_its_last() {
        let verifier = verifier(PUBLIC);
        for (now, grace, outcome) in [
            (0, 0, Ok(Grant::InTime)),
            (1999, 0, Ok(Grant::InTime)),
            (2000, 0, Err(Refusal::Expired)),
            (2000, 1, Ok(Grant::Late)),
            (2001, 1, Err(Refusal::Expired)),
            (u64::MAX, u64::MAX, Err(Refusal::Expired)),
        ] {
            assert_eq!(
                decide(&verifier, &claims(None), now, grace),
                outcome,
                "{now}"
            );
        }
        // The clock of a signer may be ahead by a minute.
        for (now, outcome) in [
            (939, Err(Refusal::NotYet)),
            (940, Ok(Grant::InTime)),
            (1000, Ok(Grant::InTime)),
            (2000, Err(Refusal::Expired)),
        ] {
            assert_eq!(
                decide(&verifier, &claims(Some(1000)), now, 0),
                outcome,
                "{now}"
            );
        }
    }

    #[test]
    fn what_is_remembered_is_what_was_verified_and_nothing_else() {
        let verifier = verifier(PUBLIC);
        let right = claims(None);
        let remembered = || verifier.seen.as_ref().unwrap().lock().unwrap().len();
        let forged = |change: &str| {
            let query = right
                .to_query()
                .unwrap()
                .replace("&Hash-Algorithm=SHA256", change);
            Claims::from_query(Some(&query)).unwrap().0
        };
        for _ in 0..3 {
            assert_eq!(
                decide(&verifier, &forged(""), 1, 0),
                Err(Refusal::Signature)
            );
            assert_eq!(remembered(), 0);
        }
        for _ in 0..3 {
            assert_eq!(decide(&verifier, &right, 1, 0), Ok(Grant::InTime));
            assert_eq!(remembered(), 1);
        }
        // What is remembered is not the answer: time goes on.
        assert_eq!(decide(&verifier, &right, 2000, 0), Err(Refusal::Expired));
        assert_eq!(
            decide(&verifier, &forged(""), 1, 0),
            Err(Refusal::Signature)
        );
        assert_eq!(remembered(), 1);
    }

    #[test]
    fn nothing_is_remembered_of_a_key_that_is_gone() {
        let keys = CurrentKeys::new(verifier(PUBLIC));
        let right = claims(None);
        assert_eq!(decide(&keys.verifier(), &right, 1, 0), Ok(Grant::InTime));
        let both = [PUBLIC, OTHER].concat();
        keys.replace(verifier(&both));
        assert_eq!(decide(&keys.verifier(), &right, 1, 0), Ok(Grant::InTime));
        keys.replace(verifier(OTHER));
        assert_eq!(
            decide(&keys.verifier(), &right, 1, 0),
            Err(Refusal::Signature)
        );
    }
}
