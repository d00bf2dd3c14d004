//! The report for people.

use std::fmt;

use super::report::{FileReport, FindingReport, PlayerReport, Report, UrlReport};

/// Where details begin.
const MARGIN: usize = 14;

/// Wide enough for every player's name, and for every verdict.
const NAME: usize = 17;
const VERDICT: usize = 21;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, url) in self.urls.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            url.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for UrlReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.url)?;
        if let Some(error) = &self.error {
            return writeln!(f, "  {error}");
        }
        if let Some(file) = &self.file {
            writeln!(f, "  {file}")?;
        }
        writeln!(f)?;
        for player in &self.players {
            writeln!(f, "  {player}")?;
        }
        let mut told: Vec<&str> = Vec::new();
        for finding in self.players.iter().flat_map(|player| &player.findings) {
            if !told.contains(&finding.rule) {
                told.push(finding.rule);
                self.rule(finding, f)?;
            }
        }
        for note in &self.notes {
            writeln!(f, "\n  note: {}", note.rule)?;
            line(f, "demands", note.demands)?;
            line(f, "asked", &note.asked)?;
            line(f, "answered", &note.answered)?;
            line(f, "seen", &note.detail)?;
            line(f, "fix", note.fix)?;
        }
        let (requests, bytes) = (self.requests, self.bytes);
        writeln!(f, "\n  {requests} requests, {bytes} bytes read")
    }
}

impl UrlReport {
    /// A rule that does not hold, with the players that mind.
    fn rule(&self, shown: &FindingReport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n  {}", shown.rule)?;
        line(f, "demands", shown.demands)?;
        line(f, "asked", &shown.asked)?;
        line(f, "answered", &shown.answered)?;
        line(f, "seen", &shown.detail)?;
        let mut effects: Vec<(&FindingReport, Vec<&str>)> = Vec::new();
        for player in &self.players {
            let found = player.findings.iter().find(|one| one.rule == shown.rule);
            let Some(found) = found else { continue };
            match effects
                .iter_mut()
                .find(|(one, _)| one.effect == found.effect)
            {
                Some((_, players)) => players.push(player.player),
                None => effects.push((found, vec![player.player])),
            }
        }
        for (found, players) in effects {
            let how = if found.fails { "fails in" } else { "warns in" };
            let (effect, kind) = (found.effect, found.source.replace('-', " "));
            line(f, how, &format!("{}: {effect}", players.join(", ")))?;
            line(f, "", &format!("source: {kind}, {}", found.reference))?;
        }
        line(f, "fix", shown.fix)
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    writeln!(f, "    {name:<width$}{text}", width = MARGIN - 4)
}

impl fmt::Display for PlayerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, verdict) = (self.player, self.verdict.replace('-', " "));
        write!(f, "{name:<NAME$} {verdict}")?;
        if let Some(first) = self.first_broken() {
            let gap = VERDICT.saturating_sub(verdict.len());
            write!(f, "{:gap$}{}", "", first.rule)?;
            let more = self.findings.len().saturating_sub(1);
            if more > 0 {
                write!(f, " and {more} more")?;
            }
        }
        if let Some(why) = &self.unfinished {
            write!(f, ": {why}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content_type = match self.content_type.as_str() {
            "" => "no type",
            content_type => content_type,
        };
        write!(f, "{content_type}")?;
        if let Some(bytes_are) = self
            .bytes_are
            .filter(|bytes_are| *bytes_are != content_type)
        {
            write!(f, " (bytes: {bytes_are})")?;
        }
        match self.length {
            Some(length) => write!(f, ", {length} bytes")?,
            None => write!(f, ", length not told")?,
        }
        if let Some(index) = self.index {
            write!(f, ", index {index}")?;
        }
        if !self.tracks.is_empty() {
            write!(f, ", tracks {}", self.tracks.join(" "))?;
        }
        if let Some(etag) = &self.etag {
            write!(f, ", ETag {etag}")?;
        }
        Ok(())
    }
}
