//! From settings to schemas: where those of the readings come from, and the ids under which results are
//! written.

use std::fs;
use std::sync::Arc;

use wellstream_connectors::registry::{Registry, RegistryClient, RegistryError, RegistrySettings};
use wellstream_core::decode::{FixedSchemas, Schemas};
use wellstream_core::schemas::{ENRICHED_EVENT, FACILITY_ALERT, TANK_DATA, WELL_DATA};

use crate::exit::Failure;
use crate::settings::Settings;

/// How to reach the registry, if there is one.
pub(crate) fn registry(settings: &Settings) -> Option<RegistrySettings> {
    let mut registry = RegistrySettings::new(settings.schema_registry.as_ref()?);
    registry.grace = settings.registry_grace.duration();
    Some(registry)
}

/// What says how readings were written: the registry, a directory, or what is built in.
pub(crate) fn of_readings(settings: &Settings) -> Result<Arc<dyn Schemas>, Failure> {
    if let Some(registry) = registry(settings) {
        return Ok(Arc::new(Registry::start(&registry)?));
    }
    Ok(Arc::new(fixed(settings)?))
}

/// What is read without a registry: the schemas of a directory, or what is built in.
pub(crate) fn fixed(settings: &Settings) -> Result<FixedSchemas, Failure> {
    let Some(dir) = &settings.schemas else { return Ok(FixedSchemas::built_in()) };
    let [well, tank] = texts(settings)?;
    FixedSchemas::new(&well, &tank)
        .map_err(|error| Failure::usage(format!("--schemas {}: {error}", dir.display())))
}

/// The same as texts: wells, tanks.
pub(crate) fn texts(settings: &Settings) -> Result<[String; 2], Failure> {
    let Some(dir) = &settings.schemas else { return Ok([WELL_DATA, TANK_DATA].map(str::to_owned)) };
    let read = |name: &str| {
        let path = dir.join(name);
        fs::read_to_string(&path)
            .map_err(|error| Failure::usage(format!("--schemas: cannot read {}: {error}", path.display())))
    };
    Ok([read("well-data.avsc")?, read("tank-data.avsc")?])
}

/// Schema ids of rows and alarms: registered, or without a registry two fixed ones.
pub(crate) fn of_results(settings: &Settings) -> Result<[u32; 2], Failure> {
    let Some(registry) = registry(settings) else { return Ok(RESULT_IDS) };
    let client = RegistryClient::new(&registry);
    let enriched = client.register(&subject(&settings.output), ENRICHED_EVENT).map_err(failure)?;
    let alert = client.register(&subject(&settings.alerts), FACILITY_ALERT).map_err(failure)?;
    Ok([enriched, alert])
}

/// The subject of a topic's values.
pub(crate) fn subject(topic: &str) -> String {
    format!("{topic}-value")
}

/// A registry that did not do as asked is a failure at run time.
pub(crate) fn failure(error: RegistryError) -> Failure {
    Failure::Runtime(error.into())
}

/// Behind the ids that generated readings have without a registry.
const RESULT_IDS: [u32; 2] = [5, 6];
