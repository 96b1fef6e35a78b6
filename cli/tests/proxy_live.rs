//! The proxy of faults between the real binary and a real broker: without rules nothing changes, and each
//! action does to the engine what it says. The plans of `scripts/faults` rest on this.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;

use std::time::Duration;

use live::{RUN_TIME_MAX, World};
use program::Program;
use wellstream_connectors::kafka::KafkaSettings;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_replay::faults::{Action, Api, Direction, Faults, Proxy, Rule, RuleId, When};

use Direction::{Reply, Request};

/// A world whose brokers are behind a proxy.
fn behind_proxy(what: &str) -> Option<(World, Proxy, Faults)> {
    let mut world = World::new(what, 3)?;
    let proxy = Proxy::start(&world.brokers).unwrap();
    world.brokers = proxy.address();
    let faults = proxy.faults();
    Some((world, proxy, faults))
}

/// Its group, past the proxy.
fn direct(world: &World) -> Connection {
    let brokers = live::address("WELLSTREAM_TEST_BROKERS").unwrap();
    Connection::open(&KafkaSettings::new(&brokers, &world.group)).unwrap()
}

fn run(world: &World, group: &str, brokers: &str) -> serde_json::Value {
    let args = world.run_args(&["--until-end", "--sink", "count"]);
    let change = |arg: String| match arg {
        arg if arg == world.group => format!("{}-{group}", world.group),
        arg if arg == world.brokers => brokers.to_owned(),
        arg => arg,
    };
    Program::start(&args.into_iter().map(change).collect::<Vec<_>>(), RUN_TIME_MAX).finish().summary()
}

/// Rows in the output, each once, and how many there are with repeats.
fn rows(world: &World) -> (usize, usize) {
    let mut ids = world.row_ids();
    let all = ids.len();
    ids.dedup();
    (ids.len(), all)
}

#[test]
fn without_rules_a_load_and_a_drain_come_to_the_same() {
    let Some((world, proxy, faults)) = behind_proxy("through") else { return };
    world.load("60000", "3");
    assert!(faults.bytes(Api::PRODUCE, Request) > 5_000_000, "the load went through the proxy");
    let direct = live::address("WELLSTREAM_TEST_BROKERS").unwrap();
    let before = faults.bytes(Api::FETCH, Reply);
    let through = run(&world, "through", &proxy.address());
    let fetched = faults.bytes(Api::FETCH, Reply) - before;
    assert!(fetched > 5_000_000, "all that was read came through the proxy, not {fetched} bytes");
    let past = run(&world, "past", &direct);
    for key in ["events_in", "rows", "digest", "risk_sum", "alarms"] {
        assert_eq!(through[key], past[key], "{key}");
    }
    assert_eq!(faults.cuts(), 0);
    assert!(faults.frames(Api::METADATA, Reply) > 0 && faults.frames(Api::FIND_COORDINATOR, Reply) > 0);
}

/// The commit's reply never comes: nobody knows how it ended until the next start asks, and that finds the
/// truth, which is that it was obeyed.
#[test]
fn a_commit_without_its_reply_was_obeyed_and_the_next_start_knows() {
    let Some((world, _proxy, faults)) = behind_proxy("unknown") else { return };
    world.load("20000", "3");
    let (mut first, lost) = with_rows(&world, &faults, Rule::each(Api::OFFSET_COMMIT, Reply, Action::Drop));
    first.wait_until("a commit whose reply is lost", || faults.fired(lost) > 0);
    first.signal("INT");
    wellstream_connectors::MachineClock::start().sleep(Duration::from_millis(300));
    first.signal("TERM");
    let ended = first.finish();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    faults.remove(lost);
    let (committed, (_, before)) = (offsets(&world), rows(&world));
    assert!(committed > 0 && before > 0, "the broker obeyed: {committed} readings, {before} rows");
    the_rest(&world, committed);
    let expected = run(&world, "undisturbed", &world.brokers)["rows"].as_u64().unwrap();
    assert_eq!(rows(&world).0 as u64, expected, "nothing is missing");
}

/// An engine that puts out rows, and the rule that was added then: commits before may hold none.
fn with_rows(world: &World, faults: &Faults, rule: Rule) -> (Program, RuleId) {
    let produced = faults.frames(Api::PRODUCE, Reply);
    // The native client would be done with the log before there is a rule.
    let slow = [
        "--kafka-client",
        "rdkafka",
        "-X",
        "fetch.message.max.bytes=10000",
        "-X",
        "queued.max.messages.kbytes=20",
    ];
    let more = ["--sink", "kafka", "--delivery", "at-least-once", "-X", "fetch.queue.backoff.ms=100"];
    let mut engine = world.run(&[&slow[..], &more].concat());
    engine.wait_until("rows", || faults.frames(Api::PRODUCE, Reply) > produced + 2);
    (engine, faults.add(rule))
}

/// The rest of a log: exactly what was not committed.
fn the_rest(world: &World, committed: i64) {
    let rest = world.run(&["--sink", "kafka", "--until-end"]).finish().summary();
    let sides = ["wells", "tanks"].map(|side| rest["events_in"][side].as_i64().unwrap());
    assert_eq!(sides[0] + sides[1] + committed, 20_000, "what was committed is not counted again");
}

/// How many readings the group has committed.
fn offsets(world: &World) -> i64 {
    let starts = direct(world).starts(&world.names, Default::default(), false).unwrap();
    starts.iter().filter_map(|start| start.committed.as_ref()).map(|(offset, _)| offset).sum()
}

/// While the request is held its epoch is not committed; killed there, the next start repeats it.
#[test]
fn an_engine_that_is_killed_before_its_commit_repeats_the_epoch() {
    let Some((world, _proxy, faults)) = behind_proxy("held") else { return };
    world.load("20000", "3");
    let hold = Rule::each(Api::OFFSET_COMMIT, Request, Action::Hold);
    let (mut first, held) = with_rows(&world, &faults, hold);
    first.wait_until("the commit's request", || faults.await_held(held, Duration::ZERO));
    let committed = offsets(&world);
    drop(first); // by kill -9
    faults.cut_all();
    faults.remove(held);
    assert_eq!(offsets(&world), committed, "what was cut did not arrive");
    the_rest(&world, committed);
    let expected = run(&world, "undisturbed", &world.brokers)["rows"].as_u64().unwrap();
    let (once, all) = rows(&world);
    assert_eq!(once as u64, expected, "nothing is missing");
    assert!(all > once, "the rows of the epoch are there twice: {all} rows");
}

/// Connections that are cut at any frame are an inconvenience: the run ends as if nothing had been.
#[test]
fn an_engine_lives_with_connections_that_are_cut() {
    let Some((world, _proxy, faults)) = behind_proxy("cuts") else { return };
    world.load("60000", "3");
    let undisturbed = run(&world, "undisturbed", &world.brokers);
    // Not those of the start: it does not try again, its supervisor does.
    for api in [Api::FETCH, Api::PRODUCE, Api::OFFSET_COMMIT] {
        for way in [Request, Reply] {
            let when = When::Chance { probability: 0.03, seed: 5 };
            faults.add(Rule { when, ..Rule::each(api, way, Action::Cut) });
        }
    }
    let slow = ["-X", "fetch.message.max.bytes=20000", "-X", "queued.max.messages.kbytes=40"];
    let disturbed = world.run(&[&["--sink", "kafka", "--until-end"][..], &slow].concat()).finish().summary();
    assert!(faults.cuts() > 2, "{} cuts", faults.cuts());
    faults.clear();
    for key in ["events_in", "rows", "digest"] {
        assert_eq!(disturbed[key], undisturbed[key], "{key}");
    }
    assert_eq!(rows(&world).0 as u64, undisturbed["rows"].as_u64().unwrap());
}

/// Exactly once: the commit reaches the broker when its process is dead and the next one has the
/// transactional id. It is refused, and each row is there once.
#[test]
fn a_commit_that_comes_from_a_dead_process_is_refused_and_no_row_is_there_twice() {
    for client in ["native", "rdkafka"] {
        let Some((world, _proxy, faults)) = behind_proxy("late") else { return };
        world.load("20000", "3");
        let expected = run(&world, "undisturbed", &world.brokers)["rows"].as_u64().unwrap();
        let options = ["--sink", "kafka", "--delivery", "exactly-once", "--kafka-client", client];
        let hold = Rule::nth(Api::END_TXN, Request, 1, Action::Hold).of_end(true);
        let held = faults.add(hold);
        let mut first = world.run(&options);
        first.wait_until("the commit's request", || faults.await_held(held, Duration::ZERO));
        drop(first); // by kill -9
        let second = world.run(&[&options[..], &["--until-end"]].concat()).finish().summary();
        assert_eq!(second["rows"].as_u64(), Some(expected), "{client}: nothing was committed before");
        faults.release(held);
        let answer = faults.await_answer(held, RUN_TIME_MAX);
        assert!(matches!(answer, Some(Some(code)) if code != 0), "{client}: answered by {answer:?}");
        let (once, all) = rows(&world);
        assert_eq!((once as u64, all), (expected, once), "{client}");
    }
}
