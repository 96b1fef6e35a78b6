//! Reports on a terminal.

use wellstream_replay::report::{Comparison, Glyphs, Outcome, Report, Stage, comparison_text, summary_text};

use super::sample::{failed_report, invalid_report, sample_report, search_report, slower_report};

#[test]
fn no_line_is_longer_than_a_hundred_columns_and_ascii_is_ascii() {
    let mut long = failed_report(1);
    long.title = "a title that goes on and on ".repeat(12);
    long.reasons = vec!["x".repeat(350), "\u{1b}[31mred\n\u{b5}".to_owned()];
    let runs: Vec<Report> = (0..9).map(|seed| slower_report(seed, 1.5)).collect();
    for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
        let mut texts: Vec<String> = [&sample_report(1), &long, &invalid_report(2), &search_report(3)]
            .map(|r| summary_text(r, glyphs))
            .into();
        texts.push(comparison_text(&Comparison::of(&runs).unwrap(), glyphs));
        texts.push(comparison_text(&Comparison::of(&[long.clone(), sample_report(1)]).unwrap(), glyphs));
        for text in texts {
            for line in text.lines() {
                assert!(line.chars().count() <= 100, "{line}");
                assert!(glyphs == Glyphs::Unicode || line.is_ascii(), "{line}");
                assert!(!line.contains('\u{1b}'), "{line:?}");
            }
            assert!(text.ends_with('\n'));
        }
    }
}

#[test]
fn bars_grow_with_the_percentile() {
    for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
        let text = summary_text(&sample_report(1), glyphs);
        let bars: Vec<usize> = text
            .lines()
            .filter(|line| line.starts_with("  p") || line.starts_with("  max"))
            .map(|line| line.chars().filter(|c| *c == '#' || ('\u{2580}'..='\u{258f}').contains(c)).count())
            .collect();
        assert_eq!(bars.len(), 7, "{text}");
        assert!(bars[0] > 0 && bars[6] > bars[0] && bars.windows(2).all(|pair| pair[0] <= pair[1]), "{text}");
    }
}

#[test]
fn a_summary_says_what_counts_and_what_is_not_told() {
    let text = summary_text(&sample_report(1), Glyphs::Ascii);
    for part in [
        "OK: output equal to the oracle's",
        "250k/s of 250k/s offered",
        "11,953,027 (902,115 ALERT)",
        "slip ",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = summary_text(&invalid_report(1), Glyphs::Ascii);
    assert!(text.starts_with("INVALID: ") && text.contains("- the rate was missed"), "{text}");
    let mut few = sample_report(1);
    let mut samples = wellstream_replay::report::nanos_histogram();
    samples.record_n(1_000_000, 100).unwrap();
    few.latencies.iter_mut().for_each(|s| s.ns = wellstream_replay::report::Distribution::of(&samples));
    let text = summary_text(&few, Glyphs::Ascii);
    let p99 = text.lines().find(|line| line.starts_with("  p99 ")).unwrap();
    assert!(p99.ends_with(" -  too few samples"), "{text}");
}

#[test]
fn ratios_are_to_the_first_run_and_count_only_between_runs_that_are_ok() {
    let runs = [sample_report(1), slower_report(1, 2.0), invalid_report(3)];
    let comparison = Comparison::of(&runs).unwrap();
    let figure = comparison.figures.iter().find(|f| f.name == "end_to_end_p50_ns").unwrap();
    let p50 = |report: &Report| report.series(Stage::EndToEnd).unwrap().ns.p50.unwrap() as f64;
    assert_eq!(figure.ratios[1], Some(p50(&runs[1]) / p50(&runs[0])));
    assert_eq!((figure.word(0), figure.word(1)), (Some("same"), Some("worse")));
    assert_eq!(figure.counts, [true, true, false]);
    let rate = comparison.figures.iter().find(|f| f.name == "achieved_per_s").unwrap();
    assert_eq!(rate.word(2), Some("worse"));
    assert!(comparison.differences.iter().any(|d| d.name == "seed" && d.values == ["1", "1", "3"]));
    let invalid_first = Comparison::of(&[runs[2].clone(), runs[0].clone()]).unwrap();
    assert!(invalid_first.figures.iter().all(|figure| figure.counts == [false, false]));
    assert_eq!(Comparison::of(&[]), None);
    assert_eq!(comparison.runs[2].outcome, Outcome::Invalid);
}
