//! The command line as typed. Commands are declared here; flags that are settings come from the table of
//! keys.

mod flags;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::settings::{
    CONFIG, INSPECT, QUARANTINE, QUERY, RECORD, REPLAY, RUN, SCHEMA, Span, TOPICS, TXN, TXN_ABORT,
};
use flags::Flags;

/// Joins well and tank readings per facility, scores the risk, raises alarms.
#[derive(Debug, Parser)]
#[command(name = "wellstream", version, after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Settings file instead of ./wellstream.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Reads, joins, scores, raises alarms: embedded, or on Kafka with --brokers
    #[command(after_help = RUN_EXAMPLES)]
    Run(Flags<RUN>),
    /// Sends load, generated or from a trace: into the engine here, or to Kafka with --brokers
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(LoadArgs),
    /// Records topics into a trace, as they are: until Ctrl-C, --until-end, --duration or --events
    #[command(after_help = RECORD_EXAMPLES)]
    Record(RecordArgs),
    /// Shows what is in a trace
    Inspect(InspectArgs),
    /// Puts runs of replay --report beside one another: ratios here, plots on one page
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Compares the runs of two builds, base and head: is the head slower?
    #[command(after_help = GATE_EXAMPLES)]
    Gate(GateArgs),
    /// Topics on the brokers
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Schemas in the registry
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Records that could not be read or came late
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Asks Redis for what is newest of a well, a tank or a facility, or for the riskiest facilities
    #[command(subcommand, after_help = QUERY_EXAMPLES)]
    Query(QueryCommand),
    /// Transactions on the brokers
    #[command(subcommand)]
    Txn(TxnCommand),
    /// Prints the effective settings, where each came from, without secrets
    Config(ConfigArgs),
}

/// `wellstream topics`.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Makes the five topics where they are missing; says what differs where they exist
    Create(Flags<TOPICS>),
}

/// `wellstream schema`.
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Registers the schemas of the four topics (subjects TOPIC-value)
    Register(Flags<SCHEMA>),
    /// Compares the registry with the schemas here; changes nothing
    Check(Flags<SCHEMA>),
}

/// `wellstream quarantine`.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// Lists quarantined and late records
    List(ListArgs),
    /// Sends quarantined records, byte for byte, back to the topics they came from
    Replay(ReplayArgs),
}

/// Which quarantined records are meant.
#[derive(Debug, Args)]
pub(crate) struct QuarantineFilter {
    /// Only this reason, such as late or bad_magic; repeatable
    #[arg(long, value_name = "REASON")]
    pub(crate) reason: Vec<String>,
    /// Only records of this source topic
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// `wellstream quarantine list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Which ones.
    #[command(flatten)]
    pub(crate) filter: QuarantineFilter,
    /// One JSON object a line instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Settings.
    #[command(flatten)]
    pub(crate) flags: Flags<QUARANTINE>,
}

/// `wellstream quarantine replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Which ones.
    #[command(flatten)]
    pub(crate) filter: QuarantineFilter,
    /// Do it; without this, only says what would be sent
    #[arg(long)]
    pub(crate) yes: bool,
    /// Settings.
    #[command(flatten)]
    pub(crate) flags: Flags<QUARANTINE>,
}

/// `wellstream query`.
#[derive(Debug, Subcommand)]
pub(crate) enum QueryCommand {
    /// The newest reading of a well
    Well(QueryArgs),
    /// The newest reading of a tank
    Tank(QueryArgs),
    /// The newest row of a facility: its risk and status
    Facility(QueryArgs),
    /// The facilities with the highest risks
    Riskiest(RiskiestArgs),
}

/// What is asked for by its id.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// Its id
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Settings.
    #[command(flatten)]
    pub(crate) flags: Flags<QUERY>,
}

/// `wellstream query riskiest`.
#[derive(Debug, Args)]
pub(crate) struct RiskiestArgs {
    /// How many
    #[arg(value_name = "N", default_value_t = 10)]
    pub(crate) count: u16,
    /// One JSON object a line instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Settings.
    #[command(flatten)]
    pub(crate) flags: Flags<QUERY>,
}

/// `wellstream txn`.
#[derive(Debug, Subcommand)]
pub(crate) enum TxnCommand {
    /// Lists transactional ids with what is open, or was lately, and marks what hangs
    #[command(after_help = TXN_EXAMPLES)]
    List(TxnListArgs),
    /// Aborts what is open under a transactional id; whoever holds the id cannot go on
    #[command(after_help = TXN_EXAMPLES)]
    Abort(TxnAbortArgs),
}

/// `wellstream txn list`.
#[derive(Debug, Args)]
pub(crate) struct TxnListArgs {
    /// Only transactional ids that begin with this
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub(crate) id: String,
    /// Only those with an open transaction
    #[arg(long)]
    pub(crate) open: bool,
    /// Call open ones hanging that are older than this [default: each one's own time-out]
    #[arg(long, value_name = "SPAN")]
    pub(crate) older_than: Option<Span>,
    /// One JSON object a line instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Settings.
    #[command(flatten)]
    pub(crate) flags: Flags<TXN>,
}

/// `wellstream txn abort`.
#[derive(Debug, Args)]
pub(crate) struct TxnAbortArgs {
    /// Do it; without this, only says what would be done
    #[arg(long)]
    pub(crate) yes: bool,
    /// Settings.
    #[command(flatten)]
    pub(crate) flags: Flags<TXN_ABORT>,
}

/// `wellstream replay`.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// A trace to send instead of a scenario
    #[arg(value_name = "TRACE")]
    pub(crate) trace: Option<PathBuf>,
    /// Settings.
    #[command(flatten)]
    pub(crate) flags: Flags<REPLAY>,
}

/// `wellstream record`.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// The trace to write
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A topic to record, instead of --wells and --tanks; repeatable
    #[arg(long = "topic", value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    /// Overwrites a file that exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Settings.
    #[command(flatten)]
    pub(crate) flags: Flags<RECORD>,
}

/// `wellstream inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The trace to read
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// One JSON object instead of tables (docs/TRACES.md says what its keys are)
    #[arg(long)]
    pub(crate) json: bool,
    /// Takes the whole blocks of a file that is cut off, damaged or was never finished
    #[arg(long)]
    pub(crate) salvage: bool,
    /// Settings.
    #[command(flatten)]
    pub(crate) flags: Flags<INSPECT>,
}

/// `wellstream report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Folders of reports, or their report.OUTCOME.json; the others are compared with the first
    #[arg(required = true, value_name = "DIR|FILE")]
    pub(crate) reports: Vec<PathBuf>,
    /// Where the page goes [default: comparison.html; of one run alone: no page]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// One JSON object on standard output instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// `wellstream gate`.
#[derive(Debug, Args)]
pub(crate) struct GateArgs {
    /// Runs of the build to compare with, in the order measured; one report alone is a set of one
    #[arg(value_name = "BASE")]
    pub(crate) base: PathBuf,
    /// Runs of the build in question: run i stood beside run i of the base
    #[arg(value_name = "HEAD")]
    pub(crate) head: PathBuf,
    /// How much more CPU time per reading is allowed
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = percent)]
    pub(crate) limit: f64,
    /// How much more time per reading, where the load was --max; fails only where that is sure
    #[arg(long, value_name = "PERCENT|off", default_value = "10%", value_parser = percent_or_off)]
    pub(crate) limit_time: Limit,
    /// How much more memory; fails only where that is sure
    #[arg(long, value_name = "PERCENT|off", default_value = "25%", value_parser = percent_or_off)]
    pub(crate) limit_memory: Limit,
    /// How much more latency (p99, where there was a schedule)
    #[arg(long, value_name = "PERCENT|off", default_value = "off", value_parser = percent_or_off)]
    pub(crate) limit_latency: Limit,
    /// One JSON object on standard output instead of a table
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Markdown for a pull request instead of a table
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// A share of a figure that is allowed on top of it; none: not gated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit(pub(crate) Option<f64>);

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let share =
        number.filter(|percent| *percent > 0.0 && *percent <= PERCENT_MAX).map(|percent| percent / 100.0);
    share.ok_or_else(|| "write a percentage above 0, such as 5% or 2.5%".to_owned())
}

fn percent_or_off(text: &str) -> Result<Limit, String> {
    if text == "off" { Ok(Limit(None)) } else { percent(text).map(|share| Limit(Some(share))) }
}

/// Beyond it a gate gates nothing.
const PERCENT_MAX: f64 = 1_000.0;

/// `wellstream config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Prints docs/REFERENCE.md
    #[arg(long, hide = true)]
    pub(crate) reference: bool,
    /// Settings.
    #[command(flatten)]
    pub(crate) flags: Flags<CONFIG>,
}

const EXAMPLES: &str = "\
Examples:
  wellstream run                                     the whole job on an embedded source, no service needed
  wellstream topics create --brokers localhost:9092
  wellstream run --brokers localhost:9092 --schema-registry http://localhost:8081
  wellstream replay --events 2M --max                how fast is it here?

Each flag is also a key of wellstream.toml and a variable: --commit-interval, commit_interval,
WELLSTREAM_COMMIT_INTERVAL. `wellstream config` shows what is in force and where it came from.";

const RUN_EXAMPLES: &str = "\
Examples:
  wellstream run --duration 20s
  wellstream run --brokers h:9092 --schema-registry http://r:8081 --join nearest --outer
  wellstream run --brokers h:9092 --from earliest --until-end --sink count --summary json
  wellstream run --brokers h:9092 -X security.protocol=SASL_SSL -X sasl.username=me ...";

const REPORT_EXAMPLES: &str = "\
Examples:
  wellstream report before after                     ratios to the first, and comparison.html
  wellstream report out/report.OK.json --json";

const GATE_EXAMPLES: &str = "\
Examples:
  scripts/gate                                       builds the base and this, measures, compares
  wellstream gate base.json head.json                the same runs once more: the same answer
  wellstream gate base.json head.json --limit 2% --markdown

Exit codes: 0 not slower, 1 slower, or another output, 4 these runs cannot tell.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  wellstream replay --events 2M --max                               how fast is it here?
  wellstream replay --rate 100k/s --profile spike --duration 60s --verify --report out
  wellstream replay --find-max --slo 'p99<200ms' --report out       the highest rate that holds this
  wellstream replay day.avro --speed 10x --verify                   a trace, ten times as fast as it was
  wellstream replay --rate 20k/s --duration 60s --brokers localhost:9092 --engine here --verify --report out
  wellstream replay --events 2M --max --brokers localhost:9092      fills the input topics, and that is all";

const RECORD_EXAMPLES: &str = "\
Examples:
  wellstream record day.avro --brokers localhost:9092 --schema-registry http://localhost:8081 --until-end
  wellstream record hour.avro --brokers localhost:9092 --from latest --duration 1h
  wellstream record alarms.avro --brokers localhost:9092 --topic facility-alerts --until-end";

const TXN_EXAMPLES: &str = "\
Examples:
  wellstream txn list --brokers localhost:9092 --id wellstream-
  wellstream txn list --brokers localhost:9092 --open --older-than 1m --json
  wellstream txn abort --brokers localhost:9092 --transactional-id wellstream-a       says what it would do
  wellstream txn abort --brokers localhost:9092 --transactional-id wellstream-a --yes";

const QUERY_EXAMPLES: &str = "\
Examples:
  wellstream query well WELL-42 --redis redis://localhost:6379
  wellstream query riskiest 20 --redis redis://localhost:6379 --json";
