//! What a run on Kafka sends, generated or recorded, and who knows what it must come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use wellstream_connectors::registry::RegistryClient;
use wellstream_core::decode::{Plan as DecodePlan, Schemas};
use wellstream_core::record::{PartitionId, Side};
use wellstream_replay::generate::{GeneratedSchemas, Generator, Setup};
use wellstream_replay::load::{self as sending, GeneratedLoad, RecordedLoad, Stamp};
use wellstream_replay::schedule::Schedule;
use wellstream_replay::verdict::{Load, RecordedRun};

use super::kafka::Field;
use super::load::schema_ids;
use super::memory::open_records;
use super::trace::TraceAsked;
use super::verdict::Oracle;
use super::{Asked, Subject, start_ms};
use crate::exit::Failure;
use crate::schemas;
use crate::settings::Settings;

/// What is sent.
pub(super) enum Source<'a> {
    /// Readings of a scenario.
    Generated {
        /// What was asked for.
        asked: &'a Asked,
        /// Makes them.
        generator: Box<Generator>,
    },
    /// Records of a trace.
    Recorded {
        /// What was asked for.
        asked: &'a TraceAsked,
        /// The registry's ids of schemas that have another in the trace.
        new_ids: BTreeMap<u32, u32>,
        /// Schemas that the trace does not have and the registry has.
        from_registry: BTreeMap<u32, String>,
    },
}

impl<'a> Source<'a> {
    /// A scenario's readings for these topics; their schemas are registered.
    pub(super) fn generated(
        settings: &Settings,
        asked: &'a Asked,
        field: &Field<'_>,
    ) -> Result<Source<'a>, Failure> {
        let schemas = schema_ids(settings, &asked.scenario)?;
        let start_ms = start_ms(&asked.scenario, asked.events, field.clock);
        let setup = Setup { start_ms, partitions: field.partitions, schemas };
        Ok(Source::Generated { asked, generator: Box::new(Generator::new(asked.scenario.clone(), setup)) })
    }

    /// A trace's records for these topics; the schemas that they name are registered.
    pub(super) fn recorded(
        settings: &Settings,
        asked: &'a TraceAsked,
        field: &Field<'_>,
    ) -> Result<Source<'a>, Failure> {
        let partitions = asked.recording.partitions();
        for side in Side::BOTH {
            let (there, needed) = (field.partitions[side.index()], partitions[side.index()]);
            if there < needed {
                let topic = if side == Side::Well { &settings.wells } else { &settings.tanks };
                return Err(Failure::Runtime(anyhow::anyhow!(
                    "topic {topic} has {there} partitions, its records in the trace are of {needed}: a record's \
                     partition is kept, so the topic must have as many"
                )));
            }
        }
        let (mut new_ids, mut from_registry) = (BTreeMap::new(), BTreeMap::new());
        let recording = &asked.recording;
        let client = schemas::registry(settings).map(|registry| RegistryClient::new(&registry));
        for (id, first_side) in client.iter().flat_map(|_| recording.ids()) {
            let Some(client) = &client else { break };
            let Some(text) = recording.schemas().get(id) else {
                let text = client.schema(*id).map_err(schemas::failure)?;
                from_registry.extend(text.map(|text| (*id, text)));
                continue;
            };
            // A value may name the other topic's schema: that one belongs under the other topic.
            let is_of = |side: &Side| DecodePlan::compile(*side, text).is_ok();
            let side = Side::BOTH.into_iter().find(is_of).unwrap_or(*first_side);
            let topic = if side == Side::Well { &settings.wells } else { &settings.tanks };
            let registered = client.register(&schemas::subject(topic), text).map_err(schemas::failure)?;
            if registered != *id {
                new_ids.insert(*id, registered);
            }
        }
        if !new_ids.is_empty() {
            let told: Vec<_> = new_ids.iter().map(|(old, new)| format!("{old} as {new}")).collect();
            tracing::info!(
                "the registry has the trace's schemas under other ids: values name {}",
                told.join(", ")
            );
        }
        Ok(Source::Recorded { asked, new_ids, from_registry })
    }

    /// What a report says of it.
    pub(super) fn subject(&self) -> Subject<'_> {
        match self {
            Source::Generated { asked, .. } => asked.subject(),
            Source::Recorded { asked, .. } => asked.subject(),
        }
    }

    /// When its records are due.
    pub(super) fn schedule(&self) -> Option<&Schedule> {
        match self {
            Source::Generated { asked, .. } => asked.schedule.as_ref(),
            Source::Recorded { asked, .. } => asked.schedule.as_ref(),
        }
    }

    /// Whether its records carry the stamps that it gives them, instead of the time of their sending: event
    /// times of a scenario lie before the run, or so far ahead that no stamp of a run reaches them; those of
    /// a trace lie anywhere.
    pub(super) fn is_stamped(&self) -> bool {
        matches!(self, Source::Recorded { .. })
    }

    /// Records of one partition that may matter to a row at once.
    pub(super) fn open_records(&self) -> usize {
        match self {
            Source::Generated { generator, .. } => open_records(generator),
            Source::Recorded { asked, .. } => asked.open_records(),
        }
    }

    /// How many records each partition gets.
    pub(super) fn records(&self, partitions: [u32; 2]) -> BTreeMap<PartitionId, u64> {
        match self {
            Source::Generated { asked, generator } => Load::new(generator, asked.events).records(),
            Source::Recorded { asked, .. } => asked.recording.records(partitions),
        }
    }

    /// Its records, stamped with the start of the run, epoch ms.
    pub(super) fn load(&self, began_ms: i64) -> Result<Box<dyn sending::Load>, Failure> {
        Ok(match self {
            Source::Generated { asked, generator } => {
                let (generator, stamp) = (generator.as_ref().clone(), Stamp::Fixed(began_ms));
                Box::new(match &asked.schedule {
                    Some(schedule) => GeneratedLoad::scheduled(generator, schedule, stamp),
                    None => GeneratedLoad::at_once(generator, asked.events, stamp),
                })
            }
            Source::Recorded { asked, new_ids, .. } => {
                let load =
                    RecordedLoad::start(&asked.recording, asked.pace()).map_err(anyhow::Error::from)?;
                Box::new(load.stamped(began_ms).with_ids(new_ids.clone()))
            }
        })
    }

    /// How the engine here is to read the values where there is no registry.
    pub(super) fn schemas(&self) -> Result<Arc<dyn Schemas>, Failure> {
        Ok(match self {
            Source::Generated { generator, .. } => {
                Arc::new(GeneratedSchemas::new(generator.setup().schemas).map_err(anyhow::Error::from)?)
            }
            Source::Recorded { asked, .. } => Arc::new(asked.recording.reader_schemas()),
        })
    }

    /// Asks the oracle about the first so many records.
    pub(super) fn ask<T>(
        &self,
        settings: &Settings,
        field: &Field<'_>,
        sent: u64,
        question: impl FnOnce(&dyn Oracle) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let bases = &field.bases;
        let offset = |partition: PartitionId, nth: i64| bases.get(&partition).map_or(nth, |base| base + nth);
        match self {
            Source::Generated { generator, .. } => {
                let stamped = |_: &_| field.began_ms;
                question(&Load::new(generator, sent).stamped(&stamped).stored(&offset))
            }
            Source::Recorded { asked, from_registry, .. } => {
                let recording = asked.sent(settings, sent)?;
                let mut schemas = recording.writer_schemas().map_err(anyhow::Error::from)?;
                for (id, text) in from_registry {
                    schemas.add(*id, text).map_err(anyhow::Error::from)?;
                }
                question(&RecordedRun {
                    recording: &recording,
                    partitions: field.partitions,
                    schemas: &schemas,
                    stamp_ms: Some(field.began_ms),
                    offset: &offset,
                })
            }
        }
    }
}
