//! What players demand, as data: each rule with what it asks of a server or a file, what breaks in
//! which player when it does not hold, how that is known, and what to do.
//!
//! Nothing here is guessed to be fatal: only what Apple documents, what stands in WebKit's source,
//! what somebody reported in public, and what was measured with the browser itself makes a player
//! fail. What we merely hold to be right warns.

pub mod body;
pub mod file;
pub mod identity;
pub mod part;

use std::fmt;

use serde::Serialize;

/// Whose networking a player uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// AVFoundation: Safari, AVPlayer.
    Apple,
    /// Chromium: Chrome, Edge and others.
    Chromium,
    /// Firefox.
    Firefox,
    /// WebKit's media element over GStreamer.
    WebKitGtk,
}

impl Engine {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Apple, Self::Chromium, Self::Firefox, Self::WebKitGtk];

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apple => "Safari, AVPlayer",
            Self::Chromium => "Chromium",
            Self::Firefox => "Firefox",
            Self::WebKitGtk => "WebKitGTK",
        }
    }
}

/// How an effect is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Apple's documentation says so.
    AppleDocumentation(&'static str),
    /// It stands in WebKit's source.
    WebKitSource(&'static str),
    /// Somebody reported it in public.
    PublicReport(&'static str),
    /// It was measured with the engine itself, in the version that [`Source::MEASURED_WITH`] names.
    Measured,
    /// We hold it to be right.
    Policy,
}

impl Source {
    /// Versions that were measured, on Debian 12.
    pub const MEASURED_WITH: &str = "Chromium 156, Firefox 153, WebKitGTK 2.50.6";

    /// The kind of source in one word, as the JSON has it.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::AppleDocumentation(_) => "apple-documentation",
            Self::WebKitSource(_) => "webkit-source",
            Self::PublicReport(_) => "public-report",
            Self::Measured => "measured",
            Self::Policy => "policy",
        }
    }

    /// Where to look.
    #[must_use]
    pub const fn reference(self) -> &'static str {
        match self {
            Self::AppleDocumentation(place)
            | Self::WebKitSource(place)
            | Self::PublicReport(place) => place,
            Self::Measured => Self::MEASURED_WITH,
            Self::Policy => "s3reel",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AppleDocumentation(place) => write!(f, "Apple's documentation: {place}"),
            Self::WebKitSource(place) => write!(f, "WebKit's source: {place}"),
            Self::PublicReport(place) => write!(f, "a public report: {place}"),
            Self::Measured => write!(f, "measured with {}", Self::MEASURED_WITH),
            Self::Policy => f.write_str("our policy"),
        }
    }
}

/// How bad it is when a rule does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It does not play.
    Fails,
    /// It does not play if its index stands at the end, and plays badly otherwise.
    FailsIfIndexIsLast,
    /// It plays, but not well.
    Warns,
}

/// What happens in some engines when a rule does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// Where.
    pub engines: &'static [Engine],
    /// How bad it is.
    pub severity: Severity,
    /// What a viewer sees, or what the engine does.
    pub what: &'static str,
    /// How it is known.
    pub source: Source,
}

/// A demand on a server or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name, in words with hyphens.
    pub name: &'static str,
    /// What has to hold.
    pub demands: &'static str,
    /// What to do when it does not.
    pub fix: &'static str,
    /// What happens where; nowhere for what is only worth a note.
    pub effects: &'static [Effect],
}

impl Rule {
    /// What happens in an engine when the rule does not hold; `None` if nothing does.
    #[must_use]
    pub fn effect_on(&self, engine: Engine) -> Option<&'static Effect> {
        self.effects
            .iter()
            .find(|effect| effect.engines.contains(&engine))
    }

    /// All rules, in the order in which the manual has them.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        [part::RULES, body::RULES, identity::RULES, file::RULES]
            .into_iter()
            .flatten()
            .copied()
    }
}

const EVERYWHERE: &[Engine] = &Engine::ALL;
const APPLE: &[Engine] = &[Engine::Apple];
const CHROMIUM: &[Engine] = &[Engine::Chromium];
const FIREFOX: &[Engine] = &[Engine::Firefox];
const WEBKITGTK: &[Engine] = &[Engine::WebKitGtk];
const BROWSERS: &[Engine] = &[Engine::Chromium, Engine::Firefox, Engine::WebKitGtk];

/// Where WebKit takes a response in for AVFoundation.
const RESOURCE_LOADER: &str =
    "Source/WebCore/platform/graphics/avfoundation/objc/WebCoreAVFResourceLoader.mm";

const fn fails(engines: &'static [Engine], what: &'static str, source: Source) -> Effect {
    Effect {
        engines,
        severity: Severity::Fails,
        what,
        source,
    }
}

const fn warns(engines: &'static [Engine], what: &'static str, source: Source) -> Effect {
    Effect {
        engines,
        severity: Severity::Warns,
        what,
        source,
    }
}

/// Declares rules, and the list of them.
macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $rule:expr;)*) => {
        $($(#[$doc])* pub const $name: &super::Rule = &$rule;)*
        /// The rules of this group.
        pub const RULES: &[&super::Rule] = &[$($name),*];
    };
}
use rules;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn policy_only_warns() {
        for rule in Rule::all() {
            for effect in rule.effects {
                let is_policy = effect.source == Source::Policy;
                assert!(
                    !is_policy || effect.severity == Severity::Warns,
                    "{}",
                    rule.name
                );
            }
        }
    }

    #[test]
    fn each_rule_has_a_name_of_its_own_and_at_most_one_effect_on_an_engine() {
        let mut names = BTreeSet::new();
        for rule in Rule::all() {
            assert!(names.insert(rule.name), "{} twice", rule.name);
            assert!(
                !rule.demands.is_empty() && !rule.fix.is_empty(),
                "{}",
                rule.name
            );
            for engine in Engine::ALL {
                let effects = rule.effects.iter();
                let on_it = effects.filter(|effect| effect.engines.contains(&engine));
                assert!(on_it.count() <= 1, "{} on {engine:?}", rule.name);
            }
        }
        assert!(names.len() > 20, "{names:?}");
    }

    #[test]
    fn a_source_outside_this_house_says_where_to_look() {
        for effect in Rule::all().flat_map(|rule| rule.effects) {
            let reference = effect.source.reference();
            match effect.source {
                Source::AppleDocumentation(_) | Source::PublicReport(_) => {
                    assert!(reference.starts_with("https://"), "{reference}");
                }
                Source::WebKitSource(_) => assert!(reference.contains("Source/"), "{reference}"),
                Source::Measured | Source::Policy => {}
            }
        }
    }
}
