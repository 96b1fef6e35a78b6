//! A plot: axes with their grid, and marks placed by value. Enters values, leaves a drawing.

use super::scale::{Scale, TICKS_ACROSS, Tick};
use super::svg::{Anchor, Svg};

/// A plot under way.
#[derive(Debug)]
pub(super) struct Plot {
    /// Its drawing, for marks by coordinate.
    pub(super) svg: Svg,
    x: Scale,
    y: Scale,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// What surrounds the marks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// Its own on the page.
    pub(super) id: &'a str,
    /// In words what it shows.
    pub(super) title: &'a str,
    /// In words what can be seen.
    pub(super) description: &'a str,
    /// Width of all, with labels.
    pub(super) width: f64,
    /// Height of all, with labels.
    pub(super) height: f64,
    /// Room on the right for names of lines.
    pub(super) margin_right: f64,
    /// Horizontal axis.
    pub(super) x: Scale,
    /// What it counts.
    pub(super) x_name: &'a str,
    /// Vertical axis.
    pub(super) y: Scale,
    /// What it counts, and its unit.
    pub(super) y_name: &'a str,
}

impl Plot {
    /// Axes without marks.
    pub(super) fn new(frame: &Frame<'_>) -> Plot {
        let svg = Svg::new(frame.width, frame.height, frame.id, frame.title, frame.description);
        let (right, bottom) = (frame.width - frame.margin_right, frame.height - MARGIN_BOTTOM);
        let mut plot =
            Plot { svg, x: frame.x, y: frame.y, left: MARGIN_LEFT, right, top: MARGIN_TOP, bottom };
        plot.axes(frame);
        plot
    }

    fn axes(&mut self, frame: &Frame<'_>) {
        let about = ((self.bottom - self.top) / TICK_HEIGHT).clamp(2.0, 6.0);
        for tick in self.y.ticks(about) {
            let y = self.at_y(tick.value);
            self.svg.line((self.left, y), (self.right, y), "grid");
            self.svg.text((self.left - 8.0, y + 4.0), Anchor::End, "tick", &tick.label);
        }
        for tick in self.ticks_across() {
            let x = self.at_x(tick.value);
            self.svg.line((x, self.bottom), (x, self.bottom + 4.0), "axis");
            self.svg.text((x, self.bottom + 18.0), Anchor::Middle, "tick", &tick.label);
        }
        self.svg.line((self.left, self.bottom), (self.right, self.bottom), "axis");
        self.svg.text((0.0, 13.0), Anchor::Start, "axis-name", frame.y_name);
        let under = self.bottom + MARGIN_BOTTOM - 4.0;
        self.svg.text((self.right, under), Anchor::End, "axis-name", frame.x_name);
    }

    /// Ticks of the horizontal axis; fewer where their labels would run into one another.
    fn ticks_across(&self) -> Vec<Tick> {
        let ticks = self.x.ticks(TICKS_ACROSS);
        let half = |tick: &Tick| tick.label.chars().count() as f64 * LABEL_WIDTH / 2.0;
        let collide = |pair: &[Tick]| {
            self.at_x(pair[0].value) + half(&pair[0]) > self.at_x(pair[1].value) - half(&pair[1])
        };
        if ticks.windows(2).any(collide) { self.x.ticks(TICKS_ACROSS / 4.0) } else { ticks }
    }

    /// A line through the values that there are; it is broken where there is none.
    pub(super) fn line(&mut self, points: &[(f64, Option<f64>)], class: &str) {
        for run in runs(points) {
            let places: Vec<_> = run.iter().map(|(x, y)| (self.at_x(*x), self.at_y(*y))).collect();
            match places[..] {
                // One value between two gaps would be invisible as a line.
                [only] => self.svg.dot(only, 1.5, &format!("{class} lone")),
                _ => self.svg.path(&places, class),
            }
        }
    }

    /// A filled band between two lines, where both have values.
    pub(super) fn band(&mut self, points: &[(f64, Option<f64>, Option<f64>)], class: &str) {
        let lower: Vec<_> =
            points.iter().map(|(x, low, high)| (*x, low.filter(|_| high.is_some()))).collect();
        let upper: Vec<_> =
            points.iter().map(|(x, low, high)| (*x, high.filter(|_| low.is_some()))).collect();
        for (lower, upper) in runs(&lower).into_iter().zip(runs(&upper)) {
            let edge = lower.iter().chain(upper.iter().rev());
            let places: Vec<_> = edge.map(|(x, y)| (self.at_x(*x), self.at_y(*y))).collect();
            self.svg.shape(&places, class);
        }
    }

    /// A point.
    pub(super) fn dot(&mut self, x: f64, y: f64, radius: f64, class: &str) {
        let at = (self.at_x(x), self.at_y(y));
        self.svg.dot(at, radius, class);
    }

    /// Text beside a value, so many units away.
    pub(super) fn label(
        &mut self,
        x: f64,
        y: f64,
        away: (f64, f64),
        anchor: Anchor,
        class: &str,
        text: &str,
    ) {
        let at = (self.at_x(x) + away.0, (self.at_y(y) + away.1).max(self.top - 2.0));
        self.svg.text(at, anchor, class, text);
    }

    /// A level across the plot, named at its left end.
    pub(super) fn level(&mut self, y: f64, class: &str, name: &str) {
        let y = self.at_y(y);
        self.svg.line((self.left, y), (self.right, y), class);
        self.svg.text((self.left + 6.0, y - 5.0), Anchor::Start, "note", name);
    }

    /// A stretch of the horizontal axis set apart, with its name.
    pub(super) fn stretch(&mut self, from: f64, to: f64, name: &str) {
        let (from, to) = (self.at_x(from), self.at_x(to));
        if to - from > 1.0 {
            self.svg.rectangle((from, self.top), (to, self.bottom), "stretch");
            if to - from > 50.0 {
                self.svg.text((from + 5.0, self.top + 13.0), Anchor::Start, "note", name);
            }
        }
    }

    /// Names of lines at the right edge, each at its line's end, pushed apart where they would overlap.
    pub(super) fn names(&mut self, names: &[(f64, String, String)]) {
        let wanted: Vec<f64> = names.iter().map(|(value, _, _)| self.at_y(*value)).collect();
        let places = spread(&wanted, NAME_HEIGHT, self.top + 4.0, self.bottom);
        for ((_, class, text), y) in names.iter().zip(places) {
            self.svg.text((self.right + 7.0, y + 4.0), Anchor::Start, &format!("name {class}"), text);
        }
    }

    /// The drawing.
    pub(super) fn finish(self) -> String {
        self.svg.finish()
    }

    /// The coordinate of a value of the horizontal axis.
    pub(super) fn at_x(&self, value: f64) -> f64 {
        self.left + self.x.place(value) * (self.right - self.left)
    }

    /// The coordinate of a value of the vertical axis.
    pub(super) fn at_y(&self, value: f64) -> f64 {
        self.bottom - self.y.place(value) * (self.bottom - self.top)
    }
}

/// Stretches without a gap.
fn runs(points: &[(f64, Option<f64>)]) -> Vec<Vec<(f64, f64)>> {
    points
        .split(|(_, y)| y.is_none())
        .map(|run| run.iter().filter_map(|(x, y)| Some((*x, (*y)?))).collect::<Vec<_>>())
        .filter(|run| !run.is_empty())
        .collect()
}

/// Places near the wanted ones, in the same order, at least `gap` apart; within the bounds if there is room.
fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut places = wanted.to_vec();
    let mut next = low;
    for index in &order {
        places[*index] = places[*index].max(next);
        next = places[*index] + gap;
    }
    let mut last = high;
    for index in order.iter().rev() {
        places[*index] = places[*index].min(last);
        last = places[*index] - gap;
    }
    places
}

const MARGIN_LEFT: f64 = 52.0;
const MARGIN_TOP: f64 = 26.0;
const MARGIN_BOTTOM: f64 = 38.0;
/// Of a character of a tick's label, with a little room.
const LABEL_WIDTH: f64 = 7.0;
const TICK_HEIGHT: f64 = 45.0;
const NAME_HEIGHT: f64 = 15.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_overlap_are_pushed_apart() {
        for wanted in [vec![50.0, 51.0, 49.0, 200.0], vec![0.0; 5], vec![300.0; 3], vec![]] {
            let places = spread(&wanted, 15.0, 10.0, 280.0);
            let mut sorted = places.clone();
            sorted.sort_by(f64::total_cmp);
            assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] > 14.9), "{places:?}");
            assert!(sorted.iter().all(|place| (10.0..=280.0).contains(place)), "{places:?}");
        }
    }

    #[test]
    fn a_gap_breaks_a_line() {
        let points = [(0.0, Some(1.0)), (1.0, Some(2.0)), (2.0, None), (3.0, Some(1.0))];
        assert_eq!(runs(&points), [vec![(0.0, 1.0), (1.0, 2.0)], vec![(3.0, 1.0)]]);
    }
}
