//! A plot of growth, complete in itself: how a figure changes from rung to rung of a ladder.
//!
//! ```
//! use wellstream_replay::report::{GrowthPlot, GrowthPoint};
//! let point = |x, y| GrowthPoint { x, low: y * 0.9, y, high: y * 1.1 };
//! let plot = GrowthPlot {
//!     title: "Memory over facilities",
//!     x_name: "facilities",
//!     y_name: "MB",
//!     points: &[point(10.0, 60.0), point(1_000.0, 90.0)],
//! };
//! assert!(plot.svg().starts_with("<svg"));
//! ```

use super::figures::three_digits;
use super::plot::{Frame, Plot};
use super::scale::Scale;
use super::svg::Anchor;

/// What is measured on one rung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrowthPoint {
    /// How large the rung is, above zero.
    pub x: f64,
    /// The least of its runs.
    pub low: f64,
    /// Their median.
    pub y: f64,
    /// The greatest.
    pub high: f64,
}

/// One figure over one kind of growth.
#[derive(Clone, Copy, Debug)]
pub struct GrowthPlot<'a> {
    /// What it shows.
    pub title: &'a str,
    /// What grows.
    pub x_name: &'a str,
    /// What is measured, with its unit.
    pub y_name: &'a str,
    /// The rungs, x rising.
    pub points: &'a [GrowthPoint],
}

impl GrowthPlot<'_> {
    /// The drawing, with its own style for light and dark.
    pub fn svg(&self) -> String {
        let xs = || self.points.iter().map(|point| point.x);
        let (least, most) = (xs().fold(f64::INFINITY, f64::min), xs().fold(0.0, f64::max));
        let values = self.points.iter().flat_map(|point| [point.low, point.high]);
        let description = format!("{}, by {}, {} rungs", self.y_name, self.x_name, self.points.len());
        let mut plot = Plot::new(&Frame {
            id: "growth",
            title: self.title,
            description: &description,
            width: WIDTH,
            height: HEIGHT,
            margin_right: MARGIN_RIGHT,
            x: Scale::log(least.min(most), most),
            x_name: self.x_name,
            y: Scale::automatic(values),
            y_name: self.y_name,
        });
        let of = |value: fn(&GrowthPoint) -> f64| -> Vec<_> {
            self.points.iter().map(|point| (point.x, Some(value(point)))).collect()
        };
        let band: Vec<_> = self.points.iter().map(|p| (p.x, Some(p.low), Some(p.high))).collect();
        plot.band(&band, "band s0");
        plot.line(&of(|point| point.y), "line s0");
        for point in self.points {
            plot.dot(point.x, point.y, 3.0, "dot s0");
            plot.label(point.x, point.y, (0.0, -8.0), Anchor::Middle, "value", &three_digits(point.y));
        }
        plot.finish().replacen("<title", &format!("<style>{STYLE}</style><title"), 1)
    }
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
/// A label of the last point reaches beyond it.
const MARGIN_RIGHT: f64 = 30.0;
const STYLE: &str = "svg{--ink:#1b1f24;--muted:#57606a;--grid:#e9ecf0;--s0:#1f5fbf}\
    @media(prefers-color-scheme:dark){svg{--ink:#e5e8ec;--muted:#9ba6b2;--grid:#262c33;--s0:#6fa8ff}}\
    text{font:12px system-ui,sans-serif;fill:var(--ink)}.tick,.axis-name{fill:var(--muted)}\
    .grid{stroke:var(--grid)}.axis{stroke:var(--muted)}.line{fill:none;stroke:var(--s0);stroke-width:1.8}\
    .band{fill:var(--s0);opacity:.18}.dot{fill:var(--s0)}";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(points: &[GrowthPoint]) -> String {
        GrowthPlot { title: "a < b", x_name: "x", y_name: "y", points }.svg()
    }

    #[test]
    fn every_rung_has_its_dot_in_order_and_the_drawing_is_well_formed() {
        let points =
            [1.0, 10.0, 1e3, 1e6].map(|x| GrowthPoint { x, low: x.sqrt(), y: x.sqrt() * 2.0, high: x });
        let svg = of(&points);
        let parsed = roxmltree::Document::parse(&svg).unwrap();
        let dots = parsed.descendants().filter(|node| node.tag_name().name() == "circle");
        let at: Vec<[f64; 2]> =
            dots.map(|dot| ["cx", "cy"].map(|name| dot.attribute(name).unwrap().parse().unwrap())).collect();
        assert_eq!(at.len(), 4);
        assert!(at.windows(2).all(|pair| pair[0][0] < pair[1][0] && pair[0][1] > pair[1][1]), "{at:?}");
    }

    #[test]
    fn labels_of_an_axis_do_not_run_into_one_another() {
        let points = [10.0, 1e6].map(|x| GrowthPoint { x, low: 1.0, y: 1.0, high: 1.0 });
        let svg = of(&points);
        let labels: Vec<&str> = svg.split("text-anchor=\"middle\">").skip(1).collect();
        let decades = ["10<", "100<", "1,000<", "10,000<", "100,000<", "1,000,000<"];
        let across: Vec<_> = labels.iter().take(decades.len()).collect();
        assert!(across.iter().zip(decades).all(|(label, decade)| label.starts_with(decade)), "{across:?}");
    }

    #[test]
    fn one_rung_and_none_make_a_drawing_too() {
        for points in [&[][..], &[GrowthPoint { x: 5.0, low: 1.0, y: 1.0, high: 1.0 }]] {
            assert!(roxmltree::Document::parse(&of(points)).is_ok());
        }
    }
}
