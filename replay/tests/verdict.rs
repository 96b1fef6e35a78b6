//! The verdict on real runs: OK for the engine as it is, and for one that is broken the rows in which it is.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, SinkError, Wants};
use wellstream_core::record::{RowBatch, Status};
use wellstream_core::rules::{JoinMode, Rules};
use wellstream_replay::generate::{Generator, Setup};
use wellstream_replay::scenario::Scenario;
use wellstream_replay::verdict::{
    Comparison, Counts, Found, Gathered, Listing, Load, Look, Repeated, compare,
};

#[path = "engine/drive.rs"]
mod drive;

use drive::{Collect, Log, MODES, run};

#[test]
fn the_engine_gets_ok_in_every_scenario_and_mode() {
    for name in Scenario::NAMES {
        let generator = small(name);
        let log = Log::new(&generator, EVENTS);
        for (join, outer) in MODES {
            let rules = Rules { join, outer, ..Rules::default() };
            let comparison = judge(&generator, &log, &rules, &rules, &|sink| sink);
            assert!(comparison.is_ok(), "{name} {join:?} {outer}: {comparison:#?}");
            assert_eq!(comparison.expected, comparison.found, "{name} {join:?} {outer}");
            assert!(
                comparison.found.rows > 5_000 && comparison.found.alarms[0] > 5,
                "{name} {join:?} {outer}"
            );
        }
    }
}

#[test]
fn a_lost_row_and_a_repeated_row_are_named() {
    for (join, outer) in MODES.into_iter().filter(|(join, _)| *join != JoinMode::Latest) {
        let rules = Rules { join, outer, ..Rules::default() };
        let lost = fail(&rules, &rules, Fault::Drop(7_777));
        assert_eq!(lost.missing.first, [name_of(&rules, 7_777)], "{join:?} {outer}");
        assert_eq!(count_all(&lost), 1, "{lost:#?}");
        let repeated = fail(&rules, &rules, Fault::Repeat(1_234));
        assert_eq!(repeated.repeated.first, [Repeated { row: name_of(&rules, 1_234), times: 2 }]);
        assert_eq!(count_all(&repeated), 1, "{repeated:#?}");
    }
}

#[test]
fn a_wrong_risk_and_a_wrong_time_are_named() {
    let rules = Rules::default();
    for fault in [Fault::Risk(99), Fault::Time(99)] {
        let listing = fail(&rules, &rules, fault);
        // A row whose time lies in another cell of time is missing in one and unexpected in the other; listed
        // together they are one wrong row.
        assert_eq!((listing.wrong.first[0].row.clone(), count_all(&listing)), (name_of(&rules, 99), 1));
    }
}

/// An engine whose bound is 1 ms off puts out pairs at that distance, or lacks them: exactly those are named.
#[test]
fn a_bound_that_is_off_by_a_millisecond_is_named_pair_by_pair() {
    let rules = Rules::default();
    for (bound_ms, distance_ms) in [(5_001, 5_001), (4_999, 5_000)] {
        let mut broken = rules.clone();
        broken.score.bound_ms = bound_ms;
        let listing = fail(&rules, &broken, Fault::None);
        let (names, others) = if bound_ms > 5_000 {
            (&listing.unexpected, &listing.missing)
        } else {
            (&listing.missing, &listing.unexpected)
        };
        assert_eq!((others.count, listing.repeated.count, listing.wrong.count), (0, 0, 0));
        let wider =
            Rules { score: if bound_ms > 5_000 { &broken } else { &rules }.score.clone(), ..rules.clone() };
        let (log, _) = fixture();
        let (_, all) = run(log, &wider, Collect::default());
        let mut at_distance: Vec<String> = all
            .rows
            .iter()
            .filter(|row| row.well.unwrap().time_ms.abs_diff(row.tank.unwrap().time_ms) == distance_ms)
            .map(|row| row.id())
            .collect();
        let mut named = names.first.clone();
        (at_distance.sort(), named.sort());
        assert!(!named.is_empty());
        assert_eq!(named, at_distance, "bound {bound_ms}");
    }
}

#[test]
fn alarms_that_differ_are_named() {
    let rules = Rules::default();
    let mut broken = rules.clone();
    broken.alarm_gap_ms = 29_000;
    let listing = fail(&rules, &broken, Fault::None);
    assert_eq!(listing.missing.count + listing.unexpected.count + listing.wrong.count, 0);
    let [missing, unexpected] = [&listing.alarms_missing, &listing.alarms_unexpected];
    assert!(missing.count > 0 && unexpected.count > 0);
    // Each alarm that was cleared is one second early, at least.
    assert!(unexpected.first.iter().any(|alarm| alarm.time_ms == alarm.last_ms + 29_000));
    assert!(missing.first.iter().any(|alarm| alarm.time_ms == alarm.last_ms + 30_000));
}

#[test]
fn in_latest_wells_and_partners_are_held_to_the_rule() {
    let rules = Rules { join: JoinMode::Latest, ..Rules::default() };
    let lost = fail(&rules, &rules, Fault::Drop(500));
    assert_eq!((lost.missing.count, count_all(&lost)), (1, 1));
    let (log, generator) = fixture();
    for fault in [Fault::Risk(321), Fault::Partner(321)] {
        let comparison = judge(generator, log, &rules, &rules, &|sink| Box::new(Broken::new(sink, fault)));
        assert!(!comparison.is_ok(), "{fault:?}");
        assert_eq!(comparison.not_partners.count, 1, "{fault:?}");
        assert!(comparison.rows.is_empty(), "each well has its row");
        let well = comparison.not_partners.wells[0].well.unwrap();
        let (_, all) = run(log, &rules, Collect::default());
        let row = all.rows.iter().filter(|row| row.tank.is_some()).nth(321).unwrap();
        assert_eq!(row.well, Some(well));
    }
}

#[test]
fn counts_that_differ_fail() {
    let (log, generator) = fixture();
    let rules = Rules::default();
    let gathered = Gathered::new(rules.join);
    let (totals, _) = run(log, &rules, gathered.sink(Collect::default()));
    let expected = Load::new(generator, EVENTS).expected(&rules, Look::default()).unwrap();
    let mut counts = Counts::from(&totals.lanes);
    counts.accepted[1] -= 1;
    let comparison = compare(&expected, &gathered.take(), Some(&counts));
    assert!(!comparison.is_ok());
    let accepted = expected.counts.accepted[1];
    assert_eq!(comparison.count_faults(), [("accepted tanks".to_owned(), accepted, accepted - 1)]);
}

type Wrap<'a> = &'a dyn Fn(Box<dyn Sink>) -> Box<dyn Sink>;

/// A run under `engine` rules, judged by `rules`.
fn judge(generator: &Generator, log: &Log, rules: &Rules, engine: &Rules, wrap: Wrap<'_>) -> Comparison {
    let (found, counts) = gather(log, engine, Gathered::new(rules.join), wrap);
    let look = Look { suspects: None, partners: Some(&found.partners) };
    let expected = Load::new(generator, EVENTS).expected(rules, look).unwrap();
    compare(&expected, &found, Some(&counts))
}

fn gather(log: &Log, engine: &Rules, gathered: Gathered, wrap: Wrap<'_>) -> (Found, Counts) {
    let (totals, sink) = run(log, engine, wrap(Box::new(gathered.sink(Collect::default()))));
    drop(sink);
    (gathered.take(), Counts::from(&totals.lanes))
}

/// A broken run fails; a second one says in what.
fn fail(rules: &Rules, engine: &Rules, fault: Fault) -> Listing {
    let (log, generator) = fixture();
    let wrap = |sink| Box::new(Broken::new(sink, fault)) as Box<dyn Sink>;
    let comparison = judge(generator, log, rules, engine, &wrap);
    assert!(!comparison.is_ok(), "{fault:?}");
    let suspects = comparison.suspects();
    let (found, _) = gather(log, engine, Gathered::looking_at(rules.join, &suspects), &wrap);
    let look = Look { suspects: Some(&suspects), partners: None };
    let expected = Load::new(generator, EVENTS).expected(rules, look).unwrap();
    Listing::new(expected.tally.listed, found.tally.listed)
}

fn count_all(listing: &Listing) -> u64 {
    let rows =
        listing.missing.count + listing.repeated.count + listing.unexpected.count + listing.wrong.count;
    rows + listing.alarms_missing.count + listing.alarms_unexpected.count
}

/// The id of the n-th row that the engine puts out, which is the same in each run of this driver.
fn name_of(rules: &Rules, nth: usize) -> String {
    let (_, all) = run(&fixture().0, rules, Collect::default());
    all.rows[nth].id()
}

/// The load of all tests that break something.
fn fixture() -> &'static (Log, Generator) {
    static FIXTURE: std::sync::OnceLock<(Log, Generator)> = std::sync::OnceLock::new();
    FIXTURE.get_or_init(|| {
        let generator = small("normal");
        (Log::new(&generator, EVENTS), generator)
    })
}

fn small(name: &str) -> Generator {
    let mut scenario = Scenario::named(name).unwrap();
    scenario.facilities = scenario.facilities.min(200);
    (scenario.wells, scenario.tanks) = (scenario.wells.min(400), scenario.tanks.min(200));
    Generator::new(scenario, Setup { partitions: [3, 2], ..Setup::default() })
}

/// What is wrong with a run, at its n-th row (in `Partner`: the n-th one with a partner).
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Drop(usize),
    Repeat(usize),
    Risk(usize),
    Time(usize),
    Partner(usize),
}

/// Stands between the engine and what gathers its rows.
struct Broken {
    inner: Box<dyn Sink>,
    fault: Fault,
    rows: usize,
}

impl Broken {
    fn new(inner: Box<dyn Sink>, fault: Fault) -> Broken {
        Broken { inner, fault, rows: 0 }
    }

    fn spoil(&mut self, batch: &RowBatch) -> RowBatch {
        let mut spoilt = RowBatch { rows: Vec::new(), bytes: batch.bytes.clone() };
        for row in &batch.rows {
            let mut row = row.clone();
            let nth = self.rows;
            let is_counted =
                row.tank.is_some() || !matches!(self.fault, Fault::Partner(_) | Fault::Risk(321));
            self.rows += usize::from(is_counted);
            match self.fault {
                _ if !is_counted => {}
                Fault::Drop(at) if at == nth => continue,
                Fault::Repeat(at) if at == nth => spoilt.rows.push(row.clone()),
                Fault::Risk(at) if at == nth => {
                    row.risk += 1;
                    row.status = Status::Alert;
                }
                Fault::Time(at) if at == nth => row.time_ms += 1,
                Fault::Partner(at) if at == nth => row.tank.as_mut().unwrap().offset += 1,
                _ => {}
            }
            spoilt.rows.push(row);
        }
        spoilt
    }
}

impl Sink for Broken {
    fn wants(&self) -> Wants {
        self.inner.wants()
    }
    fn begin(&mut self, epoch: u64) -> Result<(), SinkError> {
        self.inner.begin(epoch)
    }
    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        match output {
            Output::Rows(batch) => {
                let spoilt = self.spoil(batch);
                self.inner.append(Output::Rows(&spoilt))
            }
            other => self.inner.append(other),
        }
    }
    fn offsets(&mut self, offsets: &EpochOffsets) -> Result<(), SinkError> {
        self.inner.offsets(offsets)
    }
    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        self.inner.commit()
    }
}

const EVENTS: u64 = 40_000;
