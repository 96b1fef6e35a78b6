//! The producer's state, one answer at a time: what it makes of answers that are late, wrong, or missing.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::time::Duration;

use wellstream_wire::produce::{
    Answer, Appended, Call, End, GroupOffsets, OffsetPlace, OwnRecord, Phase, ProduceError, ProduceSettings,
    ProducerIdentity, ProducerState, Request,
};

const SECOND_NS: u64 = 1_000_000_000;
const ROW: OwnRecord<'static> = OwnRecord::Framed(b"key", [b"frame", b"and body"]);

fn settings() -> ProduceSettings {
    ProduceSettings {
        transactional_id: Some("id".to_owned()),
        delivery_timeout: Duration::from_secs(60),
        ..ProduceSettings::default()
    }
}

fn next(producer: &mut ProducerState, now_ns: u64) -> Option<Call> {
    producer.next_call(now_ns, |_| Some(1))
}

fn answer(producer: &mut ProducerState, call: &Call, code: i16, now_ns: u64) {
    producer.answered(call.ticket, &Answer::of(code), now_ns);
}

/// With a transaction open, and one row on its way.
fn in_transaction(newer: bool) -> (ProducerState, Call) {
    let mut producer = ProducerState::new(settings());
    producer.add_topic("out", 1, usize::MAX);
    producer.set_transaction_version(if newer { 2 } else { 0 });
    producer.init();
    let call = next(&mut producer, 0).unwrap();
    let me = ProducerIdentity { id: 7, epoch: 3 };
    producer.answered(call.ticket, &Answer { codes: vec![0], producer: Some(me) }, 0);
    producer.begin(0);
    assert_eq!(producer.append(0, 1, ROW, 0), Appended::Taken);
    producer.flush(0);
    let mut call = next(&mut producer, 0).unwrap();
    if !newer {
        answer(&mut producer, &call, 0, 0);
        call = next(&mut producer, 0).unwrap();
    }
    assert!(matches!(call.request, Request::Produce(_)), "{call:?}");
    (producer, call)
}

/// The same, with the row in and the transaction on its way to its end, which is asked for.
fn committing(newer: bool) -> (ProducerState, Call) {
    let (mut producer, produce) = in_transaction(newer);
    answer(&mut producer, &produce, 0, 0);
    producer.commit(None, 0);
    let end = next(&mut producer, 0).unwrap();
    assert!(matches!(end.request, Request::EndTransaction { commit: true }), "{end:?}");
    (producer, end)
}

#[test]
fn what_comes_behind_a_transaction_that_was_given_up_is_dropped_and_its_end_is_unknown() {
    for newer in [false, true] {
        let (mut producer, produce) = in_transaction(newer);
        answer(&mut producer, &produce, 47, 10 * SECOND_NS);
        assert_eq!(producer.phase(), &Phase::Uninitialized);
        let value = vec![7; 1 << 20];
        for _ in 0..100 {
            let row = OwnRecord::Framed(b"key", [b"frame", &value]);
            assert_eq!(producer.append(0, 1, row, 10 * SECOND_NS), Appended::Taken);
        }
        assert_eq!(producer.bytes(), 0);
        producer.commit(None, 10 * SECOND_NS);
        assert_eq!(producer.take_end(), Some(End::Unknown));
        assert!(matches!(producer.why(), Some(ProduceError::GivenUp { seconds: 10, .. })), "{producer:?}");
    }
}

#[test]
fn a_producer_is_fenced_if_it_slept_or_its_transaction_is_young_however_long_nobody_polled() {
    for (open_s, slept_s, is_fenced) in [(10, 0, false), (10, 4, false), (10, 6, true), (5, 0, true)] {
        let (mut producer, produce) = in_transaction(true);
        // Nothing was to be done for all that time; a producer that slept before it began is none that
        // sleeps.
        producer.slept(slept_s * SECOND_NS);
        answer(&mut producer, &produce, 90, open_s * SECOND_NS);
        assert_eq!(matches!(producer.phase(), Phase::FatalError(ProduceError::Fenced { .. })), is_fenced);
    }
    let mut producer = ProducerState::new(settings());
    producer.add_topic("out", 1, usize::MAX);
    producer.set_transaction_version(2);
    producer.slept(100 * SECOND_NS);
    producer.init();
    let call = next(&mut producer, 0).unwrap();
    answer(&mut producer, &call, 0, 0);
    producer.begin(0);
    assert_eq!(producer.append(0, 1, ROW, 0), Appended::Taken);
    producer.flush(0);
    let call = next(&mut producer, 0).unwrap();
    answer(&mut producer, &call, 90, 10 * SECOND_NS);
    assert_eq!(producer.phase(), &Phase::Uninitialized);
}

#[test]
fn whoever_slept_asks_on_and_hears_that_it_is_fenced() {
    for (slept_s, gives_up) in [(0, true), (128, false)] {
        let (mut producer, produce) = in_transaction(true);
        producer.commit(None, SECOND_NS);
        answer(&mut producer, &produce, 0, SECOND_NS);
        producer.slept(slept_s * SECOND_NS);
        let call = next(&mut producer, 130 * SECOND_NS);
        if gives_up {
            assert_eq!((call.is_some(), producer.take_end()), (false, Some(End::Unknown)));
            continue;
        }
        answer(&mut producer, &call.unwrap(), 90, 130 * SECOND_NS);
        assert!(matches!(producer.phase(), Phase::FatalError(ProduceError::Fenced { .. })), "{producer:?}");
    }
}

/// A coordinator that cannot get its log acknowledged says that it is not available, and may have written the
/// end of the transaction all the same.
#[test]
fn a_commit_that_may_have_been_obeyed_is_never_said_to_be_aborted() {
    for newer in [false, true] {
        for code in [7, 13, 14, 15, 16, 19, 20, 51] {
            let (mut producer, end) = committing(newer);
            answer(&mut producer, &end, code, 0);
            let again = next(&mut producer, SECOND_NS).unwrap();
            assert!(matches!(again.request, Request::EndTransaction { commit: true }));
            answer(&mut producer, &again, 48, SECOND_NS);
            assert_eq!(producer.take_end(), Some(End::Unknown), "{code}");
        }
        // The first word is one.
        let (mut producer, end) = committing(newer);
        answer(&mut producer, &end, 48, 0);
        assert_eq!((producer.take_end(), producer.phase()), (None, &Phase::Aborting));
        let abort = next(&mut producer, SECOND_NS).unwrap();
        answer(&mut producer, &abort, 0, SECOND_NS);
        assert_eq!(producer.take_end(), Some(End::Aborted));
        let why = producer.why().unwrap().to_string();
        assert!(why.contains("ending the transaction") && why.contains("InvalidTxnState"), "{why}");
    }
}

#[test]
fn an_end_that_does_not_come_says_what_it_waited_for_and_what_was_last_heard() {
    let place = OffsetPlace { topic: "in".into(), partition: 0, offset_next: 1, metadata: "m".into() };
    let offsets = GroupOffsets { group: "g".into(), places: vec![place], ..GroupOffsets::default() };
    let why = |producer: &mut ProducerState| {
        assert!(next(producer, 70 * SECOND_NS).is_none());
        assert_eq!(producer.take_end(), Some(End::Unknown));
        producer.why().unwrap().to_string()
    };
    // The end, by a code.
    let (mut producer, end) = committing(true);
    answer(&mut producer, &end, 51, 0);
    let said = why(&mut producer);
    assert!(said.contains("ending the transaction") && said.contains("within 70 s"), "{said}");
    assert!(said.contains("ConcurrentTransactions"), "{said}");
    // The end, by a connection.
    let (mut producer, end) = committing(false);
    answer(&mut producer, &end, 51, 0);
    let again = next(&mut producer, SECOND_NS).unwrap();
    producer.lost(again.ticket, 2 * SECOND_NS);
    producer.heard("k:9: reading: gone".to_owned());
    assert!(why(&mut producer).contains("ending the transaction came to no end within 70 s (k:9: reading"));
    // The offsets.
    for newer in [false, true] {
        let (mut producer, produce) = in_transaction(newer);
        answer(&mut producer, &produce, 0, 0);
        producer.commit(Some(offsets.clone()), 0);
        let call = next(&mut producer, 0).unwrap();
        answer(&mut producer, &call, 14, 0);
        let said = why(&mut producer);
        let what = if newer { "committing offsets" } else { "adding the group's offsets" };
        assert!(said.contains(what) && said.contains("CoordinatorLoadInProgress"), "{said}");
    }
    // Rows that cannot be delivered: the transaction is aborted, and says for which of them.
    let (mut producer, produce) = in_transaction(true);
    producer.lost(produce.ticket, 0);
    assert!(next(&mut producer, 61 * SECOND_NS).is_none());
    producer.commit(None, 61 * SECOND_NS);
    let abort = next(&mut producer, 61 * SECOND_NS).unwrap();
    answer(&mut producer, &abort, 0, 61 * SECOND_NS);
    assert_eq!(producer.take_end(), Some(End::Aborted));
    assert!(producer.why().unwrap().to_string().contains("1 records to out[0]"), "{:?}", producer.why());
    // The next one begins without.
    producer.init();
    let call = next(&mut producer, 62 * SECOND_NS).unwrap();
    answer(&mut producer, &call, 0, 62 * SECOND_NS);
    producer.begin(62 * SECOND_NS);
    assert_eq!(producer.why(), None);
}

#[test]
fn an_id_that_is_not_given_is_asked_for_again_behind_a_pause() {
    for code in [120, 14, 15, 16, 51] {
        let mut producer = ProducerState::new(settings());
        producer.init();
        let mut asked = 0;
        for now_ns in (0..SECOND_NS).step_by(1_000_000) {
            while let Some(call) = next(&mut producer, now_ns) {
                asked += 1;
                assert!(asked < 20, "{code}: no pause");
                answer(&mut producer, &call, code, now_ns);
            }
        }
        assert!((5..20).contains(&asked), "{code}: {asked} times in a second");
    }
}

/// A leader that is slower than the tick: what comes meanwhile goes in one batch, not in one for each tick,
/// of which a request would take one at a time and never catch up.
#[test]
fn what_waits_behind_requests_under_way_goes_in_one_batch() {
    const TICK_NS: u64 = 2_000_000;
    let mut producer = ProducerState::new(ProduceSettings::default());
    producer.add_topic("out", 1, usize::MAX);
    producer.init();
    let init = next(&mut producer, 0).unwrap();
    let me = ProducerIdentity { id: 7, epoch: 3 };
    producer.answered(init.ticket, &Answer { codes: vec![0], producer: Some(me) }, 0);
    let mut under_way = Vec::new();
    for tick in 0..1_000 {
        assert_eq!(producer.append(0, 1, ROW, tick * TICK_NS), Appended::Taken);
        under_way.extend(next(&mut producer, (tick + 1) * TICK_NS));
    }
    assert!(producer.is_backed_up(0));
    assert_eq!(producer.records_left(), 1_000);
    // Answered now, and nothing comes any more: what waits is gone by two more requests.
    let (at, before) = (1_001 * TICK_NS, under_way.len());
    under_way.reverse();
    let mut behind = 0;
    while let Some(call) = under_way.pop() {
        answer(&mut producer, &call, 0, at);
        while let Some(call) = next(&mut producer, at) {
            under_way.insert(0, call);
            behind += 1;
        }
    }
    assert_eq!(producer.records_left(), 0);
    assert!(before <= 5 && behind <= 2, "{before} requests, then {behind}");
    assert!(!producer.is_backed_up(0));
}
