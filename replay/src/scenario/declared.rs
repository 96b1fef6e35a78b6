//! What a scenario's file says must come of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::KeyedBy;

/// The exact result of a scenario, as its file declares it: for each reading sent at its `sent_ms` into empty
/// partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// What it is the result of; of anything else the file says nothing.
    pub of: DeclaredOf,
    /// Records of wells and of tanks.
    pub events_in: [u64; 2],
    /// Rows.
    pub rows: u64,
    /// Rows with ALERT.
    pub alert_rows: u64,
    /// Alarms raised, escalated, cleared.
    pub alarms: DeclaredAlarms,
    /// The sum of all rows' risks.
    pub risk_sum: u64,
    /// The digest of row ids: 16 hex digits.
    pub digest: String,
    /// Dropped records by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Late records.
    pub late: u64,
    /// Quarantined records by reason.
    pub quarantined: BTreeMap<String, u64>,
}

/// What a result depends on, besides what else stands in the scenario's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredOf {
    /// The seed.
    pub seed: u64,
    /// How many readings.
    pub events: u64,
    /// Partitions of the wells' and the tanks' topic: ids, and so the digest, follow from them, and what is
    /// late does.
    pub partitions: [u32; 2],
    /// The records' key.
    pub keyed_by: KeyedBy,
    /// The hash of all rules: 16 hex digits.
    pub rules: String,
}

/// Alarms by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredAlarms {
    /// Episodes begun.
    pub raised: u64,
    /// Steps to a higher risk.
    pub escalated: u64,
    /// Episodes ended.
    pub cleared: u64,
}

impl Declared {
    /// Where two results differ: the key, and what each says.
    pub fn differing(&self, other: &Declared) -> Vec<(&'static str, String, String)> {
        let texts = |declared: &Declared| {
            [
                ("events_in", format!("{:?}", declared.events_in)),
                ("rows", declared.rows.to_string()),
                ("alert_rows", declared.alert_rows.to_string()),
                ("alarms", format!("{:?}", declared.alarms)),
                ("risk_sum", declared.risk_sum.to_string()),
                ("digest", declared.digest.clone()),
                ("dropped", format!("{:?}", declared.dropped)),
                ("late", declared.late.to_string()),
                ("quarantined", format!("{:?}", declared.quarantined)),
            ]
        };
        let pairs = texts(self).into_iter().zip(texts(other));
        pairs.filter(|(a, b)| a.1 != b.1).map(|((key, a), (_, b))| (key, a, b)).collect()
    }

    /// The block as it stands in a scenario's file.
    pub fn to_toml(&self) -> String {
        let DeclaredOf { seed, events, partitions: [wells, tanks], keyed_by, rules } = &self.of;
        let keyed_by = match keyed_by {
            KeyedBy::Sensor => "sensor",
            KeyedBy::Facility => "facility",
        };
        let DeclaredAlarms { raised, escalated, cleared } = self.alarms;
        let table = |counts: &BTreeMap<String, u64>| {
            let entries: Vec<_> = counts.iter().map(|(reason, n)| format!("{reason} = {n}")).collect();
            if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
        };
        let lines = [
            "[expected]".to_owned(),
            format!(
                "of = {{ seed = {seed}, events = {events}, partitions = [{wells}, {tanks}], keyed_by = \
                 \"{keyed_by}\", rules = \"{rules}\" }}"
            ),
            format!("events_in = [{}, {}]", self.events_in[0], self.events_in[1]),
            format!("rows = {}", self.rows),
            format!("alert_rows = {}", self.alert_rows),
            format!("alarms = {{ raised = {raised}, escalated = {escalated}, cleared = {cleared} }}"),
            format!("risk_sum = {}", self.risk_sum),
            format!("digest = \"{}\"", self.digest),
            format!("dropped = {}", table(&self.dropped)),
            format!("late = {}", self.late),
            format!("quarantined = {}\n", table(&self.quarantined)),
        ];
        lines.join("\n")
    }
}
