//! What the oracle says against what a scenario's file declares: if they differ, one of them is wrong, and no
//! verdict on a run is worth anything.

use wellstream_core::rules::Rules;

use crate::oracle::{Expected, StreamError};
use crate::scenario::{Declared, DeclaredAlarms, DeclaredOf};

use super::expect::{Load, Look};

/// The oracle and a scenario's file contradict each other. No retry helps: the file must be made again, or
/// the generator or the oracle is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scenario {scenario}: the oracle contradicts its [expected]: {}", self.list())]
pub struct Contradiction {
    /// The scenario.
    pub scenario: String,
    /// Key, declared, computed.
    pub faults: Vec<(&'static str, String, String)>,
}

impl Contradiction {
    fn list(&self) -> String {
        let fault = |(key, declared, computed): &(&str, String, String)| {
            format!("{key} is declared as {declared}, computed as {computed}")
        };
        self.faults.iter().map(fault).collect::<Vec<_>>().join("; ")
    }
}

/// Why a scenario's declaration could not be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclaredError {
    /// It says something else.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// The oracle could not be asked.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl Load<'_> {
    /// Holds the oracle's word for this load against what the scenario's file declares. False if the file
    /// says nothing of it: it has no `[expected]`, or one of another seed, of more or fewer readings, of
    /// other partitions, keys or rules.
    ///
    /// A declaration is about readings that are sent at their `sent_ms` into empty partitions. If this load
    /// is another one and does not amount to the same, the oracle is asked again, about that one.
    ///
    /// # Errors
    /// They contradict each other.
    pub fn confirm_declared(&self, rules: &Rules, expected: &Expected) -> Result<bool, DeclaredError> {
        let scenario = self.generator().scenario();
        let Some(declared) = &scenario.expected else { return Ok(false) };
        let computed = self.declare(rules, expected);
        if declared.of != computed.of {
            return Ok(false);
        }
        let mut faults = declared.differing(&computed);
        if !faults.is_empty() && !self.is_plain() {
            let plain = Load::new(self.generator(), self.events());
            let expected = plain.expected(rules, Look::default())?;
            faults = declared.differing(&plain.declare(rules, &expected));
        }
        if faults.is_empty() {
            return Ok(true);
        }
        Err(Contradiction { scenario: scenario.name.clone(), faults }.into())
    }

    /// What a scenario's file would declare of this load.
    pub fn declare(&self, rules: &Rules, expected: &Expected) -> Declared {
        use wellstream_core::record::Fate;
        let scenario = self.generator().scenario();
        let Expected { counts, tally, .. } = expected;
        let (rows, [raised, escalated, cleared]) = (tally.row_totals(), tally.alarms_by_kind());
        Declared {
            of: DeclaredOf {
                seed: scenario.seed,
                events: self.events(),
                partitions: self.generator().setup().partitions,
                keyed_by: scenario.keyed_by,
                rules: rules.hash().to_string(),
            },
            events_in: counts.events_in,
            rows: rows.rows,
            alert_rows: rows.alert_rows,
            alarms: DeclaredAlarms { raised, escalated, cleared },
            risk_sum: rows.risk_sum,
            digest: rows.digest.to_string(),
            dropped: counts.by_reason(Fate::Dropped),
            late: counts.late(),
            quarantined: counts.by_reason(Fate::Quarantined),
        }
    }
}
