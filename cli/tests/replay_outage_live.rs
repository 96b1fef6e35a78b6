//! A broker that goes away in the middle of a measurement: the run ends by itself, says so, and leaves what
//! it had measured. These tests kill the broker of `scripts/services`; `scripts/outage` runs them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/outage.rs"]
mod outage;
#[path = "support/program.rs"]
mod program;
#[path = "support/replays.rs"]
mod replays;

use std::time::Duration;

use live::World;
use outage::Outage;
use program::{Ended, Program};
use wellstream_connectors::MachineClock;
use wellstream_replay::report::{self, Outcome, Report, Stage};

/// Starts a measurement of ten minutes, takes the broker away once it goes, and lets `then` happen.
fn disturbed(what: &str, more: &[&str], then: impl FnOnce(&Program)) -> Option<(Ended, Report)> {
    let world = World::bare(what)?;
    outage::create_topics(&world, 3);
    let folder = tempfile::tempdir().unwrap();
    let base = ["--rate", "2k/s", "--duration", "10m", "--report", folder.path().to_str().unwrap()];
    let mut replay = Program::start(&replays::args(&world, "replay", &[&base, more].concat()), TIME_MAX);
    let reached = |topic: &str| world.connection.watermarks(topic, 0).is_ok_and(|(_, end)| end > SENT_LEAST);
    replay.wait_until("enough that was sent", || reached(&world.names.tanks));
    if more.contains(&"here") {
        // A broker whose first transaction it is may take seconds for it.
        replay.wait_until("enough that came out", || reached(&world.names.enriched));
    }
    let outage = Outage::begin("kill", "start");
    then(&replay);
    let ended = replay.finish();
    drop(outage);
    let report = report::read(folder.path()).unwrap();
    assert_eq!(report.outcome, Outcome::Invalid, "{:?}", report.reasons);
    assert!(!report.result.drained && report.result.events_sent < report.load.events);
    assert!(report.result.events_sent > SENT_LEAST.unsigned_abs());
    assert!(report.series(Stage::Slip).unwrap().ns.count > SENT_LEAST.unsigned_abs());
    assert!(report.timeline.len() > 1);
    Some((ended, report))
}

#[test]
#[ignore = "kills the broker that other tests use: scripts/outage"]
fn a_measurement_that_breaks_off_keeps_what_it_measured() {
    let give_up = format!("message.timeout.ms={GIVE_UP_MS}");
    for client in CLIENTS {
        let more = ["--engine", "here", "--verify", "-X", &give_up, "--kafka-client", client];
        let Some((ended, report)) = disturbed("broken-off", &more, |_| {}) else { return };
        let error = ended.error(4);
        assert!(error.contains("the run broke off") && error.contains("timed out"), "{client}: {error}");
        assert!(report.reasons[0].contains("the run broke off"), "{client}: {:?}", report.reasons);
        // No verdict over a part: what is missing is the broker's fault.
        assert_eq!(report.verdict, None);
        assert!(report.result.outputs.as_ref().unwrap().rows > 100, "{client}: {:?}", report.result);
        for stage in [Stage::EndToEnd, Stage::Decode, Stage::Commit] {
            assert!(report.series(stage).unwrap().ns.count > 0, "{client}: {stage:?}");
        }
    }
}

#[test]
#[ignore = "kills the broker that other tests use: scripts/outage"]
fn a_signal_ends_a_measurement_without_a_broker() {
    // Long before the records' time is over: that is two minutes, more than this test has.
    let interrupt = |replay: &Program| {
        MachineClock::start().sleep(Duration::from_secs(3));
        replay.signal("INT");
    };
    // At small size each of both once.
    let is_full = std::env::var("WELLSTREAM_SIZE").is_ok_and(|size| size == "full");
    let all = [("none", "rdkafka"), ("here", "native"), ("none", "native"), ("here", "rdkafka")];
    for (engine, client) in all.into_iter().take(if is_full { 4 } else { 2 }) {
        let what = format!("interrupted-{engine}-{client}");
        let more = ["--engine", engine, "--kafka-client", client];
        let Some((ended, report)) = disturbed(&what, &more, interrupt) else { return };
        assert!(ended.error(4).contains("not acknowledged"), "{what}: {}", ended.stderr);
        let reasons = &report.reasons;
        assert!(reasons.iter().any(|reason| reason.contains("stopped after")), "{what}: {reasons:?}");
    }
}

const CLIENTS: [&str; 2] = ["native", "rdkafka"];
/// Readings in one partition of six, and rows in one of three, before the broker goes.
const SENT_LEAST: i64 = 1_000;
/// How long records wait for a broker, ms, instead of two minutes.
const GIVE_UP_MS: u32 = 8_000;
/// Longer than any wait inside, so that a hang is told from patience.
const TIME_MAX: Duration = Duration::from_secs(90);
