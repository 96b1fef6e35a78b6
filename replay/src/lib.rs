//! Load that does not lie, and a verdict.
//!
//! The oracle is a batch join of its own over the whole input log: it shares the engine's vocabulary (records
//! and rules), nothing of its code, and so can judge what the engine put out.

pub mod limits;
pub mod scenario;
pub mod generate;
pub mod trace;
pub mod oracle;
pub mod verify;
pub mod verdict;
pub mod inspect;
pub mod simulate;
pub mod schedule;
pub mod load;
pub mod pace;
pub mod observe;
pub mod drive;
pub mod outcome;
pub mod search;
pub mod process;
pub mod report;
pub mod gate;
pub mod faults;
