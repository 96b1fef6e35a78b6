//! How far long work has come, on standard error: one line that is written over on a terminal, a line now and
//! then elsewhere. A dozen lines of our own: a crate for it would bring a terminal library.

use std::io::{self, IsTerminal, Write};

use wellstream_connectors::MachineClock;

/// Shows how far something has come.
pub(crate) struct Progress {
    clock: MachineClock,
    is_terminal: bool,
    next_ms: i64,
    is_shown: bool,
}

impl Progress {
    /// Shows nothing yet.
    pub(crate) fn new(clock: MachineClock) -> Progress {
        let is_terminal = io::stderr().is_terminal();
        let next_ms = clock.now_ms() + interval_ms(is_terminal);
        Progress { clock, is_terminal, next_ms, is_shown: false }
    }

    /// Shows the line, if it is time again.
    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        let now_ms = self.clock.now_ms();
        if now_ms < self.next_ms {
            return;
        }
        self.next_ms = now_ms + interval_ms(self.is_terminal);
        self.is_shown = true;
        self.put(&line());
    }

    /// Leaves the line of a terminal free for what comes now.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) && self.is_terminal {
            self.put("");
        }
    }

    /// A closed standard error is no reason to stop.
    fn put(&self, line: &str) {
        let mut out = io::stderr().lock();
        let _ = match self.is_terminal {
            // Back to the margin; what the line before left is wiped.
            true => write!(out, "\r{line}\x1b[K"),
            false => writeln!(out, "{line}"),
        };
        let _ = out.flush();
    }
}

fn interval_ms(is_terminal: bool) -> i64 {
    if is_terminal { TERMINAL_MS } else { PLAIN_MS }
}

/// Between two lines on a terminal.
const TERMINAL_MS: i64 = 200;

/// Between two lines elsewhere.
const PLAIN_MS: i64 = 5_000;

/// A number of bytes as people read it: `1.2 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
