//! The folder of a report: made ready before the run, so that no run is lost for want of a place; written
//! after it.
//!
//! Leaves: `report.OUTCOME.json`, `report.OUTCOME.html`, `latencies.OUTCOME.hlog`, `STAGE.OUTCOME.hgrm`. An
//! earlier report there is replaced; anything else that would be overwritten is refused.

use std::fs;
use std::path::{Path, PathBuf};

use super::hgrm::hgrm;
use super::hlog::hlog;
use super::html::GENERATOR;
use super::model::{FORMAT, Outcome, Report, Stage};
use super::{ReportError, page};

/// A folder that a report can be written to.
#[derive(Clone, Debug)]
pub struct ReportFolder {
    path: PathBuf,
}

/// Where a report's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFiles {
    /// report.json.
    pub json: PathBuf,
    /// report.html.
    pub html: PathBuf,
    /// All of them.
    pub all: Vec<PathBuf>,
}

impl ReportFolder {
    /// Makes the folder where it is missing and tries that it can be written to. Changes nothing else.
    ///
    /// # Errors
    /// It cannot be made or written to, or holds a file of a report's name that no report wrote.
    pub fn prepare(path: &Path) -> Result<ReportFolder, ReportError> {
        fs::create_dir_all(path).map_err(|error| io(path, error))?;
        let probe = path.join(PROBE);
        fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)).map_err(|error| io(path, error))?;
        let folder = ReportFolder { path: path.to_owned() };
        let earlier = folder.earlier();
        let written_by_us = earlier.iter().any(|path| is_ours(path));
        match earlier.first() {
            Some(first) if !written_by_us => Err(ReportError::NotOurs { path: shown(first) }),
            _ => Ok(folder),
        }
    }

    /// Writes all files of a report, each whole or not at all, and removes those of an earlier one.
    ///
    /// # Errors
    /// A file cannot be written, or a histogram of the report cannot be read.
    pub fn write(&self, report: &Report) -> Result<WrittenFiles, ReportError> {
        let name = |stem: &str, ending: &str| self.path.join(format!("{stem}.{}.{ending}", report.outcome));
        let json = serde_json::to_string_pretty(report).map_err(|error| malformed(&self.path, &error))?;
        let mut files = vec![
            (name("report", "json"), (json + "\n").into_bytes()),
            (name("report", "html"), page::page(report)?.into_bytes()),
            (name("latencies", "hlog"), hlog(report)?),
        ];
        for series in &report.latencies {
            files.push((name(series.name.name(), "hgrm"), hgrm(&series.ns.histogram()?).into_bytes()));
        }
        for (path, content) in &files {
            let part = part_of(path);
            fs::write(&part, content).map_err(|error| io(&part, error))?;
        }
        for path in self.earlier() {
            fs::remove_file(&path).map_err(|error| io(&path, error))?;
        }
        for (path, _) in &files {
            fs::rename(part_of(path), path).map_err(|error| io(path, error))?;
        }
        let all: Vec<PathBuf> = files.into_iter().map(|(path, _)| path).collect();
        Ok(WrittenFiles { json: all[0].clone(), html: all[1].clone(), all })
    }

    /// Files in it that have a report's names.
    fn earlier(&self) -> Vec<PathBuf> {
        file_names().map(|name| self.path.join(name)).filter(|path| path.is_file()).collect()
    }
}

/// Reads a report: its `report.OUTCOME.json`, or the folder with it.
///
/// # Errors
/// There is none, it cannot be read, or it is not one of this format.
pub fn read(path: &Path) -> Result<Report, ReportError> {
    let file = if path.is_dir() { json_in(path)? } else { path.to_owned() };
    let text = fs::read_to_string(&file).map_err(|error| io(&file, error))?;
    let named: Named = serde_json::from_str(&text).map_err(|error| malformed(&file, &error))?;
    if named.format != FORMAT {
        return Err(other_format(&file, &named.format, FORMAT));
    }
    let report: Report = serde_json::from_str(&text).map_err(|error| malformed(&file, &error))?;
    check(&file, &report)?;
    Ok(report)
}

/// That a report is of this format, and that its figures are those of its histograms.
///
/// # Errors
/// It is not, or they are not.
pub(crate) fn check(file: &Path, report: &Report) -> Result<(), ReportError> {
    if report.format != FORMAT {
        return Err(other_format(file, &report.format, FORMAT));
    }
    for series in &report.latencies {
        series
            .ns
            .histogram()
            .map_err(|error| malformed(file, &format!("{}: {error}", series.name.name())))?;
    }
    for interval in &report.timeline {
        for ns in [&interval.end_to_end_ns, &interval.slip_ns] {
            ns.histogram().map_err(|error| malformed(file, &format!("at {} s: {error}", interval.at_s)))?;
        }
    }
    Ok(())
}

/// What is said of a file of another format.
pub(crate) fn other_format(file: &Path, found: &str, wanted: &str) -> ReportError {
    let what = format!("its format is {found:?}, this version reads {wanted:?}");
    ReportError::Malformed { path: shown(file), what }
}

/// Writes a page to a file of its own, whole or not at all.
///
/// # Errors
/// It cannot be written, or the file there is no page of ours.
pub fn write_page(path: &Path, html: &str) -> Result<(), ReportError> {
    match fs::read_to_string(path) {
        Ok(there) if !there.contains(GENERATOR) => return Err(ReportError::NotOurs { path: shown(path) }),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Err(ReportError::NotOurs { path: shown(path) });
        }
        // What else is wrong shows when it is written.
        _ => {}
    }
    let part = part_of(path);
    fs::write(&part, html).map_err(|error| io(&part, error))?;
    fs::rename(&part, path).map_err(|error| io(path, error))
}

/// What every version of the format has.
#[derive(serde::Deserialize)]
pub(crate) struct Named {
    pub(crate) format: String,
}

fn json_in(folder: &Path) -> Result<PathBuf, ReportError> {
    let names = Outcome::ALL.map(|outcome| folder.join(format!("report.{outcome}.json")));
    let mut there = names.into_iter().filter(|path| path.is_file());
    match (there.next(), there.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(ReportError::NoReport { path: shown(folder) }),
        (Some(one), Some(other)) => Err(malformed(&one, &format!("{} stands beside it", shown(&other)))),
    }
}

/// Every name that a report's file can have.
fn file_names() -> impl Iterator<Item = String> {
    Outcome::ALL.into_iter().flat_map(|outcome| {
        let fixed = [("report", "json"), ("report", "html"), ("latencies", "hlog")];
        let stages = Stage::ALL.map(|stage| (stage.name(), "hgrm"));
        fixed.into_iter().chain(stages).map(move |(stem, ending)| format!("{stem}.{outcome}.{ending}"))
    })
}

/// A report of this or another version.
fn is_ours(path: &Path) -> bool {
    let named = |text: String| serde_json::from_str::<Named>(&text).ok();
    path.extension().is_some_and(|ending| ending == "json")
        && fs::read_to_string(path).ok().and_then(named).is_some_and(|named| named.format.starts_with(FAMILY))
}

/// A name beside the file, for the time of writing.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

pub(crate) fn io(path: &Path, error: std::io::Error) -> ReportError {
    ReportError::Io { path: shown(path), error }
}

pub(crate) fn malformed(path: &Path, what: &impl ToString) -> ReportError {
    ReportError::Malformed { path: shown(path), what: what.to_string() }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

const PROBE: &str = ".wellstream-report-probe";
const FAMILY: &str = "wellstream-report/";
