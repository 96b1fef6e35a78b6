//! Faults on purpose: the real binary on a real broker behind a proxy, killed, frozen and cut off by plans;
//! the oracle says whether its output is still right. `scripts/faults` builds and calls it.
//!
//!     faults BINARY FOLDER small|full SEED [--plan NAME]... [--delivery HOW] [--kafka-client WHICH]
//!         [--rate N] [--times N] [--judge HOW]
//!     faults --list
//!
//! Enters: a binary, and services at WELLSTREAM_TEST_BROKERS and WELLSTREAM_TEST_REGISTRY that nobody else
//! uses. Leaves: a line per plan, logs under FOLDER, exit code 1 where the output of a plan is wrong.

#![expect(clippy::print_stdout, reason = "a report on standard output is what it is for")]

#[path = "faults/settings.rs"]
mod settings;
#[path = "faults/plan.rs"]
mod plan;
#[path = "faults/world.rs"]
mod world;
#[path = "faults/program.rs"]
mod program;
#[path = "faults/tail.rs"]
mod tail;
#[path = "faults/act.rs"]
mod act;
#[path = "faults/outage.rs"]
mod outage;
#[path = "faults/supervise.rs"]
mod supervise;
#[path = "faults/input.rs"]
mod input;
#[path = "faults/copies.rs"]
mod copies;
#[path = "faults/judge.rs"]
mod judge;
#[path = "faults/report.rs"]
mod report;

use std::process::ExitCode;

use act::Rig;
use plan::{PLANS, Plan};
use report::Outcome;
use settings::Settings;
use wellstream_connectors::MachineClock;

/// Whatever ends a plan before its verdict.
type Failed = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Failed> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args == ["--list"] {
        PLANS.iter().for_each(|plan| println!("{:<28} {}", plan.name, plan.holds));
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings::read(&args)?;
    let Settings { seed, delivery, kafka_client, rate, .. } = &settings;
    println!(
        "seed {seed}, {} size, delivery {delivery}, client {kafka_client}, {rate} readings/s",
        settings.size_name()
    );
    let clock = MachineClock::start();
    let mut outcomes = Vec::new();
    for plan in PLANS.iter().filter(|plan| settings.has_asked_for(plan)) {
        let outcome = run(plan, &settings, clock);
        println!("{}", report::line(plan, &outcome));
        if let Outcome::Failed(_) = outcome {
            println!("  again: {}", settings.command(plan));
            println!("  logs:  {}", settings.folder_of(plan).display());
        }
        outcomes.push(outcome);
    }
    println!("\n{}", report::sum(&outcomes));
    println!("took {:.0} s; seed {}", clock.elapsed().as_secs_f64(), settings.seed);
    let failed = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(_))) || outcomes.is_empty();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One plan, from its topics to its verdict.
fn run(plan: &Plan, settings: &Settings, clock: MachineClock) -> Outcome {
    let begun = clock.elapsed();
    let run = || -> Result<_, Failed> {
        let mut rig = Rig::new(plan, settings, clock)?;
        rig.act()?;
        let (world, notes) = rig.finish()?;
        let verdict = judge::judge(&world, plan, settings)?;
        if settings.is_full && verdict.faults.is_empty() {
            world.drop_topics()?;
        }
        Ok((verdict, notes))
    };
    match run() {
        Ok((verdict, mut notes)) => {
            notes.took_s = clock.elapsed().saturating_sub(begun).as_secs_f64();
            Outcome::judged(verdict, notes)
        }
        Err(error) => Outcome::Failed(error.to_string()),
    }
}
