//! The rules, one function each, with the lists of their named exceptions.

use super::code::{SourceFile, line_of, names_under, words};

/// Reads one file and returns its faults.
pub(crate) type Rule = fn(&SourceFile) -> Vec<String>;

/// Files that may be longer than [`LINES_MAX`], each with its reason.
pub(crate) const LONG_FILES: &[(&str, &str)] = &[];

/// Files that may hold `unsafe`, each with its reason.
pub(crate) const UNSAFE_FILES: &[(&str, &str)] = &[
    ("core/src/encode/pen.rs", "counts bytes to a buffer that were written into its room, not zeroed before"),
    ("core/src/decode/utf8.rs", "text from bytes checked there: 95 instructions less for each of 4 texts"),
    (
        "core/src/score/vibration/block.rs",
        "sixteen letters of base64 at once: 50 instructions less for a well",
    ),
    ("core/src/join/scan/block.rs", "four times compared at once: 80 instructions less for a reading"),
    ("connectors/src/kafka/batch.rs", "batch calls of librdkafka, which the safe wrapper does not offer"),
    ("core/src/prefetch.rs", "a prefetch is an intrinsic on a pointer; measured, see its head"),
    ("replay/tests/allocations.rs", "only an allocator can count allocations, and its trait is unsafe"),
    ("core/benches/stages/counting.rs", "as in replay/tests/allocations.rs: the gate counts them per stage"),
];

pub(crate) fn no_mod_rs(file: &SourceFile) -> Vec<String> {
    let bad = file.path.ends_with("/mod.rs");
    bad.then(|| format!("{}:1: name it after its folder: foo.rs beside foo/", file.path))
        .into_iter()
        .collect()
}

pub(crate) fn length(file: &SourceFile) -> Vec<String> {
    let lines = file.text.lines().count();
    let fault = match (lines > LINES_MAX, listed(file, LONG_FILES)) {
        (true, false) => format!("{lines} lines, {LINES_MAX} at most: split it by responsibility"),
        (false, true) => format!("{lines} lines: short enough now, take it off LONG_FILES"),
        _ => return Vec::new(),
    };
    if file.is_rust() { vec![format!("{}:{lines}: {fault}", file.path)] } else { Vec::new() }
}

/// A literal or an address cannot be broken, so a line may be longer by them, within reason.
pub(crate) fn columns(file: &SourceFile) -> Vec<String> {
    let lines = file.text.lines().zip(file.code.lines()).enumerate().filter(|_| file.is_rust());
    let over = lines.filter(|(_, (line, code))| {
        let columns = line.chars().count();
        let excused = code.matches('"').count();
        columns > COLUMNS_MAX.max(COLUMNS_WITH_LITERAL_MAX.min(COLUMNS_MAX + excused))
            && !line.contains("://")
    });
    over.map(|(index, (line, _))| {
        let columns = line.chars().count();
        format!(
            "{}:{}: {columns} columns, {COLUMNS_MAX} at most: scripts/format breaks comments",
            file.path,
            index + 1
        )
    })
    .collect()
}

pub(crate) fn opens_with_its_purpose(file: &SourceFile) -> Vec<String> {
    let bad = file.is_rust() && !file.text.starts_with("//! ");
    bad.then(|| format!("{}:1: open it with `//!`: what it is for, what enters and leaves", file.path))
        .into_iter()
        .collect()
}

pub(crate) fn unfinished_words(file: &SourceFile) -> Vec<String> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("unimple", "mented")];
    marks
        .iter()
        .filter(|_| file.path.ends_with(".rs") || file.path.starts_with("scripts/"))
        .flat_map(|mark| words(&file.text, mark).map(move |at| (mark, at)))
        .map(|(mark, at)| {
            fault(
                file,
                &file.text,
                at,
                &format!("the word {mark}: finish it, or open an issue and drop the word"),
            )
        })
        .collect()
}

pub(crate) fn script_head(file: &SourceFile) -> Vec<String> {
    if !file.path.starts_with("scripts/") {
        return Vec::new();
    }
    let sourced = file.path.matches('/').count() > 1;
    let mut lines = file.text.lines();
    if !sourced && !lines.next().is_some_and(|line| line.starts_with("#!")) {
        return vec![format!(
            "{}:1: start it with `#!/usr/bin/env bash` (or its own interpreter)",
            file.path
        )];
    }
    let says = lines.next().unwrap_or_default();
    let good =
        ["# ", "\"\"\"", "<project", "//! "].iter().any(|head| says.starts_with(head)) && says.len() > 12;
    (!good)
        .then(|| format!("{}:{}: say in a comment here what it does", file.path, if sourced { 1 } else { 2 }))
        .into_iter()
        .collect()
}

/// core, wire <- connectors <- replay <- cli: in the code and in the manifests.
pub(crate) fn packages_run_one_way(file: &SourceFile) -> Vec<String> {
    let Some(own) = rank(file.package()) else { return Vec::new() };
    let later = |name: &str| name != file.package() && rank(name).is_some_and(|rank| rank >= own);
    let text = if file.is_rust() { &file.code } else { &file.text };
    PACKAGES
        .iter()
        .filter(|(name, _)| later(name))
        .flat_map(|(name, _)| {
            let named =
                if file.is_rust() { format!("wellstream_{name}") } else { format!("wellstream-{name}") };
            words(text, &named).map(|at| (*name, at)).collect::<Vec<_>>()
        })
        .map(|(name, at)| {
            let ask = "core, wire <- connectors <- replay <- cli is the only way: move the code";
            fault(file, text, at, &format!("{} names {name}; {ask}", file.package()))
        })
        .collect()
}

/// In core a stage never imports a later one; the vocabulary imports no stage; the engine may import all.
pub(crate) fn stages_run_one_way(file: &SourceFile) -> Vec<String> {
    let Some(module) = file.path.strip_prefix("core/src/") else { return Vec::new() };
    let module = module.split(['/', '.']).next().unwrap_or_default();
    let may: &[&str] = match STAGES.iter().position(|stage| *stage == module) {
        Some(place) => &STAGES[..=place],
        None if VOCABULARY.contains(&module) => &[],
        None => return Vec::new(),
    };
    let code = file.library_code();
    let mut roots = names_under(code, "crate");
    // `super` is the crate's root in the module's own file.
    if file.path.matches('/').count() == 2 {
        roots.extend(names_under(code, "super"));
    }
    roots
        .into_iter()
        .filter(|(_, name)| {
            name != module && (STAGES.contains(&name.as_str()) || AFTER.contains(&name.as_str()))
        })
        .filter(|(_, name)| !may.contains(&name.as_str()))
        .map(|(at, name)| {
            let what = format!("{module} imports {name}, which comes later: let the engine wire them");
            fault(file, code, at, &what)
        })
        .collect()
}

/// The oracle judges the engine, so it must not lean on the engine's own stages.
pub(crate) fn oracle_knows_records_only(file: &SourceFile) -> Vec<String> {
    if !file.path.starts_with("replay/src/oracle") {
        return Vec::new();
    }
    names_under(file.library_code(), "wellstream_core")
        .into_iter()
        .filter(|(_, name)| !["record", "rules", "limits"].contains(&name.as_str()))
        .map(|(at, name)| {
            let what = format!(
                "the oracle imports {name}: records and rules only, or it repeats the engine's fault"
            );
            fault(file, &file.code, at, &what)
        })
        .collect()
}

/// Types of a client library do not leak: its crate is named in one place of one package only.
pub(crate) fn crates_at_home(file: &SourceFile) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, manifest, homes) in HOMES {
        if file.is_rust() && !homes.iter().any(|home| file.path.starts_with(home)) {
            let named = words(&file.code, name).filter(|at| {
                let (before, after) = (&file.code[..*at], &file.code[at + name.len()..]);
                let path = after.starts_with("::") && !before.ends_with("::");
                path || before.trim_end().ends_with("use") && !before.ends_with("::")
            });
            let ask =
                format!("the crate {name} is used in {} only: put a type of ours between", homes.join(", "));
            faults.extend(named.map(|at| fault(file, &file.code, at, &ask)));
        }
        let other = file.path.ends_with("/Cargo.toml") && file.path != *manifest;
        for (index, line) in file.text.lines().enumerate().filter(|_| other) {
            if line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '.', '-', '='])) {
                faults.push(format!("{}:{}: {name} belongs in {manifest} only", file.path, index + 1));
            }
        }
    }
    faults
}

pub(crate) fn unsafe_is_listed(file: &SourceFile) -> Vec<String> {
    if listed(file, UNSAFE_FILES) {
        let stale = words(&file.code, "unsafe").next().is_none();
        let ask = format!("{}:1: no unsafe in it any more: take it off UNSAFE_FILES", file.path);
        return stale.then_some(ask).into_iter().collect();
    }
    let ask = "unsafe code here: do without, or list the file in UNSAFE_FILES with a measured reason";
    words(&file.code, "unsafe").map(|at| fault(file, &file.code, at, ask)).collect()
}

pub(crate) fn expect_has_a_reason(file: &SourceFile) -> Vec<String> {
    let starts = file.code.match_indices("[expect(").filter(|(at, _)| file.code[..*at].ends_with(['#', '!']));
    starts
        .filter(|(at, _)| {
            let end = file.code[*at..].find(")]").map_or(file.code.len(), |len| at + len);
            words(&file.code[*at..end], "reason").next().is_none()
        })
        .map(|(at, _)| fault(file, &file.code, at, "an exception without a reason: add `reason = \"…\"`"))
        .collect()
}

pub(crate) fn prints_in_cli_only(file: &SourceFile) -> Vec<String> {
    if file.package() == "cli" || rank(file.package()).is_none() {
        return Vec::new();
    }
    let code = file.library_code();
    ["println", "eprintln", "print", "eprint"]
        .iter()
        .flat_map(|name| words(code, name).filter(|at| code[at + name.len()..].starts_with('!')))
        .map(|at| fault(file, code, at, "only cli prints: return a value, or use tracing"))
        .collect()
}

fn fault(file: &SourceFile, text: &str, at: usize, what: &str) -> String {
    format!("{}:{}: {what}", file.path, line_of(text, at))
}

fn listed(file: &SourceFile, list: &[(&str, &str)]) -> bool {
    list.iter().any(|(path, _)| *path == file.path)
}

fn rank(package: &str) -> Option<u8> {
    PACKAGES.iter().find(|(name, _)| *name == package).map(|(_, rank)| *rank)
}

const LINES_MAX: usize = 400;
const COLUMNS_MAX: usize = 110;
const COLUMNS_WITH_LITERAL_MAX: usize = 200;

/// Packages and how far down the stream they stand.
const PACKAGES: &[(&str, u8)] = &[("core", 0), ("wire", 0), ("connectors", 1), ("replay", 2), ("cli", 3)];

/// core's modules that every other may import, and that import no stage.
const VOCABULARY: &[&str] = &["record", "rules", "limits", "schemas", "sabotage"];

/// core's stages, in the order of the flow.
pub(crate) const STAGES: &[&str] = &["decode", "validate", "score", "encode", "time", "exchange", "join"];

/// What comes after all stages.
const AFTER: &[&str] = &["engine", "telemetry"];

/// Client crates: name, the one manifest that has them, the path prefixes that may name them.
const HOMES: &[(&str, &str, &[&str])] = &[
    ("rdkafka", "connectors/Cargo.toml", &["connectors/src/kafka", "connectors/tests/"]),
    ("rdkafka_sys", "connectors/Cargo.toml", &["connectors/src/kafka"]),
    ("redis", "connectors/Cargo.toml", &["connectors/src/redis", "connectors/tests/"]),
    ("clap", "cli/Cargo.toml", &["cli/"]),
];

#[cfg(test)]
#[path = "broken.rs"]
mod broken;
