//! The structure holds: a module uses only modules below it, and files stay small.

#![expect(
    clippy::unwrap_used,
    reason = "a test that fails should stop where it does"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the ground up. Those of one floor do not know each other, but for the pairs in
/// [`NEIGHBOURS`].
const FLOORS: &[&[&str]] = &[
    &["units", "semantics"],
    &["object"],
    &["signing"],
    &["telemetry"],
    &["storage"],
    &["cache"],
    &["media"],
    &["connection"],
    &["web"],
    &["check", "embedded_s3", "service"],
    &["config"],
    &["cli"],
];

/// Who may name a foreign crate. Everything else goes through them.
const FOREIGN: &[(&str, &[&str])] = &[
    ("aws_", &["cache/disk/name.rs", "signing/", "storage/s3/"]),
    ("aws_config", &["storage/s3/"]),
    ("aws_credential_types", &["storage/s3/"]),
    ("aws_sdk", &["storage/s3/"]),
    ("aws_smithy", &["storage/s3/"]),
    ("aws_types", &["storage/s3/"]),
    ("lru", &["signing/verifier.rs"]),
    ("rustls_pki_types", &["signing/"]),
    ("actix_", &["web/", "service/"]),
    ("s3s", &["embedded_s3/"]),
    ("clap", &["cli/", "config/settings.rs"]),
    (
        "hyper",
        &[
            "storage/s3/",
            "storage/http/",
            "storage/databricks/",
            "embedded_s3/",
            "check/",
        ],
    ),
    (
        "url",
        &[
            "check/target.rs",
            "signing/public_url.rs",
            "storage/s3/config.rs",
        ],
    ),
    (
        "prometheus",
        &["telemetry/metrics.rs", "telemetry/metrics/"],
    ),
    ("crc32fast", &["cache/disk/"]),
    ("h2", &["web/http2/"]),
    (
        "rustls",
        &[
            "connection/encrypted.rs",
            "service/",
            "signing/",
            "storage/http/",
            "storage/s3/",
        ],
    ),
    ("tokio_rustls", &["connection/", "service/"]),
    ("ipnet", &["signing/", "web/viewer_address.rs"]),
    (
        "rustix",
        &[
            "cache/disk/file.rs",
            "connection/pipe.rs",
            "connection/socket.rs",
            "service/descriptors.rs",
            "service/memory.rs",
            "storage/file/",
            "storage/piece.rs",
        ],
    ),
    ("base64", &["signing/encoding.rs", "storage/databricks/"]),
    ("percent_encoding", &["storage/databricks/"]),
    ("cap_std", &["storage/file/"]),
    (
        "tokio::",
        &[
            "storage/",
            "cache/",
            "connection/",
            "web/",
            "service/",
            "embedded_s3/",
            "check/limits.rs",
            "check/visitor.rs",
            "cli/",
        ],
    ),
];

/// Longest file, its tests included.
const MOST_LINES: usize = 500;

fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 30, "where is the source?");
    files
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// The code without its comments.
fn code(text: &str) -> String {
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    text.lines()
        .filter(|line| !is_comment(line))
        .collect::<Vec<_>>()
        .join("\n")
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

#[test]
fn a_module_uses_only_modules_of_floors_below_it() {
    for (file, text) in sources() {
        let module = file.split('/').next().unwrap().trim_end_matches(".rs");
        let Some(own) = floor_of(module) else {
            assert!(
                ["lib", "main", "manual"].contains(&module),
                "{file} is on no floor"
            );
            continue;
        };
        for part in code(&text).split("crate::").skip(1) {
            let used: String = part
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            let Some(floor) = floor_of(&used).filter(|_| used != module) else {
                continue;
            };
            assert!(floor < own, "{file} uses {used}, which is not below it");
        }
    }
}

/// Whether a line has a path that begins with a crate whose name begins with `prefix`.
fn names_crate(line: &str, prefix: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(prefix).any(|(at, _)| {
        let (before, path) = line.split_at(at);
        let starts = !before.ends_with(|c| is_name(c) || c == ':');
        starts && path.trim_start_matches(is_name).starts_with("::")
    })
}

#[test]
fn foreign_crates_are_named_where_they_belong_only() {
    for (file, text) in sources() {
        for (prefix, homes) in FOREIGN {
            let names_it = code(&text).lines().any(|line| names_crate(line, prefix));
            let at_home = homes.iter().any(|home| file.starts_with(home));
            assert!(!names_it || at_home, "{file} names {prefix}");
        }
    }
}

#[test]
fn files_stay_small() {
    for (file, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{file} has {lines} lines");
    }
}

#[test]
fn there_is_one_http_stack_and_one_tls_stack() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let lock = fs::read_to_string(lock).unwrap();
    for name in ["hyper", "h2", "rustls", "tokio-rustls", "hyper-rustls"] {
        let line = format!("name = \"{name}\"");
        let times = lock.lines().filter(|known| *known == line).count();
        assert!(times <= 1, "{times} versions of {name}");
    }
}
