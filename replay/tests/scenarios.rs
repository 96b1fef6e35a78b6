//! Each scenario comes to what its file declares.
//!
//! After a change of the generator, of the default rules, or with a new file:
//! `cargo test -p wellstream-replay --test scenarios -- --ignored regenerate` writes the `[expected]` blocks
//! anew. The difference then shows in review what the change means.

use std::fs;
use std::path::PathBuf;

use wellstream_core::rules::Rules;
use wellstream_replay::generate::{Generator, Setup};
use wellstream_replay::scenario::{Declared, Scenario};
use wellstream_replay::verdict::{Contradiction, DeclaredError, Load, Look};

#[test]
fn each_scenario_comes_to_what_its_file_declares() {
    let rules = Rules::default();
    for name in Scenario::NAMES {
        let generator = generator(Scenario::named(name).unwrap());
        let load = Load::new(&generator, generator.scenario().events);
        let expected = load.expected(&rules, Look::default()).unwrap();
        assert_eq!(load.confirm_declared(&rules, &expected), Ok(true), "{name}");
    }
}

/// What the scenarios are for, seen in what they come to.
#[test]
fn the_declared_counts_show_what_each_scenario_is_for() {
    let declared = |name: &str| Scenario::named(name).unwrap().expected.unwrap();
    let leak = declared("leak-incident");
    // Sixty facilities leak once each: MEDIUM and HIGH, 40 points, then CRITICAL and HIGH, 80; in between
    // some pairs have one of each, 60.
    assert_eq!((leak.alarms.raised, leak.alarms.cleared), (60, 60));
    assert!((60..=120).contains(&leak.alarms.escalated), "{}", leak.alarms.escalated);
    assert!(declared("late").late > 10_000);
    assert_eq!(declared("poison").quarantined.len(), 9);
    assert_eq!(declared("nulls").dropped.len(), 10);
    for name in ["normal", "disorder", "duplicates", "clock-skew", "hot-facility", "backlog-drain"] {
        let Declared { dropped, late, quarantined, rows, .. } = declared(name);
        assert!(dropped.is_empty() && late == 0 && quarantined.is_empty() && rows > 1_900_000, "{name}");
    }
}

#[test]
fn a_file_that_contradicts_the_oracle_is_an_error_of_its_own() {
    let rules = Rules::default();
    let mut scenario = Scenario::named("embedded").unwrap();
    scenario.events = 3_000;
    scenario.expected = None;
    let plain = generator(scenario.clone());
    let load = Load::new(&plain, 3_000);
    let expected = load.expected(&rules, Look::default()).unwrap();
    assert_eq!(load.confirm_declared(&rules, &expected), Ok(false), "nothing is declared");

    let declared = load.declare(&rules, &expected);
    let confirm = |declared: Declared, events, timestamp_ms: i64| {
        let generator = generator(Scenario { expected: Some(declared), ..scenario.clone() });
        let later = |event: &wellstream_replay::generate::Event| event.sent_ms + timestamp_ms;
        let load = Load::new(&generator, events).stamped(&later);
        let expected = load.expected(&rules, Look::default()).unwrap();
        load.confirm_declared(&rules, &expected)
    };
    assert_eq!(confirm(declared.clone(), 3_000, 60_000), Ok(true));
    assert_eq!(confirm(declared.clone(), 2_999, 0), Ok(false), "of other readings nothing is declared");
    // Stamped an hour too early all readings are quarantined, but the file does not speak of that load.
    assert_eq!(confirm(declared.clone(), 3_000, -3_600_000), Ok(true));
    let wrong = Declared { rows: declared.rows + 1, ..declared };
    match confirm(wrong, 3_000, 0) {
        Err(DeclaredError::Contradiction(Contradiction { faults, .. })) => {
            assert_eq!(faults.iter().map(|fault| fault.0).collect::<Vec<_>>(), ["rows"]);
        }
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_declaration_is_read_as_it_is_written() {
    for name in Scenario::NAMES {
        let declared = Scenario::named(name).unwrap().expected.unwrap();
        let text = format!("name = 'x'\nwhy = 'y'\nseed = 1\n{}", declared.to_toml());
        assert_eq!(Scenario::parse(&text).unwrap().expected, Some(declared));
    }
}

#[test]
#[ignore = "writes the [expected] blocks of bench-data/workloads anew"]
fn regenerate() {
    let rules = Rules::default();
    for name in Scenario::NAMES {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../bench-data/workloads/{name}.toml"));
        let text = fs::read_to_string(&path).unwrap();
        let by_hand = text.split(MARK).next().unwrap().trim_end();
        let generator = generator(Scenario::parse(by_hand).unwrap());
        let load = Load::new(&generator, generator.scenario().events);
        let expected = load.expected(&rules, Look::default()).unwrap();
        let declared = load.declare(&rules, &expected).to_toml();
        fs::write(&path, format!("{by_hand}\n\n{MARK}{NOTE}{declared}")).unwrap();
    }
}

/// Three partitions a topic, as the default is.
fn generator(scenario: Scenario) -> Generator {
    Generator::new(scenario, Setup::default())
}

/// Opens what is generated.
const MARK: &str = "# The exact result, as the oracle has it: ";

const NOTE: &str = "replay/tests/scenarios.rs writes it, not a person. It is that of the
# readings, partitions, keys and rules in `of`, each reading sent at its `sent_ms` into empty partitions; the digest
# is of row ids, and so follows from the partitions.
";
