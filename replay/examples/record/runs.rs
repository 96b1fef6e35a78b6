//! The runs of a record, by rung. Enters JSON lines, leaves medians; a digest that differs is an error.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wellstream_replay::report::Machine;

/// What the record is: the first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    pub(super) date: String,
    pub(super) commit: String,
    pub(super) size: String,
    pub(super) rustc: String,
    /// Load average of the machine before the first run: what else ran there.
    pub(super) load_before: String,
}

/// One run: a line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    group: String,
    /// How large this rung is, in what its group is about.
    x: f64,
    /// Runs with the same name put out the same.
    load: String,
    command: String,
    /// The oracle's verdict was asked for: the run counts for the digest, not for figures.
    verify: bool,
    exit: i32,
    result: Value,
}

/// One rung: the same command several times.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Rung {
    pub(super) group: String,
    pub(super) x: f64,
    pub(super) load: String,
    pub(super) command: String,
    /// The oracle has judged this load.
    pub(super) verified: bool,
    /// No run missed its rate (exit code 4): else no figure of the rung counts.
    pub(super) valid: bool,
    /// As the program told them.
    pub(super) runs: Vec<Value>,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Record {
    format: &'static str,
    #[serde(flatten)]
    pub(super) about: About,
    pub(super) machine: Machine,
    pub(super) rungs: Vec<Rung>,
}

/// Median, least and greatest of a figure over a rung's runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Record {
    /// Reads the lines.
    pub(super) fn read(text: &str) -> Result<Record, String> {
        let mut lines = text.lines();
        let first = lines.next().ok_or("an empty file")?;
        let about = serde_json::from_str(first).map_err(|error| format!("line 1: {error}"))?;
        let mut record =
            Record { format: "wellstream-record/1", about, machine: Machine::here(), rungs: Vec::new() };
        for (number, line) in (2..).zip(lines) {
            record.add(serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?);
        }
        record.check()?;
        Ok(record)
    }

    fn add(&mut self, line: Line) {
        let Line { group, x, load, command, verify, exit, result } = line;
        let known = self.rungs.iter_mut().find(|rung| rung.group == group && rung.command == command);
        if let Some(rung) = known {
            rung.valid &= exit == 0;
            rung.runs.push(result);
        } else {
            let rung =
                Rung { group, x, load, command, verified: verify, valid: exit == 0, runs: vec![result] };
            self.rungs.push(rung);
        }
    }

    /// One load, one output, whatever ran it; and loads that the oracle has judged are known as such.
    fn check(&mut self) -> Result<(), String> {
        for at in 0..self.rungs.len() {
            let load = self.rungs[at].load.clone();
            let same: Vec<&Rung> = self.rungs.iter().filter(|rung| rung.load == load).collect();
            let mut digests: Vec<String> = same.iter().flat_map(|rung| rung.outputs()).collect();
            digests.sort_unstable();
            digests.dedup();
            if digests.len() > 1 {
                return Err(format!("{load}: one load, but several outputs: {}", digests.join(", ")));
            }
            let verified = same.iter().any(|rung| rung.verified && rung.valid);
            self.rungs[at].verified |= verified;
        }
        // A run under the oracle's eye has its memory and time in it: it is no figure, unless there is no
        // other.
        let others: Vec<(String, f64)> = self
            .rungs
            .iter()
            .filter(|rung| !rung.is_proof())
            .map(|rung| (rung.group.clone(), rung.x))
            .collect();
        self.rungs.retain(|rung| !rung.is_proof() || !others.contains(&(rung.group.clone(), rung.x)));
        Ok(())
    }

    /// The rungs of a group, smallest first.
    pub(super) fn group(&self, group: &str) -> Vec<&Rung> {
        let mut rungs: Vec<_> = self.rungs.iter().filter(|rung| rung.group == group).collect();
        rungs.sort_by(|a, b| a.x.total_cmp(&b.x));
        rungs
    }

    /// Everything, as JSON: one line per rung.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let whole = serde_json::to_string(self)?;
        Ok(whole.replace("{\"group\":", "\n{\"group\":") + "\n")
    }
}

impl Rung {
    /// A figure of every run, if they all tell it and are valid.
    pub(super) fn spread(&self, figure: impl Fn(&Value) -> Option<f64>) -> Option<Spread> {
        let mut values = self.runs.iter().map(figure).collect::<Option<Vec<f64>>>()?;
        values.sort_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        self.valid.then_some(Spread { median: values[values.len() / 2], low, high })
    }

    /// Readings of both kinds.
    pub(super) fn events(&self) -> f64 {
        self.runs.first().and_then(events).unwrap_or_default()
    }

    /// As fast as it goes: its CPU time says what a reading costs, and nothing was late.
    pub(super) fn is_unpaced(&self) -> bool {
        ![" --rate ", " --find-max "].iter().any(|paced| self.command.contains(paced))
    }

    fn is_proof(&self) -> bool {
        self.command.contains(" --verify") && self.group != "rate"
    }

    fn outputs(&self) -> Vec<String> {
        let output =
            |run: &Value| Some(format!("{} ({} rows)", run.get("digest")?.as_str()?, run.get("rows")?));
        self.runs.iter().filter_map(output).collect()
    }
}

/// Readings of both kinds that a run took.
pub(super) fn events(run: &Value) -> Option<f64> {
    let of = |side| run.get("events_in")?.get(side)?.as_f64();
    Some(of("wells")? + of("tanks")?)
}

/// A number that a run told.
pub(super) fn number(key: &'static str) -> impl Fn(&Value) -> Option<f64> {
    move |run| run.get(key)?.as_f64()
}

/// A percentile of the latency, ms.
pub(super) fn latency(key: &'static str) -> impl Fn(&Value) -> Option<f64> {
    move |run| run.get("latency_ms")?.get(key)?.as_f64()
}

/// CPU time per reading, ns.
pub(super) fn cpu_ns(run: &Value) -> Option<f64> {
    Some(number("cpu_s")(run)? * 1e9 / events(run)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: &str =
        r#"{"date":"2026-01-01","commit":"abc","size":"small","rustc":"1","load_before":"0"}"#;

    fn line(command: &str, exit: i32, digest: &str, cpu_s: f64) -> String {
        let result = serde_json::json!({
            "events_in": { "wells": 1_000, "tanks": 1_000 }, "rows": 5, "digest": digest, "cpu_s": cpu_s,
        });
        let line = serde_json::json!({
            "group": "facilities", "x": 10, "load": "ten", "command": command,
            "verify": command.contains("--verify"), "exit": exit, "result": result,
        });
        line.to_string()
    }

    fn read(lines: &[String]) -> Result<Record, String> {
        Record::read(&[&[ABOUT.to_owned()], lines].concat().join("\n"))
    }

    #[test]
    fn figures_are_medians_of_the_runs_that_nobody_judged() {
        let runs = [3.0, 1.0, 2.0].map(|cpu_s| line("a", 0, "d", cpu_s));
        let record = read(&[&[line("a --verify", 0, "d", 9.0)][..], &runs].concat()).unwrap();
        let [rung] = &record.group("facilities")[..] else { panic!("{record:?}") };
        assert!(rung.verified);
        let spread = rung.spread(cpu_ns).unwrap();
        assert_eq!(spread, Spread { median: 1e6, low: 5e5, high: 1.5e6 });
    }

    #[test]
    fn another_output_of_the_same_load_is_an_error() {
        let error = read(&[line("a", 0, "d", 1.0), line("b", 0, "e", 1.0)]).unwrap_err();
        assert!(error.contains("ten: one load") && error.contains('d') && error.contains('e'), "{error}");
    }

    #[test]
    fn a_rung_that_missed_its_rate_has_no_figure() {
        let record = read(&[line("a", 0, "d", 1.0), line("a", 4, "d", 1.0)]).unwrap();
        assert_eq!(record.rungs[0].spread(cpu_ns), None);
    }
}
