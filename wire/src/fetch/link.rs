//! A connection to one leader, and the fetch that is on its way over it.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::errand::Errand;
use super::partition::Partition;
use super::response::{self, Part, TopicKey};
use super::{FetchSettings, Topic};
use crate::address::Address;
use crate::clock::{Clock, nanoseconds};
use crate::cluster::Backoff;
use crate::connection::{ClientOptions, Connection};
use crate::error::WireError;

/// A leader.
pub(super) struct Link {
    pub(super) broker: i32,
    state: State,
    address: Option<Address>,
    /// Connecting is not tried again, or nothing fetched, before.
    at_ns: u64,
    backoff: Backoff,
    asked: Option<Asked>,
    /// Counts the fetches: each begins with another partition, since the first always gets a batch.
    turn: usize,
}

enum State {
    Closed,
    Opening(Errand<Result<Connection, WireError>>),
    Open(Box<Connection>),
}

/// A fetch on its way.
struct Asked {
    version: i16,
    until_ns: u64,
    waited_ms: u64,
    /// Of the connection, when it was last looked at in vain.
    received: u64,
    partitions: Vec<Wanted>,
}

/// A partition of it.
struct Wanted {
    index: usize,
    topic: usize,
    number: i32,
}

/// An answer: partitions by their places.
pub(super) struct Answer {
    pub(super) parts: Vec<(usize, Part)>,
}

impl Partition {
    /// Whether a broker leads it, as far as is known, and it is read on.
    pub(super) fn leads(&self, broker: i32) -> bool {
        self.failed.is_none() && self.leader.is_some_and(|leader| leader.broker == broker)
    }
}

impl Link {
    pub(super) fn new(broker: i32) -> Link {
        let (state, backoff) = (State::Closed, Backoff::default());
        Link { broker, state, address: None, at_ns: 0, backoff, asked: None, turn: 0 }
    }

    pub(super) fn address(&self) -> Address {
        self.address.clone().unwrap_or_else(|| Address { host: format!("broker {}", self.broker), port: 0 })
    }

    pub(super) fn is_well(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether it may be connected.
    pub(super) fn is_closed(&self, now_ns: u64) -> bool {
        matches!(self.state, State::Closed) && now_ns >= self.at_ns
    }

    /// Whether a fetch may be sent.
    pub(super) fn is_ready(&self, now_ns: u64) -> bool {
        matches!(self.state, State::Open(_)) && self.asked.is_none() && now_ns >= self.at_ns
    }

    /// The connection, where an answer is to come.
    pub(super) fn awaited(&mut self) -> Option<&mut Connection> {
        match (&mut self.state, &self.asked) {
            (State::Open(connection), Some(_)) => Some(connection),
            _ => None,
        }
    }

    /// Bytes of answers that are held.
    pub(super) fn lent(&self) -> usize {
        match &self.state {
            State::Open(connection) => connection.lent(),
            State::Closed | State::Opening(_) => 0,
        }
    }

    /// Sets out to connect.
    pub(super) fn open(&mut self, address: Address, options: &ClientOptions, clock: &Arc<dyn Clock>) {
        self.address = Some(address.clone());
        let (options, clock) = (options.clone(), Arc::clone(clock));
        if let Some(errand) = Errand::start(move || Connection::open(&address, &options, &*clock)) {
            self.state = State::Opening(errand);
        }
    }

    /// The partitions that were asked for, which are not any more.
    pub(super) fn take_asked(&mut self) -> Vec<usize> {
        let asked = self.asked.take();
        asked.map_or_else(Vec::new, |asked| asked.partitions.iter().map(|wanted| wanted.index).collect())
    }

    /// What has come, if a whole answer has. After an error it is closed, and opened again after a pause.
    pub(super) fn poll(
        &mut self,
        topics: &[Topic],
        clock: &Arc<dyn Clock>,
        now_ns: u64,
    ) -> Result<Option<Answer>, WireError> {
        let polled = self.poll_open(topics, clock);
        if polled.is_err() {
            self.close(now_ns);
        }
        polled
    }

    fn close(&mut self, now_ns: u64) {
        self.state = State::Closed;
        self.at_ns = now_ns + nanoseconds(self.backoff.pause());
    }

    fn poll_open(&mut self, topics: &[Topic], clock: &Arc<dyn Clock>) -> Result<Option<Answer>, WireError> {
        if let State::Opening(errand) = &mut self.state {
            let Some(opened) = errand.poll() else { return Ok(None) };
            self.state = State::Open(Box::new(opened?));
        }
        let State::Open(connection) = &mut self.state else { return Ok(None) };
        let Some(asked) = &mut self.asked else { return Ok(None) };
        let Some(reply) = connection.poll()? else {
            let now_ns = clock.now_ns();
            let received = connection.received();
            if std::mem::replace(&mut asked.received, received) != received {
                // It comes, if slowly; or nobody looked for long.
                asked.until_ns = now_ns.saturating_add(asked.waited_ms.saturating_mul(1_000_000));
            }
            if now_ns < asked.until_ns {
                return Ok(None);
            }
            let (broker, api) = (connection.address().clone(), "Fetch".to_owned());
            return Err(WireError::TimedOut { broker, api, waited_ms: asked.waited_ms });
        };
        let broker = connection.address().clone();
        let (answer, head) = read(&reply.frame, asked, topics).map_err(|reason| WireError::Damaged {
            broker: broker.clone(),
            api: "Fetch".to_owned(),
            reason: reason.to_owned(),
        })?;
        if !head.error.is_none() {
            let what = "partitions".to_owned();
            return Err(WireError::Code { broker, api: "Fetch", what, code: head.error });
        }
        self.backoff = Backoff::default();
        if let Ok(throttle_ms @ 1..) = u64::try_from(head.throttle_ms) {
            self.at_ns = clock.now_ns() + throttle_ms.min(THROTTLE_MS_MAX) * 1_000_000;
        }
        Ok(Some(answer))
    }

    /// Asks for the partitions that it leads and that have room.
    pub(super) fn fetch(
        &mut self,
        settings: &FetchSettings,
        topics: &[Topic],
        partitions: &mut [Partition],
        now_ns: u64,
    ) -> Result<(), WireError> {
        let State::Open(connection) = &mut self.state else { return Ok(()) };
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut max_wait = settings.max_wait;
        for (index, partition) in partitions.iter().enumerate() {
            let is_due = partition.leads(self.broker) && !partition.asked && now_ns >= partition.retry_at_ns;
            if !is_due {
                continue;
            }
            if partition.has_room(settings.queued_bytes) {
                wanted.push(Wanted { index, topic: partition.topic, number: partition.number });
            } else {
                // It will want more soon, and must not wait until something comes for the others.
                max_wait = max_wait.min(WAIT_WITHOUT_ALL);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let turn = self.turn % wanted.len();
        wanted.rotate_left(turn);
        self.turn = self.turn.wrapping_add(1);
        let has_ids = wanted.iter().all(|wanted| !topics[wanted.topic].id.is_nil());
        let version_max = if has_ids { response::VERSION_MAX } else { LAST_WITH_NAMES };
        let sent = connection.version_at_most::<FetchRequest>(version_max).and_then(|version| {
            let request = request(settings, max_wait, topics, partitions, &wanted, version);
            connection.send(&request, version)?;
            Ok(version)
        });
        let time_max = connection.request_timeout() + settings.max_wait;
        match sent {
            Ok(version) => {
                for wanted in &wanted {
                    partitions[wanted.index].asked = true;
                }
                let waited_ms = u64::try_from(time_max.as_millis()).unwrap_or(u64::MAX);
                let until_ns = now_ns.saturating_add(nanoseconds(time_max));
                let received = connection.received();
                self.asked = Some(Asked { version, until_ns, waited_ms, received, partitions: wanted });
                Ok(())
            }
            Err(error) => {
                self.close(now_ns);
                Err(error)
            }
        }
    }
}

fn request(
    settings: &FetchSettings,
    max_wait: Duration,
    topics: &[Topic],
    partitions: &[Partition],
    wanted: &[Wanted],
    version: i16,
) -> FetchRequest {
    let mut asked: Vec<(usize, FetchTopic)> = Vec::new();
    let mut bytes_max = settings.bytes_max;
    for wanted in wanted {
        let partition = &partitions[wanted.index];
        bytes_max = bytes_max.max(partition.fetch_bytes);
        let mut entry = FetchPartition::default()
            .with_partition(wanted.number)
            .with_fetch_offset(partition.fetch_offset)
            .with_partition_max_bytes(to_i32(partition.fetch_bytes));
        if version >= 9 {
            entry = entry.with_current_leader_epoch(partition.leader.map_or(-1, |leader| leader.epoch));
        }
        if version >= 12 {
            entry = entry.with_last_fetched_epoch(partition.fetched_epoch);
        }
        let found = asked.iter().position(|(topic, _)| *topic == wanted.topic);
        let place = found.unwrap_or_else(|| {
            let topic = &topics[wanted.topic];
            let empty = match version {
                13.. => FetchTopic::default().with_topic_id(topic.id),
                _ => {
                    let name = TopicName(StrBytes::from_string(topic.name.clone()));
                    FetchTopic::default().with_topic(name)
                }
            };
            asked.push((wanted.topic, empty));
            asked.len() - 1
        });
        asked[place].1.partitions.push(entry);
    }
    FetchRequest::default()
        .with_max_wait_ms(i32::try_from(max_wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(to_i32(settings.min_bytes))
        .with_max_bytes(to_i32(bytes_max))
        .with_isolation_level(READ_COMMITTED)
        .with_topics(asked.into_iter().map(|(_, topic)| topic).collect())
}

/// The answer by the places of its partitions. Each that was asked for may be answered once.
fn read(
    frame: &bytes::Bytes,
    asked: &Asked,
    topics: &[Topic],
) -> Result<(Answer, response::Head), &'static str> {
    let wanted = &asked.partitions;
    let mut parts = Vec::with_capacity(wanted.len());
    let mut is_answered = vec![false; wanted.len()];
    let mut is_foreign = false;
    // Brokers answer in the order of the request, more or less.
    let mut next = 0;
    let head = response::read(frame, asked.version, |topic, part| {
        let is_it = |place: &usize| {
            let (wanted, known) = (&wanted[*place], &topics[wanted[*place].topic]);
            let is_topic = match topic {
                TopicKey::Id(id) => id == known.id,
                TopicKey::Name(name) => name == known.name,
            };
            is_topic && part.partition == wanted.number
        };
        match (next..wanted.len()).chain(0..next).find(is_it) {
            Some(place) if !is_answered[place] => {
                is_answered[place] = true;
                next = place + 1;
                parts.push((wanted[place].index, part));
            }
            _ => is_foreign = true,
        }
    })?;
    if is_foreign { Err("it answers what was not asked for") } else { Ok((Answer { parts }, head)) }
}

fn to_i32(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// How long a broker waits for partitions to fill while another one, which is full here, is left out.
const WAIT_WITHOUT_ALL: Duration = Duration::from_millis(2);
/// The last version that names topics by their names.
const LAST_WITH_NAMES: i16 = 12;
/// Of Kafka's isolation levels.
const READ_COMMITTED: i8 = 1;
/// A broker that wants longer is asked again all the same.
const THROTTLE_MS_MAX: u64 = 60_000;
