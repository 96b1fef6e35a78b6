//! The real binary: settings from everywhere, usage errors and their exit codes, secrets that stay secret.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up fails")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A call of the program in an empty directory with an empty environment.
struct Call {
    dir: tempfile::TempDir,
    command: Command,
}

impl Call {
    fn new(args: &[&str]) -> Call {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wellstream"));
        command.args(args).current_dir(dir.path()).env_clear();
        Call { dir, command }
    }

    fn file(self, text: &str) -> Call {
        fs::write(self.dir.path().join("wellstream.toml"), text).unwrap();
        self
    }

    fn env(mut self, name: &str, value: &str) -> Call {
        self.command.env(name, value);
        self
    }

    fn output(mut self) -> Output {
        self.command.output().unwrap()
    }

    /// Standard output of a call that succeeds.
    fn stdout(self) -> String {
        let output = self.output();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one line of a usage error.
    fn usage_error(self) -> String {
        let output = self.output();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        stderr
    }
}

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {text}"))
}

/// `cargo run` hands a build script's variables to the program, and this one refuses those that look like
/// settings.
#[test]
fn what_the_build_sets_is_no_setting() {
    let build = include_str!("../build.rs");
    assert!(build.contains("cargo::rustc-env=BUILT_FROM_COMMIT"), "it sets something");
    assert!(!build.contains("rustc-env=WELLSTREAM_"));
}

#[test]
fn a_flag_goes_over_a_variable_over_the_file_over_the_default() {
    let file = "group = 'f'";
    let shown = |call: Call| line(&call.stdout(), "group =").to_owned();
    assert_eq!(shown(Call::new(&["config"])), "group = \"wellstream\"  # default");
    assert_eq!(shown(Call::new(&["config"]).file(file)), "group = \"f\"  # file wellstream.toml");
    let with_variable = |args| Call::new(args).file(file).env("WELLSTREAM_GROUP", "v");
    assert_eq!(shown(with_variable(&["config"])), "group = \"v\"  # variable WELLSTREAM_GROUP");
    assert_eq!(shown(with_variable(&["config", "--group", "x"])), "group = \"x\"  # flag --group");
    assert_eq!(
        shown(Call::new(&["config"]).file(file).env("WELLSTREAM_GROUP", "")),
        "group = \"f\"  # file wellstream.toml"
    );
}

#[test]
fn config_names_the_file_by_flag_or_variable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.toml");
    fs::write(&path, "outer = true").unwrap();
    let path = path.to_str().unwrap();
    for call in
        [Call::new(&["config", "--config", path]), Call::new(&["config"]).env("WELLSTREAM_CONFIG", path)]
    {
        assert_eq!(line(&call.stdout(), "outer ="), format!("outer = true  # file {path}"));
    }
    let error = Call::new(&["config", "--config", "missing.toml"]).usage_error();
    assert!(error.contains("missing.toml"), "{error}");
}

#[test]
fn a_switch_can_be_taken_back() {
    let text = Call::new(&["config", "--outer=false"]).file("outer = true").stdout();
    assert_eq!(line(&text, "outer ="), "outer = false  # flag --outer");
    let text = Call::new(&["config", "--outer", "--join", "asof"]).stdout();
    assert_eq!(line(&text, "outer ="), "outer = true  # flag --outer");
}

#[test]
fn unknown_keys_and_variables_name_the_nearest() {
    let error = Call::new(&["config"]).file("commit_intervall = '1s'").usage_error();
    assert!(error.contains("commit_intervall") && error.contains("did you mean commit_interval?"), "{error}");
    let error = Call::new(&["config"]).file("[rules]\nlatenes = '1s'").usage_error();
    assert!(error.contains("did you mean rules.lateness?"), "{error}");
    let error = Call::new(&["config"]).env("WELLSTREAM_GROUPP", "x").usage_error();
    assert!(error.contains("did you mean WELLSTREAM_GROUP?"), "{error}");
    let error = Call::new(&["run", "--grup", "x"]).usage_error();
    assert!(error.contains("--group"), "{error}");
    for name in ["WELLSTREAM_TEST_X", "WELLSTREAM_KAFKA_PORT", "WELLSTREAM_SERVICES_DIR", "WELLSTREAM_SIZE"] {
        Call::new(&["config"]).env(name, "1").stdout();
    }
}

#[test]
fn secrets_are_never_shown() {
    let text =
        Call::new(&["config", "-X", "sasl.password=hunter2", "--schema-registry", "http://u:hunter3@h:1"])
            .file("[kafka]\nssl.key.password = 'hunter4'\nsasl.username = 'me'")
            .env("WELLSTREAM_KAFKA", "sasl.oauthbearer.client.secret=hunter5")
            .stdout();
    assert!(!text.contains("hunter"), "{text}");
    for shown in [
        "\"sasl.password\" = \"***\"  # flag -X",
        "\"ssl.key.password\" = \"***\"  # file wellstream.toml",
        "\"sasl.username\" = \"me\"  # file wellstream.toml",
        "\"sasl.oauthbearer.client.secret\" = \"***\"  # variable WELLSTREAM_KAFKA",
        "schema_registry = \"http://***@h:1\"  # flag --schema-registry",
    ] {
        assert!(text.contains(shown), "{shown} in {text}");
    }
    for args in [["config", "-X", "hunter2"], ["config", "--schema-registry", "hunter2"]] {
        let error = Call::new(&args).usage_error();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn what_config_prints_can_be_read_back() {
    let file =
        "sink = ['console', 'jsonl:a b']\nidle_after = 'off'\nduration = '90s'\nbrokers = ['a:1', 'b:2']
        [rules]\nemission_points = [50, 25, 0]\nbound = '4s'\nmethane_high_ppm = 450.5
        [rules.facilities.'F 1']\nbound = '2s'\nvapor_points = [1, 2, 3]
        [embedded]\nwells = 7
        [kafka]\nsecurity.protocol = 'SSL'";
    let strip = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap_or("").to_owned()).collect()
    };
    let first = Call::new(&["config"]).file(file).stdout();
    let second = Call::new(&["config"]).file(&first).stdout();
    assert_eq!(strip(&first), strip(&second));
    for shown in
        ["duration = \"90s\"", "[rules.facilities.\"F 1\"]", "wells = 7", "emission_points = [50, 25, 0]"]
    {
        assert!(first.contains(shown), "{shown} in {first}");
    }
}

#[test]
fn a_hidden_secret_cannot_be_used() {
    let hidden = Call::new(&["config", "-X", "sasl.password=hunter2"]).stdout();
    let error = Call::new(&["run", "--duration", "1s"]).file(&hidden).usage_error();
    assert!(error.contains("kafka.sasl.password"), "{error}");
}

#[test]
fn settings_that_make_no_sense_are_usage_errors() {
    for (args, part) in [
        (&["run", "--delivery", "at-most-once"][..], "none of exactly-once, at-least-once"),
        (&["run", "--transactional-id", ""], "empty"),
        (&["run", "--join", "latest", "--outer"], "--outer with --join latest"),
        (&["run", "--join", "left"], "none of all, nearest, asof, latest"),
        (&["run", "--duration", "10"], "no unit"),
        (&["run", "--sink", "kafka"], "needs --brokers"),
        (&["run", "--sink", "redis"], "sink redis needs --redis URL"),
        (&["run", "--redis", "http://h"], "--redis"),
        (&["run", "--rules-bound", "2h"], "bound"),
        (&["run", "--log", "a=b=c"], "--log"),
        (&["run", "--schemas", "d", "--schema-registry", "http://h"], "exclude each other"),
        (&["run", "--wells", "a", "--tanks", "a"], "named twice"),
        (&["nonsense"], "nonsense"),
        (&["topics"], "subcommand"),
    ] {
        let output = Call::new(args).output();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        if args.len() > 1 {
            assert!(stderr.starts_with("error: ") && stderr.contains(part), "{args:?}: {stderr}");
        }
    }
    let error = Call::new(&["run"]).env("WELLSTREAM_REDIS", "http://h").usage_error();
    assert!(error.contains("WELLSTREAM_REDIS"), "{error}");
    let error = Call::new(&["run"]).file("group = 'x\n").usage_error();
    assert!(error.contains("wellstream.toml: line 1"), "{error}");
}

#[test]
fn help_is_short_and_succeeds() {
    let text = Call::new(&["--help"]).stdout();
    assert!(text.lines().count() < 40, "{text}");
    for word in
        ["run", "replay", "topics", "schema", "quarantine", "record", "inspect", "gate", "config", "Examples"]
    {
        assert!(text.contains(word), "{word}");
    }
    assert!(!text.contains("doctor"), "doctor is not there yet");
    assert!(Call::new(&["run", "--help"]).stdout().contains("--rules-methane-high-ppm"));
}

#[test]
fn the_reference_is_what_the_program_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/REFERENCE.md");
    let printed = Call::new(&["config", "--reference"]).stdout();
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(printed == written, "run: cargo run -- config --reference > docs/REFERENCE.md");
}
