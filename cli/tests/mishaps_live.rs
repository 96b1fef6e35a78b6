//! What goes wrong around a run, with the real binary: a clear message that says what to do, then recovery or
//! an exit code, and never a hang or a spin. Every program here is killed by a deadline, which fails its
//! test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;
#[path = "support/readings.rs"]
mod readings;
#[path = "support/registry.rs"]
mod registry;

use std::time::Duration;

use live::{RUN_TIME_MAX, World, address};
use program::Program;
use readings::{tank, well};
use registry::FakeRegistry;
use serde_json::{Value, json};
use wellstream_connectors::MachineClock;
use wellstream_core::schemas::{TANK_DATA, WELL_DATA};

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn a_broker_that_is_away_at_the_start_is_told_in_bounded_time() {
    for command in ["run --sink count", "topics create", "quarantine list"] {
        let ended = Program::start(&words(&format!("{command} --brokers 127.0.0.1:1")), SOON).finish();
        let error = ended.error(3);
        for part in ["127.0.0.1:1", "refused", "--brokers"] {
            assert!(error.contains(part), "{part} in {error}");
        }
        // Not one line for each attempt.
        assert!(ended.stderr.lines().count() < 6, "{}", ended.stderr);
    }
}

#[test]
fn a_missing_topic_is_told_with_the_command_that_makes_it() {
    let Some(world) = World::bare("missing") else { return };
    let error = world.run(&["--sink", "count"]).finish();
    let error = error.error(3);
    assert!(error.contains(&world.names.wells) && error.contains("wellstream topics create"), "{error}");
    // The results' topics too, and only where they are written.
    let inputs = [(world.names.wells.as_str(), None), (world.names.tanks.as_str(), None)];
    world.connection.create(&inputs, 1, 1).unwrap();
    let ended = world.run(&["--sink", "kafka", "--until-end"]).finish();
    assert!(ended.error(3).contains(&world.names.enriched), "{}", ended.stderr);
    assert_eq!(world.run(&["--sink", "count", "--until-end"]).finish().summary()["rows"], json!(0));
}

#[test]
fn facility_keyed_topics_of_unequal_counts_are_refused() {
    let Some(world) = World::bare("unequal") else { return };
    world.connection.create(&[(world.names.wells.as_str(), None)], 2, 1).unwrap();
    world.connection.create_topics(&world.names, 3, 1).unwrap();
    let ended = world.run(&["--sink", "count", "--until-end", "--keyed-by", "facility"]).finish();
    let error = ended.error(3);
    assert!(error.contains("equal partition counts") && error.contains("has 2") && error.contains("has 3"));
    world.run(&["--sink", "count", "--until-end", "--keyed-by", "sensor"]).finish().summary();
}

#[test]
fn a_registry_that_is_away_at_the_start_ends_a_run_that_must_register() {
    let Some(world) = World::new("no-registry", 1) else { return };
    let ended = world.run(&["--sink", "kafka", "--schema-registry", "http://127.0.0.1:1"]).finish();
    let error = ended.error(3);
    assert!(error.contains("http://127.0.0.1:1") && error.contains("--schema-registry"), "{error}");
    assert!(ended.took < SOON, "{:?}", ended.took);
}

#[test]
fn an_unknown_id_parks_its_partition_while_the_registry_is_away_and_nothing_spins() {
    let Some(world) = World::new("parked", 2) else { return };
    let mut registry = FakeRegistry::new(&[(71, WELL_DATA), (72, TANK_DATA), (73, WELL_DATA)]);
    registry.start();
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.jsonl");
    let sink = format!("count,jsonl:{}", rows.display());
    let mut run =
        world.run(&["--sink", &sink, "--schema-registry", &registry.url(), "--registry-grace", "1s"]);
    let count = || std::fs::read_to_string(&rows).map_or(0, |text| text.lines().count());
    let clock = MachineClock::start();
    let pair = |number: u32, partition: u32, well_id: u32| {
        let (facility, now_ms) = (format!("F-{number}"), clock.wall_ms());
        let mut sender = world.sender();
        let names = &world.names;
        let value = well(well_id, &facility, now_ms);
        sender.send((&names.wells, Some(partition)), None, Some(&value)).unwrap();
        sender.send((&names.tanks, Some(1)), None, Some(&tank(72, &facility, now_ms))).unwrap();
        sender.finish().unwrap();
    };
    pair(0, 0, 71);
    run.wait_until("the first row", || count() == 1);
    registry.stop();

    // Its partition waits, also with what is known behind it; the other goes on.
    pair(1, 0, 73);
    pair(2, 0, 71);
    pair(3, 1, 71);
    run.wait_until("the row of the other partition", || count() == 2);
    let before_s = run.cpu_s();
    clock.sleep(Duration::from_secs(5));
    let share = (run.cpu_s() - before_s) / 5.0;
    assert!(share < 0.2, "{share} of a core with nothing to do");
    pair(4, 1, 71);
    run.wait_until("another row of the other partition", || count() == 3);
    assert!(run.is_running(), "longer than the grace time: only \"not found\" counts");
    let said = run.stderr();
    assert!(said.contains("does not answer") && said.contains("wait"), "{said}");
    assert!(said.lines().count() < 10, "{said}");

    registry.start();
    run.wait_until("the rows that waited", || count() == 5);
    run.signal("INT");
    let summary = run.finish().summary();
    assert_eq!((&summary["rows"], &summary["quarantined"]), (&json!(5), &json!({})));
    assert_eq!(registry.asked(), 3, "one question an id while it was there");
}

#[test]
fn a_wrong_password_is_told_at_once_and_never_shown() {
    let Some(brokers) = address("WELLSTREAM_TEST_BROKERS_SASL") else { return };
    let call = |password: &str| {
        let sasl = "-X security.protocol=SASL_PLAINTEXT -X sasl.mechanism=PLAIN -X sasl.username=wellstream";
        let unique = live::unique("sasl");
        let names: Vec<_> = ["wells", "tanks", "output", "alerts", "quarantine"]
            .iter()
            .map(|topic| format!("--{topic} {unique}-{topic}"))
            .collect();
        let names = names.join(" ");
        let line = format!("topics create --brokers {brokers} {names} {sasl} -X sasl.password={password}");
        Program::start(&words(&line), RUN_TIME_MAX).finish()
    };
    let ended = call("hunter2");
    let error = ended.error(3);
    assert!(error.contains("refused the credentials") && error.contains("sasl.password"), "{error}");
    assert!(!ended.stderr.contains("hunter2") && !ended.stdout.contains("hunter2"), "{}", ended.stderr);
    assert!(ended.took < SOON, "{:?}", ended.took);
    let ended = call("wellstream");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_full_disk_ends_the_run_and_says_so() {
    let ended = Program::start(&words("run --sink jsonl:/dev/full --duration 60s"), RUN_TIME_MAX).finish();
    assert!(ended.error(3).contains("the disk is full"), "{}", ended.stderr);
    assert!(ended.took < Duration::from_secs(50), "{:?}", ended.took);
}

#[test]
fn a_full_disk_commits_nothing_beyond_what_was_written() {
    let Some(world) = World::new("full", 1) else { return };
    world.load("20000", "1");
    let ended = world.run(&["--from", "earliest", "--until-end", "--sink", "count,jsonl:/dev/full"]).finish();
    assert!(ended.error(3).contains("the disk is full"), "{}", ended.stderr);
    // The same group: no row was written, so this run puts out every row of the log. (Offsets may have been
    // committed, by an epoch of readings that had met no partner yet: how many events it reads says nothing.)
    let all = |summary: Value| ["rows", "digest", "alert_rows", "risk_sum"].map(|key| summary[key].clone());
    let bounded = ["--from", "earliest", "--until-end", "--sink", "count"];
    let second = all(world.run(&bounded).finish().summary());
    let other = World { group: live::unique("fresh"), ..world };
    let fresh = all(other.run(&bounded).finish().summary());
    assert!(fresh[0].as_u64().unwrap() > 1_000, "{fresh:?}");
    assert_eq!(second, fresh);
}

#[test]
fn both_signals_end_a_run_cleanly_and_the_next_one_repeats_nothing() {
    let Some(world) = World::new("signals", 2) else { return };
    let folder = tempfile::tempdir().unwrap();
    let followed = folder.path().join("rows.jsonl");
    let sink = format!("kafka,jsonl:{}", followed.display());
    world.load("400000", "2");
    let (mut rows, mut events) = (0, 0);
    let mut count = |summary: &serde_json::Value| {
        rows += summary["rows"].as_u64().unwrap();
        let wells = summary["events_in"]["wells"].as_u64().unwrap();
        events += wells + summary["events_in"]["tanks"].as_u64().unwrap();
        events
    };
    let mut left_behind = Vec::new();
    // Signalled as soon as there are rows: the second run has them before its rebuild is done.
    for signal in ["INT", "TERM"] {
        drop(std::fs::remove_file(&followed));
        let mut run = world.run(&["--sink", &sink]);
        let written = || std::fs::metadata(&followed).map_or(0, |file| file.len());
        run.wait_until("the first rows", || written() > 0);
        run.signal(signal);
        let ended = run.finish();
        left_behind.push(400_000 - count(&ended.summary()));
        assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
    }
    // A slow machine may let the second run read everything before its signal arrives.
    assert!(left_behind[0] > 0, "the first signal came in mid-run");
    let events = count(&world.run(&["--sink", "kafka", "--until-end"]).finish().summary());
    assert_eq!(events, 400_000, "every reading counts once");
    let ids = world.row_ids();
    let mut distinct = ids.clone();
    distinct.dedup();
    assert_eq!((ids.len() as u64, distinct.len()), (rows, ids.len()), "a row was repeated");

    // Another group, undisturbed, into a file: exactly the same rows.
    let file = folder.path().join("undisturbed.jsonl");
    let sink = format!("count,jsonl:{}", file.display());
    let other = format!("{}-other", world.group);
    let args = ["--until-end", "--sink", &sink];
    let args: Vec<String> = world
        .run_args(&args)
        .into_iter()
        .map(|arg| if arg == world.group { other.clone() } else { arg })
        .collect();
    let summary = Program::start(&args, RUN_TIME_MAX).finish().summary();
    assert_eq!(summary["rows"], json!(rows));
    let text = std::fs::read_to_string(&file).unwrap();
    let mut undisturbed: Vec<String> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["row_id"].as_str().unwrap().into()
        })
        .collect();
    undisturbed.sort_unstable();
    assert!(undisturbed == ids, "the union of the runs is not the undisturbed run");
}

#[test]
fn a_closed_pipe_is_success() {
    for command in ["run --duration 100s", "run --duration 100s --sink console,count", "config"] {
        let line = format!("\"$BIN\" {command} | head -n 1 >/dev/null; echo \"${{PIPESTATUS[0]}}\"");
        let ended = Program::shell(&line, Duration::from_secs(90)).finish();
        assert_eq!(ended.stdout.trim(), "0", "{command}: {}", ended.stderr);
        assert_eq!(ended.stderr, "", "{command}");
    }
}

#[test]
fn a_slip_of_the_finger_is_a_usage_error() {
    for line in
        ["run --brokerz h:1", "runn", "run --join most", "run --until-end", "run -X nonsense --brokers h:1"]
    {
        let ended = Program::start(&words(line), SOON).finish();
        assert_eq!(ended.code, Some(2), "{line}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{line}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{line}");
    }
}

/// An answer at the start: the first connection may take 15 s.
const SOON: Duration = Duration::from_secs(40);
