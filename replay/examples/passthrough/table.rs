//! What came of the runs, as lines.

use super::case::Case;

/// Who was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Engine,
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
}

impl Who {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Who::Engine => "engine",
            Who::PassThrough => "pass-through",
        }
    }
}

/// Over the columns of [`line`].
pub(crate) fn head() -> String {
    format!(
        "{:<28} {:<13} {:>8} {:>8} {:>8} {:>9} {:>10} {:>5} {:>7} {:>7} {:>7}  outcome",
        "load", "who", "p50 ms", "p99 ms", "p99.9", "sent/s", "rows", "B/row", "CPU s", "replay", "broker"
    )
}

pub(crate) fn line(case: &Case, figures: &Figures) -> String {
    let ms = figures.ms.map(|ms| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}")));
    let [own, replay, broker] = figures.cpu_s;
    format!(
        "{:<28} {:<13} {:>8} {:>8} {:>8} {:>9.0} {:>10} {:>5.0} {own:>7.2} {replay:>7.2} {broker:>7.2}  {}",
        case.text(),
        figures.who.name(),
        ms[0],
        ms[1],
        ms[2],
        figures.sent_per_s,
        figures.rows,
        figures.row_bytes,
        figures.outcome
    )
}

/// Both beside one another: medians over the rounds, and their ratio.
pub(crate) fn sum(case: &Case, all: &[Figures]) -> String {
    let of = |who, place: usize| {
        median(all.iter().filter(|it| it.who == who).filter_map(|it| it.ms[place]).collect())
    };
    let compared = |name: &str, place| match (of(Who::Engine, place), of(Who::PassThrough, place)) {
        (Some(engine), Some(pass)) => {
            format!("{name} {engine:.1} ms against {pass:.1} ms, ratio {:.2}", engine / pass)
        }
        _ => format!("{name} is not known of both"),
    };
    format!("{}: {}; {}", case.text(), compared("p50", 0), compared("p99", 1))
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
        };
        let case = Case { rate: 5_000, every: 1, seconds: 1 };
        let runs = [
            run(Who::Engine, Some(150.0)),
            run(Who::Engine, Some(900.0)),
            run(Who::Engine, Some(120.0)),
            run(Who::PassThrough, Some(90.0)),
            run(Who::PassThrough, Some(110.0)),
        ];
        let said = sum(&case, &runs);
        assert!(said.contains("p99 150.0 ms against 100.0 ms, ratio 1.50"), "{said}");
        assert!(sum(&case, &runs[..3]).contains("p99 is not known of both"));
    }
}
