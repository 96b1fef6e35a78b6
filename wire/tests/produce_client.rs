//! A producer over real connections to a broker that answers as a script says, by a clock of the test's own.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wellstream_wire::clock::Clock;
use wellstream_wire::cluster::Cluster;
use wellstream_wire::connection::ClientOptions;
use wellstream_wire::produce::{
    Appended, End, OwnRecord, Phase, ProduceError, ProduceSettings, Producer, ProducerState,
};

#[path = "produce/fake.rs"]
mod fake;

use fake::Fake;

/// Stands still, but for what is waited.
#[derive(Default)]
struct Scripted(AtomicU64);

impl Clock for Scripted {
    fn now_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn pause(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }
}

const SECOND: Duration = Duration::from_secs(1);
const ROW: OwnRecord<'static> = OwnRecord::Framed(b"key", [b"frame", b"and body"]);

fn open(fake: &Fake, settings: ProduceSettings, clock: &Scripted) -> Result<Producer, ProduceError> {
    let options = ClientOptions { request_timeout: 3 * SECOND, ..ClientOptions::default() };
    let cluster = Cluster::new(&fake.address, options).unwrap();
    Producer::open(cluster, settings, &[("out", usize::MAX)], "group", 60 * SECOND, clock)
}

fn exactly_once() -> ProduceSettings {
    ProduceSettings { transactional_id: Some("id".to_owned()), ..ProduceSettings::default() }
}

fn put(producer: &mut Producer, place: usize, clock: &Scripted) {
    let taken = producer.state_mut().append(place, 1, ROW, clock.now_ns());
    assert_eq!(taken, Appended::Taken);
    producer.state_mut().flush(clock.now_ns());
}

/// Serves the connections until something is so; the clock stands still.
fn serve(producer: &mut Producer, clock: &Scripted, what: &str, done: impl Fn(&Producer) -> bool) {
    for _ in 0..2_000 {
        if done(producer) {
            return;
        }
        if producer.poll(clock) == 0 {
            let before = clock.now_ns();
            producer.wait(Duration::from_millis(5), clock);
            clock.0.store(before, Ordering::Relaxed);
            std::thread::yield_now();
        }
    }
    panic!("never: {what}");
}

#[test]
fn a_leader_is_silent_only_if_no_answer_comes_at_all_and_as_long_as_it_may_be() {
    let (fake, clock) = (Fake::start(3), Scripted::default());
    let settings = ProduceSettings {
        request_timeout: 10 * SECOND,
        delivery_timeout: 100 * SECOND,
        request_bytes: 1,
        ..ProduceSettings::default()
    };
    let mut producer = open(&fake, settings, &clock).unwrap();
    fake.script().holds = true;
    fake.throttle(15_000);
    for place in 0..3 {
        put(&mut producer, place, &clock);
    }
    serve(&mut producer, &clock, "three requests", |_| fake.count("Produce") == 3);
    let connections = fake.connections();
    // Longer than a coordinator may take.
    clock.pause(8 * SECOND);
    producer.poll(&clock);
    // The first answer; for 15 s behind it the broker does not listen.
    let bytes = producer.state().bytes();
    fake.release();
    serve(&mut producer, &clock, "an answer", |producer| producer.state().bytes() < bytes);
    clock.pause(24 * SECOND);
    producer.poll(&clock);
    producer.poll(&clock);
    assert_eq!((fake.connections(), fake.count("Produce")), (connections, 3));
    // Another second, and it is silent: all that is open goes again over another connection.
    clock.pause(2 * SECOND);
    fake.script().holds = false;
    producer.poll(&clock);
    clock.pause(SECOND);
    serve(&mut producer, &clock, "everything in", |producer| producer.state().is_flushed());
    assert_eq!((fake.connections(), fake.count("Produce")), (connections + 1, 5));
}

#[test]
fn partitions_without_a_leader_are_asked_for_until_they_have_one() {
    for settings in [ProduceSettings::default(), exactly_once()] {
        let (fake, clock) = (Fake::start(2), Scripted::default());
        fake.script().leaderless = 4;
        let mut producer = open(&fake, settings, &clock).unwrap();
        assert!(fake.count("Metadata") >= 1);
        if producer.state().is_newer() {
            producer.begin(&clock).unwrap();
        }
        put(&mut producer, 1, &clock);
        let mut goes_on = |_: &mut ProducerState| true;
        producer.flush(&mut goes_on, &clock).unwrap();
        assert!(fake.count("Metadata") >= 5);
    }
}

#[test]
fn a_refusal_behind_a_good_start_is_final_only_once_it_has_lasted() {
    const DENIED: i16 = 53;
    for (refusals, is_in) in [(5, true), (100_000, false)] {
        let (fake, clock) = (Fake::start(1), Scripted::default());
        let settings = ProduceSettings { refusal_grace: SECOND, ..exactly_once() };
        let mut producer = open(&fake, settings, &clock).unwrap();
        producer.begin(&clock).unwrap();
        put(&mut producer, 0, &clock);
        // The coordinator has moved, and whoever is asked where to is in restart.
        fake.script().ends.push_back(16);
        fake.script().coordinator.extend(std::iter::repeat_n(DENIED, refusals));
        let ended = producer.commit(None, &mut |_| true, &clock);
        match is_in {
            true => assert_eq!(ended, Ok(End::Committed)),
            false => {
                assert!(ended.as_ref().unwrap_err().to_string().contains("TransactionalId"), "{ended:?}")
            }
        }
    }
    // Nobody who has never got in waits.
    let (fake, clock) = (Fake::start(1), Scripted::default());
    fake.script().coordinator.extend([DENIED; 100]);
    assert!(matches!(open(&fake, exactly_once(), &clock), Err(ProduceError::Wire(_))));
    assert_eq!(fake.count("FindCoordinator"), 1);
}

#[test]
fn a_full_queue_is_waited_for_and_the_time_is_that_behind_the_wait() {
    let (fake, clock) = (Fake::start(1), Scripted::default());
    let settings = ProduceSettings { queue_bytes_max: 1, ..ProduceSettings::default() };
    let mut producer = open(&fake, settings, &clock).unwrap();
    let began_ns = clock.now_ns();
    let mut now_ns = began_ns;
    for _ in 0..3 {
        producer.append(0, 1, ROW, &mut now_ns, &clock).unwrap();
        assert_eq!(now_ns, clock.now_ns());
    }
    assert!(now_ns > began_ns);
    producer.flush(&mut |_| true, &clock).unwrap();
}

#[test]
fn whoever_goes_aborts_what_is_open_but_nothing_that_may_be_committed() {
    let (fake, clock) = (Fake::start(1), Scripted::default());
    let mut producer = open(&fake, exactly_once(), &clock).unwrap();
    producer.begin(&clock).unwrap();
    put(&mut producer, 0, &clock);
    serve(&mut producer, &clock, "a request", |_| fake.count("Produce") == 1);
    producer.abandon(SECOND, &clock);
    assert_eq!((fake.count("EndTxn false"), producer.state().phase()), (1, &Phase::Uninitialized));
    // Nothing has gone out: there is nothing to end.
    producer.begin(&clock).unwrap();
    producer.abandon(SECOND, &clock);
    assert_eq!(fake.count("EndTxn false"), 1);
    // Somebody has lost patience with a commit that is on its way.
    producer.begin(&clock).unwrap();
    put(&mut producer, 0, &clock);
    serve(&mut producer, &clock, "rows in", |producer| producer.state().is_flushed());
    fake.script().holds = true;
    let ended = producer.commit(None, &mut |_| fake.count("EndTxn true") == 0, &clock);
    assert_eq!(ended, Ok(End::Unknown));
    let why = producer.state().why().unwrap().to_string();
    assert!(why.starts_with("ending the transaction"), "{why}");
    producer.abandon(SECOND, &clock);
    assert_eq!(fake.count("EndTxn false"), 1);
}

#[test]
fn a_clock_that_knows_of_sleep_tells_the_state() {
    /// One that has slept since it was opened.
    struct Sleeper<'a>(&'a Scripted, u64);
    impl Clock for Sleeper<'_> {
        fn now_ns(&self) -> u64 {
            self.0.now_ns()
        }
        fn pause(&self, time: Duration) {
            self.0.pause(time);
        }
        fn slept_ns(&self) -> u64 {
            self.1
        }
    }
    for (slept, is_fenced) in [(0, false), (12_000_000_000, true)] {
        let (fake, clock) = (Fake::start(1), Scripted::default());
        let mut producer = open(&fake, exactly_once(), &clock).unwrap();
        producer.begin(&clock).unwrap();
        put(&mut producer, 0, &clock);
        serve(&mut producer, &clock, "rows in", |producer| producer.state().is_flushed());
        clock.pause(12 * SECOND);
        fake.script().ends.push_back(90);
        let ended = producer.commit(None, &mut |_| true, &Sleeper(&clock, slept));
        match is_fenced {
            true => assert!(matches!(ended, Err(ProduceError::Fenced { .. })), "{ended:?}"),
            false => assert_eq!(ended, Ok(End::Unknown)),
        }
    }
}

#[test]
fn whoever_was_frozen_takes_the_answer_that_came_meanwhile() {
    /// Stands still until the end of the transaction was asked for; then twenty seconds pass at once, in
    /// which the answer comes.
    struct Freezer<'a>(&'a Fake, AtomicU64);
    impl Clock for Freezer<'_> {
        fn now_ns(&self) -> u64 {
            // The broker may need a moment to hear of it.
            std::thread::park_timeout(Duration::from_millis(1));
            if self.1.load(Ordering::Relaxed) == 0 && self.0.count("EndTxn true") > 0 {
                while self.0.script().held.is_empty() {
                    std::thread::yield_now();
                }
                self.0.release();
                self.1.store(20_000_000_000, Ordering::Relaxed);
            }
            self.1.load(Ordering::Relaxed)
        }
        fn pause(&self, _: Duration) {}
    }
    for _ in 0..5 {
        let (fake, clock) = (Fake::start(1), Scripted::default());
        let mut producer = open(&fake, exactly_once(), &clock).unwrap();
        producer.begin(&clock).unwrap();
        put(&mut producer, 0, &clock);
        serve(&mut producer, &clock, "rows in", |producer| producer.state().is_flushed());
        fake.script().holds = true;
        let frozen = Freezer(&fake, AtomicU64::new(0));
        // Nobody has patience with it either.
        let mut each = |_: &mut ProducerState| frozen.1.load(Ordering::Relaxed) == 0;
        assert_eq!(producer.commit(None, &mut each, &frozen), Ok(End::Committed));
    }
}
