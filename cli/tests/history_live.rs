//! What a start makes of a past that is not what it was, with the real binary on a real broker: retention has
//! taken what would be read again, another tool has committed offsets, the rules are others; and a bounded
//! run behind one that came to the end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use live::{World, enriched};
use program::Ended;
use serde_json::json;
use wellstream_connectors::kafka::start::From;
use wellstream_core::engine::{CommitMetadata, PartitionStart};
use wellstream_core::record::{PartitionId, Side};

/// A log that a run has read as far as it went and was then told to stop, so that results are open; then more
/// was sent.
struct Past {
    world: World,
    /// What that run has written.
    rows: BTreeSet<String>,
    /// What a run writes that has the whole log.
    whole: BTreeSet<String>,
    committed: BTreeMap<PartitionId, i64>,
}

impl Past {
    fn new(what: &str, join: &str) -> Option<Past> {
        let world = World::new(what, 3)?;
        world.load(EVENTS, "3");
        let mut run = world.run(&["--sink", "kafka", "--from", "earliest", "--join", join]);
        let readings = |world: &World| committed(world).values().sum::<i64>();
        run.wait_until("all of it is committed", || readings(&world).to_string() == EVENTS);
        run.signal("INT");
        run.finish().summary();
        world.load(EVENTS, "3");
        let mut elsewhere = World::bare(what).unwrap();
        elsewhere.names.wells.clone_from(&world.names.wells);
        elsewhere.names.tanks.clone_from(&world.names.tanks);
        elsewhere.connection.create_topics(&elsewhere.names, 3, 1).unwrap();
        to_the_end(&elsewhere, &["--join", join]).summary();
        let (rows, whole) = (once(&world), once(&elsewhere));
        assert!(whole.len() > rows.len(), "{} rows, {} of them before", whole.len(), rows.len());
        let committed = committed(&world);
        Some(Past { world, rows, whole, committed })
    }

    /// As retention does: what lies below these offsets of some partitions is gone.
    fn delete_below(&self, offset: impl Fn(&PartitionStart) -> Option<i64>) {
        let place = |start: &PartitionStart| {
            let (topic, partition) = (self.world.names.of(start.partition.side), start.partition.number);
            Some(json!({ "topic": topic, "partition": partition, "offset": offset(start)? }))
        };
        let places: Vec<_> = starts(&self.world).iter().filter_map(place).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("offsets.json");
        std::fs::write(&file, json!({ "partitions": places, "version": 1 }).to_string()).unwrap();
        let class = "org.apache.kafka.tools.DeleteRecordsCommand";
        tool(&self.world, &[class, "--offset-json-file", file.to_str().unwrap()]);
    }

    /// What must hold in mode all wherever history was lost: nothing twice, nothing that must not be, and
    /// what is missing had an input below the committed offsets.
    fn is_honest(&self) {
        let rows = once(&self.world);
        assert!(rows.is_superset(&self.rows));
        let strange: Vec<_> = rows.difference(&self.whole).take(5).collect();
        assert!(strange.is_empty(), "rows that must not be: {strange:?}");
        let lost = self.whole.difference(&rows).find(|row| !self.has_old_input(row));
        assert_eq!(lost, None, "both inputs of it are new");
        let new = rows.difference(&self.rows).count();
        assert!(new > 100, "{new} new rows of {EVENTS} readings");
    }

    /// Of a row id `w:PARTITION:OFFSET|t:PARTITION:OFFSET`.
    fn has_old_input(&self, row: &str) -> bool {
        row.split('|').any(|input| {
            let parts: Vec<_> = input.split(':').collect();
            let side = if parts[0] == "w" { Side::Well } else { Side::Tank };
            let partition = PartitionId { side, number: parts[1].parse().unwrap() };
            parts[2].parse::<i64>().unwrap() < self.committed[&partition]
        })
    }

    /// A start that must not be.
    fn refuses(&self, options: &[&str], words: &[&str]) {
        let ended = to_the_end(&self.world, options);
        let error = ended.error(3);
        words.iter().for_each(|word| assert!(error.contains(word), "{word} in {error}"));
        assert_eq!(committed(&self.world), self.committed, "nothing was committed");
        assert_eq!(once(&self.world), self.rows, "nothing was written");
    }

    /// A start that says what is gone, in each of these partitions.
    fn goes_on_loudly(&self, options: &[&str], partitions: usize) -> Ended {
        let ended = to_the_end(&self.world, options);
        ended.summary();
        let lines: Vec<_> = ended.stderr.lines().filter(|line| line.contains("history lost")).collect();
        assert!(lines.len() == 1 && lines[0].contains("ERROR"), "{}", ended.stderr);
        let named =
            starts(&self.world).iter().filter(|s| lines[0].contains(&s.partition.to_string())).count();
        assert_eq!(named, partitions, "{}", lines[0]);
        ended
    }
}

fn starts(world: &World) -> Vec<PartitionStart> {
    world.connection.starts(&world.names, From::Earliest, false).unwrap()
}

fn committed(world: &World) -> BTreeMap<PartitionId, i64> {
    let offset = |start: PartitionStart| Some((start.partition, start.committed?.0));
    starts(world).into_iter().filter_map(offset).collect()
}

/// The rows that are there, each of them once.
fn once(world: &World) -> BTreeSet<String> {
    let ids = world.row_ids();
    let rows: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(rows.len(), ids.len(), "a row is there twice");
    rows
}

fn tool(world: &World, args: &[&str]) {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka-tool"));
    let output = command.args(args).args(["--bootstrap-server", &world.brokers]).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}", said.join("\n"));
}

fn to_the_end(world: &World, options: &[&str]) -> Ended {
    world.run(&[&["--sink", "kafka", "--until-end", "--from", "earliest"], options].concat()).finish()
}

/// Both kinds together, some five seconds of event time.
const EVENTS: &str = "20000";

#[test]
fn a_rewind_point_that_retention_has_deleted_is_lost_history() {
    let Some(past) = Past::new("history-lost", "all") else { return };
    past.delete_below(|start| Some(start.committed.as_ref()?.0));
    let words = ["retention has deleted what must be read again", "--on-lost-history start"];
    past.refuses(&["--on-lost-history", "refuse"], &words);
    past.goes_on_loudly(&[], 6);
    past.is_honest();
    // It has left commits of its own: the next start has its history.
    let next = to_the_end(&past.world, &["--on-lost-history", "refuse"]);
    assert_eq!(next.summary()["rows"], json!(0));
}

/// Elsewhere than in mode all a result that was open may have been decided by what is gone: it is taken as
/// decided, and counted. Here one partition of six has lost its history.
#[test]
fn open_results_below_lost_history_are_counted_and_no_well_has_two_rows() {
    let Some(past) = Past::new("history-nearest", "nearest") else { return };
    let lost = PartitionId { side: Side::Well, number: 0 };
    past.delete_below(|start| (start.partition == lost).then_some(start.committed.as_ref()?.0));
    let ended = past.goes_on_loudly(&["--join", "nearest"], 1);
    assert!(ended.stderr.contains("open results were taken as decided"), "{}", ended.stderr);
    let rows = once(&past.world);
    let well = |row: &String| row.split('|').next().unwrap().to_owned();
    let wells: BTreeSet<_> = rows.iter().map(well).collect();
    assert_eq!(wells.len(), rows.len(), "a well with two rows");
    let new: Vec<_> = rows.difference(&past.rows).collect();
    assert!(new.len() > 100, "{} new rows", new.len());
    let decided = new.iter().find(|row| past.has_old_input(&well(row)));
    assert_eq!(decided, None, "a well below the committed offset was decided");
}

#[test]
fn readings_that_retention_has_deleted_before_they_were_read_end_the_run() {
    let Some(past) = Past::new("history-input", "all") else { return };
    let lost = PartitionId { side: Side::Tank, number: 1 };
    past.delete_below(|start| (start.partition == lost).then_some(start.log_end - 1));
    for option in [&[][..], &["--on-lost-history", "start"]] {
        past.refuses(option, &["was deleted by retention", "another --group"]);
    }
}

/// As `kafka-consumer-groups --reset-offsets` leaves them: the same offsets, without a word of ours.
#[test]
fn offsets_that_another_tool_has_committed_are_lost_history() {
    let Some(past) = Past::new("history-wiped", "all") else { return };
    let (world, names) = (&past.world, &past.world.names);
    let mut args = vec!["groups", "--group", &world.group, "--reset-offsets", "--to-current", "--execute"];
    args.extend(["--topic", &names.wells, "--topic", &names.tanks]);
    tool(world, &args);
    let is_ours =
        |start: &PartitionStart| start.committed.as_ref().unwrap().1.parse::<CommitMetadata>().is_ok();
    assert!(!starts(world).iter().any(is_ours), "the tool has left the metadata");
    past.refuses(&["--on-lost-history", "refuse"], &["no metadata of ours", "--on-lost-history start"]);
    past.goes_on_loudly(&[], 6);
    past.is_honest();
}

#[test]
fn other_rules_are_refused_until_they_are_accepted() {
    let Some(past) = Past::new("history-rules", "all") else { return };
    past.refuses(&["--join", "nearest"], &["the rules have changed", "--accept-rules-change"]);
    past.refuses(&["--outer"], &["the rules have changed", "--accept-rules-change"]);
    past.goes_on_loudly(&["--join", "nearest", "--accept-rules-change"], 6);
    let rows = once(&past.world);
    let new: Vec<_> = rows.difference(&past.rows).collect();
    assert!(new.len() > 100, "{} new rows", new.len());
    assert!(!new.iter().any(|row| past.has_old_input(row)), "an old reading was decided by new rules");
    // They are the rules from now on.
    let next = to_the_end(&past.world, &["--join", "nearest"]);
    assert_eq!(next.summary()["rows"], json!(0));
    assert!(!next.stderr.contains("history lost"), "{}", next.stderr);
    let back = to_the_end(&past.world, &[]);
    assert!(back.error(3).contains("the rules have changed"), "{}", back.stderr);
}

#[test]
fn a_bounded_run_behind_one_that_came_to_the_end_adds_nothing() {
    for options in [&["--join", "all"][..], &["--join", "nearest", "--outer"], &["--join", "all", "--outer"]]
    {
        let Some(world) = World::new("history-twice", 3) else { return };
        world.load(EVENTS, "3");
        let first = to_the_end(&world, options).summary();
        assert!(first["rows"].as_u64() > Some(1_000), "{first}");
        let all = || [&world.names.enriched, &world.names.alerts].map(|topic| world.read(topic));
        let before = (all(), committed(&world));
        let second = to_the_end(&world, options).summary();
        assert_eq!((&second["rows"], &second["events_in"]), (&json!(0), &json!({ "wells": 0, "tanks": 0 })));
        assert_eq!((all(), committed(&world)), before, "{options:?}");
        assert_eq!(before.0[0].iter().map(|row| enriched(row).row_id).collect::<BTreeSet<_>>(), once(&world));
    }
}
