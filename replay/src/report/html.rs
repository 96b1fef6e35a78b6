//! Pieces of a page: its frame, sections and tables. Text is escaped here, unless a name says that it is
//! HTML.

use std::fmt::Write;

use super::svg::escape;

/// A whole page that needs nothing beside it: its policy forbids every request.
pub(super) fn document(title: &str, body_html: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         img-src data:\"/>\n{GENERATOR}\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<link rel=\"icon\" \
         href=\"data:,\"/>\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         {body_html}</main>\n</body>\n</html>\n"
    )
}

/// A section: heading, a sentence or two (left out if empty), and its content.
pub(super) fn section(heading: &str, lead: &str, content_html: &str) -> String {
    let lead =
        if lead.is_empty() { String::new() } else { format!("<p class=\"lead\">{}</p>\n", escape(lead)) };
    format!("<section>\n<h2>{}</h2>\n{lead}{content_html}</section>\n", escape(heading))
}

/// A plot in its place; it scrolls on narrow screens.
pub(super) fn figure(svg: &str) -> String {
    format!("<figure tabindex=\"0\">{svg}</figure>\n")
}

/// A table under way.
#[derive(Debug)]
pub(super) struct Table {
    html: String,
    /// Whether values are numbers, at the right.
    numbers: bool,
}

/// What stands in a cell.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// Text, escaped.
    Text(String),
    /// HTML made here.
    Html(String),
}

impl Table {
    /// A table of figures, with names at the left.
    pub(super) fn of_numbers(head: &[&str]) -> Table {
        let cells: Vec<Cell> = head.iter().map(|name| Cell::Text((*name).to_owned())).collect();
        Table::with_head(&cells)
    }

    /// A table of figures whose head holds more than text.
    pub(super) fn with_head(head: &[Cell]) -> Table {
        let mut html = String::from("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>");
        for (index, cell) in head.iter().enumerate() {
            let class = if index == 0 { "" } else { " class=\"n\"" };
            let _ = write!(html, "<th scope=\"col\"{class}>{}</th>", cell.html());
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        Table { html, numbers: true }
    }

    /// A table of names and texts.
    pub(super) fn of_texts() -> Table {
        Table {
            html: "<div class=\"scroll\" tabindex=\"0\"><table class=\"text\">\n<tbody>\n".to_owned(),
            numbers: false,
        }
    }

    /// A row: its name and its values.
    pub(super) fn row(&mut self, name: &str, values: &[Cell]) {
        let class = if self.numbers { " class=\"n\"" } else { "" };
        let _ = write!(self.html, "<tr><th scope=\"row\">{}</th>", escape(name));
        for value in values {
            let _ = write!(self.html, "<td{class}>{}</td>", value.html());
        }
        self.html.push_str("</tr>\n");
    }

    /// A row of texts.
    pub(super) fn texts(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        self.row(name, &values.into_iter().map(Cell::Text).collect::<Vec<_>>());
    }

    /// The table.
    pub(super) fn finish(mut self) -> String {
        self.html.push_str("</tbody>\n</table></div>\n");
        self.html
    }
}

impl Cell {
    fn html(&self) -> String {
        match self {
            Cell::Text(text) => escape(text),
            Cell::Html(html) => html.clone(),
        }
    }
}

/// By which a page is known as ours.
pub(super) const GENERATOR: &str = "<meta name=\"generator\" content=\"WellStream report\"/>";
const STYLE: &str = include_str!("page.css");
