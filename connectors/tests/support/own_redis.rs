//! A Redis of a test's own: on a port of its own, to be killed, frozen and started again.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test file uses a part of it")]

#[path = "own.rs"]
mod own;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use wellstream_connectors::MachineClock;

/// A server without a disk: what is killed comes back empty.
pub struct OwnRedis {
    port: u16,
    more: Vec<String>,
    child: Option<Child>,
    dir: tempfile::TempDir,
}

impl OwnRedis {
    /// Starts one, with these arguments more; `None` where the tests have no services.
    pub fn start(more: &[&str]) -> Option<OwnRedis> {
        own::address("WELLSTREAM_TEST_REDIS")?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let more = more.iter().map(ToString::to_string).collect();
        let mut redis = OwnRedis { port, more, child: None, dir: tempfile::tempdir().unwrap() };
        redis.begin();
        Some(redis)
    }

    pub fn begin(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(self.dir.path()).args(&self.more);
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let clock = MachineClock::start();
        while !self.cli(&["ping"]).contains("PONG") && !self.cli(&["ping"]).contains("NOAUTH") {
            assert!(clock.elapsed() < Duration::from_secs(30), "redis-server does not answer");
            clock.sleep(Duration::from_millis(20));
        }
    }

    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The same with a user's password.
    pub fn url_with(&self, password: &str) -> String {
        format!("redis://:{password}@127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` says.
    pub fn cli(&self, args: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
