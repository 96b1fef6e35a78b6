//! `wellstream report`: what runs have reported, beside one another; and a run's summary on the terminal.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use wellstream_replay::report::{
    self, Comparison, Glyphs, Outcome, Report, ReportError, comparison_page, comparison_text, summary_text,
};

use crate::args::ReportArgs;
use crate::exit::Failure;

/// Compares reports with the first of them: on standard output, and on a page.
pub(crate) fn report(args: &ReportArgs) -> Result<(), Failure> {
    let reports = args.reports.iter().map(|path| report::read(path)).collect::<Result<Vec<_>, _>>();
    let reports = reports.map_err(failure)?;
    let Some(comparison) = Comparison::of(&reports) else { return Err(Failure::usage("report what?")) };
    let alone = reports.len() == 1;
    let page = args.out.clone().or_else(|| (!alone).then(|| PathBuf::from(DEFAULT_PAGE)));
    if let Some(path) = &page {
        write_page(path, &reports)?;
    }
    let mut out = anstream::stdout().lock();
    match (args.json, &reports[..]) {
        (true, _) => {
            let json = serde_json::to_string(&comparison).map_err(|error| Failure::Runtime(error.into()))?;
            writeln!(out, "{json}")?;
        }
        (false, [one]) => write!(out, "{}", painted(&summary_text(one, glyphs())))?,
        (false, _) => write!(out, "{}", painted(&comparison_text(&comparison, glyphs())))?,
    }
    if let Some(path) = &page {
        writeln!(anstream::stderr(), "page: {}", path.display())?;
    }
    Ok(())
}

fn write_page(path: &Path, reports: &[Report]) -> Result<(), Failure> {
    let html = match reports {
        [one] => report::page(one),
        several => comparison_page(several),
    };
    html.and_then(|html| report::write_page(path, &html)).map_err(failure)
}

/// What was named and is no report is the caller's mistake; what cannot be read or written may be no one's.
pub(super) fn failure(error: ReportError) -> Failure {
    match error {
        ReportError::Io { .. } => Failure::Runtime(error.into()),
        error => Failure::Usage(error.into()),
    }
}

/// Blocks only where someone looks, in a locale that has them.
pub(super) fn glyphs() -> Glyphs {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let utf8 = locale.is_some_and(|locale| locale.to_lowercase().replace('-', "").contains("utf8"));
    if std::io::stdout().is_terminal() && utf8 { Glyphs::Unicode } else { Glyphs::Ascii }
}

/// The outcome at the head of a line, in its colour.
pub(super) fn painted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    for line in text.lines() {
        let outcome = Outcome::ALL.into_iter().find(|outcome| line.starts_with(&format!("{outcome}: ")));
        match outcome {
            Some(outcome) => {
                let (style, word) = (colour(outcome), outcome.name());
                out.push_str(&format!("{style}{word}{style:#}{}", &line[word.len()..]));
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

fn colour(outcome: Outcome) -> Style {
    let colour = match outcome {
        Outcome::Ok => AnsiColor::Green,
        Outcome::Fail => AnsiColor::Red,
        Outcome::Invalid => AnsiColor::Yellow,
    };
    Style::new().bold().fg_color(Some(colour.into()))
}

const DEFAULT_PAGE: &str = "comparison.html";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_is_in_colour_and_nothing_else_is() {
        let text = "FAIL: output is wrong\n  FAILED word\n";
        let painted = painted(text);
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), text);
        assert_eq!(painted.matches('\u{1b}').count(), 3, "two to begin (bold, red), one to end: {painted:?}");
    }
}
