//! Shows of each rule that it can fail: a broken snippet with one fault, and its mended twin with none.

use super::*;

#[test]
fn each_rule_catches_its_breach() {
    let long = "//! x\n".to_owned() + &"\n".repeat(400);
    let wide = format!("//! x\n// {}\n", "é".repeat(108));
    let text = format!("//! x\nconst A: &str = \"{}\";", "a".repeat(200));
    let mark = format!("//! x\n// {}: later\n", concat!("TO", "DO"));
    let cases: &[(Rule, &str, &str)] = &[
        (no_mod_rs, "core/src/join/mod.rs", "//! x"),
        (length, "core/src/join.rs", &long),
        (columns, "core/src/join.rs", &wide),
        (columns, "core/src/join.rs", &text),
        (opens_with_its_purpose, "core/src/join.rs", "use a;\n"),
        (unfinished_words, "core/src/join.rs", &mark),
        (script_head, "scripts/x", "#!/bin/sh\nset -e\n"),
        (script_head, "scripts/x", "# what it is\n"),
        (packages_run_one_way, "core/src/join.rs", "use wellstream_replay::x;"),
        (packages_run_one_way, "core/src/join.rs", "use wellstream_wire::x;"),
        (packages_run_one_way, "connectors/Cargo.toml", "wellstream-replay.workspace = true"),
        (stages_run_one_way, "core/src/decode/plan.rs", "use crate::{record::Well, join::Ring};"),
        (stages_run_one_way, "core/src/decode.rs", "use super::engine::Source;"),
        (stages_run_one_way, "core/src/record/row.rs", "fn a() { crate::score::risk() }"),
        (
            oracle_knows_records_only,
            "replay/src/oracle/pairs.rs",
            "use wellstream_core::{record::W, join::J};",
        ),
        (crates_at_home, "connectors/src/registry.rs", "use rdkafka::X;"),
        (crates_at_home, "cli/src/run.rs", "fn f(c: redis::Client) {}"),
        (crates_at_home, "replay/Cargo.toml", "clap.workspace = true"),
        (unsafe_is_listed, "core/src/join.rs", "unsafe { f() }"),
        (unsafe_is_listed, "connectors/src/kafka/batch.rs", "// unsafe\n"),
        (
            expect_has_a_reason,
            "core/src/join.rs",
            "#[expect(\n  clippy::reason_in_string, // reason\n)]\nfn f() {}",
        ),
        (prints_in_cli_only, "core/src/join.rs", "fn f() { println!(\"a\") }"),
    ];
    for (rule, path, text) in cases {
        let faults = rule(&SourceFile::new(*path, *text));
        assert_eq!(faults.len(), 1, "{path}: {text:.60}: {faults:?}");
        assert!(faults[0].starts_with(&format!("{path}:")), "{faults:?}");
    }
}

#[test]
fn what_is_allowed_passes() {
    let text = format!("//! x\nconst A: &str = \"{}\";", "a".repeat(130));
    let wide = "//! x\n".to_owned() + "// see https://" + &"a".repeat(120);
    let cases: &[(Rule, &str, &str)] = &[
        (columns, "core/src/join.rs", &wide),
        (columns, "core/src/join.rs", &text),
        (length, "core/src/join.rs", "//! x\n"),
        (script_head, "scripts/x", "#!/bin/sh\n# what it does\n"),
        (packages_run_one_way, "replay/src/a.rs", "use wellstream_core::x; // not wellstream_cli"),
        (
            stages_run_one_way,
            "core/src/join.rs",
            "use crate::{time::W, record::R};\n/// [crate::engine]\nfn f() {}",
        ),
        (
            stages_run_one_way,
            "core/src/join.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests { use crate::engine::X; }",
        ),
        (stages_run_one_way, "core/src/engine/lane.rs", "use crate::join::Ring;"),
        (oracle_knows_records_only, "replay/src/oracle.rs", "use wellstream_core::{record::W, rules};"),
        (crates_at_home, "connectors/src/kafka/source.rs", "use rdkafka::X;"),
        (crates_at_home, "cli/src/run.rs", "use wellstream_connectors::redis::Sink; struct S { redis: u8 }"),
        (unsafe_is_listed, "core/src/lib.rs", "#![deny(unsafe_code)] // unsafe\nconst A: &str = \"unsafe\";"),
        (
            expect_has_a_reason,
            "core/src/a.rs",
            "#[expect(clippy::x, reason = \"so\")]\nfn f() { x.expect(\"y\") }",
        ),
        (prints_in_cli_only, "cli/src/main.rs", "fn f() { println!(\"a\") }"),
        (prints_in_cli_only, "core/tests/a.rs", "fn f() { println!(\"a\") }"),
    ];
    for (rule, path, text) in cases {
        assert_eq!(rule(&SourceFile::new(*path, *text)), Vec::<String>::new());
    }
}
