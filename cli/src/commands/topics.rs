//! `wellstream topics create`: the five topics, where they are missing.

use std::io::{self, Write};

use wellstream_connectors::kafka::topics::Created;

use crate::exit::Failure;
use crate::kafka;
use crate::settings::Settings;

/// Makes the topics and says what became of each.
pub(crate) fn create(settings: &Settings) -> Result<(), Failure> {
    let connection = kafka::connect(&kafka::settings(settings, "topics create")?)?;
    let names = kafka::topics(settings);
    let outcomes = connection
        .create_topics(&names, settings.partitions, settings.replication)
        .map_err(kafka::failure)?;
    let mut out = io::stdout().lock();
    for (topic, created) in outcomes {
        match created {
            Created::Made => writeln!(out, "{topic}: made, {} partitions", settings.partitions)?,
            Created::Exists => writeln!(out, "{topic}: there already, {} partitions", settings.partitions)?,
            Created::Differs { found } => writeln!(
                out,
                "{topic}: there already, but with {found} partitions, not {}; left as it is",
                settings.partitions
            )?,
        }
    }
    Ok(())
}
