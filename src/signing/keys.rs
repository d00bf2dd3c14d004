//! Public keys: whose signatures count.

use std::fmt;

use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA256_ASN1, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use rustls_pki_types::pem::{PemObject as _, SectionKind};

use super::parameters::HashAlgorithm;

/// Most keys that may be in force at once: what a forged signature can cost.
pub const MAX_KEYS: usize = 8;

/// Longest name of a key, in bytes. CloudFront's have 14 to 20.
const MAX_ID_BYTES: usize = 64;

/// What stands where a key's name could, so that no key may have it.
const RESERVED_ID: &str = "none";

/// The public name of a key: `Key-Pair-Id`. Letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPairId(String);

/// Keys that cannot be used, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// The name of a key.
    Id(String),
    /// The name stands there twice.
    Repeated(KeyPairId),
    /// The text is not PEM.
    Pem(KeyPairId, String),
    /// There is a private key.
    Private(KeyPairId),
    /// There is no public key.
    None(KeyPairId),
    /// A key of another kind or size.
    Unsupported(KeyPairId),
    /// There are more than [`MAX_KEYS`].
    TooMany,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(
                f,
                "{id:?} is no name of a key: that is 1 to {MAX_ID_BYTES} letters, digits, - and _, \
                 and not `none`"
            ),
            Self::Repeated(id) => write!(
                f,
                "{id} stands there twice; several keys of one name go into one file"
            ),
            Self::Pem(id, error) => write!(f, "the file of {id} is not PEM: {error}"),
            Self::Private(id) => write!(
                f,
                "the file of {id} has a private key, which has no place on a server that only \
                 verifies: openssl pkey -pubout writes the public one"
            ),
            Self::None(id) => write!(
                f,
                "the file of {id} has no PUBLIC KEY: openssl pkey -pubout writes one, and openssl \
                 rsa -RSAPublicKey_in -pubout makes one of an RSA PUBLIC KEY"
            ),
            Self::Unsupported(id) => write!(
                f,
                "the file of {id} has a key that is neither RSA of 2048 to 8192 bits nor ECDSA on \
                 P-256"
            ),
            Self::TooMany => write!(f, "more than {MAX_KEYS} keys"),
        }
    }
}

impl std::error::Error for KeyError {}

impl KeyPairId {
    /// Reads a name.
    ///
    /// # Errors
    /// [`KeyError::Id`] for what could not stand in a query as it is.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_right = (1..=MAX_ID_BYTES).contains(&text.len())
            && text.bytes().all(is_name)
            && text != RESERVED_ID;
        if is_right {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError::Id(text.to_owned()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyPairId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One public key, for both ways to hash.
#[derive(Debug)]
struct PublicKey {
    sha1: ParsedPublicKey,
    sha256: ParsedPublicKey,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo (RFC 5280 section 4.1).
    fn from_der(der: &[u8]) -> Option<Self> {
        let is_rsa = PublicEncryptingKey::from_der(der)
            .is_ok_and(|key| (2048..=8192).contains(&key.key_size_bits()));
        let (sha1, sha256): (
            &'static dyn VerificationAlgorithm,
            &'static dyn VerificationAlgorithm,
        ) = if is_rsa {
            (
                &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
                &RSA_PKCS1_2048_8192_SHA256,
            )
        } else {
            (&ECDSA_P256_SHA1_ASN1, &ECDSA_P256_SHA256_ASN1)
        };
        Some(Self {
            sha1: ParsedPublicKey::new(sha1, der).ok()?,
            sha256: ParsedPublicKey::new(sha256, der).ok()?,
        })
    }

    fn verifies(&self, hash: HashAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let key = match hash {
            HashAlgorithm::Sha1 => &self.sha1,
            HashAlgorithm::Sha256 => &self.sha256,
        };
        key.verify_sig(message, signature).is_ok()
    }
}

/// The keys in force, by name. Several may have one name, so that a file can hold the old one and
/// the new one while keys are changed.
#[derive(Debug, Default)]
pub struct KeySet(Vec<(KeyPairId, Vec<PublicKey>)>);

impl KeySet {
    /// Reads the texts of PEM files by the names of their keys.
    ///
    /// # Errors
    /// [`KeyError`] for the first that cannot be used; then none is.
    pub fn from_pem(files: &[(KeyPairId, Vec<u8>)]) -> Result<Self, KeyError> {
        let mut set = Self::default();
        for (id, pem) in files {
            if set.keys(id.as_str()).is_some() {
                return Err(KeyError::Repeated(id.clone()));
            }
            let mut keys = Vec::new();
            for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
                let (kind, der) =
                    section.map_err(|error| KeyError::Pem(id.clone(), error.to_string()))?;
                match kind {
                    SectionKind::PublicKey => keys.push(
                        PublicKey::from_der(&der)
                            .ok_or_else(|| KeyError::Unsupported(id.clone()))?,
                    ),
                    SectionKind::PrivateKey
                    | SectionKind::RsaPrivateKey
                    | SectionKind::EcPrivateKey => return Err(KeyError::Private(id.clone())),
                    _ => {}
                }
            }
            if keys.is_empty() {
                return Err(KeyError::None(id.clone()));
            }
            set.0.push((id.clone(), keys));
            if set.0.iter().map(|(_, keys)| keys.len()).sum::<usize>() > MAX_KEYS {
                return Err(KeyError::TooMany);
            }
        }
        Ok(set)
    }

    /// The names, in the order of the setting.
    pub fn ids(&self) -> impl Iterator<Item = &KeyPairId> {
        self.0.iter().map(|(id, _)| id)
    }

    /// How many keys there are, by whatever name.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(|(_, keys)| keys.len()).sum()
    }

    /// The name as it is known here.
    #[must_use]
    pub fn known(&self, id: &str) -> Option<&KeyPairId> {
        self.ids().find(|known| known.as_str() == id)
    }

    fn keys(&self, id: &str) -> Option<&[PublicKey]> {
        let (_, keys) = self.0.iter().find(|(known, _)| known.as_str() == id)?;
        Some(keys)
    }

    /// Whether one of the keys of this name signed this message.
    #[must_use]
    pub fn verifies(
        &self,
        id: &KeyPairId,
        hash: HashAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let keys = self.keys(id.as_str()).unwrap_or_default();
        keys.iter()
            .any(|key| key.verifies(hash, message, signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA: &str = include_str!("../../tests/it/signed/rsa.pub.pem");
    const ECDSA: &str = include_str!("../../tests/it/signed/ecdsa.pub.pem");

    /// Made with openssl genpkey: RSA of 1024 bits, and ECDSA on P-384.
    const SMALL: &str = "-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDITLStKhFI50SW7UQsV7V+7d5c\n\
Y1X4aSq3Cli8h4HYPzm2XBhANYxMefBOsgW7+6cHbdG8sV/TLuIfxJVBd+SNY4wM\n\
mXW7DJ0WecNmMqfqkWMj1pjDZ0rfuDPKMHGF2ZPop8SHcCSzJwNYzEj4acw3LiVV\n\
sVtPcoY/Q52CxnFOvQIDAQAB\n\
-----END PUBLIC KEY-----\n";
    const P384: &str = "-----BEGIN PUBLIC KEY-----\n\
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEB4HrU+LUn1glEo9tvjpYqfMVwchneuDO\n\
Z7YzUxQHUGnjSnOLnpBhUnR8rpTb+xNlqOZYa9siyytuiTX0IlLwd/muYi4w76vf\n\
N3GnlX6UIbVozH5BxB2oPwML/HdpJrjf\n\
-----END PUBLIC KEY-----\n";

    fn read(files: &[(&str, &str)]) -> Result<usize, String> {
        let files: Vec<_> = files
            .iter()
            .map(|(id, pem)| (KeyPairId::parse(id).unwrap(), pem.as_bytes().to_vec()))
            .collect();
        let set = KeySet::from_pem(&files);
        set.map(|set| set.count())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn up_to_eight_keys_of_two_kinds_are_read() {
        assert_eq!(read(&[("K1", RSA), ("K2", ECDSA)]), Ok(2));
        assert_eq!(read(&[("K1", &format!("old\n{RSA}\nnew\n{ECDSA}"))]), Ok(2));
        assert_eq!(read(&[("K1", &RSA.repeat(8))]), Ok(8));
        assert_eq!(
            read(&[("K1", &RSA.repeat(8)), ("K2", RSA)]),
            Err("more than 8 keys".to_owned())
        );
    }

    #[test]
    fn what_is_no_public_key_is_refused_with_the_reason() {
        let private = include_str!("../../tests/it/signed/rsa.pem");
        let ecdsa = include_str!("../../tests/it/signed/ecdsa.pem");
        let broken = RSA.replacen('M', "!", 1);
        let cut = &RSA[..RSA.len() / 2];
        let lines = RSA.lines().enumerate().filter(|(at, _)| *at != 2);
        let lines: Vec<_> = lines.map(|(_, line)| line).collect();
        let shorter = lines.join("\n");
        for (pem, told) in [
            ("", "has no PUBLIC KEY"),
            ("hello", "has no PUBLIC KEY"),
            (private, "has a private key"),
            (ecdsa, "has a private key"),
            (&format!("{RSA}{private}"), "has a private key"),
            (&broken, "is not PEM"),
            (cut, "is not PEM"),
            (&shorter, "neither RSA"),
            (SMALL, "neither RSA"),
            (P384, "neither RSA"),
            (
                &RSA.replace("PUBLIC KEY", "RSA PUBLIC KEY"),
                "has no PUBLIC KEY",
            ),
        ] {
            let error = read(&[("K1", pem)]).unwrap_err();
            assert!(
                error.contains(told) && error.contains("K1"),
                "{pem}: {error}"
            );
        }
        let error = read(&[("K1", RSA), ("K1", RSA)]).unwrap_err();
        assert!(error.contains("K1 stands there twice"), "{error}");
    }

    #[test]
    fn a_name_can_stand_in_a_query() {
        for id in ["K2JCJMDEHXQW5F", "a", "A-b_9", &"x".repeat(64)] {
            assert_eq!(KeyPairId::parse(id).unwrap().as_str(), id);
        }
        for id in [
            "",
            "a b",
            "a+b",
            "a=b",
            "a,b",
            "a&b",
            "\u{e9}",
            "none",
            &"x".repeat(65),
        ] {
            assert!(KeyPairId::parse(id).is_err(), "{id}");
        }
    }
}
