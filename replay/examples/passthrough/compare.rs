//! Engine and pass-through in turns (A B A B ...) under the same load: each with topics of its own, measured
//! by `replay --engine external`, the engine's output held to the oracle.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::start::From;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaSettings, TopicNames};
use wellstream_replay::report::{self, Outcome, Report, Stage};

use super::Failed;
use super::case::{Asked, Case};
use super::program::{Program, cpu_s};
use super::table::{self, Figures, Who};

/// Runs all cases; the exit code says whether an output was wrong.
pub(crate) fn compare(asked: &Asked) -> Result<ExitCode, Failed> {
    println!("{}", table::head());
    let (mut sums, mut is_wrong) = (Vec::new(), false);
    if let Some(case) = asked.cases.first() {
        // A broker that has just started takes three times the CPU time until its methods are compiled, those
        // of transactions too, and whoever came first would pay for it.
        let case = Case { seconds: case.seconds.min(WARM_UP_S), ..*case };
        for who in [Who::Engine, asked.rival] {
            is_wrong |= is_fail(&Run::new(asked, &case, who, 0)?.measure()?);
        }
    }
    for case in &asked.cases {
        let mut all = Vec::new();
        for round in 0..asked.rounds {
            for who in [Who::Engine, asked.rival] {
                let figures = Run::new(asked, case, who, round)?.measure()?;
                println!("{}", table::line(case, &figures));
                is_wrong |= is_fail(&figures);
                all.push(figures);
            }
        }
        let interval_ms = asked.interval.as_secs_f64() * 1e3;
        sums.push(table::sum(case, asked.rival, interval_ms, &all));
    }
    println!("\n{}", sums.join("\n"));
    Ok(if is_wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What came out is wrong: that counts, also where the figures do not.
fn is_fail(figures: &Figures) -> bool {
    figures.outcome.starts_with(Outcome::Fail.name())
}

/// One of the two under one load.
struct Run<'a> {
    asked: &'a Asked,
    case: &'a Case,
    who: Who,
    prefix: String,
    names: TopicNames,
    folder: PathBuf,
    clock: MachineClock,
}

impl<'a> Run<'a> {
    fn new(asked: &'a Asked, case: &'a Case, who: Who, round: usize) -> Result<Run<'a>, Failed> {
        let clock = MachineClock::start();
        let prefix = format!("live-{}-{}", clock.wall_ms(), std::process::id());
        let topic = |name: &str| format!("{prefix}-{name}");
        let names = TopicNames {
            wells: topic("wells"),
            tanks: topic("tanks"),
            enriched: topic("enriched"),
            alerts: topic("alerts"),
            quarantine: topic("quarantine"),
        };
        let folder = format!("{}-{}-{}-{round}", case.rate, case.every, who.name());
        let folder = asked.folder.join(folder);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("scenario.toml"), case.scenario())?;
        Ok(Run { asked, case, who, prefix, names, folder, clock })
    }

    fn measure(&self) -> Result<Figures, Failed> {
        self.await_disk()?;
        let connection = Connection::open(&KafkaSettings::new(&self.asked.brokers, &self.prefix))?;
        connection.create_topics(&self.names, PARTITIONS, 1)?;
        let measured = self.under_load(&connection);
        let row_bytes = self.row_bytes(&connection);
        // Also behind a run that failed: the next one needs the disk.
        script("kafka-tool", &["topics", "--delete", "--topic", &format!("{}-.*", self.prefix)])?;
        let mut figures = measured?;
        figures.row_bytes = row_bytes?;
        Ok(figures)
    }

    fn under_load(&self, connection: &Connection) -> Result<Figures, Failed> {
        let mut program = self.start(connection)?;
        let ids = [program.id(), self.broker_id()];
        let before = ids.map(cpu_s);
        let mut replay = Program::start(&self.asked.binary, &self.replay_args(), &self.folder, "replay")?;
        let status = replay.finish(Duration::from_secs(self.case.seconds * 4) + FINISH_MAX)?;
        let [own, broker] = [0, 1].map(|place: usize| cpu_s(ids[place]) - before[place]);
        let report = report::read(&self.folder.join("report"))
            .map_err(|error| format!("{error}; {status}: {}", replay.last_words()))?;
        let mut commit_ms = None;
        if self.who.delivery().is_some() {
            program.signal("INT")?;
            program.finish(FINISH_MAX)?;
            commit_ms = p50_of_commits(&program.stdout());
        }
        let rows = report.result.outputs.as_ref().map_or(0, |outputs| outputs.rows);
        let ns = report.series(Stage::EndToEnd).map(|series| &series.ns);
        let ms = |ns: Option<u64>| ns.map(|ns| ns as f64 / 1e6);
        Ok(Figures {
            who: self.who,
            outcome: self.outcome(&report, rows),
            ms: ns.map_or([None; 3], |ns| [ms(ns.p50), ms(ns.p99), ms(ns.p99_9)]),
            sent_per_s: report.result.achieved_per_s,
            rows,
            row_bytes: 0.0,
            cpu_s: [own, report.result.cpu_s, broker],
            commit_ms,
        })
    }

    /// The oracle's word on the engine; of the pass-through, whether all that it should put out came.
    fn outcome(&self, report: &Report, rows: u64) -> String {
        let reasons = report.reasons.join("; ");
        let expected = report.result.events_sent / self.case.every;
        let is_short = self.who == Who::PassThrough && rows != expected;
        match (is_short, report.outcome) {
            (true, _) => format!("{}: {rows} rows of {expected}", Outcome::Fail.name()),
            (false, Outcome::Ok) => Outcome::Ok.name().to_owned(),
            (false, outcome) => format!("{}: {reasons}", outcome.name()),
        }
    }

    /// Starts who is measured, and waits until it stands at the ends of the input.
    fn start(&self, connection: &Connection) -> Result<Program, Failed> {
        let interval_ms = self.asked.interval.as_millis();
        match self.who.delivery() {
            Some(delivery) => {
                let interval = format!("{interval_ms}ms");
                let mut args =
                    words(&["run", "--group", &self.prefix, "--from", "latest", "--sink", "kafka"]);
                args.extend(words(&["--summary", "table", "--commit-interval", &interval]));
                args.extend(words(&["--kafka-client", "native", "--delivery", delivery]));
                args.extend(self.topics());
                let mut engine = Program::start(&self.asked.binary, &args, &self.folder, "engine")?;
                engine.wait_until("its first commit", |_| {
                    let starts = connection.starts(&self.names, From::Latest, false);
                    starts.is_ok_and(|starts| starts.iter().all(|start| start.committed.is_some()))
                })?;
                Ok(engine)
            }
            None => {
                let (interval, every) = (interval_ms.to_string(), self.case.every.to_string());
                let mut args = words(&["forward", "--group", &self.prefix, "--interval", &interval]);
                args.extend(words(&["--every", &every]));
                args.extend(self.topics());
                let own = std::env::current_exe()?;
                let mut pass = Program::start(&own, &args, &self.folder, "pass-through")?;
                pass.wait_until("its word that it is ready", |pass| pass.stdout().contains("ready"))?;
                Ok(pass)
            }
        }
    }

    fn replay_args(&self) -> Vec<String> {
        let (rate, seconds) = (format!("{}/s", self.case.rate), format!("{}s", self.case.seconds));
        let warmup = format!("{}s", (self.case.seconds / 10).max(1));
        let mut args = words(&["replay", "--engine", "external", "--scenario", "scenario.toml"]);
        args.extend(words(&["--rate", &rate, "--duration", &seconds, "--warmup", &warmup]));
        args.extend(words(&["--report", "report", "--kafka-client", "native"]));
        if self.who.delivery().is_some() {
            args.push("--verify".to_owned());
        }
        args.extend(self.topics());
        args
    }

    fn topics(&self) -> Vec<String> {
        let TopicNames { wells, tanks, enriched, alerts, quarantine } = &self.names;
        let mut args = words(&["--brokers", &self.asked.brokers, "--wells", wells, "--tanks", tanks]);
        args.extend(words(&["--output", enriched, "--alerts", alerts, "--quarantine", quarantine]));
        args
    }

    /// Of the first rows: key and value.
    fn row_bytes(&self, connection: &Connection) -> Result<f64, Failed> {
        let (mut rows, mut bytes) = (0_u32, 0);
        connection.read_topic(&self.names.enriched, &mut |record| {
            rows += 1;
            bytes += record.key.map_or(0, |key| key.len()) + record.value.map_or(0, |value| value.len());
            if rows < ROWS_WEIGHED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(bytes as f64 / f64::from(rows.max(1)))
    }

    /// Waits until the disk has room for the run: topics that were deleted go a moment later.
    fn await_disk(&self) -> Result<(), Failed> {
        let needed = self.case.disk_bytes() + DISK_LEFT_BYTES;
        let begun = self.clock.elapsed();
        loop {
            let free = free_bytes(&self.asked.services)?;
            if free >= needed {
                return Ok(());
            }
            if self.clock.elapsed().saturating_sub(begun) > DISK_MAX {
                let gb = |bytes| bytes / 1_000_000_000;
                return Err(format!(
                    "{} GB are free where the broker keeps its data, a run needs {} GB: make room, or give \
                     --seconds or --rate",
                    gb(free),
                    gb(needed)
                )
                .into());
            }
            self.clock.sleep(Duration::from_millis(500));
        }
    }

    fn broker_id(&self) -> u32 {
        let id = fs::read_to_string(self.asked.services.join("kafka/pid")).unwrap_or_default();
        id.trim().parse().unwrap_or(0)
    }
}

/// As the summary at the end of a run tells it: `commit   p50 3.210 ms, ...`.
fn p50_of_commits(summary: &str) -> Option<f64> {
    let line = summary.lines().find(|line| line.trim_start().starts_with("commit "))?;
    let mut words = line.split_ascii_whitespace().skip_while(|word| *word != "p50");
    words.nth(1)?.parse().ok()
}

fn free_bytes(folder: &Path) -> Result<u64, Failed> {
    let output = Command::new("df").arg("-Pk").arg(folder).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let free = text.lines().nth(1).and_then(|line| line.split_ascii_whitespace().nth(3));
    let kib: u64 = free.ok_or_else(|| format!("df says nothing of {}", folder.display()))?.parse()?;
    Ok(kib * 1_024)
}

/// One of the repository's scripts, which says something only where it fails.
fn script(name: &str, args: &[&str]) -> Result<(), Failed> {
    let path = format!("{}/../scripts/{name}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(path).args(args).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("scripts/{name} {}: {}: {said}", args.join(" "), output.status).into())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// How long the broker is warmed up at most, s.
const WARM_UP_S: u64 = 15;
/// Of every topic that is read.
const PARTITIONS: u32 = 3;
/// What is left to others on the disk.
const DISK_LEFT_BYTES: u64 = 2_000_000_000;
/// How long deleted topics may take to go.
const DISK_MAX: Duration = Duration::from_secs(150);
/// The end of a run: rows that come late, the oracle.
const FINISH_MAX: Duration = Duration::from_secs(240);
/// Rows whose bytes are counted.
const ROWS_WEIGHED: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_commit_is_read_from_the_summary() {
        let line =
            "  latency        p50 52.1 ms\n    commit       p50 3.210 ms, p99 9.000 ms  asking for a cut";
        assert_eq!(p50_of_commits(line), Some(3.21));
        assert_eq!(p50_of_commits("    commit       p50 -, p99 -  asking"), None);
    }
}
