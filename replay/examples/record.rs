//! Makes a record of the runs that `scripts/record` has made: tables, plots, and the raw results.
//!
//!     cargo run --example record -- RUNS DIR
//!
//! Enters: RUNS, a file of JSON lines: first what the record is, then one line per run. Leaves: DIR with
//! record.json, README.md and plots. Fails if the output of one and the same load differs from run to run:
//! then no figure counts.

#[path = "record/runs.rs"]
mod runs;
#[path = "record/page.rs"]
mod page;

use std::error::Error;
use std::fs;
use std::path::Path;

use runs::Record;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [runs, folder] = &args[..] else { return Err("usage: record RUNS DIR".into()) };
    let record = Record::read(&fs::read_to_string(runs)?)?;
    let folder = Path::new(folder);
    fs::create_dir_all(folder)?;
    fs::write(folder.join("record.json"), record.json()?)?;
    fs::write(folder.join("README.md"), page::page(&record))?;
    for (name, svg) in page::plots(&record) {
        fs::write(folder.join(name), svg)?;
    }
    Ok(())
}
