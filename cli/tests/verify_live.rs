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

/// A run is killed while readings still come; a second one of the same group does the rest. Every row is
/// there, some perhaps twice.
#[test]
fn after_kill_9_every_row_is_there_and_none_that_should_not_be() {
    let Some((services, _alone)) = services().map(|services| (services, alone())) else { return };
    for mode in [ALL, NEAREST_OUTER] {
        let events = if is_full_size() { 2_000_000 } else { 200_000 };
        let killed = || killed_in_mid_run(&services, Plan { events, ..Plan::normal() }, mode);
        let (load, committed) =
            (0..5).find_map(|_| killed()).expect("five runs were all done before the kill");
        let log = load.read_back();
        let rules = rules(mode);
        let (judged, second) = (log.judged(&rules), run(&load, mode, "kafka", "killed"));
        let counted = second.events_in.wells + second.events_in.tanks;
        assert_eq!(
            counted,
            events - committed,
            "{mode:?}: what was not committed is counted by the second run"
        );
        let expected = expected_rows(&judged, &rules);
        let found = load.results(&load.names.enriched);
        let found_once: BTreeSet<_> = found.iter().map(|body| row_facts(body)).collect();
        println!(
            "{mode:?}: killed at {committed} of {events} readings; {} rows in the topic, {} of them once more; \
             the oracle says {}",
            found.len(),
            found.len() - found_once.len(),
            expected.len()
        );
        let (missing, strange) =
            (expected.difference(&found_once).count(), found_once.difference(&expected).count());
        assert_eq!((missing, strange), (0, 0), "{mode:?}: rows missing, rows that should not be");
        let alarms = oracle::output(&judged, &rules).alarms;
        let expected: BTreeSet<_> = alarms.into_iter().collect();
        let found: BTreeSet<_> =
            load.results(&load.names.alerts).iter().map(|body| decode::alarm(body).unwrap()).collect();
        let (missing, strange) = (expected.difference(&found).count(), found.difference(&expected).count());
        assert_eq!((missing, strange), (0, 0), "{mode:?}: alarms missing, alarms that should not be");
    }
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
    let ends = ["--until-end", "--sink", sink, "--summary", "json", "--duration", "10m"];
    Call::on(
        load,
        &[&args(load, mode, &load.group(group)).iter().map(|s| &**s).collect::<Vec<_>>()[..], &ends].concat(),
    )
    .summary()
}

fn args(load: &Load, (join, outer): Mode, group: &str) -> Vec<String> {
    let join = format!("{join:?}").to_lowercase();
    let keyed_by = if load.plan.keyed_by == KeyedBy::Facility { "facility" } else { "sensor" };
    let args = ["run", "--from", "earliest", "--join", &join, "--group", group, "--keyed-by", keyed_by];
    let mut args = args.map(str::to_owned).to_vec();
    args.extend(outer.then(|| "--outer".to_owned()));
    args
}

/// Starts a run without an end, sends, and kills the run once it has committed some of that: the topics, and
/// how many readings were committed. None if it was too fast for us.
fn killed_in_mid_run(services: &Services, plan: Plan, mode: Mode) -> Option<(Load, u64)> {
    let load = Load::create(services, plan);
    let group = load.group("killed");
    let args = args(&load, mode, &group);
    let args: Vec<&str> = args.iter().map(|arg| &**arg).chain(["--sink", "kafka"]).collect();
    let mut first = Call::on(&load, &args).start();
    let mut sending = load.replay().start();
    let (clock, mut commits) = (MachineClock::start(), load.commits("killed"));
    while commits() < load.plan.events / 10 {
        assert!(clock.elapsed() < Duration::from_secs(120), "a tenth is not committed");
        assert!(first.try_wait().unwrap().is_none(), "the run ended by itself");
        clock.sleep(Duration::from_millis(2));
    }
    // Rust's kill is SIGKILL: nothing is drained.
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(sending.wait().unwrap().success());
    let committed = commits();
    (committed < load.plan.events).then_some((load, committed))
}

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
