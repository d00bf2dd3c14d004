//! The settings of signed URLs.

use std::sync::Arc;

use super::faults::Reader;
use super::settings::Settings;
use crate::service::key_files::KeyFiles;
use crate::service::origin::OriginConfig;
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
        };
        (signed, files)
    });
    (public_url, signed)
}

/// Refuses origins that only keys open which are not there: without any key in force such an origin would
/// be open to everyone.
pub fn check_origins(read: &mut Reader, keys: Option<&KeyFiles>, origins: &[OriginConfig]) {
    for origin in origins {
        let Access::Keys(ids) = &origin.access else {
            continue;
        };
        for id in ids {
            if !keys.is_some_and(|keys| keys.ids().any(|known| known == id)) {
                let place = origin.mount.to_string();
                let allowed = format!("a key of S3REEL_SIGNED_URL_KEYS, which {id} is not");
                read.fault(
                    "S3REEL_ORIGINS",
                    Some(&format!("{place}, keys={id}")),
                    &allowed,
                );
            }
        }
    }
}

/// Why keys alone are no configuration.
const NEEDED: &str = "the address that signed links begin with, such as https://media.example; with \
     S3REEL_SIGNED_URL_KEYS it is required, because it is part of what is signed";
