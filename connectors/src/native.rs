//! Records from Kafka without librdkafka: batches walked in the answers' own bytes. Enters: a lane's
//! partitions and where each starts. Leaves: borrowed records in offset order, the end of each partition as
//! the broker tells it. Drops: nothing; what the visitor does not take is offered again.
//!
//! It does what [`KafkaSource`](crate::kafka::source::KafkaSource) does. What it does
//! not cover (GSSAPI, OAUTHBEARER, settings of librdkafka's own) stays with that one: [`options()`] says so.

mod options;
pub mod choice;
mod produce_options;
mod pulse;
mod outputs;
pub mod sink;
pub mod transactions;
mod gather;
mod carrier;
pub mod sender;
pub mod capture;
pub mod either;

use std::sync::Arc;

use wellstream_core::engine::{Polled, Source, SourceError};
use wellstream_core::limits::POLL_RECORDS_MAX;
use wellstream_core::record::{PartitionId, Record};
use wellstream_wire::cluster::Cluster;
use wellstream_wire::error::WireError;
use wellstream_wire::fetch::{FetchStart, Fetcher, News, Run};

use crate::MachineClock;
use crate::kafka::{KafkaError, KafkaSettings, TopicNames};
use crate::limits::{AUTHENTICATION_GRACE, NATIVE_RECORDS_MIN, REFUSED_AGAIN, WARNING_INTERVAL};
use crate::machine_clock::{Deadline, RateLimit};
use crate::scratch::Scratch;

pub use options::{Unsupported, fetch_settings, options};
pub use produce_options::produce_settings;

/// The partitions of one lane.
pub struct NativeSource {
    fetcher: Fetcher,
    /// By their places in the fetcher, with how many records a visit is shown: fewer while it takes fewer,
    /// since the others are walked again.
    partitions: Vec<(PartitionId, usize)>,
    names: TopicNames,
    scratch: Scratch,
    trouble: Trouble,
}

impl NativeSource {
    /// Starts to fetch these partitions, each at its offset. `partitions_total` counts those of all sources,
    /// which share the memory.
    ///
    /// # Errors
    /// A setting that the native client does not cover.
    pub fn open(
        settings: &KafkaSettings,
        names: &TopicNames,
        starts: &[(PartitionId, i64)],
        partitions_total: usize,
    ) -> Result<NativeSource, KafkaError> {
        let uncovered = |error: Unsupported| KafkaError::Setting { key: error.key, message: error.reason };
        let options = options(settings).map_err(uncovered)?;
        let fetch = fetch_settings(settings, partitions_total).map_err(uncovered)?;
        let cluster = Cluster::new(&settings.brokers, options).map_err(|error| KafkaError::Setting {
            key: "bootstrap.servers".to_owned(),
            message: error.to_string(),
        })?;
        let mut wanted = Vec::with_capacity(starts.len());
        for &(id, offset) in starts {
            let partition = i32::try_from(id.number).map_err(|_| KafkaError::Request {
                request: format!("reading {}", names.partition(id)),
                reason: "there is no such partition".to_owned(),
                retry: false,
            })?;
            wanted.push(FetchStart { topic: names.of(id.side).to_owned(), partition, offset });
        }
        Ok(NativeSource {
            fetcher: Fetcher::new(cluster, &wanted, fetch, Arc::new(MachineClock::start())),
            partitions: starts.iter().map(|(id, _)| (*id, POLL_RECORDS_MAX)).collect(),
            names: names.clone(),
            scratch: Scratch::default(),
            trouble: Trouble::default(),
        })
    }

    /// Moves the fetches on, and tells what happened.
    fn serve(&mut self, polled: PartitionId) -> Result<(), SourceError> {
        if let Err((index, error)) = self.fetcher.drive() {
            let (partition, _) = self.partitions[index];
            let message = format!("{}: {error}", self.names.partition(partition));
            return Err(SourceError { partition, message });
        }
        if let Some(news) = self.fetcher.news() {
            self.trouble.take(news);
        }
        match self.trouble.is_final() {
            Some(reason) => Err(SourceError { partition: polled, message: reason }),
            None => Ok(()),
        }
    }
}

impl Source for NativeSource {
    fn poll(
        &mut self,
        partition: PartitionId,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
    ) -> Result<Polled, SourceError> {
        self.serve(partition)?;
        let Some(index) = self.partitions.iter().position(|(id, _)| *id == partition) else {
            return Err(SourceError { partition, message: "this source does not read it".to_owned() });
        };
        let NativeSource { fetcher, partitions, scratch, .. } = self;
        let (_, shown_max) = &mut partitions[index];
        let (mut taken, mut is_partial) = (0, false);
        while taken < records_max && !is_partial {
            let count_max = (records_max - taken).min(*shown_max);
            let shown = fetcher.show(index, &mut |run| {
                let (shown, took, offset_next) = visit_run(run, count_max, scratch, visit);
                is_partial = took < shown;
                *shown_max = match is_partial {
                    true => (took * 2).max(NATIVE_RECORDS_MIN),
                    false => (*shown_max * 2).min(POLL_RECORDS_MAX),
                };
                (took, offset_next)
            });
            match shown {
                None => break,
                Some(Ok(took)) => taken += took,
                Some(Err(error)) => {
                    let message = format!("{}: {error}", self.names.partition(partition));
                    return Err(SourceError { partition, message });
                }
            }
        }
        let log_end = fetcher.end(index);
        self.trouble.heard |= log_end.is_some();
        let offset_next = log_end.map(|_| fetcher.position(index));
        Ok(Polled { taken, offset_next, log_end })
    }
}

/// Shows the next records: how many there were, how many were taken, and the offset behind the last of these.
fn visit_run(
    run: &mut Run<'_>,
    count_max: usize,
    scratch: &mut Scratch,
    visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
) -> (usize, usize, i64) {
    let mut records = scratch.take();
    // What stands behind an error is told by the fetcher.
    records.extend(run.map_while(Result::ok).take(count_max).map(|record| Record {
        offset: record.offset,
        timestamp_ms: record.timestamp_ms,
        key: record.key,
        value: record.value,
    }));
    let shown = records.len();
    let took = if shown == 0 { 0 } else { visit(&records) };
    assert!(took <= shown, "a visitor takes at most what it was shown");
    let offset_next = took.checked_sub(1).map_or(0, |last| records[last].offset + 1);
    scratch.give_back(records);
    (shown, took, offset_next)
}

/// What went wrong and was tried again, told now and then.
struct Trouble {
    limit: RateLimit,
    /// Whether the log has told of it: only then is the end of it worth a line.
    told: bool,
    /// Whether a broker has ever answered a fetch.
    heard: bool,
    /// What no waiting mends: a broker in restart may say so for a moment.
    refused: Option<Refused>,
}

/// A broker does not want to be talked to.
struct Refused {
    /// How long that may last.
    grace: Deadline,
    /// Until when it must be said again: the one that said it may have come to its senses while others are
    /// away.
    again: Deadline,
    reason: String,
}

impl Default for Trouble {
    fn default() -> Trouble {
        Trouble { limit: RateLimit::new(WARNING_INTERVAL), told: false, heard: false, refused: None }
    }
}

impl Trouble {
    fn take(&mut self, news: News) {
        match news {
            News::Works => {
                self.refused = None;
                if std::mem::take(&mut self.told) {
                    tracing::info!("kafka source: works again");
                }
            }
            News::Trouble(error) => {
                self.doubt(&error);
                if let Some(held_back) = self.limit.pass() {
                    self.told = true;
                    tracing::warn!(
                        "kafka source: {error}; retrying ({held_back} more since the last warning)"
                    );
                }
            }
        }
    }

    fn doubt(&mut self, error: &WireError) {
        if error.retry_helps() {
            return;
        }
        let since = self.refused.take().filter(|refused| !refused.again.passed());
        let grace = since.map_or_else(|| Deadline::after(AUTHENTICATION_GRACE), |refused| refused.grace);
        let (again, reason) = (Deadline::after(REFUSED_AGAIN), error.to_string());
        self.refused = Some(Refused { grace, again, reason });
    }

    /// Why reading cannot go on: at once before any broker has answered, else once that has lasted.
    fn is_final(&self) -> Option<String> {
        let refused = self.refused.as_ref().filter(|refused| !refused.again.passed())?;
        (!self.heard || refused.grace.passed()).then(|| refused.reason.clone())
    }
}
