//! Rules that a test breaks by hand, to see that the simulator notices. Without the feature `sabotage` the
//! question is answered "no" at compile time, and nothing of it is left in the program.

/// A rule of DESIGN sections 4 and 6 that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Placeholder until the engine names its rules.
    None,
}

/// Whether this rule is broken in the current thread.
#[cfg(not(feature = "sabotage"))]
#[inline(always)]
pub const fn broken(_rule: Rule) -> bool {
    false
}

#[cfg(feature = "sabotage")]
mod switched {
    use std::cell::Cell;

    use super::Rule;

    thread_local! { static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) }; }

    /// Whether this rule is broken in the current thread.
    pub fn broken(rule: Rule) -> bool {
        BROKEN.with(|broken| broken.get() == Some(rule))
    }

    /// Breaks a rule in the current thread, or mends all.
    pub fn set(rule: Option<Rule>) {
        BROKEN.with(|broken| broken.set(rule));
    }
}

#[cfg(feature = "sabotage")]
pub use switched::{broken, set};
