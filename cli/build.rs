//! Tells the program which commit it was built from: reports carry it.

use std::process::Command;

// `cargo run` hands what is set here to the program, too, which takes variables of its own prefix for
// settings and refuses unknown ones: so this name must not have it (cli/tests/settings.rs).
fn main() {
    println!("cargo::rerun-if-env-changed=BUILT_FROM_COMMIT");
    // A package that is built without its history can be told.
    if std::env::var_os("BUILT_FROM_COMMIT").is_some() {
        return;
    }
    if let Some(head) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={head}");
    }
    if let Some(commit) = git(&["describe", "--always", "--dirty", "--abbrev=12"]) {
        println!("cargo::rustc-env=BUILT_FROM_COMMIT={commit}");
    }
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
