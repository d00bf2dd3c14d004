//! The settings of signed URLs.

use std::sync::Arc;

use super::faults::Reader;
use super::settings::Settings;
use crate::service::key_files::KeyFiles;
use crate::signing::{Access, CurrentKeys, PublicUrl};
use crate::web::admission::SignedUrls;

/// What is set: who may read, and where the keys are, if any are.
pub fn signed_urls(
    read: &mut Reader,
    settings: &Settings,
) -> (Option<PublicUrl>, Option<(SignedUrls, KeyFiles)>) {
    const PUBLIC_URL: &str = "S3REEL_PUBLIC_URL";
    let public_url = read.optional(PUBLIC_URL, settings.public_url.as_ref(), |text| {
        PublicUrl::parse(text).map_err(|error| error.to_string())
    });
    let grace = read.duration(
        "S3REEL_SIGNED_URL_GRACE",
        settings.signed_url_grace.as_ref(),
    );
    let keys = settings.signed_url_keys.as_ref();
    if keys.is_some() && settings.public_url.is_none() {
        read.fault(PUBLIC_URL, None, NEEDED);
    }
    let loaded = read.optional("S3REEL_SIGNED_URL_KEYS", keys, |text| {
        let files = KeyFiles::parse(text).map_err(|error| error.to_string())?;
        let verifier = files.load().map_err(|error| error.to_string())?;
        Ok((files, verifier))
    });
    let signed = public_url.clone().zip(loaded);
    let signed = signed.map(|(public_url, (files, verifier))| {
        let signed = SignedUrls {
            keys: Arc::new(CurrentKeys::new(verifier)),
            public_url,
            grace: grace.unwrap_or_default(),
            access: Access::AnyKey,
        };
        (signed, files)
    });
    (public_url, signed)
}

/// Why keys alone are no configuration.
const NEEDED: &str = "the address that signed links begin with, such as https://media.example; with \
     S3REEL_SIGNED_URL_KEYS it is required, because it is part of what is signed";
