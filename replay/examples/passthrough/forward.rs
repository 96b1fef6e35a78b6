//! The pass-through: records fetched, rows of their places produced, a transaction per interval with the
//! offsets of the input; one thread. It goes on until it is killed.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::sink::{Delivery, KafkaOutputs, ResultSchemas};
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaSettings, TopicNames};
use wellstream_connectors::native::NativeSource;
use wellstream_connectors::native::sink::NativeSink;
use wellstream_core::engine::{
    CommitOutcome, EpochOffsets, GroupMetadata, Output, PartitionOffset, Sink, Source,
};
use wellstream_core::limits::POLL_RECORDS_MAX;
use wellstream_core::record::{PartitionId, RowBatch};
use wellstream_core::rules::RulesHash;
use wellstream_replay::drive::bases;

use super::rows::Rows;
use super::{Failed, USAGE, flag};

/// What is to be forwarded.
pub(crate) struct Asked {
    brokers: String,
    names: TopicNames,
    group: String,
    interval: Duration,
    every: u64,
}

impl Asked {
    pub(crate) fn read(args: &[String]) -> Result<Asked, Failed> {
        let text = |name: &str| flag(args, name).map(str::to_owned).ok_or(USAGE);
        Ok(Asked {
            brokers: text("brokers")?,
            names: TopicNames {
                wells: text("wells")?,
                tanks: text("tanks")?,
                enriched: text("output")?,
                alerts: text("alerts")?,
                quarantine: text("quarantine")?,
            },
            group: text("group")?,
            interval: Duration::from_millis(flag(args, "interval").unwrap_or("100").parse()?),
            every: flag(args, "every").unwrap_or("1").parse()?,
        })
    }
}

/// Forwards what comes from now on. Says `ready` when it stands at the ends of the input.
pub(crate) fn forward(asked: &Asked) -> Result<ExitCode, Failed> {
    let clock = MachineClock::start();
    let settings = KafkaSettings::new(&asked.brokers, &asked.group);
    let connection = Connection::open(&settings)?;
    let count = |topic: &str| connection.topic(topic).map(|topic| topic.partitions);
    let partitions = [count(&asked.names.wells)?, count(&asked.names.tanks)?];
    let starts = bases(&connection, &asked.names, partitions)?;
    let schemas = ResultSchemas { enriched: 5, alert: 6, rules: RulesHash(0) };
    let outputs = KafkaOutputs { results: Some(schemas), quarantine: true };
    let delivery = Delivery::ExactlyOnce { transactional_id: asked.group.clone() };
    let mut sink = NativeSink::open(&connection, &asked.names, outputs, delivery)?;
    let mut source = NativeSource::open(&settings, &asked.names, &starts, starts.len())?;
    let mut rows = Rows::new(partitions, asked.every);
    println!("ready");
    std::io::stdout().flush()?;
    let (mut positions, mut batch) = (starts, RowBatch::default());
    for epoch in 1.. {
        sink.begin(epoch)?;
        let until = clock.elapsed() + asked.interval;
        while clock.elapsed() < until {
            if !pass(&mut source, &mut rows, &mut positions, &mut batch, &mut sink)? {
                clock.park(PAUSE);
            }
        }
        sink.offsets(&offsets(&positions))?;
        let outcome = sink.commit()?;
        if outcome != CommitOutcome::Committed {
            return Err(format!("a transaction ended as {outcome:?}").into());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What each partition has now; false where none has anything.
fn pass(
    source: &mut NativeSource,
    rows: &mut Rows,
    positions: &mut [(PartitionId, i64)],
    batch: &mut RowBatch,
    sink: &mut NativeSink,
) -> Result<bool, Failed> {
    let mut taken = 0;
    for (partition, next) in positions {
        let polled = source.poll(*partition, POLL_RECORDS_MAX, &mut |records| {
            for record in records {
                rows.put(batch, *partition, record.offset);
                *next = record.offset + 1;
            }
            records.len()
        });
        taken += polled?.taken;
        if !batch.rows.is_empty() {
            sink.append(Output::Rows(batch))?;
            batch.rows.clear();
            batch.bytes.clear();
        }
    }
    Ok(taken > 0)
}

/// With metadata as long as the engine's.
fn offsets(positions: &[(PartitionId, i64)]) -> EpochOffsets {
    let of = |&(partition, offset_next): &(PartitionId, i64)| PartitionOffset {
        partition,
        offset_next,
        metadata: "-".repeat(METADATA_BYTES),
    };
    EpochOffsets { partitions: positions.iter().map(of).collect(), group: GroupMetadata::default() }
}

/// With nothing to do.
const PAUSE: Duration = Duration::from_micros(200);
/// What the engine keeps with each offset.
const METADATA_BYTES: usize = 100;
