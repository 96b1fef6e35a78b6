//! Settings as text: the effective ones with their origins, and the reference of all keys.

use std::collections::BTreeMap;
use std::fmt::Write;

use toml::Value;

use super::Loaded;
use super::keys::{
    CONFIG, INSPECT, KEYS, Key, QUARANTINE, RECORD, REPLAY, RUN, SCHEMA, TOPICS, TXN, TXN_ABORT,
};
use super::kind::Kind;
use super::layers::{Origin, Set};
use super::secret::{HIDDEN, hide_in_url, is_secret_property};

/// The effective settings as TOML, each with its origin as a comment, without secrets. It can be read back.
pub(crate) fn effective(loaded: &Loaded) -> String {
    let mut out =
        String::from("# Effective settings: flag over variable over file over default. Secrets are ***.\n");
    for key in KEYS.iter().filter(|key| !key.name.contains('.') && key.kind != Kind::Properties) {
        push(&mut out, key, key.name, loaded.layers.get(key.name));
    }
    for table in ["rules", "embedded"] {
        let _ = write!(out, "\n[{table}]\n");
        for key in KEYS.iter().filter(|key| key.kind != Kind::Facilities) {
            if let Some(leaf) = key.name.strip_prefix(table).and_then(|rest| rest.strip_prefix('.')) {
                push(&mut out, key, leaf, loaded.layers.get(key.name));
            }
        }
    }
    out.push_str("\n[kafka]\n");
    for (name, set) in loaded.layers.properties() {
        let value = match is_secret_property(name) {
            true => Value::String(HIDDEN.to_owned()),
            false => set.value.clone(),
        };
        let _ = writeln!(out, "{} = {value}  # {}", toml_key(name), set.origin);
    }
    if let Some(set) = loaded.layers.get("rules.facilities") {
        push_facilities(&mut out, set);
    }
    out
}

/// What somebody said something about, as text, without secrets.
pub(crate) fn changed(loaded: &Loaded) -> BTreeMap<String, String> {
    let said = |set: &&Set| set.origin != Origin::Default;
    let keys = KEYS.iter().filter(|key| key.kind != Kind::Properties).filter_map(|key| {
        let set = loaded.layers.get(key.name).filter(said)?;
        let text = match &set.value {
            Value::String(url) if matches!(key.kind, Kind::Url(_)) => hide_in_url(url),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        Some((key.name.to_owned(), text))
    });
    let properties = loaded.layers.properties().filter(|(_, set)| said(set)).map(|(name, set)| {
        let text = if is_secret_property(name) { HIDDEN.to_owned() } else { set.value.to_string() };
        (format!("kafka.{name}"), text)
    });
    keys.chain(properties).collect()
}

/// A command line without secrets: values of properties that hold some, user information of URLs.
pub(crate) fn without_secrets(words: impl Iterator<Item = String>) -> Vec<String> {
    let hide = |word: String| match word.split_once('=') {
        _ if word.contains("://") => hide_in_url(&word),
        Some((name, _)) if is_secret_property(name) => format!("{name}={HIDDEN}"),
        _ => word,
    };
    words.map(hide).collect()
}

/// docs/REFERENCE.md, whole.
pub(crate) fn reference() -> String {
    let mut out = String::from(REFERENCE_HEAD);
    out.push_str("\n## Settings\n\n");
    out.push_str(
        "| key | flag | variable | type | default | what |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for key in KEYS {
        let _ = writeln!(
            out,
            "| `{}` | {} | `{}` | {} | {} | {} |",
            key.name,
            flag_cell(key),
            key.variable(),
            key.kind.describe(),
            key.default.map_or_else(|| "none".to_owned(), |text| format!("`{text}`")),
            key.help.replace('|', "\\|"),
        );
    }
    out.push_str("\n## Which command has which flag\n\n| command | flags |\n| --- | --- |\n");
    for (command, uses) in [
        ("run", RUN),
        ("replay", REPLAY),
        ("record", RECORD),
        ("inspect", INSPECT),
        ("topics", TOPICS),
        ("schema", SCHEMA),
        ("quarantine", QUARANTINE),
        ("txn list", TXN),
        ("txn abort", TXN_ABORT),
    ] {
        let flags: Vec<_> = KEYS
            .iter()
            .filter(|key| key.uses & uses != 0 && key.uses != CONFIG)
            .map(|key| format!("`{}`", key.flag()))
            .collect();
        let _ = writeln!(out, "| `{command}` | {} |", flags.join(" "));
    }
    out.push_str("| `config` | all of them |\n\n`--log` and `--config` go with every command.\n");
    out
}

fn push(out: &mut String, key: &Key, name: &str, set: Option<&Set>) {
    let _ = match set {
        Some(Set { value: Value::String(url), origin }) if matches!(key.kind, Kind::Url(_)) => {
            writeln!(out, "{name} = {}  # {origin}", Value::String(hide_in_url(url)))
        }
        Some(Set { value, origin }) => writeln!(out, "{name} = {value}  # {origin}"),
        None => writeln!(out, "# {name} is not set"),
    };
}

fn push_facilities(out: &mut String, set: &Set) {
    let Value::Table(facilities) = &set.value else { return };
    for (facility, own) in facilities {
        let _ = write!(out, "\n[rules.facilities.{}]  # {}\n", toml_key(facility), set.origin);
        if let Value::Table(own) = own {
            for (name, value) in own {
                let _ = writeln!(out, "{} = {value}", toml_key(name));
            }
        }
    }
}

/// A key in quotes where it needs them.
fn toml_key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        return name.to_owned();
    }
    // A basic string always works as a quoted key; the value's printer may choose other quotes for text of
    // several lines, which a key cannot have.
    let mut quoted = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn flag_cell(key: &Key) -> String {
    match key.kind {
        _ if key.uses == 0 => "file or variable only".to_owned(),
        Kind::Properties => format!("`-X {0}`, `{1} {0}`", key.value, key.flag()),
        Kind::Switch => format!("`{}`", key.flag()),
        _ => format!("`{} {}`", key.flag(), key.value.replace('|', "\\|")),
    }
}

const REFERENCE_HEAD: &str = "# Reference

This file is printed by `wellstream config --reference` and compared with it by a test: it cannot be out of date.

A key is its flag with `_`; its variable is `WELLSTREAM_` and the key in capitals. A flag goes over a variable, a
variable over the file (`wellstream.toml` in the current directory, or what `--config FILE` or `WELLSTREAM_CONFIG`
names), the file over the default. Keys behind a dot stand in a table of the file (`[rules]`, `[embedded]`,
`[kafka]`). A key or variable that does not exist is an error that names the nearest one; an empty variable counts
as not set. `wellstream config` prints what is in force and where each value came from, secrets as `***`.

Spans: `100ms`, `30s`, `5m`, `1h`. Counts: `250000`, `250_000`, `250k`, `1.5M`. Sizes: `512MiB`, `4GiB`, `100kB`. Times: RFC 3339
(`2026-05-01T12:00:00Z`) or epoch milliseconds. Lists: separated by commas, in the file also as an array. Three
counts: `40,20,0`, in the file `[40, 20, 0]`. Switches: the flag alone says yes, `--outer=false` says no.

What only steers a single call is a flag and nothing else: `config --reference`, of `report` `--out` and `--json`,
of `gate` `--limit`, `--limit-time`, `--limit-memory`, `--limit-latency`, `--json`, `--markdown`,
of `quarantine` `--reason`, `--topic`, `--limit`, `--json`, `--yes`, of `txn list` `--id`, `--open`, `--older-than`,
`--json`, and of `txn abort` `--yes`.

Exit codes: 0 fine, 1 a verdict FAIL or a gate failed, 2 usage, 3 failure at run time, 4 measurement INVALID. A closed pipe is fine.
";
