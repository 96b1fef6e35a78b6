//! Taking the broker of `scripts/services` away, and bringing it back.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test file uses a part of it")]

use std::process::Command;
use std::time::Duration;

use wellstream_connectors::MachineClock;

use crate::live::World;

fn services(verb: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/services");
    assert!(Command::new(script).args([verb, "kafka"]).status().unwrap().success(), "{verb}");
}

/// The broker is away; when this is dropped it is back, also where a test fails.
pub struct Outage {
    comes: &'static str,
}

impl Outage {
    pub fn begin(goes: &str, comes: &'static str) -> Outage {
        services(goes);
        Outage { comes }
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        services(self.comes);
    }
}

/// Makes a world's topics. A broker that has just come back refuses for some seconds, until the controller
/// knows it again.
pub fn create_topics(world: &World, partitions: u32) {
    let clock = MachineClock::start();
    while let Err(error) = world.connection.create_topics(&world.names, partitions, 1) {
        assert!(clock.elapsed() < Duration::from_secs(60), "{error}");
        clock.sleep(Duration::from_secs(1));
    }
}
