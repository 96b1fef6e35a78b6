//! The gate on runs whose truth is known: drawn from a seed, with disturbances of known size.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::*;
use crate::report::{
    self, AlarmCounts, Distribution, Glyphs, Load, Machine, Outputs, ReportError, RunResult, Series, Stage,
    nanos_histogram,
};

#[test]
fn no_change_passes_and_a_tenth_more_fails_whatever_the_usual_noise() {
    for (noise, passed_min, caught_min) in [(QUIET, 0.999, 0.999), (USUAL, 0.995, 0.99), (LOUD, 0.98, 0.95)] {
        let came_to = |truth: f64| {
            let mut rng = Rng::with_seed(7);
            let mut counts = [0_u32; 3];
            (0..TRIES).for_each(|_| counts[came_to(&mut rng, truth, noise) as usize] += 1);
            counts.map(|count| f64::from(count) / f64::from(TRIES))
        };
        let (same, slower) = (came_to(1.0), came_to(1.10));
        let told = format!("{noise:?}: no change {same:?}, a tenth more {slower:?} (OK, FAIL, UNSURE)");
        assert!(same[Word::Ok as usize] >= passed_min, "{told}");
        assert!(slower[Word::Fail as usize] >= caught_min, "{told}");
        assert!(same[Word::Fail as usize] <= 0.01 && slower[Word::Ok as usize] <= 0.01, "{told}");
    }
}

/// A rule that never fails would pass the test above in half; one that fails at random, in neither.
#[test]
fn what_a_crowded_machine_cannot_tell_is_not_told() {
    let crowded = Noise { deviation: 0.15, disturbed: 0.3 };
    let mut rng = Rng::with_seed(11);
    let words: Vec<Word> = (0..300).map(|_| came_to(&mut rng, 1.0, crowded)).collect();
    let share = |word| words.iter().filter(|w| **w == word).count() as f64 / words.len() as f64;
    assert!(share(Word::Unsure) > 0.5, "{}", share(Word::Unsure));
    assert!(share(Word::Fail) < 0.03, "{}", share(Word::Fail));
}

#[test]
fn the_interval_holds_the_truth_as_often_as_it_says() {
    let mut rng = Rng::with_seed(13);
    let held = (0..TRIES).filter(|_| {
        let told = Estimate::drawn(&pairs(&mut rng, 20, 1.03, USUAL), DRAWS).unwrap();
        told.low <= 1.03 && 1.03 <= told.high
    });
    let share = held.count() as f64 / f64::from(TRIES);
    assert!((0.90..=0.98).contains(&share), "{share}");
}

#[test]
fn the_same_runs_get_the_same_answer_and_a_drift_of_both_falls_out() {
    let drifting: Vec<[f64; 2]> =
        (0..12).map(|at| 400.0 * 1.1_f64.powi(at)).map(|ns| [ns, ns * 1.02]).collect();
    let told = Estimate::of(&drifting).unwrap();
    assert_eq!(Estimate::of(&drifting), Some(told));
    assert!((told.ratio - 1.02).abs() < 1e-9 && told.width < 1e-9, "{told:?}");
    assert_eq!(Estimate::of(&[[1.0, 0.0]; 8]), None);
    assert_eq!(Estimate::of(&[[1.0, f64::NAN]; 8]), None);
}

#[test]
fn an_interval_that_holds_the_limit_leaves_it_to_the_ratio_if_it_is_narrow() {
    let word = |metric, low: f64, ratio, high: f64| {
        Limits::default().word(metric, &Estimate { ratio, low, high, width: high - low })
    };
    assert_eq!(word(Metric::Cpu, 1.052, 1.30, 1.60), Word::Fail);
    assert_eq!(word(Metric::Cpu, 0.70, 0.90, 1.049), Word::Ok);
    assert_eq!(word(Metric::Cpu, 1.02, 1.052, 1.09), Word::Fail);
    assert_eq!(word(Metric::Cpu, 1.02, 1.048, 1.09), Word::Ok);
    assert_eq!(word(Metric::Cpu, 1.01, 1.052, 1.09), Word::Unsure);
    assert_eq!(word(Metric::Time, 1.07, 1.12, 1.14), Word::Unsure);
    assert_eq!(word(Metric::Time, 1.11, 1.12, 1.14), Word::Fail);
    assert_eq!(word(Metric::Latency, 3.0, 4.0, 5.0), Word::Told);
}

#[test]
fn a_slower_build_fails_in_words_in_a_table_and_in_markdown() {
    let told = gate(&set(12, 1.0), &set(12, 1.12), &Limits::default());
    assert_eq!((told.outcome, told.pairs, told.metrics.len()), (Outcome::Fail, 12, 3));
    assert!(told.reasons[0].starts_with("CPU per reading: +12.0 % (interval +"), "{:?}", told.reasons);
    assert_eq!(told.metrics[0].base, 500.0);
    let text = gate_text(&told, Glyphs::Ascii);
    assert!(text.starts_with("FAIL: slower than the limits allow, by 12 pairs of runs\n"), "{text}");
    let row = text.lines().find(|line| line.starts_with("CPU per reading")).unwrap();
    assert!(row.contains("500 ns") && row.contains("560 ns") && row.ends_with("FAIL"), "{row}");
    assert!(text.lines().all(|line| line.len() <= 100 && line.is_ascii()), "{text}");
    let page = gate_markdown(&told);
    assert!(page.starts_with("### Performance gate: FAIL\n"), "{page}");
    assert!(page.contains("| CPU per reading | 500 ns | 560 ns | +12.0 % |"), "{page}");
    assert!(page.contains("EPYC &#60;&#124;&#64;me&#62;") && !page.contains("<|@me>"), "{page}");
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!(json["format"], "wellstream-gate/1");
    assert_eq!(json["metrics"][0]["name"], "cpu_ns_per_reading");
    assert!(json["metrics"][0]["width"].as_f64().unwrap() > 0.0, "{json}");
}

#[test]
fn no_change_is_ok_and_a_faster_build_too() {
    for truth in [0.8, 1.0, 1.03] {
        let told = gate(&set(10, 1.0), &set(10, truth), &Limits::default());
        assert_eq!((told.outcome, told.reasons.len()), (Outcome::Ok, 0), "{truth}: {:?}", told.reasons);
        assert!(gate_text(&told, Glyphs::Ascii).starts_with("OK: not slower"));
    }
}

#[test]
fn few_pairs_say_how_many_it_needs_and_more_may_tell() {
    let told = gate(&set(1, 1.0), &set(1, 2.0), &Limits::default());
    assert_eq!((told.outcome, told.more_pairs_may_tell), (Outcome::Invalid, true));
    assert!(told.reasons[0].starts_with("1 pair of runs: an interval needs 6"), "{:?}", told.reasons);
    assert_eq!(told.metrics[0].estimate, None);
    assert!(gate_text(&told, Glyphs::Ascii).contains(" - "));
}

#[test]
fn wide_intervals_say_so() {
    let mut head = runs(8, 1.0);
    head.iter_mut().step_by(2).for_each(|run| run.result.cpu_s *= 1.4);
    let told = gate(&set(8, 1.0), &RunSet::of(head).unwrap(), &Limits::default());
    assert_eq!((told.outcome, told.more_pairs_may_tell), (Outcome::Invalid, true));
    assert!(told.reasons[0].contains("points wide, and 7.5 at most"), "{:?}", told.reasons);
}

#[test]
fn runs_too_short_for_their_clock_are_not_compared() {
    let short = |cpu_s: f64| {
        let mut runs = runs(10, 1.0);
        runs.iter_mut().for_each(|run| run.result.cpu_s = cpu_s);
        RunSet::of(runs).unwrap()
    };
    // One step of the clock looks like 25 % more, ten times.
    let told = gate(&short(0.04), &short(0.05), &Limits::default());
    assert_eq!((told.outcome, told.more_pairs_may_tell), (Outcome::Invalid, false));
    assert!(told.reasons[0].contains("too short") && told.reasons[0].contains("0.4 s at least"));
}

#[test]
fn each_circumstance_that_differs_is_named_and_makes_it_invalid() {
    let changes: [(&str, Change); 10] = [
        ("machine", |r| r.machine.cores = 64),
        ("load", |r| r.load.source = "scenario late".to_owned()),
        ("seed", |r| r.load.seed = Some(2)),
        ("readings", |r| r.load.events = 3),
        ("readings sent", |r| r.result.events_sent = 3),
        ("rate", |r| r.load.offered_per_s = Some(1e5)),
        ("profile", |r| r.load.profile = "sine".to_owned()),
        ("target", |r| r.load.target = "kafka".to_owned()),
        ("configuration", |r| drop(r.configuration.insert("threads".to_owned(), "9".to_owned()))),
        ("the head", |r| r.commit = Some("another".to_owned())),
    ];
    for (what, change) in changes {
        let mut head = runs(8, 1.0);
        change(&mut head[5]);
        // Another load puts out something else: that is no fault of the build.
        head[5].result.outputs.as_mut().unwrap().digest = "0".repeat(16);
        let told = gate(&set(8, 1.0), &RunSet::of(head).unwrap(), &Limits::default());
        assert_eq!((told.outcome, told.more_pairs_may_tell), (Outcome::Invalid, false), "{what}");
        assert!(told.reasons[0].starts_with(what), "{what}: {:?}", told.reasons);
    }
    let told = gate(&set(8, 1.0), &set(7, 1.0), &Limits::default());
    assert_eq!((told.outcome, told.metrics.len()), (Outcome::Invalid, 0));
    assert!(told.reasons[0].contains("8 runs of the base and 7 of the head"));
    let mut elsewhere = runs(8, 1.0);
    elsewhere.iter_mut().for_each(|r| drop(r.configuration.insert("report".to_owned(), "out".to_owned())));
    let told = gate(&set(8, 1.0), &RunSet::of(elsewhere).unwrap(), &Limits::default());
    assert_eq!(told.outcome, Outcome::Ok, "where a report was written does not matter: {:?}", told.reasons);
}

#[test]
fn another_output_or_a_failed_run_fails_and_an_invalid_run_is_invalid() {
    let changes: [(&str, Outcome, Change); 6] = [
        ("digest of the rows", Outcome::Fail, |r| outputs(r).digest = "f".repeat(16)),
        ("rows", Outcome::Fail, |r| outputs(r).rows += 1),
        ("alarms", Outcome::Fail, |r| outputs(r).alarms.raised += 1),
        ("late readings", Outcome::Fail, |r| r.result.late += 1),
        ("run 3 of the head is FAIL: wrong", Outcome::Fail, |r| {
            (r.outcome, r.reasons) = (Outcome::Fail, vec!["wrong".to_owned()]);
        }),
        ("run 3 of the head is INVALID: missed", Outcome::Invalid, |r| {
            (r.outcome, r.reasons) = (Outcome::Invalid, vec!["missed".to_owned()]);
        }),
    ];
    for (what, outcome, change) in changes {
        let mut head = runs(8, 1.0);
        change(&mut head[2]);
        let told = gate(&set(8, 1.0), &RunSet::of(head).unwrap(), &Limits::default());
        assert_eq!(told.outcome, outcome, "{what}");
        assert!(told.reasons[0].starts_with(what), "{what}: {:?}", told.reasons);
        assert!(gate_text(&told, Glyphs::Ascii).contains(what));
    }
}

#[test]
fn in_latest_which_partner_came_first_is_no_fault() {
    let latest = |digest: &str| {
        let mut all = runs(8, 1.0);
        for run in &mut all {
            run.configuration.insert("join".to_owned(), "latest".to_owned());
            outputs(run).digest = digest.to_owned();
        }
        RunSet::of(all).unwrap()
    };
    assert_eq!(gate(&latest("a"), &latest("b"), &Limits::default()).outcome, Outcome::Ok);
}

#[test]
fn latency_is_told_and_gated_only_where_asked() {
    let scheduled = |ns: u64| {
        let mut all = runs(8, 1.0);
        for (at, run) in all.iter_mut().enumerate() {
            let mut histogram = nanos_histogram();
            histogram.record_n(ns + at as u64 * 1_000, 5_000).unwrap();
            run.load.offered_per_s = Some(1e5);
            let (name, what) = (Stage::EndToEnd, String::new());
            run.latencies = vec![Series { name, what, ns: Distribution::of(&histogram) }];
        }
        RunSet::of(all).unwrap()
    };
    let (base, head) = (scheduled(1_000_000), scheduled(2_000_000));
    let told = gate(&base, &head, &Limits::default());
    let names: Vec<&str> = told.metrics.iter().map(|judged| judged.name.name()).collect();
    assert_eq!(names, ["cpu_ns_per_reading", "max_rss_bytes", "end_to_end_p99_ns"]);
    assert_eq!((told.outcome, told.metrics[2].word), (Outcome::Ok, Word::Told));
    let asked = Limits { latency: Some(0.2), ..Limits::default() };
    assert_eq!(gate(&base, &head, &asked).outcome, Outcome::Fail);
    assert_eq!(gate(&base, &base, &asked).outcome, Outcome::Ok);
    let told = gate(&set(8, 1.0), &set(8, 1.0), &asked);
    assert!(told.reasons[0].starts_with("latency p99: not told"), "{:?}", told.reasons);
    assert_eq!((told.outcome, told.more_pairs_may_tell), (Outcome::Invalid, false));
}

#[test]
fn sets_are_read_back_and_one_report_is_a_set_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let written = set(3, 1.0);
    let text = serde_json::to_string(&written).unwrap();
    assert!(text.starts_with("{\"format\":\"wellstream-runs/1\",\"runs\":[{"), "{}", &text[..60]);
    assert_eq!(read(&at("set.json", &text)).unwrap(), written);
    let one = serde_json::to_string(&written.runs()[0]).unwrap();
    assert_eq!(read(&at("one.json", &one)).unwrap().runs(), &written.runs()[..1]);
    for (name, text, says) in [
        ("empty.json", "{\"format\":\"wellstream-runs/1\",\"runs\":[]}".to_owned(), "there is no run in it"),
        ("new.json", "{\"format\":\"wellstream-runs/2\"}".to_owned(), "wellstream-runs/2"),
        ("more.json", text.replace("\"runs\":[", "\"more\":1,\"runs\":["), "more"),
        ("other.json", text.replace("wellstream-report/1", "wellstream-report/9"), "wellstream-report/9"),
        ("no.json", "[]".to_owned(), "no report"),
    ] {
        let error = read(&at(name, &text)).unwrap_err();
        assert!(matches!(error, ReportError::Malformed { .. }), "{name}: {error}");
        assert!(error.to_string().contains(says), "{name}: {error}");
    }
}

/// Something that happens to a run.
type Change = fn(&mut Report);

/// What a single run is off by.
#[derive(Clone, Copy, Debug)]
struct Noise {
    /// Standard deviation, as a part of the value.
    deviation: f64,
    /// How many runs are disturbed: those take 30 % more.
    disturbed: f64,
}

/// One gate, as scripts/gate runs it: ten pairs, and ten more each time that the word is UNSURE, up to forty.
fn came_to(rng: &mut Rng, truth: f64, noise: Noise) -> Word {
    let mut all = Vec::new();
    for _ in 0..4 {
        all.extend(pairs(rng, 10, truth, noise));
        let told = Estimate::drawn(&all, DRAWS).unwrap();
        let word = Limits::default().word(Metric::Cpu, &told);
        if word != Word::Unsure {
            return word;
        }
    }
    Word::Unsure
}

fn pairs(rng: &mut Rng, count: usize, truth: f64, noise: Noise) -> Vec<[f64; 2]> {
    let mut run = |ns: f64| {
        let disturbance = if rng.f64() < noise.disturbed { 1.3 } else { 1.0 };
        ns * disturbance * (noise.deviation * normal(rng)).exp()
    };
    (0..count).map(|_| [run(500.0), run(500.0 * truth)]).collect()
}

/// A standard normal deviate (the sum of twelve uniform ones, less six).
fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}

fn set(count: usize, truth: f64) -> RunSet {
    RunSet::of(runs(count, truth)).unwrap()
}

/// Runs of 500 ns of CPU a reading, times the truth; every other pair is off by 1 % this way or that.
fn runs(count: usize, truth: f64) -> Vec<Report> {
    let off = [1.0, if truth == 1.0 { 1.0 } else { 1.01 }, 1.0, if truth == 1.0 { 1.0 } else { 0.99 }];
    (0..count).map(|at| run(truth * off[at % off.len()])).collect()
}

fn run(factor: f64) -> Report {
    let counts = AlarmCounts { raised: 9, escalated: 4, cleared: 2 };
    let outputs =
        Outputs { rows: 1_900, alert_rows: 132, alarms: counts, risk_sum: 25_593, digest: "a".repeat(16) };
    Report {
        format: report::FORMAT.to_owned(),
        outcome: Outcome::Ok,
        reasons: Vec::new(),
        title: "normal at max (memory)".to_owned(),
        started_utc: "2026-05-01T12:00:00.000Z".to_owned(),
        started_ms: 1_777_636_800_000,
        command: Vec::new(),
        version: "0.1.0".to_owned(),
        commit: Some("0123456789ab".to_owned()),
        machine: Machine { cpu_model: "EPYC <|@me>".to_owned(), cores: 2, ..Machine::default() },
        configuration: BTreeMap::from([("threads".to_owned(), "2".to_owned())]),
        load: Load {
            source: "scenario normal".to_owned(),
            seed: Some(1),
            target: "memory".to_owned(),
            engine: "here".to_owned(),
            profile: "max".to_owned(),
            events: READINGS,
            ..Load::default()
        },
        result: RunResult {
            events_sent: READINGS,
            achieved_per_s: 2e6 / factor,
            elapsed_s: factor,
            cpu_s: factor,
            max_rss_bytes: 200 << 20,
            drained: true,
            outputs: Some(outputs),
            ..RunResult::default()
        },
        verdict: None,
        latencies: Vec::new(),
        timeline: Vec::new(),
        search: None,
    }
}

fn outputs(report: &mut Report) -> &mut Outputs {
    report.result.outputs.as_mut().unwrap()
}

const READINGS: u64 = 2_000_000;
/// As on a machine with nothing else to do.
const QUIET: Noise = Noise { deviation: 0.02, disturbed: 0.02 };
/// As on a shared one.
const USUAL: Noise = Noise { deviation: 0.04, disturbed: 0.05 };
/// As on a crowded one.
const LOUD: Noise = Noise { deviation: 0.05, disturbed: 0.05 };
const TRIES: u32 = 2_000;
/// Fewer than the gate's own: the ends move by some hundredths of the width.
const DRAWS: usize = 400;
