//! The cache as the engine sees it: told behind each commit, never waited for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wellstream_core::decode::Schemas;
use wellstream_core::engine::Follower;
use wellstream_core::record::News;
use wellstream_core::rules::Rules;

use super::board::Board;
use super::entry::Renderer;
use super::link::Address;
use super::writer::Writer;
use super::{RedisError, RedisSettings};
use crate::limits::CACHE_INBOX_BYTES_MAX;
use crate::machine_clock::Deadline;

/// The cache's writer, from the engine's side.
pub struct Cache {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How the cache is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Hashes that were set.
    pub written: u64,
    /// Hashes that held what was as new.
    pub overtaken: u64,
    /// Values that were never written: for want of memory, or since they waited for longer than keys live, or
    /// since the key holds something else.
    pub dropped: u64,
    /// Errors of connections and commands.
    pub errors: u64,
    /// Keys that wait.
    pub waiting: u64,
    /// Keys that are kept to be written again.
    pub keys: u64,
    /// Memory that they take, bytes.
    pub bytes: u64,
    /// Whether Redis is there.
    pub is_connected: bool,
}

/// What the engine's thread and the writer's share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    inbox: Mutex<Inbox>,
    /// The writer adds, anybody reads; relaxed: they are only shown.
    written: AtomicU64,
    overtaken: AtomicU64,
    errors: AtomicU64,
    is_connected: AtomicBool,
}

#[derive(Debug, Default)]
struct Inbox {
    news: VecDeque<News>,
    bytes: usize,
    /// Of what the writer has taken and Redis has not.
    untold_ms: Option<i64>,
    ending: Option<Deadline>,
    dropped: u64,
    board: BoardCounts,
}

#[derive(Clone, Copy, Debug, Default)]
struct BoardCounts {
    dropped: u64,
    waiting: u64,
    keys: u64,
    bytes: u64,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Cache {
    /// Starts the writer. Redis need not be there yet. Readings are read by `schemas`, and judged by `rules`.
    ///
    /// # Errors
    /// A setting that cannot be used; the system gives no thread.
    pub fn start(
        settings: &RedisSettings,
        schemas: Arc<dyn Schemas>,
        rules: Arc<Rules>,
    ) -> Result<Cache, RedisError> {
        if settings.prefix.contains(['{', '}']) {
            let reason = "the prefix of Redis keys has braces: in a cluster they decide where a key lies";
            return Err(RedisError::Setting(reason.to_owned()));
        }
        let address = Address::parse(&settings.url)?;
        let shared = Arc::new(Shared::default());
        let renderer = Renderer::new(schemas, rules);
        let mut writer = Writer::new(Arc::clone(&shared), settings.clone(), address, renderer);
        let thread = thread::Builder::new().name("redis".to_owned()).spawn(move || writer.work());
        let thread = thread.map_err(|error| RedisError::Setting(format!("no thread for Redis: {error}")))?;
        Ok(Cache { shared, thread: Some(thread) })
    }

    /// How it is doing.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        self.shared.counts()
    }

    /// Writes what waits, for at most this long, and ends.
    pub fn finish(mut self, time_max: Duration) -> CacheCounts {
        self.end(time_max);
        self.shared.counts()
    }

    fn end(&mut self, time_max: Duration) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.lock().ending = Some(Deadline::after(time_max));
        thread.thread().unpark();
        // It panicked if this fails, and has said so itself: the cache decides nothing.
        drop(thread.join());
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

impl Follower for Cache {
    fn tell(&mut self, news: News) {
        let mut inbox = self.shared.lock();
        inbox.bytes += bytes_of(&news);
        inbox.news.push_back(news);
        // The writer takes it within milliseconds, unless it waits for a Redis that does not answer.
        while inbox.bytes > CACHE_INBOX_BYTES_MAX && inbox.news.len() > 1 {
            let Some(oldest) = inbox.news.pop_front() else { break };
            inbox.bytes -= bytes_of(&oldest);
            inbox.dropped += values_of(&oldest);
        }
    }

    fn untold_ms(&self) -> Option<i64> {
        let inbox = self.shared.lock();
        inbox.news.iter().filter_map(News::oldest_ms).chain(inbox.untold_ms).min()
    }
}

impl Shared {
    /// The writer may have panicked: what is in here is whole all the same.
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when the writer may go on, once it is to end.
    pub(super) fn ending(&self) -> Option<Deadline> {
        self.lock().ending
    }

    /// All that was told since the last time.
    pub(super) fn take(&self) -> VecDeque<News> {
        let mut inbox = self.lock();
        let news = std::mem::take(&mut inbox.news);
        inbox.bytes = 0;
        // Until it is on the board, nobody else knows of it.
        inbox.untold_ms = news.iter().filter_map(News::oldest_ms).chain(inbox.untold_ms).min();
        news
    }

    /// How the board stands, with all that was taken on it.
    pub(super) fn publish(&self, board: &Board, is_connected: bool) {
        let mut inbox = self.lock();
        inbox.untold_ms = board.untold_ms();
        inbox.board = BoardCounts {
            dropped: board.dropped,
            waiting: board.waiting() as u64,
            keys: board.len() as u64,
            bytes: board.bytes() as u64,
        };
        drop(inbox);
        self.is_connected.store(is_connected, Ordering::Relaxed);
    }

    pub(super) fn count_write(&self, was_set: bool) {
        let count = if was_set { &self.written } else { &self.overtaken };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> CacheCounts {
        let inbox = self.lock();
        let BoardCounts { dropped, waiting, keys, bytes } = inbox.board;
        CacheCounts {
            written: self.written.load(Ordering::Relaxed),
            overtaken: self.overtaken.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            dropped: dropped + inbox.dropped,
            waiting: waiting + inbox.news.iter().map(values_of).sum::<u64>(),
            keys,
            bytes,
            is_connected: self.is_connected.load(Ordering::Relaxed),
        }
    }
}

fn bytes_of(news: &News) -> usize {
    let readings = news.readings.iter().map(|of| of.bytes.len() + of.readings.len() * READING_BYTES);
    readings.sum::<usize>() + news.rows.iter().map(|rows| rows.len() * ROW_BYTES).sum::<usize>()
}

fn values_of(news: &News) -> u64 {
    let readings: usize = news.readings.iter().map(|of| of.readings.len()).sum();
    (readings + news.rows.iter().map(Vec::len).sum::<usize>()) as u64
}

const READING_BYTES: usize = size_of::<wellstream_core::record::NewestReading>();
const ROW_BYTES: usize = size_of::<wellstream_core::record::NewestRow>();
