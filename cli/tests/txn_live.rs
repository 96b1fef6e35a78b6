//! `wellstream txn` on a real broker, with transactions that are really open: listed, said to hang, aborted;
//! their holder fenced, their records seen by nobody.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;

use std::time::Duration;

use live::{World, unique};
use program::{Ended, Program};
use serde_json::{Value, json};
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::KafkaSettings;
use wellstream_connectors::kafka::sink::{Delivery, KafkaOutputs};
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::native::sink::NativeSink;
use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink};
use wellstream_core::record::{PartitionId, Reason, Reject, Side};

fn txn(world: &World, words: &[&str]) -> Ended {
    let brokers = ["--brokers", &world.brokers];
    let args: Vec<String> = ["txn"].iter().chain(words).chain(&brokers).map(ToString::to_string).collect();
    Program::start(&args, Duration::from_secs(60)).finish()
}

/// The lines of `txn list --json` with more words.
fn listed(world: &World, words: &[&str]) -> Vec<Value> {
    let ended = txn(world, &[&["list", "--json"], words].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sink(world: &World, id: &str) -> NativeSink {
    let connection = Connection::open(&KafkaSettings::new(&world.brokers, &world.group)).unwrap();
    let outputs = KafkaOutputs { results: None, quarantine: true };
    let delivery = Delivery::ExactlyOnce { transactional_id: id.to_owned() };
    NativeSink::open(&connection, &world.names, outputs, delivery).unwrap()
}

fn append(sink: &mut NativeSink, offset: i64) {
    let partition = PartitionId { side: Side::Well, number: 0 };
    let (key, value) = (Some(b"W-1".to_vec()), Some(b"\x05bad".to_vec()));
    let reject =
        Reject { reason: Reason::BadMagic, partition, offset, timestamp_ms: 77, schema_id: None, key, value };
    sink.append(Output::Rejects(&[reject])).unwrap();
}

/// A transaction that its coordinator knows, with a record on the broker, and its line in the list.
fn open_transaction(world: &World, sink: &mut NativeSink, id: &str) -> Value {
    let clock = MachineClock::start();
    sink.begin(1).unwrap();
    loop {
        append(sink, 1);
        let found = listed(world, &["--id", id, "--open"]);
        if let [line] = found.as_slice()
            && line["state"] == "Ongoing"
            && line["partitions"] != json!([])
        {
            return line.clone();
        }
        assert!(clock.elapsed() < Duration::from_secs(8), "it does not open: {found:?}");
    }
}

#[test]
fn an_open_transaction_is_listed_and_aborted_and_its_holder_is_fenced() {
    let Some(world) = World::new("txn", 2) else { return };
    let (id, quiet) = (format!("{}-a", world.group), format!("{}-b", world.group));
    // One that has run and is over, beside the one that is open.
    let mut over = sink(&world, &quiet);
    over.begin(1).unwrap();
    append(&mut over, 7);
    over.offsets(&EpochOffsets::default()).unwrap();
    assert_eq!(over.commit().unwrap(), CommitOutcome::Committed);

    let mut holder = sink(&world, &id);
    let line = open_transaction(&world, &mut holder, &id);
    assert_eq!((&line["transactional_id"], &line["hanging"]), (&json!(id), &json!(false)));
    assert_eq!(line["timeout_ms"], json!(10_000));
    assert_eq!(line["partitions"][0]["topic"], json!(world.names.quarantine));
    assert!(
        line["producer_id"].as_i64().unwrap() >= 0 && line["age_ms"].as_i64().unwrap() < 30_000,
        "{line}"
    );
    let both = listed(&world, &["--id", &world.group]);
    let states: Vec<_> = both.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["Ongoing", "CompleteCommit"], "{both:?}");
    let old = listed(&world, &["--id", &id, "--older-than", "1ms"]);
    assert_eq!(old[0]["hanging"], json!(true), "{old:?}");
    let table = txn(&world, &["list", "--id", &world.group, "--older-than", "1ms"]).stdout;
    assert!(table.contains("2 transactional ids, 1 open, 1 hanging"), "{table}");
    assert!(table.contains(&format!("HANGING {}[", world.names.quarantine)), "{table}");
    assert!(!table.contains('\u{1b}'), "no terminal, no colours: {table}");

    let abort = ["abort", "--transactional-id", &id];
    let said = txn(&world, &abort);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("Ongoing") && said.stdout.contains("do it with --yes"), "{}", said.stdout);
    assert_eq!(listed(&world, &["--id", &id])[0]["state"], json!("Ongoing"), "nothing was done");

    let done = txn(&world, &[&abort[..], &["--yes"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.lines().last().unwrap().starts_with("aborted. The id is now"), "{}", done.stdout);
    let after = listed(&world, &["--id", &id]);
    assert_eq!((&after[0]["open"], &after[0]["timeout_ms"]), (&json!(false), &json!(10_000)), "{after:?}");
    let seen: Vec<_> = world.read(&world.names.quarantine);
    assert_eq!(seen.len(), 1, "the committed one alone");
    assert_eq!(seen[0].header("ws.offset"), Some("7"));

    append(&mut holder, 2);
    let refused = holder.commit().unwrap_err().to_string();
    assert!(refused.contains("another instance") && refused.contains(&id), "{refused}");
    // And whoever comes next goes on.
    let mut next = sink(&world, &id);
    next.begin(1).unwrap();
    append(&mut next, 8);
    assert_eq!(next.commit().unwrap(), CommitOutcome::Committed);
    assert_eq!(world.read(&world.names.quarantine).len(), 2);

    let idle = txn(&world, &[&abort[..], &["--yes"]].concat());
    assert_eq!(idle.code, Some(0), "{}", idle.stderr);
    assert!(idle.stdout.contains("nothing is open under it"), "{}", idle.stdout);
}

#[test]
fn what_cannot_be_is_told_with_its_exit_code() {
    let Some(world) = World::bare("txn-errors") else { return };
    let unknown = unique("txn-nobody");
    let error = txn(&world, &["abort", "--transactional-id", &unknown, "--yes"]);
    let said = error.error(3);
    assert!(said.contains(&unknown) && said.contains("no broker knows it"), "{said}");
    assert_eq!(listed(&world, &["--id", &unknown]), Vec::<Value>::new(), "asking made no id");
    assert!(txn(&world, &["abort"]).error(2).contains("--transactional-id"));
    let covered = txn(&world, &["list", "-X", "security.protocol=SASL_SSL", "-X", "sasl.mechanism=GSSAPI"]);
    assert!(covered.error(2).contains("sasl.mechanism"));

    let call = |words: &[&str]| {
        let args: Vec<String> = words.iter().map(ToString::to_string).collect();
        Program::start(&args, Duration::from_secs(60)).finish()
    };
    assert!(call(&["txn", "list"]).error(2).contains("--brokers"));
    assert!(call(&["txn", "list", "--brokers", "127.0.0.1:1"]).error(3).contains("--brokers"));
    assert_eq!(call(&["txn", "list", "--older-than", "soon"]).code, Some(2));
}
