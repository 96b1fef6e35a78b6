//! `wellstream schema`: the registry and the schemas here.

use std::io::{self, Write};

use wellstream_connectors::registry::{Registered, RegistryClient, RegistryError};
use wellstream_core::decode::Plan;
use wellstream_core::record::Side;
use wellstream_core::schemas::{ENRICHED_EVENT, FACILITY_ALERT, TANK_DATA, WELL_DATA};

use crate::exit::Failure;
use crate::schemas;
use crate::settings::Settings;

/// A topic's schema here: what is read as a side, or what is written.
struct Topic<'a> {
    name: &'a str,
    schema: &'static str,
    reads: Option<Side>,
}

/// Registers the schemas of the four topics.
pub(crate) fn register(settings: &Settings) -> Result<(), Failure> {
    let client = client(settings, "schema register")?;
    let mut out = io::stdout().lock();
    for topic in topics(settings) {
        let subject = schemas::subject(topic.name);
        let id = client.register(&subject, topic.schema).map_err(schemas::failure)?;
        writeln!(out, "{subject}: id {id}")?;
    }
    Ok(())
}

/// Says of each topic whether the registry and the schemas here go together; changes nothing.
pub(crate) fn check(settings: &Settings) -> Result<(), Failure> {
    let client = client(settings, "schema check")?;
    let mut out = io::stdout().lock();
    let mut faults = 0;
    for topic in topics(settings) {
        let subject = schemas::subject(topic.name);
        match verdict(&client, &subject, &topic).map_err(schemas::failure)? {
            Ok(fine) => writeln!(out, "{subject}: {fine}")?,
            Err(fault) => {
                faults += 1;
                writeln!(out, "{subject}: FAIL: {fault}")?;
            }
        }
    }
    if faults == 0 { Ok(()) } else { Err(Failure::Verdict(format!("{faults} of 4 subjects do not fit"))) }
}

fn verdict(
    client: &RegistryClient,
    subject: &str,
    topic: &Topic<'_>,
) -> Result<Result<String, String>, RegistryError> {
    let Some(Registered { id, version, schema }) = client.latest(subject)? else {
        return Ok(Err("not registered; do it with: wellstream schema register".to_owned()));
    };
    let place = format!("id {id}, version {version}");
    if same(&schema, topic.schema) {
        return Ok(Ok(format!("{place}, the same as here")));
    }
    if let Some(side) = topic.reads {
        return Ok(match Plan::compile(side, &schema) {
            Ok(_) => Ok(format!("{place}, differs from the one here and can be read")),
            Err(error) => Err(format!("{place}: cannot be read: {error}")),
        });
    }
    Ok(match client.is_compatible(subject, topic.schema)? {
        true => Ok(format!("{place}, differs from the one here, which may follow it")),
        false => Err(format!("{place}: the one here is not compatible with it")),
    })
}

/// Whether two schemas are the same but for blanks.
fn same(a: &str, b: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    parse(a).is_some_and(|a| Some(a) == parse(b))
}

fn topics(settings: &Settings) -> [Topic<'_>; 4] {
    [
        Topic { name: &settings.wells, schema: WELL_DATA, reads: Some(Side::Well) },
        Topic { name: &settings.tanks, schema: TANK_DATA, reads: Some(Side::Tank) },
        Topic { name: &settings.output, schema: ENRICHED_EVENT, reads: None },
        Topic { name: &settings.alerts, schema: FACILITY_ALERT, reads: None },
    ]
}

fn client(settings: &Settings, command: &str) -> Result<RegistryClient, Failure> {
    let registry = schemas::registry(settings)
        .ok_or_else(|| Failure::usage(format!("{command} needs --schema-registry URL")))?;
    Ok(RegistryClient::new(&registry))
}
