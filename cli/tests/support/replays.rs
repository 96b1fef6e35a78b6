//! `replay` with a world's topics, and what its report says.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test file uses a part of it")]

use wellstream_connectors::kafka::start::From;
use wellstream_replay::report::{self, Report};

use crate::live::{RUN_TIME_MAX, World};
use crate::program::{Ended, Program};

/// A command with a world's topics.
pub fn args(world: &World, verb: &str, more: &[&str]) -> Vec<String> {
    let names = &world.names;
    let mut args = vec![verb, "--wells", &names.wells, "--tanks", &names.tanks];
    if verb != "inspect" {
        args.extend(["--brokers", &world.brokers, "--schema-registry", &world.registry]);
    }
    if verb == "replay" {
        args.extend(["--output", &names.enriched, "--alerts", &names.alerts]);
        args.extend(["--quarantine", &names.quarantine]);
    }
    args.iter().chain(more).map(ToString::to_string).collect()
}

pub fn command(world: &World, verb: &str, more: &[&str]) -> Ended {
    Program::start(&args(world, verb, more), RUN_TIME_MAX).finish()
}

/// A verified run, and its report.
pub fn verified(world: &World, more: &[&str]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let base = ["--verify", "--report", folder.path().to_str().unwrap()];
    let ended = command(world, "replay", &[&base, more].concat());
    assert!(matches!(ended.code, Some(0 | 4)), "{more:?}: {:?} {}", ended.code, ended.stderr);
    let report = report::read(folder.path()).unwrap();
    let verdict = report.verdict.as_ref().unwrap();
    assert!(verdict.ok, "{more:?}: {verdict:?}");
    assert_eq!(report.result.events_sent, report.load.events);
    assert!(report.result.drained, "{:?}", report.reasons);
    report
}

pub fn rows(report: &Report) -> u64 {
    report.result.outputs.as_ref().unwrap().rows
}

/// An engine elsewhere, with more flags, that stands at the ends of the topics: its first commits say so.
pub fn engine_elsewhere(world: &World, more: &[&str]) -> Program {
    let mut engine = world.run(&[&["--from", "latest", "--sink", "kafka"], more].concat());
    engine.wait_until("its start", || {
        let starts = world.connection.starts(&world.names, From::Latest, false);
        starts.is_ok_and(|starts| starts.iter().all(|start| start.committed.is_some()))
    });
    engine
}
