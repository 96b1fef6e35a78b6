//! Whether a value can be read, and its event time: as the engine's lanes judge, less the dropping. Enters: a
//! record. Leaves: its event time, or the reason for the quarantine.

use std::collections::BTreeMap;

use wellstream_core::decode::{self, Plan, SchemaLookup, Schemas};
use wellstream_core::record::{Reason, Side};
use wellstream_core::validate;

use super::{InspectSettings, SchemaUse};
use crate::trace::TraceRecordRef;

pub(super) struct Judge<'s> {
    settings: &'s InspectSettings,
    /// Every id met or in the file.
    schemas: BTreeMap<u32, Known>,
    /// Nothing in the file: then those of the settings count.
    has_none: bool,
}

#[derive(Default)]
struct Known {
    plans: [Option<Plan>; 2],
    name: Option<String>,
    in_file: bool,
    records: u64,
}

impl<'s> Judge<'s> {
    pub(super) fn new(settings: &'s InspectSettings, texts: &BTreeMap<u32, String>) -> Self {
        let known = |text: &String| Known {
            // What can be read as neither is a fact about the trace, not an error.
            plans: Side::BOTH.map(|side| Plan::compile(side, text).ok()),
            name: name(text),
            in_file: true,
            records: 0,
        };
        let schemas: BTreeMap<u32, Known> = texts.iter().map(|(id, text)| (*id, known(text))).collect();
        Judge { settings, has_none: schemas.is_empty(), schemas }
    }

    /// The side that a topic's values must be of, if its name tells.
    pub(super) fn side(&self, topic: &str) -> Option<Side> {
        self.settings.topics.side(topic)
    }

    pub(super) fn event_time(
        &mut self,
        side: Option<Side>,
        record: &TraceRecordRef<'_>,
    ) -> Result<i64, Reason> {
        let value = decode::check_value(record.value)?;
        let (id, body) = decode::split_frame(value)?;
        // A file of noise must not fill the memory with ids.
        if !self.schemas.contains_key(&id) && self.schemas.len() >= SCHEMAS_MAX {
            return Err(Reason::UnknownSchema);
        }
        let known = self.schemas.entry(id).or_default();
        known.records += 1;
        let timestamp = if self.has_none {
            let side = side.ok_or(Reason::UnknownSchema)?;
            let SchemaLookup::Ready(plan) = self.settings.schemas.plan(side, id) else {
                return Err(Reason::UnknownSchema);
            };
            timestamp(&plan, body)?
        } else if !known.in_file {
            return Err(Reason::UnknownSchema);
        } else {
            let plan = match side {
                Some(side) => known.plans[side.index()].as_ref(),
                None => known.plans.iter().flatten().next(),
            };
            timestamp(plan.ok_or(Reason::WrongType)?, body)?
        };
        validate::event_time(timestamp, record.timestamp_ms, &self.settings.rules)
    }

    pub(super) fn uses(self) -> Vec<SchemaUse> {
        let uses = self.schemas.into_iter().map(|(id, known)| {
            let Known { name, in_file, records, .. } = known;
            SchemaUse { id, name, in_file, records }
        });
        uses.collect()
    }
}

fn timestamp(plan: &Plan, body: &[u8]) -> Result<Option<i64>, Reason> {
    match plan.side() {
        Side::Well => plan.decode_well(body).map(|well| well.timestamp),
        Side::Tank => plan.decode_tank(body).map(|tank| tank.timestamp),
    }
}

/// The full name of a schema's record.
fn name(schema: &str) -> Option<String> {
    let schema: serde_json::Value = serde_json::from_str(schema).ok()?;
    let name = schema["name"].as_str()?;
    match schema["namespace"].as_str() {
        Some(namespace) if !namespace.is_empty() && !name.contains('.') => {
            Some(format!("{namespace}.{name}"))
        }
        _ => Some(name.to_owned()),
    }
}

/// Ids beyond this are not told apart any more.
const SCHEMAS_MAX: usize = 10_000;
