//! A drawing as text. Colours and line widths are classes, so that one style sheet serves light, dark and
//! paper.

use std::fmt::Write;

/// An SVG drawing under way. Coordinates are its own units, from the top left.
#[derive(Debug)]
pub(super) struct Svg {
    out: String,
}

/// Where a text's point lies in it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    /// At its start.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

impl Svg {
    /// An empty drawing. `id` is its own on the page; title and description are for those who cannot see it.
    pub(super) fn new(width: f64, height: f64, id: &str, title: &str, description: &str) -> Svg {
        let (title, description) = (escape(title), escape(description));
        let mut out = String::new();
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\" style=\"max-width:{width:.0}px\">\
             <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{description}</desc>"
        );
        Svg { out }
    }

    /// A straight line.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let _ = write!(
            self.out,
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        );
    }

    /// A line through points; nothing for fewer than two.
    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        if points.len() > 1 {
            let _ = write!(self.out, "<path class=\"{class}\" d=\"{}\"/>", moves(points));
        }
    }

    /// A filled shape.
    pub(super) fn shape(&mut self, points: &[(f64, f64)], class: &str) {
        if points.len() > 2 {
            let _ = write!(self.out, "<path class=\"{class}\" d=\"{}Z\"/>", moves(points));
        }
    }

    /// A rectangle by its left top and right bottom corners.
    pub(super) fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let (width, height) = ((to.0 - from.0).max(0.0), (to.1 - from.1).max(0.0));
        let _ = write!(
            self.out,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>",
            from.0, from.1
        );
    }

    /// A disc.
    pub(super) fn dot(&mut self, at: (f64, f64), radius: f64, class: &str) {
        let _ = write!(
            self.out,
            "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\"/>",
            at.0, at.1
        );
    }

    /// Text on one line.
    pub(super) fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = write!(
            self.out,
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            at.0,
            at.1,
            escape(text)
        );
    }

    /// The whole drawing.
    pub(super) fn finish(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }
}

/// Text that can stand in HTML and SVG, between tags and in quotes. Characters that XML does not allow are
/// shown as such.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn moves(points: &[(f64, f64)]) -> String {
    let mut d = String::with_capacity(points.len() * 12);
    for (i, (x, y)) in points.iter().enumerate() {
        let _ = write!(d, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_leave_its_place() {
        assert_eq!(escape("<a href=\"x\">'&\u{1b}"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\u{fffd}");
    }

    #[test]
    fn a_drawing_is_well_formed_and_too_few_points_draw_nothing() {
        let mut svg = Svg::new(10.0, 10.0, "x", "a < b", "\"&\"");
        svg.path(&[(0.0, 0.0)], "s");
        svg.shape(&[(0.0, 0.0), (1.0, 1.0)], "s");
        svg.path(&[(0.0, 0.0), (1.0, 2.5)], "s");
        svg.text((0.0, 0.0), Anchor::End, "s", "<script>");
        let text = svg.finish();
        let parsed = roxmltree::Document::parse(&text).unwrap();
        let paths = parsed.descendants().filter(|node| node.tag_name().name() == "path").count();
        assert_eq!(paths, 1, "{text}");
        assert!(parsed.descendants().any(|node| node.text() == Some("<script>")));
    }
}
