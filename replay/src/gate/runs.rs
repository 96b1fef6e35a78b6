//! The runs of one build, in the order measured: one JSON object,
//! `{"format":"wellstream-runs/1","runs":[…]}`, whose runs are reports; or one report alone, which is a set
//! of one.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::report::folder::{Named, check, io, malformed, other_format};
use crate::report::{Report, ReportError};

/// At least one run, all of one build.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSet {
    format: &'static str,
    runs: Vec<Report>,
}

impl RunSet {
    /// A set of these runs; none of nothing.
    pub fn of(runs: Vec<Report>) -> Option<RunSet> {
        (!runs.is_empty()).then_some(RunSet { format: FORMAT, runs })
    }

    /// The runs, in the order measured.
    pub fn runs(&self) -> &[Report] {
        &self.runs
    }

    /// The one measured first.
    pub(super) fn first(&self) -> &Report {
        &self.runs[0]
    }
}

/// Reads a set of runs, or one report (its file, or its folder) as a set of one.
///
/// # Errors
/// It cannot be read, is neither, holds no run, or one of its reports is not one of this version.
pub fn read(path: &Path) -> Result<RunSet, ReportError> {
    if path.is_dir() {
        return crate::report::read(path).map(|report| RunSet { format: FORMAT, runs: vec![report] });
    }
    let text = fs::read_to_string(path).map_err(|error| io(path, error))?;
    let named: Named = serde_json::from_str(&text).map_err(|error| malformed(path, &error))?;
    if named.format != FORMAT {
        return match named.format.starts_with(FAMILY) {
            true => Err(other_format(path, &named.format, FORMAT)),
            false => crate::report::read(path).map(|report| RunSet { format: FORMAT, runs: vec![report] }),
        };
    }
    let file: RunsFile = serde_json::from_str(&text).map_err(|error| malformed(path, &error))?;
    file.runs.iter().try_for_each(|report| check(path, report))?;
    RunSet::of(file.runs).ok_or_else(|| malformed(path, &"there is no run in it"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunsFile {
    #[expect(dead_code, reason = "read before, and no other field may be there")]
    format: String,
    runs: Vec<Report>,
}

/// Name and version of the format.
pub const FORMAT: &str = "wellstream-runs/1";

const FAMILY: &str = "wellstream-runs/";
