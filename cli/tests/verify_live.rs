//! The real binary on a real broker with a real registry, held to the oracle: what was sent is read back raw,
//! and every mode must put out exactly what the oracle makes of it. scripts/verify runs it, small or full.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]
#![expect(clippy::print_stdout, reason = "a skipped test says so, and the table is the point")]

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_core::decode;
use wellstream_core::rules::{JoinMode, Rules};
use wellstream_replay::oracle::{self, Judged};
use wellstream_replay::scenario::KeyedBy;

#[path = "verify/load.rs"]
mod load;
#[path = "verify/call.rs"]
mod call;
#[path = "verify/table.rs"]
mod table;

use call::{Call, Summary};
use load::{Load, Plan, Services, is_full_size, services};
use table::Table;

type Mode = (JoinMode, bool);

const ALL: Mode = (JoinMode::All, false);
const NEAREST_OUTER: Mode = (JoinMode::Nearest, true);
const MODES: [Mode; 7] = [
    ALL,
    (JoinMode::All, true),
    (JoinMode::Nearest, false),
    NEAREST_OUTER,
    (JoinMode::Asof, false),
    (JoinMode::Asof, true),
    (JoinMode::Latest, false),
];

#[test]
fn every_mode_puts_out_what_the_oracle_says() {
    check(Plan::normal(), &MODES);
}

#[test]
fn the_number_of_partitions_changes_nothing() {
    for partitions in [1, 2, 5] {
        let modes = if is_full_size() { &MODES[..] } else { &[ALL, NEAREST_OUTER] };
        check(Plan { partitions, ..Plan::normal() }, modes);
    }
}

#[test]
fn topics_keyed_by_facility_give_the_same() {
    let modes = if is_full_size() { &MODES[..] } else { &[ALL, NEAREST_OUTER] };
    check(Plan { keyed_by: KeyedBy::Facility, ..Plan::normal() }, modes);
}

#[test]
fn what_is_wrong_with_readings_is_counted_and_changes_nothing_else() {
    for scenario in ["nulls", "poison", "late", "disorder"] {
        let modes = if is_full_size() { &MODES[..] } else { &[ALL] };
        check(Plan { scenario, ..Plan::normal() }, modes);
    }
}

/// Runs are killed while readings still come, again and again, by either client; the last one of the same
/// group does the rest. A reader of committed records sees every row and alarm once, as if nothing had
/// happened; and a run more adds nothing.
#[test]
fn after_kill_9_every_row_is_there_once_and_none_that_should_not_be() {
    let Some((services, _alone)) = services().map(|services| (services, alone())) else { return };
    for (mode, client) in [(ALL, "native"), (NEAREST_OUTER, "native"), (ALL, "rdkafka")] {
        let (events, kills) = if is_full_size() { (2_000_000, 20) } else { (200_000, 5) };
        let killed =
            || killed_again_and_again(&services, Plan { events, ..Plan::normal() }, mode, client, kills);
        let (load, committed) =
            (0..5).find_map(|_| killed()).expect("five times all was done before the last kill");
        let log = load.read_back();
        let rules = rules(mode);
        let judged = log.judged(&rules);
        let rest = run_by(&load, mode, "kafka", "killed", client);
        let counted = rest.events_in.wells + rest.events_in.tanks;
        assert_eq!(
            counted,
            events - committed,
            "{mode:?}: what was not committed is counted by the last run"
        );
        let again = run_by(&load, mode, "kafka", "killed", client);
        assert_eq!(
            (again.events_in.wells + again.events_in.tanks, again.rows),
            (0, 0),
            "{mode:?}: {again:?}"
        );
        let mut expected: Vec<_> = expected_rows(&judged, &rules).into_iter().collect();
        let mut found: Vec<_> =
            load.results(&load.names.enriched).iter().map(|body| row_facts(body)).collect();
        expected.sort();
        found.sort();
        println!(
            "{mode:?}, {client}: {kills} kills, at {committed} of {events} the last; {} rows",
            found.len()
        );
        assert!(found == expected, "{mode:?}, {client}: {} rows, {} expected", found.len(), expected.len());
        let mut expected = oracle::output(&judged, &rules).alarms;
        let bodies = load.results(&load.names.alerts);
        let mut found: Vec<_> = bodies.iter().map(|body| decode::alarm(body).unwrap()).collect();
        expected.sort();
        found.sort();
        assert!(found == expected, "{mode:?}, {client}: {} alarms, {} expected", found.len(), expected.len());
    }
}

/// At least once, after one kill: every row is there, some perhaps twice.
#[test]
fn at_least_once_nothing_is_missing_after_kill_9() {
    let Some((services, _alone)) = services().map(|services| (services, alone())) else { return };
    let events = 100_000;
    let killed =
        || killed_again_and_again(&services, Plan { events, ..Plan::normal() }, ALL, AT_LEAST_ONCE, 1);
    let (load, committed) = (0..5).find_map(|_| killed()).expect("five runs were all done before the kill");
    let rules = rules(ALL);
    let judged = load.read_back().judged(&rules);
    let rest = run_by(&load, ALL, "kafka", "killed", AT_LEAST_ONCE);
    assert_eq!(rest.events_in.wells + rest.events_in.tanks, events - committed);
    let found: BTreeSet<_> = load.results(&load.names.enriched).iter().map(|body| row_facts(body)).collect();
    assert!(found == expected_rows(&judged, &rules));
}

/// Sends a plan's readings, and runs each mode over them with a group of its own.
fn check(plan: Plan, modes: &[Mode]) {
    let Some((services, _alone)) = services().map(|services| (services, alone())) else { return };
    let mut table = Table::new();
    let load = Load::filled(&services, plan);
    let log = load.read_back();
    let judged = log.judged(&Rules::default());
    for mode in modes {
        let expected = oracle::output(&judged, &rules(*mode));
        let found = run(&load, *mode, "count", &name(*mode).replace(' ', ""));
        assert!(expected.rows * 10 > load.plan.events, "{}: {} rows", load.plan.name(), expected.rows);
        table.add(&name(*mode), &found, &expected);
    }
    println!("\n{}, {} readings", load.plan.name(), load.plan.events);
    table.finish();
}

/// One bounded run of a group.
fn run(load: &Load, mode: Mode, sink: &str, group: &str) -> Summary {
    run_by(load, mode, sink, group, "auto")
}

/// The same, by a client (or in a way) of [`how`].
fn run_by(load: &Load, mode: Mode, sink: &str, group: &str, client: &str) -> Summary {
    let args = args(load, mode, &load.group(group));
    let ends = ["--until-end", "--sink", sink, "--summary", "json", "--duration", "10m"];
    let args = args.iter().map(String::as_str).chain(ends).chain(how(client));
    Call::on(load, &args.collect::<Vec<_>>()).summary()
}

/// What is asked of the program by the name of a client.
fn how(client: &str) -> Vec<&str> {
    match client {
        AT_LEAST_ONCE => vec!["--delivery", AT_LEAST_ONCE],
        client => vec!["--kafka-client", client],
    }
}

fn args(load: &Load, (join, outer): Mode, group: &str) -> Vec<String> {
    let join = format!("{join:?}").to_lowercase();
    let keyed_by = if load.plan.keyed_by == KeyedBy::Facility { "facility" } else { "sensor" };
    let args = ["run", "--from", "earliest", "--join", &join, "--group", group, "--keyed-by", keyed_by];
    let mut args = args.map(str::to_owned).to_vec();
    args.extend(outer.then(|| "--outer".to_owned()));
    args
}

/// Sends, and meanwhile starts runs without an end and kills each once it has committed some more: the
/// topics, and how many readings were committed. None if the last one was too fast for us.
fn killed_again_and_again(
    services: &Services,
    plan: Plan,
    mode: Mode,
    client: &str,
    kills: u64,
) -> Option<(Load, u64)> {
    let load = Load::create(services, plan);
    let group = load.group("killed");
    let args = args(&load, mode, &group);
    let args = args.iter().map(String::as_str).chain(["--sink", "kafka"]).chain(how(client));
    let args: Vec<&str> = args.collect();
    let mut sending = load.replay_at(RATE).start();
    let mut commits = load.commits("killed");
    for kill in 0..kills {
        let mut run = Call::on(&load, &args).start();
        let (clock, goal) = (MachineClock::start(), load.plan.events * (kill + 1) / (kills + 5));
        while commits() < goal {
            assert!(clock.elapsed() < Duration::from_secs(120), "kill {kill}: too little is committed");
            assert!(run.try_wait().unwrap().is_none(), "the run ended by itself");
            clock.sleep(Duration::from_millis(2));
        }
        // Rust's kill is SIGKILL: nothing is drained.
        run.kill().unwrap();
        run.wait().unwrap();
    }
    // Everything is sent, if not at its time, which a busy machine may make of it (exit code 4).
    let sent = sending.wait().unwrap().code();
    assert!(matches!(sent, Some(0 | 4)), "{sent:?}");
    let committed = commits();
    (committed < load.plan.events).then_some((load, committed))
}

const AT_LEAST_ONCE: &str = "at-least-once";
/// Some seconds of sending: the runs that are killed take up to a second each to start.
const RATE: &str = "25k/s";

/// What a row says that can be compared: both inputs by partition, offset and time; time, risk, status.
type Facts = (Option<(i32, i64, i64)>, Option<(i32, i64, i64)>, i64, i32, String);

fn expected_rows(judged: &Judged, rules: &Rules) -> BTreeSet<Facts> {
    let input = |input: wellstream_core::record::Input| {
        (i32::try_from(input.partition).unwrap(), input.offset, input.time_ms)
    };
    let rows = oracle::join(&judged.accepted, rules).into_iter().map(|row| row.facts);
    rows.map(|facts| {
        let risk = i32::try_from(facts.risk).unwrap();
        (facts.well.map(input), facts.tank.map(input), facts.time_ms, risk, facts.status.name().to_owned())
    })
    .collect()
}

fn row_facts(body: &[u8]) -> Facts {
    let row = decode::enriched(body).unwrap();
    let well = row.well_partition.map(|number| (number, row.well_offset.unwrap(), row.well_time.unwrap()));
    let tank = row.tank_partition.map(|number| (number, row.tank_offset.unwrap(), row.tank_time.unwrap()));
    (well, tank, row.row_time, row.risk, row.status)
}

fn rules((join, outer): Mode) -> Rules {
    Rules { join, outer, ..Rules::default() }
}

fn name((join, outer): Mode) -> String {
    format!("{}{}", format!("{join:?}").to_lowercase(), if outer { " outer" } else { "" })
}

/// The tests take turns: they are measured.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
