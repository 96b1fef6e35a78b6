//! How long brokers are waited for: up to a bound, and only a little longer once somebody is in a hurry.

use std::cell::Cell;
use std::time::Duration;

use crate::limits::HURRY_TIME;
use crate::machine_clock::Deadline;

/// One wait.
pub(crate) struct Patience<'a> {
    deadline: Cell<Deadline>,
    hurry: &'a dyn Fn() -> bool,
    hurries: Cell<bool>,
}

impl<'a> Patience<'a> {
    /// Up to `bound` from now, and no longer than [`HURRY_TIME`] from when `hurry` first says so.
    pub(crate) fn new(bound: Duration, hurry: &'a dyn Fn() -> bool) -> Patience<'a> {
        Patience { deadline: Cell::new(Deadline::after(bound)), hurry, hurries: Cell::new(false) }
    }

    /// What is left of it, zero once it is over.
    pub(crate) fn left(&self) -> Duration {
        if !self.hurries.get() && (self.hurry)() {
            self.hurries.set(true);
            self.deadline.set(Deadline::after(self.deadline.get().left().min(HURRY_TIME)));
        }
        self.deadline.get().left()
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hurry_shortens_a_wait_and_never_makes_it_longer() {
        let hurries = Cell::new(false);
        let hurry = || hurries.get();
        let (long, short) =
            (Patience::new(HURRY_TIME * 100, &hurry), Patience::new(Duration::from_millis(1), &hurry));
        assert!(long.left() > HURRY_TIME && !long.is_over());
        hurries.set(true);
        assert!(long.left() <= HURRY_TIME && short.left() <= Duration::from_millis(1));
        // It is counted from the first time.
        hurries.set(false);
        assert!(long.left() <= HURRY_TIME);
    }
}
