//! A broker that goes away while the real binary runs. These tests kill and freeze the broker of
//! `scripts/services`, so they are no part of a plain test run: `scripts/outage` gives them services of their
//! own, and `scripts/check` calls it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/outage.rs"]
mod outage;
#[path = "support/program.rs"]
mod program;

use std::time::Duration;

use live::World;
use outage::Outage;
use program::Program;
use serde_json::{Value, json};
use wellstream_connectors::MachineClock;
use wellstream_core::record::{PartitionId, Side};

/// A world with load, and what an undisturbed run makes of it.
fn loaded(what: &str) -> Option<(World, Value)> {
    let world = World::bare(what)?;
    outage::create_topics(&world, 2);
    world.load("400000", "2");
    let other = format!("{}-undisturbed", world.group);
    let args = world.run_args(&["--until-end", "--sink", "count"]);
    let args: Vec<_> =
        args.into_iter().map(|arg| if arg == world.group { other.clone() } else { arg }).collect();
    let summary = Program::start(&args, TIME_MAX).finish().summary();
    assert!(summary["rows"].as_u64().unwrap() > 100_000, "{summary}");
    Some((world, summary))
}

/// Starts a run that reads slowly, and waits until it has committed a part: the broker answers each time with
/// no more than a few batches, and that only after it has waited in vain for the bytes it is told to wait
/// for.
fn in_mid_run(world: &World, more: &[&str]) -> Program {
    let least = ["-X", "fetch.max.bytes=1000000", "-X", "fetch.message.max.bytes=10000"];
    let late = ["-X", "fetch.min.bytes=100000000", "-X", "fetch.wait.max.ms=500", "--sink", "kafka"];
    let mut run = Program::start(&world.run_args(&[&least[..], &late, more].concat()), TIME_MAX);
    run.wait_until("a commit", || committed(world) > 10_000);
    assert!(committed(world) < 300_000, "too fast to be disturbed");
    run
}

/// How many readings the group has committed.
fn committed(world: &World) -> i64 {
    let id = |side, number| PartitionId { side, number };
    let ids = [id(Side::Well, 0), id(Side::Well, 1), id(Side::Tank, 0), id(Side::Tank, 1)];
    let committed = world.connection.committed(&world.names, &ids).unwrap();
    committed.iter().flatten().map(|(offset, _)| offset).sum()
}

fn assert_same(summary: &Value, undisturbed: &Value) {
    for key in
        ["events_in", "rows", "digest", "risk_sum", "alert_rows", "alarms", "late", "dropped", "quarantined"]
    {
        assert_eq!(summary[key], undisturbed[key], "{key}");
    }
}

/// The broker is away for 20 s: the run goes on afterwards as if nothing had been, and says little meanwhile.
fn recovers(what: &str, goes: &str, comes: &'static str, cores_max: f64) {
    let Some((world, undisturbed)) = loaded(what) else { return };
    let mut run = in_mid_run(&world, &["--until-end"]);
    let outage = Outage::begin(goes, comes);
    let cpu_s = run.cpu_s();
    MachineClock::start().sleep(AWAY);
    assert!(run.is_running(), "{}", run.stderr());
    let share = (run.cpu_s() - cpu_s) / AWAY.as_secs_f64();
    assert!(share < cores_max, "{share} of a core with nothing to do");
    let said = run.stderr();
    assert!(!said.contains("works again"), "while the broker is away: {said}");
    // Two sources, the producer, the committer, each at once and every 10 s.
    assert!(said.lines().count() <= 14, "{said}");
    drop(outage);
    let ended = run.finish();
    if ended.code == Some(0) {
        assert_same(&ended.summary(), &undisturbed);
        assert!(ended.stderr.matches("works again").count() <= 8, "{}", ended.stderr);
    } else {
        // A broker that froze was fenced meanwhile; the producer may not find it again before its records
        // time out.
        assert_eq!(goes, "pause", "{}", ended.stderr);
        assert!(ended.error(3).contains("the next start repeats the epoch"), "{}", ended.stderr);
        world.run(&["--until-end", "--sink", "kafka"]).finish().summary();
    }
    let mut ids = world.row_ids();
    let sent = ids.len();
    ids.dedup();
    assert_eq!(json!(ids.len()), undisturbed["rows"], "{sent} with repeats");
}

#[test]
#[ignore = "kills the broker that other tests use: scripts/outage"]
fn a_broker_that_is_killed_in_mid_run_changes_nothing() {
    recovers("killed", "kill", "start", 0.3);
}

#[test]
#[ignore = "freezes the broker that other tests use: scripts/outage"]
fn a_broker_that_freezes_in_mid_run_changes_nothing() {
    if !is_full_size("it may take four minutes") {
        return;
    }
    // librdkafka's idempotent producer polls without a pause while a batch is ready behind one that is not
    // acknowledged, so one of its threads may be busy; ours are not.
    recovers("frozen", "pause", "resume", 1.3);
}

fn is_full_size(why: &str) -> bool {
    let is_full = std::env::var("WELLSTREAM_SIZE").is_ok_and(|size| size == "full");
    if !is_full {
        #[expect(clippy::print_stdout, reason = "a skipped test says so")]
        {
            println!("skipped: {why}; WELLSTREAM_SIZE=full runs it");
        }
    }
    is_full
}

/// Two minutes for the commit, five for connecting anew: at full size only.
#[test]
#[ignore = "kills the broker that other tests use: scripts/outage"]
fn a_broker_that_stays_away_ends_the_run_and_the_next_one_goes_on() {
    if !is_full_size("it takes seven minutes") {
        return;
    }
    let Some((world, undisturbed)) = loaded("gone") else { return };
    let run = in_mid_run(&world, &["--until-end"]);
    let outage = Outage::begin("kill", "start");
    let ended = run.finish();
    drop(outage);
    let error = ended.error(3);
    assert!(error.contains("no broker of") || error.contains("not delivered"), "{error}");
    assert!(ended.stderr.lines().count() < 250, "{}", ended.stderr);
    world.run(&["--sink", "kafka", "--until-end"]).finish().summary();
    let mut ids = world.row_ids();
    ids.dedup();
    assert_eq!(json!(ids.len()), undisturbed["rows"], "nothing lost, and repeats only by their row id");
}

#[test]
#[ignore = "kills the broker that other tests use: scripts/outage"]
fn a_second_signal_ends_a_run_that_cannot_commit_at_once() {
    let Some((world, undisturbed)) = loaded("twice") else { return };
    // So long that there is something to commit when the broker goes, whenever that is.
    let mut run = in_mid_run(&world, &["--commit-interval", "3s"]);
    let clock = MachineClock::start();
    clock.sleep(Duration::from_secs(1));
    let outage = Outage::begin("kill", "start");
    run.signal("INT");
    clock.sleep(Duration::from_secs(3));
    assert!(run.is_running(), "the first signal waits for the commit: {}", run.stderr());
    run.signal("TERM");
    let asked = clock.elapsed();
    let ended = run.finish();
    assert!(clock.elapsed().checked_sub(asked).unwrap() < Duration::from_secs(2));
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    drop(outage);
    world.run(&["--sink", "kafka", "--until-end"]).finish().summary();
    let mut ids = world.row_ids();
    ids.dedup();
    assert_eq!(json!(ids.len()), undisturbed["rows"]);
}

const AWAY: Duration = Duration::from_secs(20);
/// Longer than any wait inside, so that a hang is told from patience.
const TIME_MAX: Duration = Duration::from_secs(540);
