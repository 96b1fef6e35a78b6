//! What a record costs each of the two clients that send, in turns: CPU time of the whole process, broker
//! excluded, for the same records made beforehand.

use std::process::ExitCode;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::KafkaSettings;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::native::choice::{ClientChoice, Reader};
use wellstream_core::record::Side;
use wellstream_replay::generate::{Block, Generator, Setup};
use wellstream_replay::process::cpu_s;
use wellstream_replay::scenario::Scenario;

use super::{Failed, USAGE};

/// Sends so many records by each client, so many times.
pub(crate) fn senders(args: &[String]) -> Result<ExitCode, Failed> {
    let [brokers, records, rounds] = args else { return Err(USAGE.into()) };
    let (records, rounds): (u64, u32) = (records.parse()?, rounds.parse()?);
    let clock = MachineClock::start();
    let settings = KafkaSettings::new(brokers, "senders");
    let connection = Connection::open(&settings)?;
    let scenario = Scenario::named("normal").ok_or("no scenario `normal`")?;
    let generator = Generator::new(scenario, Setup::default());
    let mut block = Block::default();
    generator.fill(0..BLOCK_RECORDS, |event| event.sent_ms, &mut block);
    println!("{:<8} {:>9} {:>12} {:>8}", "client", "wall s", "records/s", "CPU ns");
    for round in 0..rounds {
        for choice in [ClientChoice::Native, ClientChoice::Rdkafka] {
            let prefix = format!("senders-{}-{round}-{choice:?}", clock.wall_ms());
            let topics = Side::BOTH.map(|side| format!("{prefix}-{side}").to_lowercase());
            connection.create(&topics.each_ref().map(|topic| (topic.as_str(), None)), 3, 1)?;
            let reader = Reader::choose(&settings, choice)?;
            let mut sender = reader.sender(&connection, &[&topics[0], &topics[1]])?;
            let (began_ns, before_s) = (clock.now_ns(), cpu_s());
            let mut sent = 0;
            while sent < records {
                for record in block.records() {
                    let place = (record.partition.side.index(), record.partition.number);
                    while !sender.try_send(place, record.kafka_key(), record.value, None)? {
                        sender.serve()?;
                        clock.park(PAUSE);
                    }
                }
                sent += BLOCK_RECORDS;
                sender.serve()?;
            }
            sender.finish_unless(&|| false)?;
            let (wall_s, cpu_s) = ((clock.now_ns() - began_ns) as f64 / 1e9, cpu_s() - before_s);
            println!(
                "{:<8} {wall_s:>9.2} {:>12.0} {:>8.0}",
                format!("{choice:?}").to_lowercase(),
                sent as f64 / wall_s,
                cpu_s * 1e9 / sent as f64
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Sent again and again.
const BLOCK_RECORDS: u64 = 100_000;
/// Until a full sender is tried again.
const PAUSE: std::time::Duration = std::time::Duration::from_micros(500);
