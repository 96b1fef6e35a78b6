//! `wellstream query`: what the cache in Redis holds.

use std::collections::BTreeMap;
use std::io::{self, Write};

use wellstream_connectors::MachineClock;
use wellstream_connectors::redis::CacheReader;
use wellstream_core::record::Side;

use crate::args::{QueryArgs, RiskiestArgs};
use crate::cache;
use crate::console::{age, clean, utc};
use crate::exit::Failure;
use crate::settings::Settings;

/// The newest reading of a well or tank.
pub(crate) fn sensor(settings: &Settings, side: Side, args: &QueryArgs) -> Result<(), Failure> {
    let fields = open(settings)?.sensor(side, &args.id).map_err(cache::failure)?;
    show(side.name(), args, fields)
}

/// The newest row of a facility.
pub(crate) fn facility(settings: &Settings, args: &QueryArgs) -> Result<(), Failure> {
    let fields = open(settings)?.facility(&args.id).map_err(cache::failure)?;
    show("facility", args, fields)
}

/// The facilities with the highest risks.
pub(crate) fn riskiest(settings: &Settings, args: &RiskiestArgs) -> Result<(), Failure> {
    let ranked = open(settings)?.riskiest(usize::from(args.count)).map_err(cache::failure)?;
    let now_ms = MachineClock::start().wall_ms();
    let mut out = io::stdout().lock();
    if !args.json {
        writeln!(out, "{:<24} {:>5}  {:<24} age", "facility", "risk", "newest row")?;
    }
    for it in ranked {
        if args.json {
            let line = serde_json::json!({
                "facility_id": it.facility, "risk": it.risk, "row_time": it.row_time_ms
            });
            writeln!(out, "{line}")?;
            continue;
        }
        let (time, age) = (utc(it.row_time_ms), age(now_ms - it.row_time_ms));
        writeln!(out, "{:<24} {:>5}  {time:<24} {age}", clean(&it.facility, 24), it.risk)?;
    }
    Ok(())
}

fn open(settings: &Settings) -> Result<CacheReader, Failure> {
    let redis = cache::settings(settings).ok_or_else(|| Failure::usage("query needs --redis URL"))?;
    CacheReader::open(&redis).map_err(cache::failure)
}

fn show(what: &str, args: &QueryArgs, fields: BTreeMap<String, String>) -> Result<(), Failure> {
    if fields.is_empty() {
        return Err(Failure::Runtime(anyhow::anyhow!(
            "Redis has nothing of {what} {}: nothing came of it for five minutes, or it is written otherwise, or \
             no wellstream run --redis writes there",
            clean(&args.id, 80)
        )));
    }
    let mut out = io::stdout().lock();
    if args.json {
        let json = serde_json::to_string(&fields).map_err(anyhow::Error::from)?;
        writeln!(out, "{json}")?;
        return Ok(());
    }
    for (name, value) in fields {
        writeln!(out, "{name:<26} {}", clean(&value, 200))?;
    }
    Ok(())
}
