//! The sinks beside Kafka.

use wellstream_connectors::jsonl::JsonLinesSink;
use wellstream_core::engine::Sink;

use crate::console::ConsoleSink;
use crate::exit::Failure;
use crate::settings::SinkChoice;

/// The console and the files, in the order asked for.
pub(super) fn followers(
    choices: &[SinkChoice],
    mut console: Option<ConsoleSink>,
) -> Result<Vec<Box<dyn Sink>>, Failure> {
    let mut followers: Vec<Box<dyn Sink>> = Vec::new();
    for choice in choices {
        match choice {
            SinkChoice::Console => {
                followers.extend(console.take().map(|sink| Box::new(sink) as Box<dyn Sink>))
            }
            SinkChoice::Jsonl(path) => {
                let sink = JsonLinesSink::open(path).map_err(anyhow::Error::from)?;
                followers.push(Box::new(sink));
            }
            SinkChoice::Kafka | SinkChoice::Count => {}
        }
    }
    Ok(followers)
}
