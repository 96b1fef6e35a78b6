//! Records from Kafka. Enters: a lane's partitions and where each starts. Leaves: borrowed records in offset
//! order, the end of each partition as the broker tells it. Drops: nothing; what the visitor does not take is
//! kept and offered again.
//!
//! Each source owns a client of its own with its own partitions: two clients with three partitions each take
//! half the CPU of one client with six, since their threads do not meet at one lock.

use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use wellstream_core::engine::{Polled, Source, SourceError};
use wellstream_core::limits::POLL_RECORDS_MAX;
use wellstream_core::record::{PartitionId, Record};

use super::batch::{Entry, PartitionQueue, cached_watermarks};
use super::context::Context;
use super::error::is_authentication;
use super::{KafkaError, KafkaSettings, TopicNames};
use crate::scratch::Scratch;

/// The partitions of one lane.
pub struct KafkaSource {
    // Declared before the consumer: queues and their messages go first.
    partitions: Vec<Reader>,
    consumer: Arc<BaseConsumer<Context>>,
    scratch: Scratch,
    names: TopicNames,
    heard: bool,
}

struct Reader {
    id: PartitionId,
    topic: CString,
    number: i32,
    queue: PartitionQueue,
    /// Where reading started: nothing is known before the first record or end.
    start: i64,
    offset_next: Option<i64>,
    /// The end as told by the end-of-partition signal, while nothing has come behind it.
    ended_at: Option<i64>,
    /// Whether the last poll heard of the end.
    ended_now: bool,
    /// The trouble in which the queue was seen empty: what comes behind was fetched since it began.
    empty_in: Option<u32>,
}

impl KafkaSource {
    /// Starts to fetch these partitions, each at its offset. `partitions_total` counts those of all sources,
    /// which share the memory.
    ///
    /// # Errors
    /// A setting that the client refuses.
    pub fn open(
        settings: &KafkaSettings,
        names: &TopicNames,
        starts: &[(PartitionId, i64)],
        partitions_total: usize,
    ) -> Result<KafkaSource, KafkaError> {
        let consumer: BaseConsumer<Context> = settings
            .source_config(partitions_total)
            .create_with_context(Context::new("source"))
            .map_err(|error| KafkaError::request("making a consumer", &error))?;
        let consumer = Arc::new(consumer);
        let mut partitions = Vec::with_capacity(starts.len());
        let mut assignment = TopicPartitionList::with_capacity(starts.len());
        for &(id, start) in starts {
            let refuse = || KafkaError::Request {
                request: format!("reading {}", names.partition(id)),
                reason: "the client has no queue for it".to_owned(),
                retry: false,
            };
            let topic = names.of(id.side);
            let number = i32::try_from(id.number).map_err(|_| refuse())?;
            let queue =
                PartitionQueue::split(&consumer, topic, number, POLL_RECORDS_MAX).ok_or_else(refuse)?;
            let topic_text = CString::new(topic).map_err(|_| refuse())?;
            assignment
                .add_partition_offset(topic, number, Offset::Offset(start))
                .map_err(|error| KafkaError::request(format!("reading {}", names.partition(id)), &error))?;
            partitions.push(Reader {
                id,
                topic: topic_text,
                number,
                queue,
                start,
                offset_next: None,
                ended_at: None,
                ended_now: false,
                empty_in: None,
            });
        }
        consumer.assign(&assignment).map_err(|error| KafkaError::request("assigning partitions", &error))?;
        let names = names.clone();
        Ok(KafkaSource { partitions, consumer, scratch: Scratch::default(), names, heard: false })
    }

    /// Serves the client's events. Records never come this way: their queues were split off before the
    /// assignment.
    fn serve_events(&self, partition: PartitionId) -> Result<(), SourceError> {
        if let Some(Err(ClientError::MessageConsumptionFatal(code))) = self.consumer.poll(Duration::ZERO) {
            return Err(self.fatal(partition, code));
        }
        if self.consumer.context().take_doubt() {
            self.check_topics()?;
        }
        match self.consumer.context().refused(self.heard) {
            None => Ok(()),
            Some(reason) => Err(SourceError {
                partition,
                message: format!(
                    "the broker refuses the credentials ({reason}). Check -X sasl.username and sasl.password"
                ),
            }),
        }
    }

    /// Whether the partitions are still there. This asks a broker, and so waits; but only once the client has
    /// said something that does not reach its queues.
    fn check_topics(&self) -> Result<(), SourceError> {
        for reader in &self.partitions {
            let topic = self.names.of(reader.id.side);
            let Ok(metadata) = self.consumer.fetch_metadata(Some(topic), TOPIC_CHECK_TIMEOUT) else {
                return Ok(());
            };
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let Some(found) = found else { continue };
            if let Some(code) = found.error().map(RDKafkaErrorCode::from).filter(|&code| is_fatal(code)) {
                return Err(self.fatal(reader.id, code));
            }
            let exists = found.partitions().iter().any(|partition| partition.id() == reader.number);
            if !exists && found.error().is_none() {
                return Err(self.fatal(reader.id, RDKafkaErrorCode::UnknownPartition));
            }
        }
        Ok(())
    }

    fn fatal(&self, partition: PartitionId, code: RDKafkaErrorCode) -> SourceError {
        let name = self.names.partition(partition);
        let position = self.partitions.iter().find(|reader| reader.id == partition);
        let offset = position.map_or(-1, |reader| reader.offset_next.unwrap_or(reader.start));
        SourceError { partition, message: format!("{name} at offset {offset}: {}", advice(code)) }
    }
}

impl Source for KafkaSource {
    fn poll(
        &mut self,
        partition: PartitionId,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
    ) -> Result<Polled, SourceError> {
        self.serve_events(partition)?;
        let KafkaSource { partitions, consumer, scratch, .. } = self;
        let Some(reader) = partitions.iter_mut().find(|reader| reader.id == partition) else {
            return Err(SourceError { partition, message: "this source does not read it".to_owned() });
        };
        let (taken, error) = reader.poll(records_max, visit, scratch);
        match error {
            Some(code) if is_fatal(code) => return Err(self.fatal(partition, code)),
            Some(code) => consumer.context().troubled(Some(code), &format!("{partition}: {code}")),
            None if taken > 0 || reader.ended_now => {
                let context = consumer.context();
                match reader.empty_in {
                    Some(trouble) if context.trouble() == Some(trouble) => context.works(),
                    _ => context.heard(),
                }
                self.heard = true;
            }
            None => reader.empty_in = consumer.context().trouble(),
        }
        Ok(reader.polled(taken, consumer))
    }
}

impl Reader {
    /// Shows what is there, in order. An error stands behind all records that came before it.
    fn poll(
        &mut self,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
        scratch: &mut Scratch,
    ) -> (usize, Option<RDKafkaErrorCode>) {
        self.ended_now = false;
        let mut taken = 0;
        while taken < records_max {
            self.queue.refill();
            let held = self.queue.held();
            if held == 0 {
                break;
            }
            let mut records = scratch.take();
            let mut signal = None;
            let mut last = None;
            for index in 0..held.min(records_max - taken) {
                match self.queue.entry(index) {
                    Entry::Record(record) => records.push(record),
                    Entry::Signal(code, offset) => {
                        signal = Some((code, offset));
                        break;
                    }
                }
            }
            let shown = records.len();
            let took = if shown == 0 { 0 } else { visit(&records) };
            assert!(took <= shown, "a visitor takes at most what it was shown");
            if took > 0 {
                last = Some(records[took - 1].offset);
            }
            scratch.give_back(records);
            self.queue.release(took);
            taken += took;
            if let Some(last) = last {
                self.offset_next = Some(last + 1);
                self.ended_at = None;
            }
            if took < shown {
                break;
            }
            if let Some((code, offset)) = signal {
                self.queue.release(1);
                if code != RDKafkaErrorCode::PartitionEOF {
                    return (taken, Some(code));
                }
                // Markers and gaps before the end were no records: they count as taken now.
                let reached = offset.max(self.offset_next.unwrap_or(self.start));
                self.offset_next = Some(reached);
                self.ended_at = Some(reached);
                self.ended_now = true;
            }
        }
        (taken, None)
    }

    fn polled(&self, taken: usize, consumer: &BaseConsumer<Context>) -> Polled {
        // At the end, what lies between the last stable offset and the high watermark is not readable yet.
        let log_end = self.ended_at.or_else(|| {
            let (_, high) = cached_watermarks(consumer, &self.topic, self.number)?;
            Some(high.max(self.offset_next.unwrap_or(self.start)))
        });
        Polled { taken, offset_next: self.offset_next, log_end }
    }
}

/// Errors of a partition that no waiting mends.
pub(super) fn is_fatal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    is_authentication(code)
        || matches!(
            code,
            Code::AutoOffsetReset
                | Code::OffsetOutOfRange
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::UnknownTopicId
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::LogTruncation
                | Code::BadMessage
                | Code::InvalidMessage
                | Code::MessageSizeTooLarge
                | Code::Fatal
        )
}

/// What happened and what can be done, in the operator's words.
pub(super) fn advice(code: RDKafkaErrorCode) -> String {
    use RDKafkaErrorCode as Code;
    let what_to_do = match code {
        Code::AutoOffsetReset | Code::OffsetOutOfRange => {
            "the offset is not in the log any more: retention has deleted it, or the topic was made anew. \
             Raise retention.ms; to go on without what is lost, use another --group"
        }
        Code::UnknownTopicOrPartition
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicId => {
            "the topic or partition is not there any more. Create it with: wellstream topics create"
        }
        Code::TopicAuthorizationFailed => "this user may not read the topic: grant READ on it",
        Code::GroupAuthorizationFailed => "this user may not use the group: grant READ on --group",
        Code::LogTruncation => {
            "the broker's log was cut behind our position (unclean leader election): records that were read \
             are gone. Use another --group"
        }
        Code::BadMessage | Code::InvalidMessage => {
            "the broker's log holds a batch that cannot be read (damaged?)"
        }
        Code::MessageSizeTooLarge => {
            "a record is larger than a fetch may be: raise -X receive.message.max.bytes"
        }
        _ => "the client cannot go on",
    };
    format!("{code}: {what_to_do}")
}

/// How long the check of the topics may hold the lane up.
const TOPIC_CHECK_TIMEOUT: Duration = Duration::from_millis(500);
