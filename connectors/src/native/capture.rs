//! Topics read as they are, without librdkafka: what a consumer of committed records sees. Enters: their
//! names, where to start, whether to stop at the end as of now. Leaves: every committed record in offset
//! order within each partition, borrowed from the answers' bytes. Drops: records of aborted transactions; in
//! a bounded capture, what comes behind the ends found at the start.
//!
//! It does what [`Capture`](crate::kafka::capture::Capture) does.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use wellstream_wire::batch::Record;
use wellstream_wire::cluster::Cluster;
use wellstream_wire::error::WireError;
use wellstream_wire::fetch::{FetchStart, Fetcher};

use super::{Trouble, Unsupported, fetch_settings, options};
use crate::kafka::KafkaError;
use crate::kafka::capture::CapturedRecord;
use crate::kafka::start::From;
use crate::kafka::topics::Connection;
use crate::machine_clock::{Deadline, MachineClock};

/// Topics that are being read.
pub struct NativeCapture {
    fetcher: Fetcher,
    topics: Vec<String>,
    /// By their places in the fetcher.
    places: Vec<Place>,
    is_bounded: bool,
    /// Who is looked at first next time.
    first: usize,
    trouble: Trouble,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    topic: usize,
    number: u32,
    /// Where it ended at the start.
    end: i64,
}

impl NativeCapture {
    /// Starts to read these topics, all partitions of each; until their ends as of now if `is_bounded`.
    ///
    /// # Errors
    /// A topic is missing, the brokers do not answer, or refuse; a setting that the native client does not
    /// cover.
    pub fn open(
        connection: &Connection,
        topics: &[String],
        from: From,
        is_bounded: bool,
    ) -> Result<NativeCapture, KafkaError> {
        let settings = &connection.settings;
        let uncovered = |error: Unsupported| KafkaError::Setting { key: error.key, message: error.reason };
        let options = options(settings).map_err(uncovered)?;
        let (mut starts, mut places) = (Vec::new(), Vec::new());
        for (topic, name) in topics.iter().enumerate() {
            for (number, [offset, end]) in (0..).zip(connection.capture_bounds(name, from)?) {
                let partition = i32::try_from(number).unwrap_or(i32::MAX);
                starts.push(FetchStart { topic: name.clone(), partition, offset });
                places.push(Place { topic, number, end });
            }
        }
        let fetch = fetch_settings(settings, places.len()).map_err(uncovered)?;
        let cluster = Cluster::new(&settings.brokers, options).map_err(|error| KafkaError::Request {
            request: "reading topics".to_owned(),
            reason: error.to_string(),
            retry: error.retry_helps(),
        })?;
        let fetcher = Fetcher::new(cluster, &starts, fetch, Arc::new(MachineClock::start()));
        let (topics, trouble) = (topics.to_vec(), Trouble::default());
        Ok(NativeCapture { fetcher, topics, places, is_bounded, first: 0, trouble })
    }

    /// Whether a bounded capture has reached every end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let reached = |(index, place): (usize, &Place)| self.fetcher.position(index) >= place.end;
        self.is_bounded && self.places.iter().enumerate().all(reached)
    }

    /// From now on it ends where the topics end now.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn end_here(&mut self, connection: &Connection) -> Result<(), KafkaError> {
        for place in &mut self.places {
            place.end = connection.watermarks(&self.topics[place.topic], place.number)?.1;
        }
        self.is_bounded = true;
        Ok(())
    }

    /// Shows what has come of one partition, one answer's worth, until `visit` breaks; waits a moment if
    /// there is nothing of any. A broker that is away is waited for, with warnings.
    ///
    /// # Errors
    /// What no waiting mends: a topic that was deleted, refused credentials, a batch that cannot be read.
    pub fn poll(
        &mut self,
        visit: &mut dyn FnMut(&CapturedRecord<'_>) -> ControlFlow<()>,
    ) -> Result<(), KafkaError> {
        let deadline = Deadline::after(WAIT);
        while !self.walk(visit)? && !deadline.passed() {
            self.fetcher.wait(deadline.left().min(WAIT_ONCE));
        }
        Ok(())
    }

    /// Walks through what has come of the next partition that has something, be it for nobody; false where
    /// none has.
    fn walk(
        &mut self,
        visit: &mut dyn FnMut(&CapturedRecord<'_>) -> ControlFlow<()>,
    ) -> Result<bool, KafkaError> {
        if let Err((index, error)) = self.fetcher.drive() {
            return Err(self.failed(index, &error));
        }
        if let Some(news) = self.fetcher.news() {
            self.trouble.take(news);
        }
        if let Some(reason) = self.trouble.is_final() {
            let request = "reading topics".to_owned();
            return Err(KafkaError::Request { request, reason, retry: false });
        }
        let count = self.places.len();
        for turn in 0..count {
            let index = (self.first + turn) % count;
            let Place { topic, number, end } = self.places[index];
            let (topic, end) = (&self.topics[topic], if self.is_bounded { end } else { i64::MAX });
            let shown = self.fetcher.show(index, &mut |run| {
                let (mut taken, mut offset_next) = (0, 0);
                // What stands behind an error is told by the fetcher.
                for record in run.by_ref().map_while(Result::ok) {
                    (taken, offset_next) = (taken + 1, record.offset + 1);
                    if record.offset >= end {
                        continue;
                    }
                    if show(&record, topic, number, visit).is_break() {
                        break;
                    }
                }
                (taken, offset_next)
            });
            self.trouble.heard |= self.fetcher.end(index).is_some();
            match shown {
                None => {}
                Some(Ok(_)) => {
                    self.first = (index + 1) % count;
                    return Ok(true);
                }
                Some(Err(error)) => return Err(self.failed(index, &error)),
            }
        }
        Ok(false)
    }

    fn failed(&self, index: usize, error: &WireError) -> KafkaError {
        let request = format!("reading {}", self.topics[self.places[index].topic]);
        KafkaError::Request { request, reason: error.to_string(), retry: false }
    }
}

fn show(
    record: &Record<'_>,
    topic: &str,
    partition: u32,
    visit: &mut dyn FnMut(&CapturedRecord<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // A broken header is a broken batch, and rows have none: whoever wrote those is told by its name.
    let headers = record.headers.clone().map_while(Result::ok);
    let headers: Vec<_> =
        headers.map(|header| (std::str::from_utf8(header.key).unwrap_or(NO_TEXT), header.value)).collect();
    visit(&CapturedRecord {
        topic,
        partition,
        offset: record.offset,
        timestamp_ms: record.timestamp_ms,
        key: record.key,
        value: record.value,
        headers: &headers,
    })
}

/// One wait for records.
const WAIT: Duration = Duration::from_millis(100);
/// One wait on a socket: what is done by others shows between two.
const WAIT_ONCE: Duration = Duration::from_millis(10);
/// A header's name that is no UTF-8.
const NO_TEXT: &str = "\u{fffd}";
