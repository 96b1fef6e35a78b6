//! The verdict on real runs: OK for the engine as it is, and for one that is broken the rows in which it is.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::sync::{Arc, Mutex};

use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, SinkError, Wants};
use wellstream_core::record::{Input, RowBatch};
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

/// Whether the same row is spoilt in the second run or another one: the n-th row is seldom the same twice.
#[test]
fn a_lost_row_and_a_repeated_row_are_named() {
    for (join, outer) in MODES {
        let rules = Rules { join, outer, ..Rules::default() };
        let well_only = |id: &str| match join {
            JoinMode::Latest => format!("{}|-", id.split('|').next().unwrap()),
            _ => id.to_owned(),
        };
        for nth in [0, 1_234, 7_777] {
            let (lost, spoilt) = fail(&rules, &rules, What::Drop, &Which::Nth(nth));
            assert_eq!(lost.missing.first, [well_only(&spoilt)], "{join:?} {outer}");
            assert_eq!(count_all(&lost), 1, "{lost:#?}");
            let (repeated, spoilt) = fail(&rules, &rules, What::Repeat, &Which::Nth(nth));
            assert_eq!(repeated.repeated.first, [Repeated { row: well_only(&spoilt), times: 2 }]);
            assert_eq!(count_all(&repeated), 1, "{repeated:#?}");
        }
    }
}

#[test]
fn a_wrong_risk_and_a_wrong_time_are_named() {
    let rules = Rules::default();
    let (_, all) = run(&fixture().0, &rules, Collect::default());
    let row = all.rows[99].id();
    for what in [What::Risk, What::Time] {
        let (listing, spoilt) = fail(&rules, &rules, what, &Which::Row(row.clone()));
        assert_eq!((&listing.wrong.first[0].row, &spoilt), (&row, &row));
        assert_eq!(count_all(&listing), 1, "{listing:#?}");
    }
}

/// An engine whose bound is 1 ms off puts out pairs at that distance, or lacks them: exactly those are named.
#[test]
fn a_bound_that_is_off_by_a_millisecond_is_named_pair_by_pair() {
    let rules = Rules::default();
    for (bound_ms, distance_ms) in [(5_001, 5_001), (4_999, 5_000)] {
        let mut broken = rules.clone();
        broken.score.bound_ms = bound_ms;
        let (listing, _) = fail(&rules, &broken, What::Nothing, &Which::Nth(0));
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
        at_distance.sort();
        named.sort();
        assert!(!named.is_empty());
        assert_eq!(named, at_distance, "bound {bound_ms}");
    }
}

#[test]
fn alarms_that_differ_are_named() {
    let rules = Rules::default();
    let mut broken = rules.clone();
    broken.alarm_gap_ms = 29_000;
    let (listing, _) = fail(&rules, &broken, What::Nothing, &Which::Nth(0));
    assert_eq!(listing.missing.count + listing.unexpected.count + listing.wrong.count, 0);
    let [missing, unexpected] = [&listing.alarms_missing, &listing.alarms_unexpected];
    assert!(missing.count > 0 && unexpected.count > 0);
    // Each alarm that was cleared is one second early, at least.
    assert!(unexpected.first.iter().any(|alarm| alarm.time_ms == alarm.last_ms + 29_000));
    assert!(missing.first.iter().any(|alarm| alarm.time_ms == alarm.last_ms + 30_000));
}

#[test]
fn in_latest_partners_are_held_to_the_rule() {
    let rules = Rules { join: JoinMode::Latest, ..Rules::default() };
    let (log, generator) = fixture();
    for what in [What::Risk, What::Time, What::Partner] {
        let spoilt = Spoilt::default();
        let wrap = |sink| Box::new(Broken::new(sink, what, &Which::Nth(321), &spoilt)) as Box<dyn Sink>;
        let comparison = judge(generator, log, &rules, &rules, &wrap);
        assert!(!comparison.is_ok(), "{what:?}");
        assert!(comparison.rows.is_empty() || what == What::Time, "each well has its row");
        assert_eq!(comparison.not_partners.count, 1, "{what:?}");
        let well = comparison.not_partners.wells[0].id();
        let [well, spoilt] = [&well, spoilt.lock().unwrap().first().unwrap()]
            .map(|id| id.split('|').next().unwrap().to_owned());
        assert_eq!(well, spoilt, "{what:?}");
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

/// A broken run fails; a second look, and if need be a second run, say in what. The id of the first row that
/// was spoilt, in the first run.
fn fail(rules: &Rules, engine: &Rules, what: What, which: &Which) -> (Listing, String) {
    let (log, generator) = fixture();
    let spoilt = Spoilt::default();
    let wrap = |sink| Box::new(Broken::new(sink, what, which, &spoilt)) as Box<dyn Sink>;
    let comparison = judge(generator, log, rules, engine, &wrap);
    assert!(!comparison.is_ok(), "{what:?}");
    let suspects = comparison.suspects();
    let look = Look { suspects: Some(&suspects), partners: None };
    let expected = Load::new(generator, EVENTS).expected(rules, look).unwrap().tally.listed;
    let first = spoilt.lock().unwrap().first().cloned().unwrap_or_default();
    let listing = Listing::new(&comparison, expected.clone(), None);
    if listing.is_complete() {
        assert!(matches!(what, What::Drop | What::Repeat | What::Nothing));
        return (listing, first);
    }
    let (found, _) = gather(log, engine, Gathered::looking_at(rules.join, &suspects), &wrap);
    let listing = Listing::new(&comparison, expected, Some(found.tally.listed));
    assert!(listing.is_complete(), "{listing:#?}");
    (listing, first)
}

fn count_all(listing: &Listing) -> u64 {
    let rows =
        listing.missing.count + listing.repeated.count + listing.unexpected.count + listing.wrong.count;
    rows + listing.alarms_missing.count + listing.alarms_unexpected.count
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

/// What happens to a row.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Nothing,
    Drop,
    Repeat,
    Risk,
    Time,
    Partner,
}

/// To which row.
#[derive(Clone, Debug)]
enum Which {
    Nth(usize),
    Row(String),
}

/// The ids of rows that were spoilt.
type Spoilt = Arc<Mutex<Vec<String>>>;

/// Stands between the engine and what gathers its rows.
struct Broken {
    inner: Box<dyn Sink>,
    what: What,
    which: Which,
    rows: usize,
    spoilt: Spoilt,
}

impl Broken {
    fn new(inner: Box<dyn Sink>, what: What, which: &Which, spoilt: &Spoilt) -> Broken {
        Broken { inner, what, which: which.clone(), rows: 0, spoilt: spoilt.clone() }
    }

    fn spoil(&mut self, batch: &RowBatch) -> RowBatch {
        let mut spoilt = RowBatch { bytes: batch.bytes.clone(), ..RowBatch::default() };
        for row in &batch.rows {
            let is_it = match &self.which {
                Which::Nth(nth) => *nth == self.rows,
                Which::Row(id) => *id == row.id(),
            };
            self.rows += 1;
            let mut row = row.clone();
            if is_it {
                self.spoilt.lock().unwrap().push(row.id());
                match self.what {
                    What::Nothing => {}
                    What::Drop => continue,
                    What::Repeat => spoilt.rows.push(row.clone()),
                    What::Risk => row.risk += 1,
                    What::Time => row.time_ms += 1,
                    What::Partner => {
                        row.tank = Some(Input { time_ms: row.time_ms, partition: 0, offset: 1 << 40 });
                    }
                }
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
