//! A program under measurement: started with its output in files, its CPU time read while it runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use wellstream_connectors::MachineClock;

use super::Failed;

/// A child; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    out: PathBuf,
    log: PathBuf,
    clock: MachineClock,
}

impl Program {
    /// Starts it; standard output goes to `NAME.out`, standard error to `NAME.log`.
    pub(crate) fn start(
        binary: &Path,
        args: &[String],
        folder: &Path,
        name: &str,
    ) -> Result<Program, Failed> {
        let (out, log) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.log")));
        let mut command = Command::new(binary);
        // Variables of this name would be settings.
        command.args(args).env_clear().current_dir(folder).stdin(Stdio::null());
        command.stdout(File::create(&out)?).stderr(File::create(&log)?);
        Ok(Program { child: command.spawn()?, out, log, clock: MachineClock::start() })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) -> Result<(), Failed> {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(format!("kill -{name}: {sent}").into()) }
    }

    /// Waits until something holds; it must not end meanwhile.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&Program) -> bool,
    ) -> Result<(), Failed> {
        let begun = self.clock.elapsed();
        while !holds(self) {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("ended ({status}) before {what}: {}", self.last_words()).into());
            }
            if self.clock.elapsed().saturating_sub(begun) > READY_MAX {
                return Err(format!("no {what}: {}", self.last_words()).into());
            }
            self.clock.sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits for its end.
    pub(crate) fn finish(&mut self, time_max: Duration) -> Result<ExitStatus, Failed> {
        let begun = self.clock.elapsed();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if self.clock.elapsed().saturating_sub(begun) > time_max {
                return Err(format!("no end after {} s: {}", time_max.as_secs(), self.last_words()).into());
            }
            self.clock.sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// The last lines of standard error.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().rev().take(3).collect();
        format!("{} ({})", lines.into_iter().rev().collect::<Vec<_>>().join(" / "), self.log.display())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// User and system time of a process so far, seconds; zero where the system does not tell.
pub(crate) fn cpu_s(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    wellstream_replay::process::cpu_s_of(&stat)
}

const READY_MAX: Duration = Duration::from_secs(60);
