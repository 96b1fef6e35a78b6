//! Reports before their readers: HdrHistogram's own tools, and a browser.
//!
//! `scripts/test` fetches both and says where they are: WELLSTREAM_TEST_HDR_JAR, WELLSTREAM_TEST_BROWSER.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test's helpers fail by panicking, or say so"
)]

#[path = "report/sample.rs"]
mod sample;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sample::{failed_report, invalid_report, sample_report, search_report, slower_report};
use wellstream_replay::report::{Report, ReportFolder, Stage, comparison_page, nanos_histogram};

#[test]
fn hdrhistograms_own_tools_read_the_files_and_tell_the_same() {
    let Some(jar) = wanted("WELLSTREAM_TEST_HDR_JAR") else { return };
    let dir = tempfile::tempdir().unwrap();
    let report = sample_report(1);
    let written = ReportFolder::prepare(dir.path()).unwrap().write(&report).unwrap();
    let log = written.all.iter().find(|path| path.extension().is_some_and(|e| e == "hlog")).unwrap();
    for (stage, tag) in [(Stage::EndToEnd, None), (Stage::Slip, Some("slip"))] {
        let mut ours = nanos_histogram();
        for interval in &report.timeline {
            let ns = if tag.is_some() { &interval.slip_ns } else { &interval.end_to_end_ns };
            ours.add(ns.histogram().unwrap()).unwrap();
        }
        let stem = dir.path().join(format!("processed-{}", stage.name()));
        let mut command = Command::new("java");
        command.arg("-cp").arg(&jar).arg("org.HdrHistogram.HistogramLogProcessor").arg("-i").arg(log);
        command.arg("-o").arg(&stem).args(["-outputValueUnitRatio", "1000000"]);
        command.args(tag.iter().flat_map(|tag| ["-tag", tag]));
        output(&mut command);
        let theirs = lines(&fs::read_to_string(stem.with_extension("hgrm")).unwrap());
        let ours = lines(&wellstream_replay::report::hgrm(&ours));
        assert!(ours.len() > 50, "{}", ours.len());
        assert_eq!(ours.len(), theirs.len());
        let count = theirs.last().unwrap()[2];
        for (ours, theirs) in ours.iter().zip(&theirs) {
            // Where a percentile falls exactly between two samples, the one library tells the lower, the
            // other the upper: any other difference is an error.
            let between = (theirs[1] * count - theirs[2]).abs() < 1e-3;
            assert!(ours == theirs || between && ours[1] == theirs[1], "{ours:?} {theirs:?}");
        }
        assert_eq!(ours.last(), theirs.last(), "the greatest value and the count of all samples");
        let of = |lines: &[Vec<f64>], at: f64| lines.iter().find(|line| line[1] >= at).map(|line| line[0]);
        assert_eq!(of(&ours, 0.99), of(&theirs, 0.99), "p99 of {}", stage.name());
    }
}

/// Value, percentile, count and nines of each line of a `.hgrm` file.
fn lines(hgrm: &str) -> Vec<Vec<f64>> {
    let figures = hgrm.lines().filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit()));
    figures.map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect()).collect()
}

#[test]
fn a_browser_shows_the_pages_without_a_request_or_a_complaint() {
    let Some(browser) = wanted("WELLSTREAM_TEST_BROWSER") else { return };
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-pages");
    fs::create_dir_all(&dir).unwrap();
    let runs = [sample_report(1), slower_report(2, 1.3), invalid_report(3)];
    let pages: [(&str, Vec<Report>); 6] = [
        ("ok", vec![sample_report(1)]),
        ("search", vec![search_report(1)]),
        ("failed", vec![failed_report(1)]),
        ("invalid", vec![invalid_report(1)]),
        ("two", runs[..2].to_vec()),
        ("three", runs.to_vec()),
    ];
    for (name, reports) in pages {
        let html = match &reports[..] {
            [report] => wellstream_replay::report::page(report).unwrap(),
            reports => comparison_page(reports).unwrap(),
        };
        let page = dir.join(format!("{name}.html"));
        fs::write(&page, html).unwrap();
        // Every look of these two, since all pages are made of the same pieces.
        let looks = if ["ok", "two"].contains(&name) { LOOKS } else { &LOOKS[..1] };
        for (look, switches) in looks {
            let picture = dir.join(format!("{name}-{look}"));
            show(&browser, &page, &picture, switches);
        }
    }
    // Both are noticed where they occur, or the checks above would prove nothing.
    let bad = dir.join("bad.html");
    fs::write(&bad, "<img src='http://127.0.0.1:9/x.png'/><script>console.error('seen')</script>").unwrap();
    let (complaints, requests) =
        opened(&browser, &bad, &[&format!("--screenshot={}", dir.join("bad.png").display())]);
    assert!(
        complaints.contains("seen") && requests.iter().any(|url| url.contains("/x.png")),
        "{complaints} {requests:?}"
    );
}

/// Opens a page in one look, keeps its picture, and holds it to silence.
fn show(browser: &Path, page: &Path, picture: &Path, switches: &[&str]) {
    let ending = if switches.contains(&"--no-pdf-header-footer") { "pdf" } else { "png" };
    let picture = picture.with_extension(ending);
    drop(fs::remove_file(&picture));
    let out = match ending {
        "pdf" => format!("--print-to-pdf={}", picture.display()),
        _ => format!("--screenshot={}", picture.display()),
    };
    let switches: Vec<&str> = switches.iter().copied().chain([&*out]).collect();
    let (complaints, requests) = opened(browser, page, &switches);
    assert!(!complaints.contains("CONSOLE"), "{}: {complaints}", page.display());
    assert!(requests.is_empty(), "{}: {requests:?}", page.display());
    assert!(fs::metadata(&picture).unwrap().len() > 10_000, "{} is blank", picture.display());
}

/// What the browser said on its console, and what it asked of the network.
fn opened(browser: &Path, page: &Path, switches: &[&str]) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let log = profile.path().join("net.json");
    let mut command = Command::new(browser);
    command.args(QUIET).args(switches);
    command.arg(format!("--user-data-dir={}", profile.path().join("data").display()));
    command.arg(format!("--log-net-log={}", log.display())).arg(format!("file://{}", page.display()));
    let said = String::from_utf8_lossy(&output(&mut command).stderr).into_owned();
    let complaints: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    let log = fs::read_to_string(log).unwrap();
    // A browser asks for things of its own accord; what a page asks for has the page as its initiator.
    let asked = log.split("\"params\":{").filter(|event| event.contains("\"initiator\":"));
    let by_page = asked.filter(|event| !event.contains("\"initiator\":\"not an origin\""));
    let urls = by_page.filter_map(|event| event.split("\"url\":\"").nth(1)?.split('"').next());
    let elsewhere = urls.filter(|url| !["data:", "file:"].iter().any(|own| url.starts_with(own)));
    (complaints.join("\n"), elsewhere.map(str::to_owned).collect())
}

fn output(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Where scripts/test says that a tool is.
fn wanted(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty());
    if path.is_none() {
        assert!(std::env::var_os("WELLSTREAM_TEST_REQUIRED").is_none(), "{variable} is not set");
        println!("skipped: {variable} is not set (scripts/test sets it)");
    }
    path.map(PathBuf::from)
}

/// The ways a page is looked at.
const LOOKS: &[(&str, &[&str])] = &[
    ("light", &["--window-size=1100,3400"]),
    ("dark", &["--window-size=1100,3400", "--blink-settings=preferredColorScheme=0"]),
    ("phone", &["--window-size=500,3000"]),
    ("paper", &["--no-pdf-header-footer"]),
];

/// Headless, and without what a browser does on its own.
const QUIET: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--enable-logging=stderr",
];
