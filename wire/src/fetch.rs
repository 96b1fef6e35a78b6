//! Reads partitions straight off their leaders. Enters: topics, partitions, and the offset each starts at.
//! Leaves: records in offset order that borrow from the answers' own bytes, and how far each partition goes.
//! Drops: what a reader of committed records is not to see: aborted transactions and markers, whose offsets
//! count as taken. Nothing else is left out, and nothing comes twice.
//!
//! Nothing blocks: a connection to each leader, whose next fetch is sent as soon as an answer is there and
//! before it is walked; connecting and asking for leaders is done by errands, threads of their own. A leader
//! that moves or a connection that is lost is told as [`News`] and tried again from the same offset; an
//! offset that is not in the log any more, a topic that is gone or a batch that cannot be read is an error,
//! behind all records before it.
//!
//! Rules: KIP-74 (sizes), KIP-98 (transactions), KIP-320 (leader epochs), KIP-516 (topic ids), KIP-595
//! (diverging logs).

mod errand;
mod response;
mod run;
mod partition;
mod bounds;
mod link;
mod metadata;
mod trouble;
mod rehearsal;

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::{FetchRequest, ListOffsetsRequest, MetadataRequest};
use uuid::Uuid;

use crate::batch::{BatchError, Crc, Unpacker};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::error::WireError;
use errand::Errand;
use link::{Answer, Link};
use metadata::Metadata;
use partition::{Fetched, Partition};

pub use rehearsal::rehearse;
pub use response::{Head, Part, TopicKey, VERSION_MAX, VERSION_MIN, read};
pub use run::Run;

/// How fetches are made.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// How long a broker waits for `min_bytes`.
    pub max_wait: Duration,
    /// What a broker waits for.
    pub min_bytes: usize,
    /// What one fetch asks of one partition; a larger batch comes alone.
    pub partition_bytes: usize,
    /// What one fetch asks of one broker.
    pub bytes_max: usize,
    /// A partition with as much buffered is left out of the next fetch.
    pub queued_bytes: usize,
    /// What answers may hold of memory, per partition: beyond it what is not taken is copied out of them, so
    /// that one partition that stands still does not keep the others' records.
    pub held_bytes: usize,
    /// Whether checksums are compared.
    pub crc: Crc,
    /// What one batch may be when it is unpacked.
    pub unpacked_bytes_max: usize,
}

impl Default for FetchSettings {
    fn default() -> FetchSettings {
        FetchSettings {
            max_wait: Duration::from_millis(50),
            min_bytes: 1,
            partition_bytes: 1 << 20,
            bytes_max: 50 << 20,
            queued_bytes: 2 << 20,
            held_bytes: 8 << 20,
            crc: Crc::Checked,
            unpacked_bytes_max: crate::limits::UNPACKED_BYTES_MAX,
        }
    }
}

/// Where reading of one partition starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchStart {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The first offset to read.
    pub offset: i64,
}

/// What happened to the brokers, since it was last asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It did not work; it is tried again.
    Trouble(WireError),
    /// It works again.
    Works,
}

/// The version of fetches that a broker is asked by, of those that are read here; also that it tells its
/// partitions' leaders.
///
/// # Errors
/// It has none of them.
pub fn served(connection: &Connection) -> Result<i16, WireError> {
    connection.version::<MetadataRequest>()?;
    connection.version::<ListOffsetsRequest>()?;
    connection.version_at_most::<FetchRequest>(VERSION_MAX)
}

/// Reads some partitions, for one thread.
pub struct Fetcher {
    clock: Arc<dyn Clock>,
    settings: FetchSettings,
    topics: Vec<Topic>,
    partitions: Vec<Partition>,
    links: Vec<Link>,
    metadata: Metadata,
    /// Questions where the log of a partition is, whose offset is not in it.
    bounds: Vec<(usize, Errand<Bounds>)>,
    troubled: bool,
    news: Option<News>,
    driven_ns: u64,
}

/// First offset and end of a log.
type Bounds = Result<(i64, i64), WireError>;

struct Topic {
    name: String,
    /// Nil before it is known, and where brokers have none.
    id: Uuid,
}

impl Fetcher {
    /// Reads these partitions of a cluster. Nothing is sent before the first [`Fetcher::drive`].
    pub fn new(
        cluster: Cluster,
        starts: &[FetchStart],
        settings: FetchSettings,
        clock: Arc<dyn Clock>,
    ) -> Fetcher {
        let mut topics: Vec<Topic> = Vec::new();
        let mut partitions = Vec::with_capacity(starts.len());
        for start in starts {
            let known = topics.iter().position(|topic| topic.name == start.topic);
            let topic = known.unwrap_or_else(|| {
                topics.push(Topic { name: start.topic.clone(), id: Uuid::nil() });
                topics.len() - 1
            });
            let unpacker = Unpacker::new(settings.unpacked_bytes_max);
            let bytes = settings.partition_bytes;
            partitions.push(Partition::new(topic, start.partition, start.offset, bytes, unpacker));
        }
        let metadata = Metadata::new(cluster);
        Fetcher {
            clock,
            settings,
            topics,
            partitions,
            links: Vec::new(),
            metadata,
            bounds: Vec::new(),
            troubled: false,
            news: None,
            driven_ns: 0,
        }
    }

    /// Sends and receives as far as it goes without waiting; right after it did, it does nothing: whoever
    /// serves many partitions calls it for each.
    ///
    /// # Errors
    /// What no waiting mends, for the partition at this place of the starts, once all before it is taken.
    pub fn drive(&mut self) -> Result<(), (usize, WireError)> {
        let now_ns = self.clock.now_ns();
        if now_ns.saturating_sub(self.driven_ns) < DRIVE_PAUSE_NS {
            return Ok(());
        }
        self.driven_ns = now_ns;
        self.learn(now_ns);
        for index in 0..self.links.len() {
            match self.links[index].poll(&self.topics, &self.clock, now_ns) {
                Ok(None) => {}
                Ok(Some(answer)) => self.take_in(index, answer, now_ns),
                Err(error) => {
                    self.release(index);
                    self.trouble(error, now_ns);
                }
            }
        }
        self.take_bounds(now_ns);
        self.ask(now_ns);
        let failed = self.partitions.iter().position(|p| p.failed.is_some() && p.is_drained());
        match failed.and_then(|index| Some((index, self.partitions[index].failed.clone()?))) {
            Some(failed) => Err(failed),
            None => Ok(()),
        }
    }

    /// Waits until something may have come, at most this long; less where several brokers may answer.
    pub fn wait(&mut self, time_max: Duration) {
        let mut awaited = self.links.iter_mut().filter_map(Link::awaited);
        let (first, has_more) = (awaited.next(), awaited.next().is_some());
        match first {
            // An error shows in the next drive, too.
            Some(connection) if has_more => drop(connection.wait(time_max.min(WAIT_OF_MANY))),
            Some(connection) => drop(connection.wait(time_max)),
            None => self.clock.pause(time_max.min(WAIT_FOR_LEADERS)),
        }
    }

    /// Shows what comes next of the partition at this place of the starts: `show` says how many records of
    /// the run it takes, from its front, and the offset behind the last of them. The others come again.
    /// `None` where nothing is buffered.
    ///
    /// # Errors
    /// A batch cannot be read; `show` has seen the records before it.
    pub fn show(
        &mut self,
        index: usize,
        show: &mut dyn FnMut(&mut Run<'_>) -> (usize, i64),
    ) -> Option<Result<usize, WireError>> {
        let crc = self.settings.crc;
        let shown = self.partitions[index].show(crc, show)?;
        Some(shown.map_err(|error| self.unreadable(index, error)))
    }

    /// All records below it have been taken; what is for nobody counts.
    pub fn position(&self, index: usize) -> i64 {
        self.partitions[index].position
    }

    /// Where the partition ends for a reader of committed records, as last heard; none before.
    pub fn end(&self, index: usize) -> Option<i64> {
        let partition = &self.partitions[index];
        partition.end.map(|end| end.max(partition.position))
    }

    /// What happened since it was last asked.
    pub fn news(&mut self) -> Option<News> {
        self.news.take()
    }

    /// Connects to the leaders that have no connection, and sends what may be sent.
    fn ask(&mut self, now_ns: u64) {
        for index in 0..self.partitions.len() {
            let Some(leader) = self.partitions[index].leader else { continue };
            if !self.links.iter().any(|link| link.broker == leader.broker) {
                self.links.push(Link::new(leader.broker));
            }
        }
        for index in 0..self.links.len() {
            let link = &mut self.links[index];
            if link.is_ready(now_ns) {
                let sent = link.fetch(&self.settings, &self.topics, &mut self.partitions, now_ns);
                if let Err(error) = sent {
                    self.release(index);
                    self.trouble(error, now_ns);
                }
            } else if link.is_closed(now_ns) {
                let Some(address) = self.metadata.address(link.broker) else { continue };
                let is_wanted = self.partitions.iter().any(|p| p.leads(link.broker));
                if is_wanted {
                    link.open(address, self.metadata.options(), &self.clock);
                }
            }
        }
        let is_imbalanced = |link: &Link| link.lent() > self.settings.held_bytes * self.partitions.len();
        if self.links.iter().any(is_imbalanced) {
            self.partitions.iter_mut().for_each(Partition::compact);
        }
    }

    fn take_in(&mut self, link: usize, answer: Answer, now_ns: u64) {
        let mut went_well = true;
        for (index, part) in answer.parts {
            let partition = &mut self.partitions[index];
            partition.asked = false;
            if !part.error.is_none() || part.diverging.is_some() {
                went_well = false;
                self.refused(link, index, &part, now_ns);
                continue;
            }
            partition.backoff = Default::default();
            partition.missing_since_ns = None;
            let end =
                if part.last_stable_offset >= 0 { part.last_stable_offset } else { part.high_watermark };
            let fetched = Fetched { records: part.records, aborted: part.aborted, end };
            if let Err(error) = partition.put(fetched, self.settings.partition_bytes) {
                self.partitions[index].failed = Some(self.unreadable_at_end(index, error));
            }
        }
        self.release(link);
        if went_well && self.troubled && self.metadata.is_settled() && self.is_well() {
            self.troubled = false;
            self.metadata.calm();
            self.news = Some(News::Works);
        }
    }

    /// Whether each partition's leader is connected.
    fn is_well(&self) -> bool {
        self.partitions.iter().all(|partition| {
            let leader = partition.leader.map(|leader| leader.broker);
            self.links.iter().any(|link| Some(link.broker) == leader && link.is_well())
        })
    }

    /// The partitions that a link was asked for are to be asked for again.
    fn release(&mut self, link: usize) {
        for index in self.links[link].take_asked() {
            self.partitions[index].asked = false;
        }
    }

    /// Something did not work: perhaps the leaders have moved.
    fn trouble(&mut self, error: WireError, now_ns: u64) {
        self.metadata.want(now_ns);
        self.troubled = true;
        self.news = Some(News::Trouble(error));
    }

    fn unreadable(&self, index: usize, error: BatchError) -> WireError {
        self.batch_error(index, self.partitions[index].position, error)
    }

    fn unreadable_at_end(&self, index: usize, error: BatchError) -> WireError {
        self.batch_error(index, self.partitions[index].fetch_offset, error)
    }

    fn batch_error(&self, index: usize, offset: i64, error: BatchError) -> WireError {
        let partition = &self.partitions[index];
        let topic = self.topics[partition.topic].name.clone();
        WireError::Batch { topic, partition: partition.number, offset, error }
    }
}

/// A look at the sockets is not worth its system calls again so soon.
const DRIVE_PAUSE_NS: u64 = 50_000;
/// One of several sockets is waited for, so not for long.
const WAIT_OF_MANY: Duration = Duration::from_micros(500);
/// Leaders are asked for, and connected to, by others.
const WAIT_FOR_LEADERS: Duration = Duration::from_millis(2);
