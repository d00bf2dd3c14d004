//! Signed links: the throwaway keys of the tests, a service that asks for their signatures, and
//! links in a form that can be changed.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3reel::service::origin::OriginConfig;
use s3reel::signing::minting::{Covered, PrivateKey, Ticket};
use s3reel::signing::parameters::Parameter;
use s3reel::signing::{Access, CurrentKeys, KeyPairId, KeySet, PublicUrl, Verifier};
use s3reel::web::admission::SignedUrls;
use serde_json::{Value, json};

use super::service::Setup;
use super::{Client, Response, TestS3, TestService, content};

/// What links begin with. No test listens there: it is never looked at what a request is sent to.
pub const PUBLIC_URL: &str = "https://media.example";

/// A day in the year 2100, as the end of what shall not end.
pub const LATER: u64 = 4_102_444_800;

/// The names of the keys, and their files.
pub const KEYS: [(&str, &str); 2] = [("KRSA", "rsa"), ("KECDSA", "ecdsa")];

/// The file of a key, or of another thing in that folder.
pub fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    folder.join("tests/it/signed").join(name)
}

/// The text of a key's file: `rsa`, `ecdsa` or `other`.
pub fn public_key(name: &str) -> Vec<u8> {
    std::fs::read(file(&format!("{name}.pub.pem"))).expect("a public key")
}

/// A private key.
pub fn private_key(name: &str) -> PrivateKey {
    let pem = std::fs::read(file(&format!("{name}.pem"))).expect("a private key");
    PrivateKey::from_pem(&pem).expect("a private key")
}

/// The keys in force in tests.
pub fn key_set() -> KeySet {
    let text = |(id, name): (&str, &str)| (KeyPairId::parse(id).expect("a name"), public_key(name));
    KeySet::from_pem(&KEYS.map(text)).expect("keys")
}

/// Makes a service ask for signatures.
pub fn sign_everything(config: &mut Setup) {
    config.web.signed_urls = Some(SignedUrls {
        keys: Arc::new(CurrentKeys::new(Verifier::new(key_set()))),
        public_url: PublicUrl::parse(PUBLIC_URL).expect("an address"),
        grace: Duration::ZERO,
    });
}

/// The film that most links are for.
pub const ONE: &str = "/films/one.mp4";

/// A bucket with a few films.
pub async fn films() -> TestS3 {
    let s3 = TestS3::embedded().await;
    for key in ["films/one.mp4", "films/two.mp4", "other/three.mp4"] {
        s3.put(key, content(1, 1000)).await;
    }
    s3
}

/// A service that asks for signatures, with other changes.
pub async fn signed(s3: &TestS3, change: impl FnOnce(&mut Setup)) -> TestService {
    TestService::with(s3, |config| {
        sign_everything(config);
        change(config);
    })
    .await
}

/// The same over several origins.
pub async fn signed_over(
    origins: Vec<OriginConfig>,
    change: impl FnOnce(&mut Setup),
) -> TestService {
    TestService::of(origins, |config| {
        sign_everything(config);
        change(config);
    })
    .await
}

/// Changes who may read, and how long.
pub fn access(config: &mut Setup, access: Access, grace: Duration) {
    let signed = config.web.signed_urls.as_mut().expect("keys");
    signed.grace = grace;
    config.access = access;
}

/// Whether a figure is this whole number.
pub fn is(figure: f64, expected: f64) -> bool {
    (figure - expected).abs() < 0.5
}

/// A link to the folder of films.
pub fn to_films(expires: u64) -> Link {
    Link::of_ours(ONE, Some("/films/*"), KEYS[0], expires)
}

/// Seconds since 1970.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock").as_secs()
}

/// How the claims of a link travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// In the query.
    Query,
    /// In cookies.
    Cookies,
}

/// A signed request, taken apart.
#[derive(Debug, Clone)]
pub struct Link {
    /// What it is, for failure texts.
    pub name: String,
    /// The raw path.
    pub path: String,
    /// Its own query.
    pub query: Option<String>,
    /// The claims by their names in a query.
    pub claims: Vec<(String, String)>,
    /// How they travel.
    pub carrier: Carrier,
}

impl Link {
    /// Takes a signed URL apart.
    pub fn of_url(name: &str, url: &str) -> Self {
        let target = url.strip_prefix(PUBLIC_URL).expect("our address");
        let (path, whole) = target.split_once('?').unwrap_or((target, ""));
        let is_claim = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            Parameter::ALL.iter().any(|known| known.in_query() == name)
        };
        let pairs = || whole.split('&').filter(|_| !whole.is_empty());
        let own: Vec<_> = pairs().filter(|pair| !is_claim(pair)).collect();
        let claims = pairs().filter(is_claim).map(|pair| {
            let (name, value) = pair.split_once('=').expect("a value");
            (name.to_owned(), value.to_owned())
        });
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            query: (!own.is_empty()).then(|| own.join("&")),
            claims: claims.collect(),
            carrier: Carrier::Query,
        }
    }

    /// What our own `sign` makes for a target: canned, or for a pattern of resources.
    pub fn of_ours(target: &str, pattern: Option<&str>, key: (&str, &str), expires: u64) -> Self {
        let url = format!("{PUBLIC_URL}{target}");
        let ticket = Ticket {
            resource: match pattern {
                Some(pattern) => Covered::Pattern(format!("{PUBLIC_URL}{pattern}")),
                None => Covered::Address(url.clone()),
            },
            expires,
            not_before: None,
            addresses: None,
        };
        let id = KeyPairId::parse(key.0).expect("a name");
        let claims = ticket.sign(&id, &private_key(key.1)).expect("a signature");
        let url = s3reel::signing::minting::signed_url(&url, &claims);
        Self::of_url(&format!("ours, {target} {pattern:?} {}", key.0), &url)
    }

    /// A link to everything, for a long time.
    pub fn to_everything() -> Self {
        Self::of_ours("/", Some("/*"), KEYS[0], LATER)
    }

    /// The same in cookies.
    pub fn in_cookies(mut self) -> Self {
        self.name += ", in cookies";
        self.carrier = Carrier::Cookies;
        self
    }

    /// A claim's value.
    pub fn claim(&self, name: &str) -> Option<&str> {
        let claim = self.claims.iter().find(|(known, _)| known == name);
        claim.map(|(_, value)| value.as_str())
    }

    /// The same with another claim of this name, or without one.
    pub fn with_claim(mut self, name: &str, value: Option<&str>) -> Self {
        let at = self.claims.iter().position(|(known, _)| known == name);
        let claim = value.map(|value| (name.to_owned(), value.to_owned()));
        match (at, claim) {
            (Some(at), Some(claim)) => self.claims[at] = claim,
            (Some(at), None) => drop(self.claims.remove(at)),
            (None, Some(claim)) => self.claims.push(claim),
            (None, None) => {}
        }
        self
    }

    /// The claims as a query.
    pub fn claims_in_query(&self) -> String {
        let claims = self.claims.iter();
        let claims: Vec<_> = claims
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        claims.join("&")
    }

    /// The claims as cookies, each as `Cookie` has it.
    pub fn cookies(&self) -> Vec<String> {
        let claims = self.claims.iter();
        claims
            .map(|(name, value)| format!("CloudFront-{name}={value}"))
            .collect()
    }

    /// The target of the request.
    pub fn target(&self) -> String {
        let claims = Some(self.claims_in_query()).filter(|_| self.carrier == Carrier::Query);
        let query: Vec<_> = self.query.clone().into_iter().chain(claims).collect();
        let divider = if query.is_empty() { "" } else { "?" };
        format!("{}{divider}{}", self.path, query.join("&"))
    }

    /// The same claims for another target, with these fields.
    pub async fn ask_for(
        &self,
        client: &mut Client,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Response {
        let link = Self {
            path: path.to_owned(),
            ..self.clone()
        };
        link.ask(client, method, fields).await
    }

    /// Sends it.
    pub async fn ask(
        &self,
        client: &mut Client,
        method: &str,
        fields: &[(&str, &str)],
    ) -> Response {
        let cookies = self.cookies().join("; ");
        let mut fields = fields.to_vec();
        if self.carrier == Carrier::Cookies && !cookies.is_empty() {
            fields.push(("Cookie", &cookies));
        }
        client.ask(method, &self.target(), &fields).await
    }
}

/// Links that the npm package minted, see `signed/vectors.mjs`.
pub fn npm_links() -> Vec<Link> {
    let text = std::fs::read_to_string(file("vectors.json")).expect("vectors");
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let vectors = vectors["vectors"].as_array().expect("a list");
    let link = |vector: &Value| {
        let text = |name: &str| vector[name].as_str().expect("a text");
        let mut link = Link::of_url(&format!("npm, {}", text("name")), text("url"));
        if let Some(cookies) = vector["cookies"].as_object() {
            link.carrier = Carrier::Cookies;
            for (name, value) in cookies {
                let name = name.strip_prefix("CloudFront-").expect("our name");
                let value = value.as_str().map_or(value.to_string(), ToOwned::to_owned);
                link.claims.push((name.to_owned(), value));
            }
        }
        link
    };
    vectors.iter().map(link).collect()
}

/// What botocore is asked to mint.
pub struct Wish<'a> {
    /// What for, and what it is called.
    pub target: &'a str,
    /// The pattern of a custom policy.
    pub pattern: Option<&'a str>,
    /// Name and file of the key.
    pub key: (&'a str, &'a str),
    /// `SHA1` or `SHA256`.
    pub hash: &'a str,
    /// The end.
    pub expires: u64,
    /// The beginning, in a custom policy.
    pub not_before: Option<u64>,
    /// The network, in a custom policy.
    pub ip_address: Option<&'a str>,
}

/// Has stock botocore mint links, now, in the environment that `tests/localstack` makes.
pub fn botocore_links(wishes: &[Wish<'_>]) -> Vec<Link> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/localstack-venv/bin/python");
    assert!(
        python.is_file(),
        "botocore is missing: tests/localstack install, as tests/run does"
    );
    let told = wishes.iter().map(|wish| {
        json!({
            "url": format!("{PUBLIC_URL}{}", wish.target),
            "key": file(&format!("{}.pem", wish.key.1)),
            "key_pair_id": wish.key.0,
            "hash": wish.hash,
            "expires": wish.expires,
            "resource": wish.pattern.map(|pattern| format!("{PUBLIC_URL}{pattern}")),
            "not_before": wish.not_before,
            "ip_address": wish.ip_address,
        })
    });
    let told = Value::Array(told.collect());
    let mut minting = Command::new(python)
        .arg(file("mint.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut stdin = minting.stdin.take().expect("an input");
    stdin
        .write_all(told.to_string().as_bytes())
        .expect("written");
    drop(stdin);
    let output = minting.wait_with_output().expect("an output");
    assert!(output.status.success(), "botocore did not mint");
    let urls: Vec<String> = serde_json::from_slice(&output.stdout).expect("JSON");
    let links = urls.iter().zip(wishes).map(|(url, wish)| {
        let name = format!(
            "botocore, {} {:?} {} {}",
            wish.target, wish.pattern, wish.key.0, wish.hash
        );
        Link::of_url(&name, url)
    });
    links.collect()
}
