//! The report of a run: what was asked for, what was measured, on which machine, and how far it can be
//! trusted.
//!
//! Enters: a [`Report`], filled by whoever ran the load. Leaves: `report.OUTCOME.json` (the model itself), an
//! HdrHistogram distribution (`.hgrm`) of each series, one interval log (`.hlog`), one HTML page with plots,
//! and text for a terminal. The outcome stands in every file's name: a run that failed is kept, as failed.
//!
//! ```
//! use hdrhistogram::Histogram;
//! use wellstream_replay::report::{Distribution, P99, P50, nanos_histogram};
//! let mut nanos = nanos_histogram();
//! for us in 1..=999 {
//!     nanos.record(us * 1_000)?;
//! }
//! let told = Distribution::of(&nanos);
//! assert_eq!(told.p50, Some(500_223)); // within 0.1 % of 500 us
//! assert_eq!(told.p99, None); // fewer than ten samples lie beyond it
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod model;
mod distribution;
mod timeline;
mod machine;
mod hgrm;
mod hlog;
pub(crate) mod figures;
mod scale;
mod svg;
mod plot;
mod charts;
mod growth;
mod stages;
mod html;
mod page;
mod comparison;
mod comparison_page;
pub(crate) mod text;
pub(crate) mod folder;

pub use comparison::{Better, ComparedRun, Comparison, Difference, Figure};
pub use comparison_page::comparison_page;
pub use distribution::{
    Distribution, P50, P90, P99, P99_9, P99_99, P99_999, Quantile, nanos_histogram, percentile,
};
pub use folder::{ReportFolder, WrittenFiles, read, write_page};
pub use growth::{GrowthPlot, GrowthPoint};
pub use hgrm::hgrm;
pub use hlog::hlog;
pub use model::{
    AlarmCounts, FORMAT, Interval, Load, Machine, Outcome, Outputs, Report, RunResult, Search, SearchStep,
    Series, Stage, Verdict,
};
pub use page::page;
pub use text::{Glyphs, comparison_text, summary_text};
pub use timeline::{Sample, Timeline};

/// Why a report could not be written or read. None is helped by trying again as it is.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The folder or a file cannot be made, read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The folder holds something that a report of this name would overwrite, and that no report wrote.
    #[error("{path} was not written by a report: name another folder, or move it away")]
    NotOurs {
        /// What is in the way.
        path: String,
    },
    /// A folder without a report in it.
    #[error("{path} holds no report.OUTCOME.json")]
    NoReport {
        /// The folder.
        path: String,
    },
    /// The file is no report of this format.
    #[error("{path} is no report: {what}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// A histogram cannot be read.
    #[error("a histogram cannot be read: {what}")]
    Histogram {
        /// What is wrong with it.
        what: String,
    },
}
