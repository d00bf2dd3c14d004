//! The manual and the README say what the code does.

use std::collections::BTreeMap;

use clap::{Args as _, Command};
use s3reel::config::settings::Settings;

const CONFIGURATION: &str = include_str!("../../src/manual/configuration.md");
const ERRORS: &str = include_str!("../../src/manual/errors.md");
const SEMANTICS: &str = include_str!("../../src/manual/semantics.md");
const README: &str = include_str!("../../README.md");
const PROBLEMS: &str = include_str!("../../src/web/problem.rs");

/// Variables and defaults as the help text tells them.
fn settings() -> BTreeMap<String, Option<String>> {
    let command = Settings::augment_args(Command::new("serve"));
    command
        .get_arguments()
        .filter_map(|argument| {
            let variable = argument.get_env()?.to_string_lossy().into_owned();
            let help = argument.get_help()?.to_string();
            let default = help.split_once("[default: ").map(|(_, rest)| {
                rest.trim_end_matches(['.', ' '])
                    .trim_end_matches(']')
                    .to_owned()
            });
            Some((variable, default))
        })
        .collect()
}

/// First and second cells of the rows that begin with a variable.
fn rows(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `S3REEL_")?.split('|');
            let variable = cells.next()?.trim().trim_end_matches('`');
            let default = cells.next()?.trim().trim_matches('`').to_owned();
            Some((format!("S3REEL_{variable}"), default))
        })
        .collect()
}

#[test]
fn the_tables_of_settings_are_those_of_the_code() {
    for (document, name) in [(CONFIGURATION, "the manual"), (README, "the README")] {
        let told = rows(document);
        let known = settings();
        assert_eq!(
            told.keys().collect::<Vec<_>>(),
            known.keys().collect::<Vec<_>>(),
            "{name}"
        );
        for (variable, default) in known {
            let expected = default.unwrap_or_default();
            assert!(
                told[&variable].contains(&expected),
                "{name}: the default of {variable} is {expected:?}, not {:?}",
                told[&variable]
            );
        }
    }
}

#[test]
fn every_problem_type_is_in_the_manual() {
    let (_, names) = PROBLEMS.split_once("pub fn name(&self)").unwrap();
    let (names, _) = names.split_once("pub fn detail").unwrap();
    let names: Vec<_> = names.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert!(ERRORS.contains(name), "{name} is missing");
    }
}

#[test]
fn every_test_that_the_semantics_name_is_there() {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut checked = 0;
    let claims = SEMANTICS
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("::"));
    for claim in claims {
        let (_, cell) = claim.trim_end_matches(" |").rsplit_once('|').unwrap();
        for name in cell.split('`').skip(1).step_by(2) {
            let (module, test) = name.rsplit_once("::").unwrap();
            let module = module.replace("::", "/");
            let Ok(file) = std::fs::read_to_string(tests.join(format!("{module}.rs"))) else {
                let path = format!("src/{}.rs", name.replace("::", "/"));
                let source = tests.join("../..").join(path);
                assert!(source.is_file(), "{name} is neither a test nor a module");
                continue;
            };
            assert!(file.contains(&format!("fn {test}(")), "{name} is not there");
            checked += 1;
        }
    }
    assert!(checked >= 20, "only {checked}");
}
