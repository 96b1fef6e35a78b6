//! The summary at the end of a run: one JSON object with the keys of the format, or a table for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use hdrhistogram::Histogram;
use serde::Serialize;
use wellstream_core::record::{Fate, Side};
use wellstream_core::telemetry::{Stage, StageTimes, Totals};

use crate::console::{per_s, thousands};
use wellstream_replay::process;
use wellstream_replay::report::{Outputs, P50, P99, P99_9, percentile};

/// What a run amounted to. The fields' names and order are the format.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) events_in: EventsIn,
    /// rows, alert_rows, alarms, risk_sum, digest.
    #[serde(flatten)]
    pub(crate) outputs: Outputs,
    pub(crate) dropped: BTreeMap<String, u64>,
    pub(crate) late: u64,
    pub(crate) quarantined: BTreeMap<String, u64>,
    pub(crate) elapsed_s: f64,
    pub(crate) events_per_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) max_rss_bytes: u64,
    pub(crate) peak_state_bytes: u64,
    pub(crate) latency_ms: Latency,
    /// For people only: the keys of the JSON are fixed.
    #[serde(skip)]
    pub(crate) stages: StageTimes,
}

/// Records read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct EventsIn {
    pub(crate) wells: u64,
    pub(crate) tanks: u64,
}

/// Time from sending to the sink; null where too few samples lie beyond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) p999: Option<f64>,
}

impl Summary {
    /// What these totals amount to, in so many seconds.
    pub(crate) fn new(totals: &Totals, elapsed_s: f64) -> Summary {
        let lanes = &totals.lanes;
        let named =
            |counts: BTreeMap<&str, u64>| counts.into_iter().map(|(k, n)| (k.to_owned(), n)).collect();
        let events = lanes.events_in();
        Summary {
            events_in: EventsIn { wells: lanes.side(Side::Well), tanks: lanes.side(Side::Tank) },
            outputs: Outputs::from(totals),
            dropped: named(lanes.by_reason(Fate::Dropped)),
            late: lanes.late(),
            quarantined: named(lanes.by_reason(Fate::Quarantined)),
            elapsed_s,
            events_per_s: if elapsed_s > 0.0 { events as f64 / elapsed_s } else { 0.0 },
            cpu_s: process::cpu_s(),
            max_rss_bytes: process::max_rss_bytes(),
            peak_state_bytes: totals.peak_state_bytes,
            latency_ms: Latency::new(&totals.latency_ms, 1.0),
            stages: totals.stages.clone(),
        }
    }

    /// One line of JSON.
    pub(crate) fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut out = String::from("Summary\n");
        let mut line = |name: &str, value: String| {
            let _ = writeln!(out, "  {name:<14} {value}");
        };
        let events = self.events_in.wells + self.events_in.tanks;
        line(
            "events in",
            format!(
                "{} ({} wells, {} tanks), {}/s",
                thousands(events),
                thousands(self.events_in.wells),
                thousands(self.events_in.tanks),
                thousands(per_s(events, self.elapsed_s)),
            ),
        );
        line(
            "rows",
            format!(
                "{} ({} ALERT), risk sum {}",
                thousands(self.outputs.rows),
                thousands(self.outputs.alert_rows),
                thousands(self.outputs.risk_sum)
            ),
        );
        let alarms = self.outputs.alarms;
        line(
            "alarms",
            format!("{} raised, {} escalated, {} cleared", alarms.raised, alarms.escalated, alarms.cleared),
        );
        line("dropped", reasons(&self.dropped));
        line("late", thousands(self.late));
        line("quarantined", reasons(&self.quarantined));
        line("digest", self.outputs.digest.clone());
        line("time", format!("{:.2} s elapsed, {:.2} s CPU", self.elapsed_s, self.cpu_s));
        line("memory", format!("{} at most, state {}", mib(self.max_rss_bytes), mib(self.peak_state_bytes)));
        line("latency", self.latency_ms.text(1));
        for stage in Stage::ALL {
            if let Some(times) = self.stages.get(stage) {
                line(
                    &format!("  {}", stage.name()),
                    format!("{}  {}", Latency::new(times, 1e-6).text(3), stage.what()),
                );
            }
        }
        out
    }
}

impl Latency {
    /// A percentile is told only with ten samples beyond it: fewer would be chance.
    /// `unit_ms` is what one unit of the histogram amounts to.
    fn new(samples: &Histogram<u64>, unit_ms: f64) -> Latency {
        let told = |quantile| percentile(samples, quantile).map(|value| value as f64 * unit_ms);
        Latency { p50: told(P50), p99: told(P99), p999: told(P99_9) }
    }

    fn text(self, digits: usize) -> String {
        [("p50", self.p50), ("p99", self.p99), ("p99.9", self.p999)]
            .map(|(name, ms)| ms.map_or_else(|| format!("{name} -"), |ms| format!("{name} {ms:.digits$} ms")))
            .join(", ")
    }
}

fn reasons(counts: &BTreeMap<String, u64>) -> String {
    let total: u64 = counts.values().sum();
    let parts: Vec<_> =
        counts.iter().map(|(reason, count)| format!("{reason} {}", thousands(*count))).collect();
    if parts.is_empty() { thousands(total) } else { format!("{} ({})", thousands(total), parts.join(", ")) }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_the_keys_of_the_format() {
        let json = Summary::default().json().unwrap();
        assert_eq!(
            json,
            "{\"events_in\":{\"wells\":0,\"tanks\":0},\"rows\":0,\"alert_rows\":0,\
             \"alarms\":{\"raised\":0,\"escalated\":0,\"cleared\":0},\"risk_sum\":0,\"digest\":\"\",\
             \"dropped\":{},\"late\":0,\"quarantined\":{},\"elapsed_s\":0.0,\"events_per_s\":0.0,\"cpu_s\":0.0,\
             \"max_rss_bytes\":0,\"peak_state_bytes\":0,\
             \"latency_ms\":{\"p50\":null,\"p99\":null,\"p999\":null}}"
        );
    }

    #[test]
    fn a_percentile_needs_ten_samples_beyond_it() {
        let mut samples = wellstream_core::telemetry::latency_histogram();
        for ms in 1..=999 {
            samples.record(ms).unwrap();
        }
        assert_eq!(Latency::new(&samples, 1.0), Latency { p50: Some(500.0), p99: None, p999: None });
        samples.record(1_000).unwrap();
        assert!(Latency::new(&samples, 1.0).p99.is_some());
    }

    #[test]
    fn the_table_says_it_all() {
        let mut stages = StageTimes::default();
        stages.record(Stage::Join, 2_000_000);
        let summary = Summary {
            stages,
            events_in: EventsIn { wells: 1_200, tanks: 800 },
            dropped: BTreeMap::from([("null_methane_ppm".to_owned(), 3), ("null_well_id".to_owned(), 4)]),
            latency_ms: Latency { p50: Some(1.25), ..Latency::default() },
            ..Summary::default()
        };
        let table = summary.table();
        for part in [
            "2,000 (1,200 wells, 800 tanks)",
            "7 (null_methane_ppm 3, null_well_id 4)",
            "p50 1.2 ms, p99 -",
            "  join         p50 -",
        ] {
            assert!(table.contains(part), "{part} in {table}");
        }
    }
}
