//! The binary as a child process whose output goes to files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use wellstream_connectors::MachineClock;

use super::Failed;

/// A child; killed where a plan ends before it.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
    clock: MachineClock,
    /// When it was started: on the clock, and on the wall.
    pub(crate) started_ns: u64,
    pub(crate) started_wall_ms: i64,
}

impl Program {
    /// Starts it; standard output goes to `NAME.out`, standard error to `NAME.log`.
    pub(crate) fn start(
        binary: &Path,
        args: &[String],
        folder: &Path,
        name: &str,
        clock: MachineClock,
    ) -> Result<Program, Failed> {
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new(binary);
        command.args(args).env_clear().current_dir(folder).stdin(Stdio::null());
        command.stdout(File::create(folder.join(format!("{name}.out")))?).stderr(File::create(&log)?);
        let (started_ns, started_wall_ms) = (clock.now_ns(), clock.wall_ms());
        Ok(Program { child: command.spawn()?, log, clock, started_ns, started_wall_ms })
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) -> Result<(), Failed> {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status()?;
        if sent.success() { Ok(()) } else { Err(format!("kill -{name} {id}: {sent}").into()) }
    }

    /// kill -9.
    pub(crate) fn kill(mut self) -> Result<(), Failed> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, Failed> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    pub(crate) fn finish(&mut self, time_max: Duration) -> Result<ExitStatus, Failed> {
        let begun = self.clock.elapsed();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if self.clock.elapsed().saturating_sub(begun) > time_max {
                return Err(format!("no end after {} s: {}", time_max.as_secs(), self.last_words()).into());
            }
            self.clock.sleep(Duration::from_millis(20));
        }
    }

    /// The last lines of standard error.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<_> = text.lines().rev().take(3).collect();
        lines.reverse();
        format!("{} ({})", lines.join(" / "), self.log.display())
    }

    /// No thread of it has: a panic is a fault, whatever came out.
    pub(crate) fn has_not_panicked(&self) -> Result<(), Failed> {
        let log = self.log();
        match log.lines().find(|line| line.contains("panicked at")) {
            Some(line) => Err(format!("{line} ({})", self.log.display()).into()),
            None => Ok(()),
        }
    }

    /// All of standard error.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
