//! What came of the runs, as lines.

use super::case::Case;

/// Who was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Exactly once.
    Engine,
    /// The engine without transactions.
    AtLeastOnce,
    PassThrough,
}

/// What one run came to.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) who: Who,
    /// OK, INVALID or FAIL, and why.
    pub(crate) outcome: String,
    /// p50, p99, p99.9 from intended time to visible, ms.
    pub(crate) ms: [Option<f64>; 3],
    pub(crate) sent_per_s: f64,
    pub(crate) rows: u64,
    /// Of a row as it is stored, key and value.
    pub(crate) row_bytes: f64,
    /// Of who was measured, of `replay`, of the broker; seconds.
    pub(crate) cpu_s: [f64; 3],
    /// p50 of a commit, from asking for a cut, ms; of an engine.
    pub(crate) commit_ms: Option<f64>,
}

impl Who {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Who::Engine => "engine",
            Who::AtLeastOnce => "at-least-once",
            Who::PassThrough => "pass-through",
        }
    }

    /// What it promises, where it is an engine.
    pub(crate) fn delivery(self) -> Option<&'static str> {
        match self {
            Who::Engine => Some("exactly-once"),
            Who::AtLeastOnce => Some("at-least-once"),
            Who::PassThrough => None,
        }
    }
}

/// Over the columns of [`line`].
pub(crate) fn head() -> String {
    format!(
        "{:<28} {:<13} {:>8} {:>8} {:>8} {:>9} {:>9} {:>10} {:>5} {:>7} {:>7} {:>7}  outcome",
        "load",
        "who",
        "p50 ms",
        "p99 ms",
        "p99.9",
        "commit ms",
        "sent/s",
        "rows",
        "B/row",
        "CPU s",
        "replay",
        "broker"
    )
}

pub(crate) fn line(case: &Case, figures: &Figures) -> String {
    let told = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
    let [p50, p99, p99_9] = figures.ms.map(told);
    let commit = told(figures.commit_ms);
    let [own, replay, broker] = figures.cpu_s;
    format!(
        "{:<28} {:<13} {p50:>8} {p99:>8} {p99_9:>8} {commit:>9} {:>9.0} {:>10} {:>5.0} {own:>7.2} \
         {replay:>7.2} {broker:>7.2}  {}",
        case.text(),
        figures.who.name(),
        figures.sent_per_s,
        figures.rows,
        figures.row_bytes,
        figures.outcome
    )
}

/// Both beside one another: medians over the rounds, and their ratio.
pub(crate) fn sum(case: &Case, rival: Who, interval_ms: f64, all: &[Figures]) -> String {
    let of = |who, figure: &dyn Fn(&Figures) -> Option<f64>| {
        median(all.iter().filter(|it| it.who == who).filter_map(figure).collect())
    };
    let compared = |name: &str, unit: &str, figure: &dyn Fn(&Figures) -> Option<f64>| match (
        of(Who::Engine, figure),
        of(rival, figure),
    ) {
        (Some(engine), Some(other)) => {
            format!("{name} {engine:.1} {unit} against {other:.1} {unit}, ratio {:.2}", engine / other)
        }
        _ => format!("{name} is not known of both"),
    };
    let parts = [
        compared("p50", "ms", &|it| it.ms[0]),
        compared("p99", "ms", &|it| it.ms[1]),
        compared("CPU", "s", &|it| Some(it.cpu_s[0])),
    ];
    let mut said = format!("{}: {}", case.text(), parts.join("; "));
    if let Some(commit_ms) = of(Who::Engine, &|it| it.commit_ms) {
        let bound_ms = interval_ms + 3.0 * commit_ms;
        said = format!("{said}; interval + 3 commits: {bound_ms:.1} ms");
    }
    said
}

fn median(mut all: Vec<f64>) -> Option<f64> {
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    match all.len() {
        0 => None,
        count if count.is_multiple_of(2) => Some(f64::midpoint(all[middle - 1], all[middle])),
        _ => Some(all[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_compared_not_means() {
        let run = |who, p99| Figures {
            who,
            outcome: "OK".to_owned(),
            ms: [Some(1.0), p99, None],
            sent_per_s: 1.0,
            rows: 1,
            row_bytes: 1.0,
            cpu_s: [0.0; 3],
            commit_ms: Some(5.0),
        };
        let case = Case { rate: 5_000, every: 1, seconds: 1 };
        let runs = [
            run(Who::Engine, Some(150.0)),
            run(Who::Engine, Some(900.0)),
            run(Who::Engine, Some(120.0)),
            run(Who::PassThrough, Some(90.0)),
            run(Who::PassThrough, Some(110.0)),
        ];
        let said = sum(&case, Who::PassThrough, 100.0, &runs);
        assert!(said.contains("p99 150.0 ms against 100.0 ms, ratio 1.50"), "{said}");
        assert!(said.ends_with("interval + 3 commits: 115.0 ms"), "{said}");
        assert!(sum(&case, Who::PassThrough, 100.0, &runs[..3]).contains("p99 is not known of both"));
    }
}
