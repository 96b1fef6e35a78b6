//! What is told while a load runs: a line that is written over on a terminal, a plain one now and then
//! elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_replay::drive::Look;
use wellstream_replay::search::{Trial, Try};

use crate::console::thousands;

/// Tells on standard error: standard output belongs to the results.
pub(super) struct Progress {
    events: u64,
    clock: MachineClock,
    is_terminal: bool,
    told: Option<Duration>,
}

impl Progress {
    /// Before a run of so many readings.
    pub(super) fn new(events: u64, clock: MachineClock) -> Progress {
        Progress { events, clock, is_terminal: io::stderr().is_terminal(), told: None }
    }

    /// Tells how far the run is.
    pub(super) fn show(&mut self, look: &Look) {
        let now = self.clock.elapsed();
        if !self.is_terminal && self.told.is_some_and(|told| now - told < PLAIN_INTERVAL) {
            return;
        }
        self.told = Some(now);
        let [p50, p99, p999] = look.end_to_end_ns.map(ms);
        let left = self.events.saturating_sub(look.sent);
        let left_s = if look.rate_per_s > 0.0 { left as f64 / look.rate_per_s } else { 0.0 };
        let rate = rounded(look.rate_per_s);
        let line = format!(
            "{:.0} s: {} of {} sent, {}/s, p50 {p50} p99 {p99} p99.9 {p999} ms, backlog {}, {left_s:.0} s left",
            look.at_s,
            thousands(look.sent),
            thousands(self.events),
            thousands(rate),
            thousands(look.backlog),
        );
        let mut stderr = io::stderr().lock();
        // Nothing is left to do if standard error is closed.
        let _ = if self.is_terminal { write!(stderr, "\r\x1b[2K{line}") } else { writeln!(stderr, "{line}") };
        let _ = stderr.flush();
    }

    /// Makes room for what comes behind it.
    pub(super) fn end(&self) {
        if self.is_terminal && self.told.is_some() {
            let _ = io::stderr().lock().write_all(b"\r\x1b[2K");
        }
    }
}

/// Tells what a step of a search showed.
pub(super) fn step(rate: &Try, trial: &Trial) {
    let word = if rate.confirms { "confirming" } else { "tried" };
    let problem = trial.problem.as_deref().or(trial.slo_ns.is_none().then_some("too few samples"));
    let problem = problem.map_or_else(String::new, |problem| format!(", {problem}"));
    let _ = writeln!(
        io::stderr().lock(),
        "{word} {}/s: reached {}/s, p50 {} p99 {} ms{problem}",
        thousands(rounded(rate.rate_per_s)),
        thousands(rounded(trial.achieved_per_s)),
        ms(trial.p50_ns),
        ms(trial.p99_ns),
    );
}

fn ms(ns: Option<u64>) -> String {
    ns.map_or_else(|| "-".to_owned(), |ns| format!("{:.1}", ns as f64 / 1e6))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; saturates")]
fn rounded(rate: f64) -> u64 {
    rate.round() as u64
}

/// Between two lines where they pile up.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);
