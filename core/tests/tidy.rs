//! Holds the house rules that no compiler lint sees: shape of files, direction of imports, homes of crates.
//!
//! Each rule is a function from one file to the faults in it (`tidy/rules.rs`), and is shown there, by a
//! broken
//! snippet, to be able to fail. A fault says where it is and what to do.

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/rules.rs"]
mod rules;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use code::SourceFile;

#[test]
fn shape() {
    hold(&[
        rules::no_mod_rs,
        rules::length,
        rules::columns,
        rules::opens_with_its_purpose,
        rules::unfinished_words,
        rules::script_head,
    ]);
}

#[test]
fn dependencies_run_one_way() {
    hold(&[rules::packages_run_one_way, rules::stages_run_one_way, rules::oracle_knows_records_only]);
}

/// The order that the rule of stages takes is the order that core/src/lib.rs declares.
#[test]
fn stages_stand_in_the_order_of_the_flow() {
    let lib = fs::read_to_string(root().join("core/src/lib.rs")).unwrap();
    let declared: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|module| rules::STAGES.contains(module))
        .collect();
    assert_eq!(declared, rules::STAGES, "core/src/lib.rs against STAGES in tidy/rules.rs");
}

#[test]
fn crates_stay_at_home() {
    hold(&[rules::crates_at_home]);
}

#[test]
fn exceptions_are_named() {
    hold(&[rules::unsafe_is_listed, rules::expect_has_a_reason, rules::prints_in_cli_only]);
    for (path, _) in rules::UNSAFE_FILES.iter().chain(rules::LONG_FILES) {
        let home = root().join(path.split('/').next().unwrap());
        assert!(
            home.is_dir(),
            "{path} stands in a list of tidy/rules.rs, but its package is gone: remove it"
        );
    }
}

/// A code map that names what is gone, or a test that holds an invariant and is gone, misleads.
#[test]
fn the_architecture_names_what_exists() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let (map, invariants) = text.split_once("## Invariants").unwrap();
    let rules = fs::read_to_string(root().join("core/src/sabotage.rs")).unwrap();
    let quoted =
        |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    for name in quoted(invariants).iter().filter(|name| name.contains('/')) {
        let exists =
            ["", "core/src", "connectors/src"].iter().any(|home| root().join(home).join(name).exists());
        assert!(exists, "docs/ARCHITECTURE.md: {name} is gone");
    }
    for name in quoted(map).iter().filter(|name| name.starts_with("core/") || name.starts_with("replay/")) {
        assert!(root().join(name).exists(), "docs/ARCHITECTURE.md: {name} is gone");
    }
    let mut named = 0;
    for line in invariants.lines().filter(|line| line.contains("sabotage.rs`,")) {
        let list = line.rsplit("sabotage.rs`,").next().unwrap();
        for rule in list.trim_matches([' ', '|']).split(", ") {
            assert!(rules.contains(&format!("    {rule},")), "docs/ARCHITECTURE.md: no rule {rule}");
            named += 1;
        }
    }
    assert!(named > 10, "the table of invariants has another form: {named} rules found");
}

#[test]
fn scripts_are_executable() {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let scripts = fs::read_dir(root().join("scripts")).unwrap();
        for entry in scripts.map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            let executable = entry.metadata().unwrap().permissions().mode() & 0o111 != 0;
            assert!(
                executable,
                "{}: chmod +x it (sourced parts go to scripts/services.d)",
                entry.path().display()
            );
        }
    }
}

/// Applies the rules to every file of the repository; one panic lists all the faults.
fn hold(rules: &[rules::Rule]) {
    let files = repository().unwrap_or_default();
    assert!(files.len() > 20, "tidy could read only {} files under {}", files.len(), root().display());
    let faults: Vec<String> =
        files.iter().flat_map(|file| rules.iter().flat_map(move |rule| rule(file))).collect();
    assert!(faults.is_empty(), "{} to mend:\n{}\n", faults.len(), faults.join("\n"));
}

/// All that is written by hand and has rules: Rust, manifests, scripts.
fn repository() -> io::Result<Vec<SourceFile>> {
    let root = root();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                let hidden = name.starts_with('.') && name != ".ci";
                if !hidden && !NOT_OURS.contains(&name) {
                    folders.push(path);
                }
                continue;
            }
            let relative = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if name.ends_with(".rs") || name == "Cargo.toml" || relative.starts_with("scripts/") {
                files.push(SourceFile::new(relative, fs::read_to_string(&path)?));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Folders that hold built things.
const NOT_OURS: &[&str] = &["target", "corpus", "artifacts", "coverage", "node_modules"];
