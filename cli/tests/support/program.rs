//! The program as a child process: its output in files, and an end by a deadline whatever happens.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test file uses a part of it")]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use wellstream_connectors::MachineClock;

/// A child that is killed where a test ends before it.
pub struct Program {
    child: Child,
    dir: TempDir,
    clock: MachineClock,
    /// From here on, for all waits together: a hang fails the test.
    time_max: Duration,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; none where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// From its start to its end.
    pub took: Duration,
}

impl Program {
    /// Starts `wellstream` with these arguments, in an empty directory and environment.
    pub fn start(args: &[String], time_max: Duration) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wellstream"));
        command.args(args);
        Program::spawn(command, time_max)
    }

    /// Starts a line of shell in which `wellstream` is `"$BIN"`.
    pub fn shell(line: &str, time_max: Duration) -> Program {
        let mut command = Command::new("bash");
        command.args(["-c", line]);
        Program::spawn(command, time_max)
    }

    fn spawn(mut command: Command, time_max: Duration) -> Program {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(dir.path().join(name)).unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("BIN", env!("CARGO_BIN_EXE_wellstream"));
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        Program { child: command.spawn().unwrap(), dir, clock: MachineClock::start(), time_max }
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.text("stderr")
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join(name)).unwrap()).into_owned()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal by name, such as INT.
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// Waits until something holds; the program must not end meanwhile.
    pub fn wait_until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        while !holds() {
            assert!(self.is_running(), "ended before {what}: {}", self.stderr());
            self.check_time(what);
            self.clock.sleep(Duration::from_millis(20));
        }
    }

    /// User and system time so far, seconds.
    pub fn cpu_s(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Ended {
        let status: ExitStatus = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => self.clock.sleep(Duration::from_millis(10)),
            }
            self.check_time("its end");
        };
        let took = self.clock.elapsed();
        Ended { code: status.code(), stdout: self.text("stdout"), stderr: self.text("stderr"), took }
    }

    fn check_time(&mut self, what: &str) {
        if self.clock.elapsed() > self.time_max {
            self.child.kill().unwrap();
            panic!("no {what} after {:?}; standard error:\n{}", self.time_max, self.stderr());
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Ended {
    /// The run's summary, after success.
    pub fn summary(&self) -> serde_json::Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        let line = self.stdout.lines().last().unwrap_or_else(|| panic!("no summary: {}", self.stderr));
        serde_json::from_str(line).unwrap()
    }

    /// Its one error line, where it ended with this code.
    pub fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        let errors: Vec<_> = self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{}", self.stderr);
        errors[0]
    }
}
