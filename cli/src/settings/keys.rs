//! The one list of settings. Flags, variables, the file, `wellstream config` and docs/REFERENCE.md all come
//! from
//! it, so that none of them can say something else than the others.

use super::kind::Kind;

/// One setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name in the file; behind a dot in a table.
    pub(crate) name: &'static str,
    /// What values it takes.
    pub(crate) kind: Kind,
    /// Its default as text; none where it may be absent.
    pub(crate) default: Option<&'static str>,
    /// Commands that have it as a flag, as bits.
    pub(crate) uses: u16,
    /// What `--help` calls its value.
    pub(crate) value: &'static str,
    /// What it is, one sentence without a full stop.
    pub(crate) help: &'static str,
}

impl Key {
    /// Its flag: `--commit-interval`.
    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.name.replace(['.', '_'], "-"))
    }

    /// Its variable: `WELLSTREAM_COMMIT_INTERVAL`.
    pub(crate) fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// The key of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }
}

/// Keys of the design that a later version brings: asking for one is a usage error that says so.
pub(crate) const LATER: &[&str] = &["http", "rekey"];

/// What every variable starts with.
pub(crate) const VARIABLE_PREFIX: &str = "WELLSTREAM_";

/// `wellstream run`.
pub(crate) const RUN: u16 = 1;
/// `wellstream replay`.
pub(crate) const REPLAY: u16 = 2;
/// `wellstream topics`.
pub(crate) const TOPICS: u16 = 4;
/// `wellstream schema`.
pub(crate) const SCHEMA: u16 = 8;
/// `wellstream quarantine`.
pub(crate) const QUARANTINE: u16 = 16;
/// `wellstream record`.
pub(crate) const RECORD: u16 = 256;
/// `wellstream inspect`.
pub(crate) const INSPECT: u16 = 512;
/// `wellstream txn list`.
pub(crate) const TXN: u16 = 1_024;
/// `wellstream txn abort`.
pub(crate) const TXN_ABORT: u16 = 2_048;
/// `wellstream query`.
pub(crate) const QUERY: u16 = 4_096;
/// `wellstream config`: every key.
pub(crate) const CONFIG: u16 = 0xFFFF;

const READERS: u16 = RUN | REPLAY | TOPICS | QUARANTINE | RECORD;
const KAFKA: u16 = READERS | TXN | TXN_ABORT;
const INPUTS: u16 = READERS | SCHEMA;
const RULES: u16 = RUN | REPLAY;

const fn key(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    uses: u16,
    value: &'static str,
    help: &'static str,
) -> Key {
    Key { name, kind, default, uses, value, help }
}

const fn count(min: u64, max: u64) -> Kind {
    Kind::Count { min, max }
}

/// A key whose value is text with a default.
const fn text(
    name: &'static str,
    default: &'static str,
    uses: u16,
    value: &'static str,
    help: &'static str,
) -> Key {
    key(name, Kind::Text, Some(default), uses, value, help)
}

/// Every setting, in the order of the help and of `wellstream config`: keys of the top level first, tables
/// last.
#[rustfmt::skip] // one line a key: a table to read down
pub(crate) const KEYS: &[Key] = &[
    key("brokers", Kind::List, None, KAFKA, "H:P,..", "Kafka brokers; without them the source is embedded"),
    key("schema_registry", Kind::Url(&["http", "https"]), None, RUN | REPLAY | SCHEMA | RECORD, "URL", "Schema registry (Confluent API)"),
    key("schemas", Kind::Text, None, RUN | RECORD | INSPECT, "DIR", "Without a registry: directory with well-data.avsc and tank-data.avsc, taken as the writer's (built-in ones if absent)"),
    key("redis", Kind::Url(&["redis", "rediss"]), None, RUN | QUERY, "URL", "Redis that holds what is newest of each well, tank and facility; it follows the commits"),
    key("redis_prefix", Kind::Text, None, RUN | QUERY, "TEXT", "Stands before every key in Redis"),
    text("group", "wellstream", RUN, "ID", "Consumer group whose offsets are committed"),
    text("wells", "well-sensor-data", INPUTS | INSPECT, "TOPIC", "Topic of well readings"),
    text("tanks", "tank-sensor-data", INPUTS | INSPECT, "TOPIC", "Topic of tank readings"),
    text("output", "enriched-events", RUN | REPLAY | TOPICS | SCHEMA, "TOPIC", "Topic of enriched rows"),
    text("alerts", "facility-alerts", RUN | REPLAY | TOPICS | SCHEMA, "TOPIC", "Topic of alarm episodes, compacted"),
    text("quarantine", "quarantine", RUN | REPLAY | TOPICS | QUARANTINE, "TOPIC", "Topic of late and quarantined records"),
    key("keyed_by", Kind::Choice(&["sensor", "facility"]), Some("sensor"), RUN | REPLAY, "WHAT", "What the readings' topics are keyed by: sensor or facility"),
    key("join", Kind::Choice(&["all", "nearest", "asof", "latest"]), Some("all"), RULES, "MODE", "Which pairs become rows: all, nearest, asof or latest"),
    key("outer", Kind::Switch, Some("false"), RULES, "BOOL", "Readings without a partner become rows too (nearest and asof: wells only)"),
    key("kafka_client", Kind::Choice(&["auto", "native", "rdkafka"]), Some("auto"), RUN | REPLAY | QUARANTINE, "WHICH", "Who fetches and produces; auto: native where it covers brokers and -X"),
    key("delivery", Kind::Choice(&["exactly-once", "at-least-once"]), Some("exactly-once"), RUN | REPLAY, "HOW", "On Kafka: results and offsets in one transaction, or results first"),
    key("transactional_id", Kind::Text, None, RUN | REPLAY | TXN_ABORT, "ID", "Under which transactions run; whoever starts with it ends what another one had open [default: wellstream-GROUP]"),
    key("from", Kind::Start, Some("committed"), RUN | RECORD, "WHERE", "Where to start without a commit: committed (else earliest), earliest, latest or a time"),
    key("until_end", Kind::Switch, Some("false"), RUN | RECORD, "BOOL", "Stop at the end offsets found at the start, and decide every open row"),
    key("duration", Kind::Span, None, RUN | REPLAY | RECORD, "SPAN", "Stop after this time; what is open stays open (replay: length of the schedule, and everything is decided)"),
    key("sink", Kind::List, None, RUN, "SINK,..", "Where results go: kafka, console, count, jsonl:PATH [default: kafka,console with brokers, else console]"),
    key("summary", Kind::Choice(&["table", "json"]), Some("table"), RUN | REPLAY, "FORM", "The summary at the end: table, or json as the last line on standard output"),
    key("commit_interval", Kind::Span, Some("100ms"), RUN | REPLAY, "SPAN", "Time between two commits"),
    key("max_ahead", Kind::Span, Some("60s"), RUN | REPLAY, "SPAN", "A partition this far ahead of the watermark waits"),
    key("idle_after", Kind::SpanOrOff, Some("30s"), RUN, "SPAN|off", "A partition with nothing new for so long no longer holds the watermark; off in bounded runs"),
    key("registry_grace", Kind::Span, Some("60s"), RUN, "SPAN", "How long the registry must answer \"not found\" before records of a schema id are quarantined"),
    key("on_lost_history", Kind::Choice(&["start", "refuse"]), Some("start"), RUN, "WHAT", "When what a restart would read again is gone: start (at the committed offsets, loudly) or refuse"),
    key("accept_rules_change", Kind::Switch, Some("false"), RUN, "BOOL", "Start although the rules differ from those of the last commit; open results count as decided"),
    key("threads", count(1, 1_024), None, RUN | REPLAY, "N", "Engine threads [default: one per core]"),
    key("pin", Kind::Switch, Some("false"), RUN | REPLAY, "BOOL", "Keep each engine thread on a processor of its own, where nothing else runs on the machine"),
    key("state_bytes_max", Kind::Size, Some("4GiB"), RUN | REPLAY, "SIZE", "Above this much state only the lanes that hold the watermark back go on"),
    key("events", count(1, 1_000_000_000_000), None, REPLAY | RECORD, "N", "Readings to generate, of both kinds together, such as 2M [default: the scenario's]; records of a trace; records to record"),
    key("max", Kind::Switch, Some("false"), REPLAY, "BOOL", "As fast as it goes"),
    key("rate", Kind::Rate, None, REPLAY, "N/s", "Readings per second, such as 1M/s: sent at their intended times, whatever the target does"),
    key("speed", Kind::Factor, None, REPLAY, "Nx", "So many times as fast as the scenario's event time, or as a trace was sent, such as 10x"),
    key("engine", Kind::Choice(&["here", "external", "none"]), None, REPLAY, "WHERE", "Whose output is measured: here, external (output topics are watched), none [default: here; with brokers none]"),
    key("profile", Kind::Choice(&["constant", "poisson", "ramp", "step", "spike", "sine"]), Some("constant"), REPLAY, "SHAPE", "Shape of the rate over time; --rate is its mean"),
    key("loop", Kind::Switch, Some("false"), REPLAY, "BOOL", "Send a trace again and again, each pass later in event time, until --events, --duration or Ctrl-C"),
    key("warmup", Kind::Span, Some("0s"), REPLAY, "SPAN", "Left out of the histograms, not of the verdict"),
    key("verify", Kind::Switch, Some("false"), REPLAY, "BOOL", "Compare the output with the oracle's; the exit code says whether it is equal"),
    key("find_max", Kind::Switch, Some("false"), REPLAY, "BOOL", "Search for the highest rate that holds --slo; --rate is where it begins, --duration the length of a step"),
    key("slo", Kind::Text, Some("p99<250ms"), REPLAY, "OBJECTIVE", "Objective of --find-max: a percentile of the latency from intended time to visible, and its bound"),
    key("report", Kind::Text, None, REPLAY, "DIR", "Write report.json, report.html, histograms there"),
    key("scenario", Kind::Text, Some("normal"), REPLAY, "NAME|FILE", "What to generate: a scenario's name or TOML file"),
    key("seed", count(0, 9_007_199_254_740_991), None, RUN | REPLAY, "N", "Seed of what is generated [default: the scenario's; embedded source: 1]"),
    key("partitions", count(1, 10_000), Some("3"), REPLAY | TOPICS, "N", "Partitions of topics that are made here"),
    key("replication", count(1, 100), Some("1"), REPLAY | TOPICS, "N", "Replicas of topics that are made here"),
    text("log", "info", CONFIG, "LEVEL", "Logs on standard error: error, warn, info, debug, trace, or a filter such as info,wellstream_connectors=debug"),
    key("kafka", Kind::Properties, None, KAFKA, "KEY=VALUE", "Anything for librdkafka, such as security.protocol=SASL_SSL; repeatable; over what WellStream sets itself"),
    key("rules.methane_high_ppm", Kind::Number, Some("500"), RULES, "PPM", "Methane above this is HIGH_EMISSION"),
    key("rules.methane_medium_ppm", Kind::Number, Some("300"), RULES, "PPM", "Methane above this is MEDIUM_EMISSION"),
    key("rules.vapor_critical_ppm", Kind::Number, Some("10000"), RULES, "PPM", "Vapor above this is CRITICAL"),
    key("rules.vapor_high_ppm", Kind::Number, Some("5000"), RULES, "PPM", "Vapor above this is HIGH"),
    key("rules.emission_points", Kind::Points, Some("40,20,0"), RULES, "H,M,N", "Risk points of HIGH_EMISSION, MEDIUM_EMISSION, NORMAL"),
    key("rules.vapor_points", Kind::Points, Some("40,20,10"), RULES, "C,H,N", "Risk points of vapor CRITICAL, HIGH, NORMAL"),
    key("rules.well_quality", Kind::Points, Some("75,85,95"), RULES, "H,M,N", "Quality of a well reading by its class"),
    key("rules.tank_quality", Kind::Points, Some("70,80,95"), RULES, "C,H,N", "Quality of a tank reading by its class"),
    key("rules.alert_above", count(0, 10_000_000), Some("30"), RULES, "RISK", "A row whose risk is above this is ALERT"),
    key("rules.bound", Kind::Span, Some("5s"), RULES, "SPAN", "The join's bound, inclusive"),
    key("rules.lateness", Kind::Span, Some("10s"), RULES | INSPECT, "SPAN", "A partition's watermark is its clock less this"),
    key("rules.alarm_gap", Kind::Span, Some("30s"), RULES, "SPAN", "The largest gap of row time within one alarm episode"),
    key("rules.future_max", Kind::Span, Some("5m"), RULES, "SPAN", "Event time further ahead of the record's own Kafka timestamp is quarantined"),
    key("rules.clock_ahead_max", Kind::Span, Some("1s"), RULES, "SPAN", "A clock moves at most this far beyond the record's own Kafka timestamp"),
    key("rules.facilities", Kind::Facilities, None, 0, "TABLE", "Facilities with thresholds, points or a smaller bound of their own: [rules.facilities.ID]"),
    key("embedded.facilities", count(1, 1_000_000), Some("10"), RUN, "N", "Facilities of the embedded source"),
    key("embedded.wells", count(1, 10_000_000), Some("20"), RUN, "N", "Its wells"),
    key("embedded.tanks", count(1, 10_000_000), Some("15"), RUN, "N", "Its tanks"),
    key("embedded.interval", Kind::Span, Some("1s"), RUN, "SPAN", "Time between two readings of one of its sensors"),
    key("embedded.partitions", count(1, 1_024), Some("2"), RUN, "N", "Its partitions per topic"),
];
