//! The console's thread: looks at the board ten times a second and prints.

use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wellstream_connectors::MachineClock;

use super::board::{Board, Counts};
use super::{Stream, lock, text};

/// Prints until `done`. Colours only where a terminal shows them.
pub(super) fn print(
    stream: Stream,
    board: &Mutex<Board>,
    clock: MachineClock,
    done: &AtomicBool,
) -> io::Result<()> {
    let mut printer =
        Printer { board, clock, before: Counts::default(), table_ms: clock.now_ms(), second: -1 };
    loop {
        let last = done.load(Ordering::Relaxed);
        let page = printer.page(last);
        if !page.is_empty() {
            // Opened anew each time: the lock is not held while there is nothing to print.
            match stream {
                Stream::Out => write(&mut anstream::stdout().lock(), &page)?,
                Stream::Error => write(&mut anstream::stderr().lock(), &page)?,
            }
        }
        if last {
            return Ok(());
        }
        clock.park(TICK);
    }
}

struct Printer<'a> {
    board: &'a Mutex<Board>,
    clock: MachineClock,
    before: Counts,
    table_ms: i64,
    second: i64,
}

impl Printer<'_> {
    /// What is to be printed now.
    fn page(&mut self, last: bool) -> String {
        let now_ms = self.clock.now_ms();
        let second = now_ms / 1_000;
        let new_second = second != std::mem::replace(&mut self.second, second) || last;
        let since_table_ms = now_ms - self.table_ms;
        let (alerts, table) = {
            let mut board = lock(self.board);
            let alerts = board.take_alerts(new_second);
            // The last table only where it says more than the one before.
            let table_due = since_table_ms >= TABLE_MS || (last && board.counts() != self.before);
            (alerts, table_due.then(|| (board.counts(), board.take_table())))
        };
        let mut page = text::alerts(&alerts);
        if let Some((now, rows)) = table {
            let seconds = since_table_ms as f64 / 1e3;
            let span = text::Span { before: self.before, now, seconds, wall_ms: self.clock.wall_ms() };
            page.push_str(&text::table(span, &rows));
            self.before = now;
            self.table_ms = now_ms;
        }
        page
    }
}

fn write(stream: &mut impl Write, page: &str) -> io::Result<()> {
    stream.write_all(page.as_bytes())?;
    stream.flush()
}

/// How often the board is looked at: alerts appear at once to the eye.
const TICK: Duration = Duration::from_millis(100);
/// Time between two tables.
const TABLE_MS: i64 = 5_000;
