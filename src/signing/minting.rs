//! Making signed URLs and cookies, as the AWS signers do.
//!
//! Signatures are over SHA-256 and say so. CloudFront and s3reel also take SHA-1, which signers
//! still use where nothing else is asked for; what is new does not have to.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use ipnet::IpNet;
use rustls_pki_types::pem::{PemObject as _, SectionKind};

use super::encoding::encode;
use super::keys::KeyPairId;
use super::parameters::Parameter;
use super::policy;

/// A private key. It never says what it is.
pub struct PrivateKey(Kind);

enum Kind {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
}

/// Nothing can be made, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MintingError {
    /// The text is not PEM.
    Pem(String),
    /// It has no private key.
    NoKey,
    /// A key of another kind or size.
    Unsupported,
    /// The library refused.
    Signing,
}

impl fmt::Display for MintingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(error) => write!(f, "it is not PEM: {error}"),
            Self::NoKey => f.write_str(
                "it has no private key that is not encrypted: openssl pkey writes such a one",
            ),
            Self::Unsupported => {
                f.write_str("its key is neither RSA of 2048 to 8192 bits nor ECDSA on P-256")
            }
            Self::Signing => f.write_str("the key cannot sign"),
        }
    }
}

impl std::error::Error for MintingError {}

impl PrivateKey {
    /// Reads the first private key of a PEM file: PKCS #8, or the older forms for RSA and ECDSA.
    ///
    /// # Errors
    /// [`MintingError`] when there is none, or one that is not supported.
    pub fn from_pem(pem: &[u8]) -> Result<Self, MintingError> {
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
            let (kind, der) = section.map_err(|error| MintingError::Pem(error.to_string()))?;
            let rsa = |pair| Kind::Rsa(Box::new(pair));
            let ecdsa = |pair| Kind::Ecdsa(Box::new(pair));
            let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
            let key = match kind {
                SectionKind::RsaPrivateKey => RsaKeyPair::from_der(&der).map(rsa),
                SectionKind::EcPrivateKey => {
                    EcdsaKeyPair::from_private_key_der(algorithm, &der).map(ecdsa)
                }
                SectionKind::PrivateKey => RsaKeyPair::from_pkcs8(&der)
                    .map(rsa)
                    .or_else(|_| EcdsaKeyPair::from_private_key_der(algorithm, &der).map(ecdsa)),
                _ => continue,
            };
            return key.map(Self).map_err(|_| MintingError::Unsupported);
        }
        Err(MintingError::NoKey)
    }

    /// Signs a message over SHA-256.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MintingError> {
        let random = SystemRandom::new();
        match &self.0 {
            Kind::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| MintingError::Signing)?;
                Ok(signature)
            }
            Kind::Ecdsa(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| MintingError::Signing),
        }
    }
}

/// What is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// What it is.
    pub resource: Covered,
    /// The first second in which it does not hold any more, since 1970.
    pub expires: u64,
    /// The first second in which it holds.
    pub not_before: Option<u64>,
    /// Whom it is for.
    pub addresses: Option<IpNet>,
}

/// What a signature covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covered {
    /// This address.
    Address(String),
    /// All that this pattern matches.
    Pattern(String),
}

impl Ticket {
    /// Whether a canned policy says all of it: one address, no beginning and no network.
    #[must_use]
    pub fn is_canned(&self) -> bool {
        let is_address = matches!(self.resource, Covered::Address(_));
        is_address && self.not_before.is_none() && self.addresses.is_none()
    }

    /// Signs it: the parameters in the order in which links carry them, with their values.
    ///
    /// # Errors
    /// [`MintingError::Signing`].
    pub fn sign(
        &self,
        id: &KeyPairId,
        key: &PrivateKey,
    ) -> Result<Vec<(Parameter, String)>, MintingError> {
        let (Covered::Address(resource) | Covered::Pattern(resource)) = &self.resource;
        let text = policy::custom(resource, self.expires, self.not_before, self.addresses);
        let what = if self.is_canned() {
            (Parameter::Expires, self.expires.to_string())
        } else {
            (Parameter::Policy, encode(text.as_bytes()))
        };
        let signature = key.sign(text.as_bytes())?;
        Ok(vec![
            what,
            (Parameter::Signature, encode(&signature)),
            (Parameter::KeyPairId, id.to_string()),
            (Parameter::HashAlgorithm, "SHA256".to_owned()),
        ])
    }
}

/// A URL with the parameters behind it.
#[must_use]
pub fn signed_url(url: &str, parameters: &[(Parameter, String)]) -> String {
    let mut url = url.to_owned();
    for (parameter, value) in parameters {
        let divider = if url.contains('?') { '&' } else { '?' };
        url = format!("{url}{divider}{}={value}", parameter.in_query());
    }
    url
}

/// The cookies, as `Cookie` has them.
#[must_use]
pub fn cookies(parameters: &[(Parameter, String)]) -> Vec<String> {
    let cookie =
        |(parameter, value): &(Parameter, String)| format!("{}={value}", parameter.as_cookie());
    parameters.iter().map(cookie).collect()
}
