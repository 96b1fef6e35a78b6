//! The verdict: what a run put out against what the oracle says, in flat memory; and where they differ, which
//! rows.
//!
//! Enters: the load (a scenario, or records as bytes), the rules, what the run's sink took. Leaves: OK, or
//! the cells that differ; after a second look at these cells, the missing, repeated, unexpected and wrong
//! rows by their ids. A run is judged as one to its end, no partition idle (`--until-end`).
//!
//! 1. `Gathered::new`, and the engine runs with `gathered.sink(sink)` in place of its sink.
//! 2. `Load::expected` (or a `RawStream`) says what must have come, `compare` whether it did.
//! 3. If not: `Load::expected` looks again, at `Comparison::suspects`, and `Listing::new` names what it can
//!    tell from the sums: single rows that were lost or repeated.
//! 4. If that is not complete: the engine runs again with `Gathered::looking_at` the suspects, and
//!    `Listing::new` names all that came again.
//!
//! ```
//! use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, SinkError, Wants};
//! use wellstream_core::rules::Rules;
//! use wellstream_replay::{generate::{Generator, Setup}, scenario::Scenario};
//! use wellstream_replay::verdict::{Gathered, Listing, Load, Look, compare};
//!
//! struct Nothing;
//! impl Sink for Nothing {
//!     fn wants(&self) -> Wants { Wants::default() }
//!     fn begin(&mut self, _: u64) -> Result<(), SinkError> { Ok(()) }
//!     fn append(&mut self, _: Output<'_>) -> Result<(), SinkError> { Ok(()) }
//!     fn offsets(&mut self, _: &EpochOffsets) -> Result<(), SinkError> { Ok(()) }
//!     fn commit(&mut self) -> Result<CommitOutcome, SinkError> { Ok(CommitOutcome::Committed) }
//! }
//!
//! let generator = Generator::new(Scenario::named("embedded").unwrap(), Setup::default());
//! let (load, rules) = (Load::new(&generator, 350), Rules::default());
//! let engine = |gathered: &Gathered| gathered.sink(Nothing).commit().unwrap(); // an engine that loses all
//!
//! let gathered = Gathered::new(rules.join);
//! engine(&gathered);
//! let comparison = compare(&load.expected(&rules, Look::default())?, &gathered.take(), None);
//! assert!(!comparison.is_ok());
//!
//! let suspects = comparison.suspects();
//! let expected = load.expected(&rules, Look { suspects: Some(&suspects), partners: None })?.tally.listed;
//! let listing = Listing::new(&comparison, expected, None);
//! assert!(listing.is_complete()); // else the engine runs again, and its list stands in place of None
//! assert_eq!(listing.missing.count, comparison.expected.rows);
//! # Ok::<(), wellstream_replay::oracle::StreamError>(())
//! ```

mod expect;
mod recorded;
mod sink;
mod compare;
mod explain;
mod listing;
mod declared;

pub use crate::oracle::{CellId, Counts, Expected, Listed, NotPartners, Suspects, Tally};
pub use compare::{Comparison, Difference, Summary, compare};
pub use declared::{Contradiction, DeclaredError};
pub use expect::{Load, Look, RawStream};
pub use listing::{Listing, Names, Repeated, WrongRow};
pub use recorded::{RecordedRun, RecordedRunError};
pub use sink::{CellSink, Found, Gathered};
