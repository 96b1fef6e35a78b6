//! The instrument itself, on a scripted clock: what a stall of the target looks like from intended times.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up fails")]

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use wellstream_replay::generate::{GeneratedRecord, Generator, Setup};
use wellstream_replay::load::{GeneratedLoad, Load, LoadBlock, Stamp};
use wellstream_replay::pace::{Clock, Pacer, Progress, Scripted, Stopped, Taken, Target, TargetError};
use wellstream_replay::report::{P50, P99, percentile};
use wellstream_replay::scenario::Scenario;
use wellstream_replay::schedule::{Profile, Schedule};

/// Takes a record in 100 µs at most, but nothing at all for a second.
struct Frozen<'a> {
    clock: &'a Scripted,
    freezes_at_ns: u64,
    /// (intended, visible) of each record, ns.
    seen: RefCell<Vec<(u64, u64)>>,
    /// (sent, visible): what a clock that starts at the actual sending would say.
    from_sending: RefCell<Vec<u64>>,
    blocks: bool,
}

impl Target for Frozen<'_> {
    fn send(&mut self, _: &GeneratedRecord<'_>, intended_ns: u64) -> Result<Taken, TargetError> {
        let now_ns = self.clock.now_ns();
        let thaws_ns = self.freezes_at_ns + 1_000_000_000;
        if (self.freezes_at_ns..thaws_ns).contains(&now_ns) {
            if !self.blocks {
                return Ok(Taken::Full);
            }
            self.clock.wait_until(thaws_ns);
        }
        self.clock.pass(100_000);
        let visible_ns = self.clock.now_ns();
        self.seen.borrow_mut().push((intended_ns, visible_ns));
        let began_ns = if self.blocks && now_ns < thaws_ns && now_ns >= self.freezes_at_ns {
            visible_ns
        } else {
            now_ns
        };
        self.from_sending.borrow_mut().push(visible_ns - began_ns);
        Ok(Taken::Yes)
    }

    fn flush(&mut self) -> Result<(), TargetError> {
        Ok(())
    }
}

fn load(schedule: &Schedule) -> GeneratedLoad {
    let mut scenario = Scenario::named("normal").unwrap();
    (scenario.facilities, scenario.wells, scenario.tanks) = (10, 20, 10);
    GeneratedLoad::scheduled(Generator::new(scenario, Setup::default()), schedule, Stamp::OfScenario)
}

fn p(quantile: wellstream_replay::report::Quantile, samples: impl Iterator<Item = u64>) -> u64 {
    let mut histogram = wellstream_replay::report::nanos_histogram();
    samples.for_each(|ns| histogram.record(ns).unwrap());
    percentile(&histogram, quantile).unwrap()
}

/// The coordinated-omission test: 10 s at 1,000/s, the target frozen for one second of them.
#[test]
fn a_stall_is_charged_to_all_that_it_delayed() {
    for blocks in [false, true] {
        let clock = Scripted::default();
        clock.pass(5_000_000_000);
        let start_ns = clock.now_ns();
        let schedule = Schedule::new(Profile::Constant, 1_000.0, 10_000, 1).unwrap();
        let progress = Progress::new(0);
        let target = Frozen {
            clock: &clock,
            freezes_at_ns: start_ns + 4_000_000_000,
            seen: RefCell::default(),
            from_sending: RefCell::default(),
            blocks,
        };
        let mut pacer = Pacer::new(&clock, target, start_ns, &progress);
        let (mut load, mut block) = (load(&schedule), LoadBlock::default());
        loop {
            block.clear();
            load.fill(&mut block).unwrap();
            if block.records.is_empty() {
                break;
            }
            pacer.send(&block, &|| false).unwrap();
        }
        let seen = pacer.target.seen.borrow();
        assert_eq!((seen.len(), progress.sent.load(Ordering::Relaxed)), (10_000, 10_000));
        let from_intended = || seen.iter().map(|(intended, visible)| visible - intended);
        let p99_ns = p(P99, from_intended());
        assert!(p99_ns >= 850_000_000, "blocks {blocks}: {p99_ns}");
        assert!(p(P50, from_intended()) < 1_000_000);
        // What a clock started at the sending says of the same run: nothing happened.
        assert!(p(P99, pacer.target.from_sending.borrow().iter().copied()) <= 100_100);
        // A target that refuses shows in the slip too; one that blocks inside its call shows behind it.
        assert!(percentile(&progress.slip.total(), P99).unwrap() >= 850_000_000);
    }
}

#[test]
fn records_go_out_in_order_at_their_times_and_no_sooner() {
    for profile in Profile::ALL {
        let clock = Scripted::default();
        let schedule = Schedule::new(profile, 2_000.0, 6_000, 9).unwrap();
        let progress = Progress::new(1_000_000_000);
        let target = Frozen {
            clock: &clock,
            freezes_at_ns: u64::MAX / 2,
            seen: RefCell::default(),
            from_sending: RefCell::default(),
            blocks: false,
        };
        // The run begins a little later than its first block is there.
        let start_ns = 20_000_000;
        let mut pacer = Pacer::new(&clock, target, start_ns, &progress);
        let (mut load, mut block) = (load(&schedule), LoadBlock::default());
        for _ in 0..2 {
            block.clear();
            load.fill(&mut block).unwrap();
            pacer.send(&block, &|| false).unwrap();
        }
        let seen = pacer.target.seen.borrow();
        let intended: Vec<u64> = seen.iter().map(|(intended, _)| *intended - start_ns).collect();
        assert_eq!(intended, schedule.times().collect::<Vec<_>>(), "{profile}");
        assert!(
            seen.iter().all(|(intended, visible)| visible - 100_000 >= *intended),
            "{profile}: sent too soon"
        );
        let early = intended.iter().filter(|ns| **ns < 1_000_000_000).count() as u64;
        assert_eq!(progress.slip.total().len(), 6_000 - early, "the warm-up is left out");
        assert_eq!(progress.slip.take_interval().len(), 6_000, "but not of the run over time");
    }
}

#[test]
fn sending_can_be_stopped() {
    let clock = Scripted::default();
    let schedule = Schedule::new(Profile::Constant, 1_000.0, 5_000, 1).unwrap();
    let progress = Progress::new(0);
    let target = Frozen {
        clock: &clock,
        freezes_at_ns: 0,
        seen: RefCell::default(),
        from_sending: RefCell::default(),
        blocks: false,
    };
    let mut pacer = Pacer::new(&clock, target, 0, &progress);
    let mut block = LoadBlock::default();
    load(&schedule).fill(&mut block).unwrap();
    let stopped = pacer.send(&block, &|| clock.now_ns() > 500_000_000).unwrap_err();
    assert!(matches!(stopped, Stopped::Asked));
    assert_eq!(pacer.target.seen.borrow().len(), 0, "frozen from the start");
}
