//! The schemas that recorded values were written with. Enters: values. Leaves: in the trace's header, the
//! text of each schema id that a value names: the registry's, or without one those of --schemas. Drops: ids
//! that the registry does not know; they are told at the end.

use std::collections::BTreeMap;
use std::io::{Seek, Write};

use wellstream_connectors::registry::{RegistryClient, RegistryError};
use wellstream_core::decode::split_frame;
use wellstream_replay::trace::{TraceError, TraceWriter};

use crate::exit::Failure;
use crate::schemas;
use crate::settings::Settings;

pub(super) struct SchemaIds {
    source: Source,
    seen: BTreeMap<u32, State>,
    /// The id of the value before, which is mostly the next one's too.
    last: Option<u32>,
    /// Whether an id waits to be looked up.
    is_new: bool,
    attempts_left: u32,
}

enum Source {
    Registry(RegistryClient),
    /// Topic and text: wells, tanks.
    Given([(String, String); 2]),
}

enum State {
    /// Met in this topic.
    Wanted(String),
    Found,
    /// Not to be had.
    Missing(String),
}

impl SchemaIds {
    pub(super) fn new(settings: &Settings) -> Result<SchemaIds, Failure> {
        let source = match schemas::registry(settings) {
            Some(registry) => Source::Registry(RegistryClient::new(&registry)),
            None => {
                let [well, tank] = schemas::texts(settings)?;
                Source::Given([(settings.wells.clone(), well), (settings.tanks.clone(), tank)])
            }
        };
        Ok(SchemaIds { source, seen: BTreeMap::new(), last: None, is_new: false, attempts_left: ATTEMPTS })
    }

    /// Takes note of the id that a value names, if it has the form of one that does.
    pub(super) fn note(&mut self, topic: &str, value: Option<&[u8]>) {
        let Some(Ok((id, _))) = value.map(split_frame) else { return };
        // Noise may look like any number of ids.
        if self.last == Some(id) || self.seen.contains_key(&id) || self.seen.len() >= IDS_MAX {
            return;
        }
        self.last = Some(id);
        self.seen.insert(id, State::Wanted(topic.to_owned()));
        self.is_new = true;
    }

    /// Looks up what is new; at the end, also what could not be had before.
    pub(super) fn look_up<W: Write + Seek>(
        &mut self,
        writer: &mut TraceWriter<W>,
        is_end: bool,
    ) -> Result<(), TraceError> {
        if !std::mem::take(&mut self.is_new) && !is_end {
            return Ok(());
        }
        for (id, state) in &mut self.seen {
            let State::Wanted(topic) = state else { continue };
            let next = match &self.source {
                Source::Given(texts) => match texts.iter().find(|(name, _)| name == topic) {
                    Some((_, text)) => Ok(text.clone()),
                    None => Err("there is no --schema-registry".to_owned()),
                },
                // A registry that is away holds the recording up for its time-out, so it is not asked for
                // ever.
                Source::Registry(_) if self.attempts_left == 0 && !is_end => continue,
                Source::Registry(client) => match client.schema(*id) {
                    Ok(Some(text)) => Ok(text),
                    Ok(None) => Err("the registry does not know it".to_owned()),
                    Err(error @ RegistryError::Away { .. }) if !is_end => {
                        self.attempts_left -= 1;
                        tracing::warn!("{error}; schema {id} is asked for again at the end");
                        continue;
                    }
                    Err(error) => Err(error.to_string()),
                },
            };
            *state = match next {
                Ok(text) if writer.add_schema(*id, &text)? => State::Found,
                Ok(_) => State::Missing("the header of the trace has no room left for it".to_owned()),
                Err(reason) => State::Missing(reason),
            };
        }
        Ok(())
    }

    /// How many are in the trace.
    pub(super) fn found(&self) -> usize {
        self.seen.values().filter(|state| matches!(state, State::Found)).count()
    }

    /// A word about those that are not, with an error if the registry could not be asked for some.
    pub(super) fn missing(&self) -> Option<String> {
        let mut lost = None;
        for (id, state) in &self.seen {
            if let State::Missing(reason) = state {
                tracing::warn!("schema {id} is not in the trace: {reason}");
                let is_fact =
                    reason.starts_with("the registry does not") || reason.starts_with("there is no");
                if !is_fact {
                    lost = Some(format!("the records are all there, but schema {id} is not: {reason}"));
                }
            }
        }
        lost
    }
}

/// Ids that are looked up: more than any topic has versions.
const IDS_MAX: usize = 1_000;

/// How often a registry that is away is asked while recording.
const ATTEMPTS: u32 = 3;
