//! Reports as files, pages and text.

#[path = "report/sample.rs"]
mod sample;
#[path = "report/files.rs"]
mod files;
#[path = "report/pages.rs"]
mod pages;
#[path = "report/texts.rs"]
mod texts;
