//! The real binary, called as an operator would; and what its summary says.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use super::load::Load;

/// A call of the program on a load's topics, with nothing else in its environment.
pub(crate) struct Call(Command);

impl Call {
    pub(crate) fn on(load: &Load, args: &[&str]) -> Call {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wellstream"));
        command.args(args).env_clear().stdin(Stdio::null());
        let names = &load.names;
        for (key, value) in [
            ("BROKERS", &load.services.brokers),
            ("SCHEMA_REGISTRY", &load.services.registry),
            ("WELLS", &names.wells),
            ("TANKS", &names.tanks),
            ("OUTPUT", &names.enriched),
            ("ALERTS", &names.alerts),
            ("QUARANTINE", &names.quarantine),
        ] {
            command.env(format!("WELLSTREAM_{key}"), value);
        }
        Call(command)
    }

    /// Standard output of a call that succeeds.
    pub(crate) fn stdout(mut self) -> String {
        let output = self.0.output().unwrap();
        assert!(output.status.success(), "{:?}: {}", self.0, String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The summary that is the last line on standard output.
    pub(crate) fn summary(self) -> Summary {
        let out = self.stdout();
        serde_json::from_str(out.lines().next_back().unwrap_or_default()).unwrap()
    }

    /// Starts it and goes on.
    pub(crate) fn start(mut self) -> Child {
        self.0.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

/// What `--summary json` says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Summary {
    pub(crate) events_in: EventsIn,
    pub(crate) rows: u64,
    pub(crate) alert_rows: u64,
    pub(crate) alarms: Alarms,
    pub(crate) risk_sum: u64,
    pub(crate) digest: String,
    pub(crate) dropped: BTreeMap<String, u64>,
    pub(crate) late: u64,
    pub(crate) quarantined: BTreeMap<String, u64>,
    pub(crate) elapsed_s: f64,
    pub(crate) events_per_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) max_rss_bytes: u64,
    pub(crate) peak_state_bytes: u64,
    pub(crate) latency_ms: BTreeMap<String, Option<f64>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct EventsIn {
    pub(crate) wells: u64,
    pub(crate) tanks: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Alarms {
    pub(crate) raised: u64,
    pub(crate) escalated: u64,
    pub(crate) cleared: u64,
}
