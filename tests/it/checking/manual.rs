//! The chapter on checking has the tables of the code and of these tests.

use std::fmt::Write as _;

use s3reel::check::rules::{Rule, Severity, Source};

use super::table::ROWS;

const CHECKING: &str = include_str!("../../../src/manual/checking.md");

/// The table under a heading of the chapter on checking, which has to be this one.
pub fn table_of(heading: &str, expected: &str) {
    let (_, text) = CHECKING.split_once(heading).expect("the section");
    let text = text.split("\n## ").next().unwrap_or(text);
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert!(
        rows == expected.lines().collect::<Vec<_>>(),
        "{heading} should have\n{expected}"
    );
}

#[test]
fn the_manual_has_every_rule_with_its_effects_and_sources() {
    let escaped = |text: &str| text.replace('*', "\\*");
    let mut table = "| rule | it demands | or else | what to do |\n|---|---|---|---|\n".to_owned();
    for rule in Rule::all() {
        let mut effects = Vec::new();
        for effect in rule.effects {
            let engines: Vec<_> = effect.engines.iter().map(|engine| engine.name()).collect();
            let how = match effect.severity {
                Severity::Fails => "**fails**",
                Severity::FailsIfIndexIsLast => "**fails** if the index is last, else warns",
                Severity::Warns => "warns",
            };
            let source = match effect.source {
                Source::AppleDocumentation(url) => format!("[Apple]({url})"),
                Source::WebKitSource(path) => {
                    let file = path.rsplit('/').next().unwrap_or(path);
                    format!("[WebKit: {file}](https://github.com/WebKit/WebKit/blob/main/{path})")
                }
                Source::PublicReport(url) => format!("[report]({url})"),
                Source::Measured => "measured".to_owned(),
                Source::Policy => "policy".to_owned(),
            };
            let engines = if engines.len() == 4 {
                "everywhere".to_owned()
            } else {
                engines.join(", ")
            };
            effects.push(format!(
                "{how} {engines}: {} ({source})",
                escaped(effect.what)
            ));
        }
        if effects.is_empty() {
            effects.push("noted".to_owned());
        }
        let (name, demands, fix) = (rule.name, escaped(rule.demands), escaped(rule.fix));
        let effects = effects.join("; ");
        let _ = writeln!(table, "| `{name}` | {demands} | {effects} | {fix} |");
    }
    table_of("## The rules", &table);
}

#[test]
fn the_manual_has_every_broken_server_with_its_verdicts() {
    let mut table =
        "| server | Safari, AVPlayer | Chromium | Firefox | WebKitGTK |\n|---|---|---|---|---|\n"
            .to_owned();
    for row in ROWS {
        let cells = row.verdicts.map(|verdict| match verdict.split_once(": ") {
            Some(("fails", rule)) => format!("**fails** `{rule}`"),
            Some((how, rule)) => format!("{how} `{rule}`"),
            None => verdict.to_owned(),
        });
        let _ = writeln!(table, "| {} | {} |", row.what, cells.join(" | "));
    }
    table_of("## Broken servers", &table);
}
