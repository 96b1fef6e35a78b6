//! Every record has one fate, and what it is depends on its partition's log alone.

use wellstream_core::record::{PartitionId, Reason, Side};
use wellstream_core::rules::Rules;
use wellstream_replay::oracle::{Body, Observed, OracleRecord, judge};

use crate::cases::{T0, log, partition, record};

/// The fates of one partition's records by offset; `None`: accepted.
fn fates(records: Vec<OracleRecord>) -> Vec<Option<Reason>> {
    let mut fates = vec![None; records.len()];
    for (_, offset, reason) in judge(&[log(Side::Well, 0, records)], &Rules::default()).rejected {
        fates[usize::try_from(offset).unwrap()] = Some(reason);
    }
    fates
}

fn sent_at(mut record: OracleRecord, timestamp_ms: i64) -> OracleRecord {
    record.timestamp_ms = timestamp_ms;
    record
}

fn with(mut record: OracleRecord, change: impl FnOnce(&mut Observed)) -> OracleRecord {
    if let Body::Reading(observed) = &mut record.body {
        change(observed);
    }
    record
}

#[test]
fn late_is_older_than_the_clock_less_the_lateness_strictly() {
    let at = |offset, ms| sent_at(record(offset, T0 + ms, 1.0), T0 + 20_000);
    assert_eq!(fates(vec![at(0, 10_000), at(1, 0), at(2, -1)]), [None, None, Some(Reason::Late)]);
}

#[test]
fn dropped_and_late_readings_move_the_clock_and_quarantined_ones_do_not() {
    let null = |r| with(r, |observed| observed.null = Some(Reason::NullPressure));
    let records = vec![
        null(record(0, T0 + 30_000, 1.0)),
        record(1, T0 + 19_999, 1.0),
        OracleRecord { offset: 2, timestamp_ms: T0 + 90_000, body: Body::Unreadable(Reason::Truncated) },
        sent_at(record(3, T0 + 400_000, 1.0), T0 + 99_999),
        record(4, T0 + 20_000, 1.0),
    ];
    let expected = [
        Some(Reason::NullPressure),
        Some(Reason::Late),
        Some(Reason::Truncated),
        Some(Reason::TimeTooFarAhead),
        None,
    ];
    assert_eq!(fates(records), expected);
}

#[test]
fn the_clock_moves_at_most_a_second_beyond_the_records_own_timestamp() {
    let ahead = sent_at(record(0, T0 + 200_000, 1.0), T0);
    let judged = judge(&[log(Side::Tank, 3, vec![ahead.clone()])], &Rules::default());
    assert_eq!(judged.clocks[&partition(Side::Tank, 3)], Some(T0 + 1_000));
    // Without a timestamp the event time stands in for it.
    let judged = judge(&[log(Side::Tank, 3, vec![sent_at(ahead, -1)])], &Rules::default());
    assert_eq!(judged.clocks[&partition(Side::Tank, 3)], Some(T0 + 200_000));
    assert_eq!(judged.newest_on_time_ms, Some(T0 + 200_000));
}

#[test]
fn quarantine_comes_before_late_and_late_before_dropped() {
    let null = |observed: &mut Observed| observed.null = Some(Reason::NullWellId);
    let records = vec![
        record(0, T0, 1.0),
        with(record(1, T0 - 20_000, 1.0), null),
        with(record(2, 946_684_799_999, 1.0), null),
        with(with(record(3, T0, 1.0), null), |observed| observed.time_ms = None),
        with(record(4, T0, 1.0), null),
        sent_at(with(record(5, T0 + 300_001, 1.0), null), T0),
        sent_at(record(6, T0 + 300_000, 1.0), T0),
    ];
    let expected = [
        None,
        Some(Reason::Late),
        Some(Reason::TimeTooOld),
        Some(Reason::NullTimestamp),
        Some(Reason::NullWellId),
        Some(Reason::TimeTooFarAhead),
        None,
    ];
    assert_eq!(fates(records), expected);
}

/// Partitions do not influence each other, and every record is counted once.
#[test]
fn every_record_has_exactly_one_fate_whatever_other_partitions_hold() {
    for seed in 0..2_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let logs: Vec<_> = (0..4)
            .map(|number| {
                let records = (0..rng.i64(0..30)).map(|offset| random_record(&mut rng, offset)).collect();
                log(Side::BOTH[number as usize % 2], number / 2, records)
            })
            .collect();
        let together = judge(&logs, &Rules::default());
        let records: usize = logs.iter().map(|log| log.records.len()).sum();
        assert_eq!(together.events_in().iter().sum::<u64>(), records as u64, "seed {seed}");
        let counted: u64 = together.counts().values().sum();
        let accepted: usize = together.accepted.iter().map(Vec::len).sum();
        assert_eq!(counted + accepted as u64, records as u64, "seed {seed}");
        for one in &logs {
            let alone = judge(std::slice::from_ref(one), &Rules::default());
            let of = |id: PartitionId| together.rejected.iter().filter(move |(p, ..)| *p == id);
            assert!(of(one.partition).eq(&alone.rejected), "seed {seed}");
            assert_eq!(alone.clocks[&one.partition], together.clocks[&one.partition], "seed {seed}");
        }
    }
}

fn random_record(rng: &mut fastrand::Rng, offset: i64) -> OracleRecord {
    let time_ms = T0 + rng.i64(0..40_000);
    match rng.u8(0..8) {
        0 => OracleRecord { offset, timestamp_ms: T0, body: Body::Unreadable(Reason::BadMagic) },
        1 => sent_at(record(offset, time_ms, 1.0), -1),
        2 => with(record(offset, time_ms, 1.0), |observed| observed.facility = None),
        3 => sent_at(record(offset, time_ms, 1.0), T0 - 280_000),
        _ => record(offset, time_ms, 1.0),
    }
}
