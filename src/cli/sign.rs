//! `s3reel sign`: signed URLs and cookies, for development and scripts.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use super::{WRONG_SETTINGS, complain, tell};
use crate::signing::minting::{Covered, PrivateKey, Ticket, cookies, signed_url};
use crate::signing::pattern::ResourcePattern;
use crate::signing::policy::network;
use crate::signing::{Claims, KeyPairId};
use crate::units::parse_duration;

/// Arguments of `s3reel sign`.
#[derive(Debug, Args)]
pub struct SignArguments {
    /// The address to open, as links have it, such as `https://media.example/films/one.mp4`.
    #[arg(value_name = "URL")]
    url: String,
    /// What is opened, if it is more than that address: a pattern such as
    /// `https://media.example/films/*`.
    #[arg(long, env = "S3REEL_RESOURCE", value_name = "PATTERN")]
    resource: Option<String>,
    /// The private key, a PEM file: RSA, or ECDSA on P-256.
    #[arg(long, env = "S3REEL_PRIVATE_KEY", value_name = "FILE")]
    private_key: PathBuf,
    /// The name of the key, as in S3REEL_SIGNED_URL_KEYS.
    #[arg(long, env = "S3REEL_KEY_PAIR_ID", value_name = "KEYPAIRID")]
    key_pair_id: String,
    /// How long it is good for, or the second since 1970 in which it ends.
    #[arg(
        long,
        env = "S3REEL_EXPIRES",
        value_name = "DURATION|SECONDS",
        default_value = "1h"
    )]
    expires: String,
    /// The second since 1970 in which it begins to be good; at once without it.
    #[arg(long, env = "S3REEL_NOT_BEFORE", value_name = "SECONDS")]
    not_before: Option<u64>,
    /// The address or network of the viewers it is for; all without it.
    #[arg(long, env = "S3REEL_IP_ADDRESS", value_name = "NETWORK")]
    ip_address: Option<String>,
    /// Print cookies and not a URL.
    #[arg(long, env = "S3REEL_COOKIES")]
    cookies: bool,
}

/// Prints what is signed, and a curl line to try it with. Exit code 2 if it cannot be.
#[must_use]
pub fn run(arguments: &SignArguments) -> ExitCode {
    match minted(arguments) {
        Ok(text) => {
            tell(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::from(WRONG_SETTINGS)
        }
    }
}

fn minted(arguments: &SignArguments) -> Result<String, String> {
    let SignArguments {
        url,
        resource,
        private_key,
        key_pair_id,
        expires,
        not_before,
        ip_address,
        cookies: as_cookies,
    } = arguments;
    let id = KeyPairId::parse(key_pair_id).map_err(|error| format!("--key-pair-id: {error}"))?;
    if !is_address(url) {
        return Err(format!(
            "{url:?} is no address to open: it begins with http:// or https:// and has no wildcard, \
             space or quote in it, which links have percent-encoded; patterns go into --resource"
        ));
    }
    let query = url.split_once('?').map(|(_, query)| query);
    if Claims::from_query(query).is_ok_and(|(claims, _)| !claims.is_empty()) {
        return Err(format!(
            "{url:?} is signed already: leave its parameters out"
        ));
    }
    if let Some(resource) = resource {
        ResourcePattern::parse(resource).map_err(|error| format!("--resource: {error}"))?;
    }
    let pem = std::fs::read(private_key)
        .map_err(|error| format!("--private-key {}: {error}", private_key.display()))?;
    let key = PrivateKey::from_pem(&pem)
        .map_err(|error| format!("--private-key {}: {error}", private_key.display()))?;
    let addresses = ip_address.as_deref().map(network).transpose();
    let ticket = Ticket {
        resource: match resource {
            Some(pattern) => Covered::Pattern(pattern.clone()),
            None => Covered::Address(url.clone()),
        },
        expires: end(expires)?,
        not_before: *not_before,
        addresses: addresses.map_err(|error| format!("--ip-address: {error}"))?,
    };
    let parameters = ticket.sign(&id, &key).map_err(|error| error.to_string())?;
    if *as_cookies {
        let cookies = cookies(&parameters);
        let (lines, field) = (cookies.join("\n"), cookies.join("; "));
        Ok(format!("{lines}\ncurl -i -r 0-1 -b '{field}' '{url}'"))
    } else {
        let signed = signed_url(url, &parameters);
        Ok(format!("{signed}\ncurl -i -r 0-1 '{signed}'"))
    }
}

/// Whether a text is an address as a request has it, safe within the quotes of a shell.
fn is_address(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"*'\"\\#<>".contains(&byte);
        !rest.is_empty() && rest.contains('/') && rest.bytes().all(is_plain)
    })
}

/// The end: that second, or so long from now.
fn end(text: &str) -> Result<u64, String> {
    if let Ok(second) = text.parse() {
        return Ok(second);
    }
    let duration = parse_duration(text).map_err(|error| {
        format!("--expires {text:?}: {error}, or it is a second since 1970 without a unit")
    })?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| "the clock of this machine is before 1970".to_owned())?;
    Ok(now.as_secs().saturating_add(duration.as_secs()))
}
