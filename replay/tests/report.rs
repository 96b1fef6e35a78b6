//! Reports as files, pages and text.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

#[path = "report/sample.rs"]
mod sample;
#[path = "report/files.rs"]
mod files;
#[path = "report/pages.rs"]
mod pages;
#[path = "report/texts.rs"]
mod texts;
