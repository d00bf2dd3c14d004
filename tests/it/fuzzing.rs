//! The laws of the fuzz targets, on a stable toolchain: every input of the corpora and many made
//! from them.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{RefUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use fastrand::Rng;

use crate::support::{TestS3, TestService, content};

#[path = "../../fuzz/src/laws/mod.rs"]
mod laws;

/// Inputs that are made for each target. A fuzzer makes as many in a second.
const MADE: usize = 20_000;

/// What inputs are made of, next to single bytes: where the grammars and the arithmetic turn.
const PIECES: &[&str] = &[
    "bytes=",
    "bytes ",
    "0",
    "1",
    "255",
    "9007199254740992",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-",
    ",",
    ", ",
    "/",
    "*",
    ";",
    "=",
    "\"",
    "\\",
    "W/\"",
    "%",
    "%2e",
    "%2F",
    "%00",
    "%c3%a9",
    "/../",
    " GMT",
    "Feb",
    "29",
    "text/html",
    "\0\0\0\u{1}",
    "\0\0\0\u{8}moov",
    "trak",
    "stsd",
    "for=",
    "192.0.2.1",
    "[2001:db8::1]",
    ":80",
    "_x",
    "&",
    "Expires=",
    "Key-Pair-Id=",
    "CloudFront-Signature=",
    "YQ__",
    "~",
    "?",
    "\\?",
    "\n",
    "https://",
    "{\"AWS:EpochTime\":1}",
    "null",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The inputs of a target in the order of their names; there is at least one.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let corpus = folder().join("corpus").join(target);
    let files =
        fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
    let files: BTreeSet<_> = files.map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty(), "{} is empty", corpus.display());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Says for which input a law does not hold, ready for a file of the corpus.
fn hold(target: &str, law: impl Fn(&[u8]) + RefUnwindSafe, input: &[u8]) {
    if let Err(cause) = catch_unwind(|| law(input)) {
        println!("{target}: printf '{}'", printable(input));
        resume_unwind(cause);
    }
}

/// What `printf` of a shell prints as these bytes.
fn printable(input: &[u8]) -> String {
    let printable = |byte: &u8| match byte {
        b'%' => "%%".to_owned(),
        b' '..=b'~' if !b"'\\".contains(byte) => char::from(*byte).to_string(),
        _ => format!("\\{byte:03o}"),
    };
    input.iter().map(printable).collect()
}

/// An input with one to four changes.
fn changed(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = rng.choice(corpus).unwrap().clone();
    for _ in 0..rng.usize(1..=4) {
        let at = rng.usize(..=input.len());
        let end = rng.usize(at..=input.len().min(at + 8));
        match rng.u8(..6) {
            0 => input.insert(at, rng.u8(..)),
            1 => input.truncate(at),
            2 => drop(input.drain(at..end)),
            3 => {
                let again = input[at..end].to_vec();
                drop(input.splice(at..at, again));
            }
            4 => {
                let piece = rng.choice(PIECES).unwrap().bytes();
                drop(input.splice(at..end, piece));
            }
            _ => {
                let other = rng.choice(corpus).unwrap();
                let from = rng.usize(..=other.len());
                drop(input.splice(at.., other[from..].iter().copied()));
            }
        }
    }
    input
}

#[test]
fn every_fuzz_target_has_laws_and_a_corpus() {
    let laws: BTreeSet<_> = laws::TARGETS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let names = |part: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder().join(part)).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("corpus"), laws);
    assert_eq!(names("fuzz_targets"), laws);
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for name in laws {
        let path = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&path), "{name} is not in the manifest");
        let target = folder().join(format!("fuzz_targets/{name}.rs"));
        let call = format!("laws::{name}::hold(input)");
        assert!(
            fs::read_to_string(target).unwrap().contains(&call),
            "{name}"
        );
    }
}

#[test]
fn the_laws_hold_for_every_input_of_the_corpora() {
    for (target, law) in laws::TARGETS {
        for input in corpus(target) {
            hold(target, law, &input);
        }
    }
}

#[test]
fn the_laws_hold_for_inputs_made_from_the_corpora() {
    for (target, law) in laws::TARGETS {
        let corpus = corpus(target);
        // The same inputs in every run: a failure is a matter of the change under test.
        let mut rng = Rng::with_seed(9110);
        for _ in 0..MADE {
            hold(target, law, &changed(&mut rng, &corpus));
        }
    }
}

#[tokio::test]
async fn the_largest_head_is_answered_and_a_larger_one_is_431_whatever_it_is_full_of() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 1000)).await;
    let service = TestService::over(&s3).await;
    let ranges = (0..).step_by(2).map(|at| format!("{at}-{at},"));
    let ranges = format!("bytes={}", filled(ranges));
    let tags = filled((0..).map(|number| format!("\"{number}\",")));
    let quotes = "\"".repeat(ROOM);
    let commas = ",".repeat(ROOM);
    for (name, value, status) in [
        ("Range", &ranges, 200),
        ("Range", &format!("bytes={commas}"), 200),
        ("If-Match", &tags, 412),
        ("If-None-Match", &tags, 200),
        ("If-None-Match", &quotes, 200),
        ("If-Match", &commas, 412),
        ("If-Range", &quotes, 200),
        ("If-Modified-Since", &quotes, 200),
    ] {
        let value = value.get(..ROOM).unwrap_or(value);
        let answer = service.ask("GET", "/a", &[(name, value)]).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.head);
        let larger = format!("{value}{}", "9".repeat(1000));
        let mut viewer = service.client().await;
        viewer.request("GET", "/a", &[(name, &larger)]).await;
        assert_eq!(viewer.response("GET").await.status, 431, "{name}");
    }
}

/// Room for one field in the largest head that is looked at, beside the line and `Host`.
const ROOM: usize = 16 * 1024 - 100;

/// As many of these as there is room for.
fn filled(members: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for member in members {
        if text.len() + member.len() > ROOM - "bytes=".len() {
            break;
        }
        text.push_str(&member);
    }
    text
}
