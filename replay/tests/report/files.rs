//! The files of a report: what is written is what is read, and nothing of anyone else's is lost.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use wellstream_replay::report::{Outcome, Report, ReportError, ReportFolder, read, write_page};

use super::sample::{failed_report, invalid_report, sample_report, search_report};

#[test]
fn what_is_written_is_what_is_read() {
    for report in [sample_report(1), failed_report(2), invalid_report(3), search_report(4)] {
        let dir = tempfile::tempdir().unwrap();
        let written = ReportFolder::prepare(&dir.path().join("new/folder")).unwrap().write(&report).unwrap();
        assert_eq!(read(&written.json).unwrap(), report);
        assert_eq!(read(written.json.parent().unwrap()).unwrap(), report);
        let names = names(written.json.parent().unwrap());
        assert_eq!(names.len(), written.all.len());
        let outcome = format!(".{}.", report.outcome);
        assert!(names.iter().all(|name| name.contains(&outcome)), "{names:?}");
        assert!(names.contains(&format!("end_to_end{outcome}hgrm")), "{names:?}");
    }
}

#[test]
fn an_earlier_report_is_replaced_and_what_else_lies_there_stays() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    ReportFolder::prepare(dir.path()).unwrap().write(&sample_report(1)).unwrap();
    let before = names(dir.path());
    let failed = failed_report(2);
    ReportFolder::prepare(dir.path()).unwrap().write(&failed).unwrap();
    assert_eq!(read(dir.path()).unwrap().outcome, Outcome::Fail);
    let after = names(dir.path());
    assert_eq!(before.len(), after.len(), "{after:?}");
    assert!(after.contains("notes.txt") && !after.iter().any(|name| name.contains(".OK.")), "{after:?}");
}

#[test]
fn what_no_report_wrote_is_not_overwritten() {
    for (name, content) in
        [("report.OK.json", "{\"format\":\"other\"}"), ("slip.FAIL.hgrm", "mine"), ("report.OK.html", "x")]
    {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        let error = ReportFolder::prepare(dir.path()).unwrap_err();
        assert!(matches!(&error, ReportError::NotOurs { path } if path.ends_with(name)), "{error}");
        assert_eq!(fs::read_to_string(path).unwrap(), content);
    }
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("page.html");
    fs::write(&page, "mine").unwrap();
    assert!(matches!(write_page(&page, "<p>").unwrap_err(), ReportError::NotOurs { .. }));
}

#[test]
fn a_folder_that_cannot_be_is_said_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = ReportFolder::prepare(&file.join("report")).unwrap_err();
    assert!(matches!(error, ReportError::Io { .. }) && error.to_string().contains("report"), "{error}");
}

#[test]
fn what_was_changed_by_hand_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let written = ReportFolder::prepare(dir.path()).unwrap().write(&sample_report(1)).unwrap();
    let good = fs::read_to_string(&written.json).unwrap();
    let p99 = sample_report(1).latencies.last().unwrap().ns.p99.unwrap();
    for (what, from, to) in [
        ("figures are not those", format!("\"p99\": {p99}"), "\"p99\": 1".to_owned()),
        ("unknown field", "\"reasons\"".to_owned(), "\"raisons\"".to_owned()),
        ("its format", "wellstream-report/1".to_owned(), "wellstream-report/2".to_owned()),
        ("is no report", "{".to_owned(), "[".to_owned()),
    ] {
        assert!(good.contains(&from), "{from}");
        fs::write(&written.json, good.replace(&from, &to)).unwrap();
        let error = read(&written.json).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
}

/// docs/REPORT.md is the schema: a key that it does not name, or that it names and no report has, is a fault.
#[test]
fn every_key_is_documented_and_every_documented_key_is_there() {
    let full = Report { verdict: failed_report(1).verdict, ..search_report(1) };
    let mut keys = BTreeSet::new();
    collect("", &serde_json::to_value(&full).unwrap(), &mut keys);
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/REPORT.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<String> = rows.map(str::to_owned).collect();
    let missing: Vec<_> = keys.difference(&documented).collect();
    let stale: Vec<_> = documented.difference(&keys).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "docs/REPORT.md lacks {missing:?}, and has too many {stale:?}"
    );
}

/// Keys as paths: `load.seed`, `latencies[].name`. Objects whose keys are data end in `{}`; distributions are
/// one type, told once as `distribution`.
fn collect(at: &str, value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => {
            keys.insert(at.to_owned());
            items.iter().for_each(|item| collect(&format!("{at}[]"), item, keys));
        }
        Value::Object(_) if OPEN.contains(&at) => drop(keys.insert(format!("{at}{{}}"))),
        Value::Object(fields) => {
            let same = if fields.contains_key("histogram") {
                keys.insert(at.to_owned());
                "distribution"
            } else {
                at
            };
            for (key, value) in fields {
                let path = if same.is_empty() { key.clone() } else { format!("{same}.{key}") };
                collect(&path, value, keys);
            }
        }
        _ if at.ends_with("[]") => {}
        _ => drop(keys.insert(at.to_owned())),
    }
}

/// Objects whose keys are data.
const OPEN: &[&str] = &["configuration", "result.dropped", "result.quarantined"];

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}
