//! The judge is judged first: golden cases, and each fast or clever part against a plain one.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

#[path = "oracle/cases.rs"]
mod cases;
#[path = "oracle/golden.rs"]
mod golden;
#[path = "oracle/judging.rs"]
mod judging;
#[path = "oracle/raw.rs"]
mod raw;
#[path = "oracle/joining.rs"]
mod joining;
#[path = "oracle/alarms.rs"]
mod alarms;
#[path = "oracle/latest.rs"]
mod latest;
