//! The simulator: the real core over small random histories, one duty cycle at a time, in any order, with
//! epochs cut anywhere, crashes, and commits of which nobody knows how they ended. What was committed in the
//! end must be what the oracle says of the whole log.
//!
//! Enters: a seed. Leaves: nothing, or what differs. A failing seed replays to the letter: nothing here
//! depends on time, threads or addresses.
//!
//! ```
//! use wellstream_replay::simulate;
//! simulate::run(simulate::Family::Exact, 7).unwrap();
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};

mod history;
mod world;
mod cache;
mod drive;
mod compare;

pub use history::{Family, History};

/// Runs the history of a seed and compares what was committed with the oracle's output.
///
/// # Errors
/// What differs, with the history, so that the seed's story can be read.
pub fn run(family: Family, seed: u64) -> Result<(), String> {
    let history = History::new(family, seed);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        drive::drive(&history, seed).and_then(|world| compare::compare(&history, &world))
    }));
    // An invariant of the engine that breaks is a finding like any other, and needs its seed.
    let outcome = outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default())
    });
    outcome.map_err(|what| format!("{family:?}, seed {seed}: {what}\n{history:#?}"))
}
