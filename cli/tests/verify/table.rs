//! Expected and found, side by side.

use std::collections::BTreeMap;
use std::fmt::Write;

use wellstream_core::record::Fate;
use wellstream_replay::oracle::OracleOutput;

use super::call::{Alarms, EventsIn, Summary};

/// Runs and how they compare with the oracle.
#[derive(Default)]
pub(crate) struct Table {
    text: String,
    faults: Vec<String>,
}

impl Table {
    /// A table with its head.
    pub(crate) fn new() -> Table {
        let text = format!(
            "{:<38} {:>9} {:>8} {:>19} {:>10} {:>16} {:>6} {:>9} {:>8} {:>8}\n",
            "run", "rows", "ALERT", "alarms", "risk sum", "digest", "equal", "events/s", "CPU s/M", "RSS MB"
        );
        Table { text, faults: Vec::new() }
    }

    /// Adds a run.
    pub(crate) fn add(&mut self, name: &str, found: &Summary, expected: &OracleOutput) {
        let faults = compare(found, expected);
        let events = (found.events_in.wells + found.events_in.tanks) as f64;
        let alarms = found.alarms;
        let _ = writeln!(
            self.text,
            "{name:<38} {:>9} {:>8} {:>19} {:>10} {:>16} {:>6} {:>9.0} {:>8.2} {:>8.1}",
            found.rows,
            found.alert_rows,
            format!("{}/{}/{}", alarms.raised, alarms.escalated, alarms.cleared),
            found.risk_sum,
            found.digest,
            if faults.is_empty() { "yes" } else { "NO" },
            found.events_per_s,
            found.cpu_s * 1e6 / events,
            found.max_rss_bytes as f64 / 1e6,
        );
        self.faults.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
    }

    /// Prints it all; nothing may differ.
    pub(crate) fn finish(self) {
        println!("{}", self.text);
        assert!(self.faults.is_empty(), "{}\n{}", self.text, self.faults.join("\n"));
    }
}

/// What differs.
pub(crate) fn compare(found: &Summary, expected: &OracleOutput) -> Vec<String> {
    let mut faults = Vec::new();
    let mut same = |name: &str, found: String, expected: String| {
        if found != expected {
            faults.push(format!("{name} {found}, the oracle says {expected}"));
        }
    };
    let reasons = |fate: Fate| -> BTreeMap<String, u64> {
        let of_fate = expected.rejected.iter().filter(|(reason, _)| reason.fate() == fate);
        of_fate.map(|(reason, count)| (reason.name().to_owned(), *count)).collect()
    };
    let [wells, tanks] = expected.events_in;
    let [raised, escalated, cleared] = expected.alarms_by_kind();
    let late: u64 = reasons(Fate::Late).values().sum();
    same("events in", format!("{:?}", found.events_in), format!("{:?}", EventsIn { wells, tanks }));
    same("rows", found.rows.to_string(), expected.rows.to_string());
    same("alarms", format!("{:?}", found.alarms), format!("{:?}", Alarms { raised, escalated, cleared }));
    same("dropped", format!("{:?}", found.dropped), format!("{:?}", reasons(Fate::Dropped)));
    same("late", found.late.to_string(), late.to_string());
    same("quarantined", format!("{:?}", found.quarantined), format!("{:?}", reasons(Fate::Quarantined)));
    // In latest, partners are not a function of the log.
    if let Some(totals) = expected.totals {
        same("ALERT rows", found.alert_rows.to_string(), totals.alert_rows.to_string());
        same("risk sum", found.risk_sum.to_string(), totals.risk_sum.to_string());
        same("digest", found.digest.clone(), totals.digest.to_string());
    }
    faults
}

/// A comparison that finds nothing would pass everything.
#[test]
fn each_thing_that_differs_is_named() {
    use wellstream_core::record::{Reason, RowTotals};
    let none = OracleOutput {
        events_in: [0, 0],
        accepted: [0, 0],
        rejected: BTreeMap::new(),
        rows: 0,
        totals: Some(RowTotals::default()),
        alarms: Vec::new(),
    };
    let same = Summary { digest: "0000000000000000".to_owned(), ..Summary::default() };
    assert_eq!(compare(&same, &none), [""; 0]);
    let count = |name: &str| BTreeMap::from([(name.to_owned(), 1)]);
    let other = Summary {
        events_in: EventsIn { wells: 1, tanks: 0 },
        rows: 1,
        alert_rows: 1,
        alarms: Alarms { raised: 1, escalated: 0, cleared: 0 },
        risk_sum: 1,
        digest: "0000000000000001".to_owned(),
        dropped: count(Reason::NullWellId.name()),
        late: 1,
        quarantined: count(Reason::BadMagic.name()),
        ..Summary::default()
    };
    assert_eq!(compare(&other, &none).len(), 9, "{:?}", compare(&other, &none));
    let latest = OracleOutput { totals: None, ..none };
    assert_eq!(compare(&other, &latest).len(), 6, "in latest three of them are not a function of the log");
}
