//! Generated load to Kafka: topics and schemas are seen to, then records are sent as fast as brokers take
//! them.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use wellstream_connectors::MachineClock;
use wellstream_connectors::machine_clock::RateLimit;
use wellstream_connectors::native::either::EitherSender;
use wellstream_connectors::registry::RegistryClient;
use wellstream_core::record::Side;
use wellstream_core::schemas::{TANK_DATA, WELL_DATA, tank_data_nullable, well_data_nullable};
use wellstream_replay::generate::{Block, Generator, SchemaIds, Setup};
use wellstream_replay::scenario::Scenario;

use super::Asked;

use crate::console::{per_s, thousands};
use crate::exit::Failure;
use crate::settings::{Settings, SummaryForm};
use crate::{kafka, schemas, signals};

/// The last line of `--summary json`.
#[derive(Serialize)]
struct Sent {
    sent: [u64; 2],
    elapsed_s: f64,
    events_per_s: f64,
}

/// Sends so many readings of a scenario to the two input topics.
pub(super) fn to_kafka(settings: &Settings, asked: Asked) -> Result<(), Failure> {
    let Asked { scenario, events, .. } = asked;
    let clock = MachineClock::start();
    let stop = signals::stop_flag()?;
    let client = kafka::settings(settings, "replay")?;
    let connection = kafka::connect(&client)?;
    let reader = kafka::client(settings, &client, "records are sent")?;
    let names = kafka::topics(settings);
    connection.create_topics(&names, settings.partitions, settings.replication).map_err(kafka::failure)?;
    let count = |topic: &str| connection.topic(topic).map(|topic| topic.partitions).map_err(kafka::failure);
    let partitions = [count(&names.wells)?, count(&names.tanks)?];
    let start_ms = super::start_ms(&scenario, events, clock);
    let schemas = schema_ids(settings, &scenario)?;
    let generator = Generator::new(scenario, Setup { start_ms, partitions, schemas });
    let mut sender = reader.sender(&connection, &[&names.wells, &names.tanks]).map_err(kafka::failure)?;
    let began_ns = clock.now_ns();
    let sent = send(&generator, events, &mut sender, (&clock, &stop))?;
    sender.finish_unless(&|| stop.load(Ordering::Relaxed)).map_err(kafka::failure)?;
    let elapsed_s = (clock.now_ns() - began_ns) as f64 / 1e9;
    print(settings.summary, sent, elapsed_s)?;
    Ok(())
}

/// Sends until the end or a signal; says how far it is from time to time.
fn send(
    generator: &Generator,
    events: u64,
    sender: &mut EitherSender,
    (clock, stop): (&MachineClock, &AtomicBool),
) -> Result<[u64; 2], Failure> {
    let mut progress = RateLimit::new(PROGRESS_INTERVAL);
    let mut block = Block::default();
    let mut sent = [0; 2];
    let mut next = 0;
    while next < events && !stop.load(Ordering::Relaxed) {
        let end = events.min(next + BLOCK_EVENTS);
        block.clear();
        let now_ms = clock.wall_ms();
        generator.fill(next..end, |_| now_ms, &mut block);
        for record in block.records() {
            let side = record.partition.side;
            let place = (side.index(), Some(record.partition.number));
            sender.send(place, Some(record.key), record.value).map_err(kafka::failure)?;
            sent[side.index()] += 1;
        }
        next = end;
        if progress.pass().is_some() {
            tracing::info!("sent {} of {} readings", thousands(next), thousands(events));
        }
    }
    Ok(sent)
}

/// The ids to write: registered, or without a registry fixed ones. The nullable versions only where they are
/// used.
pub(super) fn schema_ids(settings: &Settings, scenario: &Scenario) -> Result<SchemaIds, Failure> {
    let mut ids = SchemaIds::default();
    let Some(registry) = schemas::registry(settings) else { return Ok(ids) };
    let client = RegistryClient::new(&registry);
    let register = |topic: &str, schema: &str| {
        client.register(&schemas::subject(topic), schema).map_err(schemas::failure)
    };
    for (side, topic, plain, nullable) in [
        (Side::Well, &settings.wells, WELL_DATA, well_data_nullable()),
        (Side::Tank, &settings.tanks, TANK_DATA, tank_data_nullable()),
    ] {
        ids.plain[side.index()] = register(topic, plain)?;
        if scenario.shares.nulls > 0.0 {
            ids.nullable[side.index()] = register(topic, &nullable)?;
        }
    }
    Ok(ids)
}

fn print(form: SummaryForm, sent: [u64; 2], elapsed_s: f64) -> io::Result<()> {
    let events = sent[0] + sent[1];
    let mut out = io::stdout().lock();
    match form {
        SummaryForm::Table => writeln!(
            out,
            "sent {} readings ({} wells, {} tanks) in {elapsed_s:.2} s, {}/s",
            thousands(events),
            thousands(sent[0]),
            thousands(sent[1]),
            thousands(per_s(events, elapsed_s))
        ),
        SummaryForm::Json => {
            let events_per_s = events as f64 / elapsed_s.max(1e-9);
            writeln!(out, "{}", serde_json::to_string(&Sent { sent, elapsed_s, events_per_s })?)
        }
    }
}

/// Readings made in one go.
const BLOCK_EVENTS: u64 = 4_096;
/// Between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
