//! The pages: well formed, complete in themselves, and saying what the report says.

use roxmltree::{Document, Node};
use wellstream_replay::report::{Outcome, Report, comparison_page, page};

use super::sample::{failed_report, invalid_report, sample_report, search_report, slower_report};

/// Every page that there can be, by name.
fn pages() -> Vec<(&'static str, String)> {
    let empty = Report { latencies: Vec::new(), timeline: Vec::new(), ..sample_report(1) };
    let runs = [sample_report(1), slower_report(2, 1.3), invalid_report(3)];
    let many: Vec<Report> = (0..8).map(|seed| slower_report(seed, 1.0 + seed as f64 / 5.0)).collect();
    vec![
        ("ok", page(&sample_report(1)).unwrap()),
        ("failed", page(&failed_report(1)).unwrap()),
        ("invalid", page(&invalid_report(1)).unwrap()),
        ("search", page(&search_report(1)).unwrap()),
        ("empty", page(&empty).unwrap()),
        ("compared", comparison_page(&runs).unwrap()),
        ("many", comparison_page(&many).unwrap()),
        ("empty compared", comparison_page(&[empty.clone(), empty]).unwrap()),
    ]
}

#[test]
fn pages_are_well_formed_and_every_plot_has_words() {
    for (name, html) in pages() {
        let document = parsed(&html);
        let mut ids = std::collections::BTreeSet::new();
        for id in document.descendants().filter_map(|node| node.attribute("id")) {
            assert!(ids.insert(id.to_owned()), "{name}: two with id {id}");
        }
        let plots: Vec<Node<'_, '_>> =
            document.descendants().filter(|n| n.tag_name().name() == "svg").collect();
        assert_eq!(plots.is_empty(), name.starts_with("empty"), "{name}: {} plots", plots.len());
        for plot in plots {
            let named = plot.attribute("aria-labelledby").unwrap();
            assert!(named.split(' ').all(|id| ids.contains(id)), "{name}: {named}");
            for child in plot.descendants() {
                assert!(
                    !child.attributes().any(|a| a.value().contains("NaN") || a.value().contains("inf")),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn pages_ask_for_nothing_and_run_nothing() {
    for (name, html) in pages() {
        let text = html.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "");
        for word in [
            "http:",
            "https:",
            "//",
            "src=",
            "@import",
            "url(",
            "<script",
            "<link rel=\"stylesheet",
            "onload",
        ] {
            assert!(!text.replace("img-src", "").contains(word), "{name} has {word}");
        }
        assert!(html.contains("default-src 'none'"), "{name}");
    }
}

#[test]
fn text_of_a_report_stays_text() {
    let mut report = sample_report(1);
    let bad = "</title><script>alert('x')</script>\u{1b}";
    report.title = bad.to_owned();
    report.command = vec![bad.to_owned()];
    report.reasons = vec![bad.to_owned()];
    report.configuration.insert(bad.to_owned(), bad.to_owned());
    report.latencies[0].what = bad.to_owned();
    for html in [page(&report).unwrap(), comparison_page(&[report.clone(), sample_report(2)]).unwrap()] {
        assert!(!html.contains("<script"));
        let document = parsed(&html);
        assert!(document.descendants().any(|node| node.text().is_some_and(|text| text.contains("<script>"))));
    }
}

#[test]
fn ticks_of_every_axis_lie_in_order() {
    for (name, html) in pages() {
        let document = parsed(&html);
        for plot in document.descendants().filter(|node| node.tag_name().name() == "svg") {
            let ticks = plot.descendants().filter(|node| node.attribute("class") == Some("tick"));
            let places: Vec<(f64, f64, f64)> = ticks
                .map(|node| {
                    let at = |name| node.attribute(name).unwrap().parse::<f64>().unwrap();
                    (at("x"), at("y"), node.text().unwrap().replace(',', "").parse().unwrap())
                })
                .collect();
            let (horizontal, vertical): (Vec<Tick>, Vec<Tick>) = places
                .iter()
                .copied()
                .partition(|(_, y, _)| places.iter().filter(|other| other.1 == *y).count() > 1);
            assert!(horizontal.len() > 1, "{name}");
            assert!(
                horizontal.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].2 < pair[1].2),
                "{name}"
            );
            assert!(vertical.windows(2).all(|pair| pair[0].1 > pair[1].1 && pair[0].2 < pair[1].2), "{name}");
        }
    }
}

#[test]
fn the_outcome_is_said_in_words_and_what_does_not_count_is_struck() {
    for (report, word) in
        [(failed_report(1), "FAIL"), (invalid_report(1), "INVALID"), (sample_report(1), "OK")]
    {
        let html = page(&report).unwrap();
        assert!(html.contains(&format!("<b>{word}</b>")), "{word}");
        assert_eq!(html.contains("tiles void"), report.outcome != Outcome::Ok, "{word}");
        for reason in &report.reasons {
            assert!(html.contains(&reason.replace('\'', "&#39;")), "{reason}");
        }
    }
    let html = comparison_page(&[sample_report(1), sample_report(2), invalid_report(3)]).unwrap();
    let rows: Vec<&str> = html.lines().filter(|line| line.contains("scope=\"row\">p99<")).collect();
    assert_eq!((rows.len(), rows[0].matches("<s>").count()), (1, 1), "{rows:?}");
    let html = comparison_page(&[invalid_report(3), sample_report(1), sample_report(2)]).unwrap();
    assert!(
        !html.contains("<b>1.") && !html.contains("<b>0."),
        "no ratio to a run that does not count is told"
    );
}

#[test]
fn a_percentile_that_is_not_told_is_a_dash_and_its_curve_ends() {
    let mut report = sample_report(1);
    let mut few = wellstream_replay::report::nanos_histogram();
    (1..=1_500_u64).for_each(|n| few.record(n * 1_000).unwrap());
    report.latencies.last_mut().unwrap().ns = wellstream_replay::report::Distribution::of(&few);
    let html = page(&report).unwrap();
    assert!(html.contains("p99.9</dt><dd><span>–</span>"), "1,500 samples tell no p99.9");
    let document = parsed(&html);
    let plot = document
        .descendants()
        .find(|n| n.attribute("aria-labelledby") == Some("percentiles-t percentiles-d"));
    let labels: Vec<_> = plot
        .unwrap()
        .descendants()
        .filter(|n| n.attribute("class") == Some("value"))
        .filter_map(|n| n.text())
        .collect();
    assert_eq!(labels.len(), 3, "{labels:?}");
}

/// Place of a tick, and its value.
type Tick = (f64, f64, f64);

/// As XML, without the line that says that it is HTML.
fn parsed(html: &str) -> Document<'_> {
    let body = html.strip_prefix("<!DOCTYPE html>\n").unwrap();
    Document::parse(body).unwrap_or_else(|error| panic!("{error}"))
}
