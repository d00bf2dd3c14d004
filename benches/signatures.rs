//! What it costs to decide on a signed request, with the memory of verified policies and without.
//!
//! ```text
//! cargo bench --bench signatures
//! ```
//!
//! Each line has the CPU of this thread in microseconds for one request: taking the parameters or cookies apart, the
//! resource, and the decision, as `web::admission` does it; the median of many runs and the 99th percentile. A forged
//! signature is never remembered, so both columns of those are alike. The keys are the throwaway ones of the tests.

#![expect(clippy::print_stdout, reason = "the report")]
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up should stop where it does"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use s3reel::signing::decision::Asked;
use s3reel::signing::minting::{Covered, PrivateKey, Ticket, cookies, signed_url};
use s3reel::signing::{Access, Claims, KeyPairId, KeySet, Resource, Verifier};

/// How long each case is repeated.
const LONG_ENOUGH: Duration = Duration::from_secs(1);

/// Requests that are timed together: a clock is not fine enough for one.
const BATCH: u32 = 20;

const PUBLIC_URL: &str = "https://media.example";
const PATH: &str = "/films/2026/one-film-of-many/1080p.mp4";

/// Name, private key and public key.
const KEYS: [(&str, &[u8], &[u8]); 2] = [
    (
        "RSA-2048",
        include_bytes!("../tests/it/signed/rsa.pem"),
        include_bytes!("../tests/it/signed/rsa.pub.pem"),
    ),
    (
        "ECDSA P-256",
        include_bytes!("../tests/it/signed/ecdsa.pem"),
        include_bytes!("../tests/it/signed/ecdsa.pub.pem"),
    ),
];

/// A request as it comes.
struct Request {
    query: Option<String>,
    cookie: Option<String>,
}

impl Request {
    fn decide(&self, verifier: &Verifier) -> bool {
        let (mut claims, query) = Claims::from_query(self.query.as_deref()).unwrap();
        if let Some(cookie) = &self.cookie {
            claims = Claims::from_cookies([cookie.as_bytes()]).unwrap();
        }
        let resource = Resource::new(PUBLIC_URL, PATH, query.as_deref());
        let asked = Asked {
            resource: &resource,
            now: 1_767_290_400,
            viewer: None,
            grace: 0,
        };
        let decision = verifier.decide(&Access::AnyKey, &claims, &asked);
        decision.outcome.is_ok()
    }
}

/// What is asked for with a key, by name.
fn requests(key: &PrivateKey, id: &KeyPairId) -> Vec<(&'static str, Request, bool)> {
    let ticket = |covered: &str| Ticket {
        resource: match format!("{PUBLIC_URL}{covered}") {
            pattern if pattern.ends_with('*') => Covered::Pattern(pattern),
            address => Covered::Address(address),
        },
        expires: 4_102_444_800,
        not_before: None,
        addresses: None,
    };
    let query = |pattern: &str| {
        let claims = ticket(pattern).sign(id, key).unwrap();
        signed_url("", &claims).trim_start_matches('?').to_owned()
    };
    let in_query = |query: String| Request {
        query: Some(query),
        cookie: None,
    };
    let claims = ticket("/films/*").sign(id, key).unwrap();
    let others = "session=4f9d2c1a7b; theme=dark; consent=yes; ";
    let in_cookies = Request {
        query: None,
        cookie: Some(others.to_owned() + &cookies(&claims).join("; ")),
    };
    // One letter in the midst of it, so that all of the work is done.
    let forged = query("/films/*")
        .split_once("Signature=")
        .map(|(before, after)| {
            let (front, rest) = after.split_at(40);
            let letter = if rest.starts_with('A') { 'B' } else { 'A' };
            format!("{before}Signature={front}{letter}{}", &rest[1..])
        });
    vec![
        ("canned URL", in_query(query(PATH)), true),
        ("wildcard URL", in_query(query("/films/*")), true),
        ("wildcard cookies", in_cookies, true),
        ("forged URL", in_query(forged.unwrap()), false),
    ]
}

/// What this thread has had of the CPU so far.
fn cpu() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// Microseconds of the median request and of the 99th of a hundred.
fn measure(request: &Request, verifier: &Verifier, expected: bool) -> (f64, f64) {
    assert_eq!(request.decide(verifier), expected);
    let begun = Instant::now();
    let mut runs = Vec::new();
    while begun.elapsed() < LONG_ENOUGH {
        let run = cpu();
        for _ in 0..BATCH {
            black_box(request.decide(black_box(verifier)));
        }
        runs.push(cpu().saturating_sub(run) / BATCH);
    }
    runs.sort_unstable();
    let microseconds = |run: Option<&Duration>| run.map_or(0.0, Duration::as_secs_f64) * 1e6;
    (
        microseconds(runs.get(runs.len() / 2)),
        microseconds(runs.get(runs.len() * 99 / 100)),
    )
}

fn main() {
    println!(
        "| key | request | without: median us | 99 % us | with: median us | 99 % us | times |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, private, public) in KEYS {
        let id = KeyPairId::parse("K2JCJMDEHXQW5F").unwrap();
        let set = || KeySet::from_pem(&[(id.clone(), public.to_vec())]).unwrap();
        let (without, with) = (Verifier::forgetful(set()), Verifier::new(set()));
        for (what, request, expected) in requests(&PrivateKey::from_pem(private).unwrap(), &id) {
            let (slow, slowest) = measure(&request, &without, expected);
            let (fast, fastest) = measure(&request, &with, expected);
            let times = slow / fast;
            println!(
                "| {name} | {what} | {slow:.2} | {slowest:.2} | {fast:.2} | {fastest:.2} | {times:.1} |"
            );
        }
    }
}
