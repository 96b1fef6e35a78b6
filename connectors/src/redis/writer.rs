//! The thread that writes the cache: takes in what is told, writes what waits by rounds, and when Redis comes
//! back writes again what it may have lost.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, RedisResult, Value};

use super::RedisSettings;
use super::board::{Board, Entry, Kind, Ticket};
use super::cache::Shared;
use super::entry::{Fields, Renderer, put_news};
use super::link::{Address, Link, said};
use super::scripts::{RANK, SET_NEWEST, key, order_text, ranking};
use crate::MachineClock;
use crate::limits::{
    REDIS_BATCH, REDIS_PAUSE_MAX, REDIS_PAUSE_MIN, REDIS_PING_INTERVAL, REDIS_ROUND_PAUSE, REDIS_ROUND_SHARE,
    WARNING_INTERVAL,
};
use crate::machine_clock::RateLimit;

/// The thread's own.
pub(super) struct Writer {
    shared: Arc<Shared>,
    settings: RedisSettings,
    address: Address,
    renderer: Renderer,
    board: Board,
    link: Option<Link>,
    clock: MachineClock,
    /// Connecting is not tried again before.
    connect_at_ns: u64,
    pause: Duration,
    /// The next round begins.
    round_at_ns: u64,
    heard_ns: u64,
    warnings: RateLimit,
    is_told: bool,
    fields: Fields,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        settings: RedisSettings,
        address: Address,
        renderer: Renderer,
    ) -> Writer {
        let ttl_ms = i64::try_from(settings.ttl.as_millis()).unwrap_or(i64::MAX);
        Writer {
            shared,
            board: Board::new(settings.bytes_max, ttl_ms),
            settings,
            address,
            renderer,
            link: None,
            clock: MachineClock::start(),
            connect_at_ns: 0,
            pause: REDIS_PAUSE_MIN,
            round_at_ns: 0,
            heard_ns: 0,
            warnings: RateLimit::new(WARNING_INTERVAL),
            is_told: false,
            fields: Fields::new(),
        }
    }

    /// Works until it is told to end: then until nothing waits, or for as long as it is given.
    pub(super) fn work(&mut self) {
        loop {
            self.take_in();
            if self.shared.ending().is_some_and(|deadline| self.board.waiting() == 0 || deadline.passed()) {
                return;
            }
            let now_ns = self.clock.now_ns();
            let is_ending = self.shared.ending().is_some();
            if self.link.is_none() {
                match now_ns >= self.connect_at_ns {
                    true => self.connect(),
                    false => self.clock.park(IDLE),
                }
            } else if self.board.waiting() > 0 && (is_ending || now_ns >= self.round_at_ns) {
                self.round();
            } else {
                self.board.sweep(SWEPT);
                self.ping(now_ns);
                self.clock.park(IDLE);
            }
        }
    }

    /// Takes what was told; what Redis lacks is told back.
    fn take_in(&mut self) {
        for news in self.shared.take() {
            put_news(&mut self.board, &news);
        }
        self.shared.publish(&self.board, self.link.is_some());
    }

    fn connect(&mut self) {
        match self.address.open() {
            Ok(link) => {
                self.link = Some(link);
                self.pause = REDIS_PAUSE_MIN;
                self.heard_ns = self.clock.now_ns();
                self.board.again();
                if std::mem::take(&mut self.is_told) {
                    tracing::info!("redis {}: works again", self.address.server());
                }
            }
            Err(error) => self.lose(&error),
        }
    }

    /// The connection is of no use: it is made anew after a pause.
    fn lose(&mut self, error: &redis::RedisError) {
        self.link = None;
        self.connect_at_ns = self.clock.now_ns() + nanoseconds(self.pause);
        self.pause = (self.pause * 2).min(REDIS_PAUSE_MAX);
        self.warn(error);
    }

    fn warn(&mut self, error: &redis::RedisError) {
        self.shared.count_error();
        if let Some(held_back) = self.warnings.pass() {
            self.is_told = true;
            tracing::warn!(
                "redis {}: {}; {} keys wait, the engine goes on ({held_back} more since the last warning)",
                self.address.server(),
                said(error),
                self.board.waiting()
            );
        }
    }

    /// Writes all that waits now. Behind it there is a pause, so that Redis has time for others.
    fn round(&mut self) {
        let began_ns = self.clock.now_ns();
        let mut left = self.board.waiting();
        while left > 0 && self.link.is_some() {
            let count = left.min(REDIS_BATCH);
            left -= count;
            if !self.write(count) {
                break;
            }
            self.take_in();
        }
        let took_ns = self.clock.now_ns() - began_ns;
        let pause_ns = nanoseconds(REDIS_ROUND_PAUSE).max(took_ns.saturating_mul(REDIS_ROUND_SHARE));
        self.round_at_ns = self.round_at_ns.max(self.clock.now_ns() + pause_ns);
    }

    /// Writes so many of those that wait. False where Redis does not take any.
    fn write(&mut self, count: usize) -> bool {
        let (mut commands, mut tickets, mut facilities) = (Vec::new(), Vec::new(), Vec::new());
        let Writer { board, renderer, settings, fields, .. } = self;
        let mut unreadable = Vec::new();
        let mut rank = Rank::new(settings, board.newest_ms());
        for _ in 0..count {
            let shown = board.next(&mut |ticket, kind, id, entry| {
                if !renderer.fields(kind, id, entry, fields) {
                    unreadable.push(ticket);
                    return;
                }
                commands.push(set(settings, (kind, id), entry, fields));
                tickets.push(ticket);
                if kind == Kind::Facility {
                    rank.add(id, entry);
                    facilities.push(ticket);
                }
            });
            if !shown {
                break;
            }
        }
        unreadable.into_iter().for_each(|ticket| self.board.refused(ticket));
        if tickets.is_empty() {
            return true;
        }
        commands.extend(rank.command());
        let Some(link) = &mut self.link else { return false };
        let answers = match link.send(commands) {
            Ok(answers) => answers,
            Err(error) => {
                tickets.into_iter().for_each(|ticket| self.board.failed(ticket));
                self.lose(&error);
                return false;
            }
        };
        self.heard_ns = self.clock.now_ns();
        self.answered(&tickets, &facilities, answers)
    }

    /// Each key by its answer; a facility also needs its place in the ranking, whose answer is the last.
    fn answered(
        &mut self,
        tickets: &[Ticket],
        facilities: &[Ticket],
        mut answers: Vec<RedisResult<Value>>,
    ) -> bool {
        let ranked = if facilities.is_empty() { None } else { answers.pop().and_then(Result::err) };
        let mut refusal = None;
        for (place, ticket) in tickets.iter().enumerate() {
            let failed = match answers.get(place) {
                Some(Ok(value)) => {
                    self.shared.count_write(*value == Value::Int(1));
                    ranked.clone().filter(|_| facilities.contains(ticket))
                }
                Some(Err(error)) => Some(error.clone()),
                None => Some(short()),
            };
            match failed {
                None => self.board.done(*ticket),
                // The key is somebody else's: nothing would change that.
                Some(error) if error.code() == Some("WRONGTYPE") => {
                    self.board.refused(*ticket);
                    self.warn(&error);
                }
                Some(error) => {
                    self.board.failed(*ticket);
                    refusal = Some(error);
                }
            }
        }
        let Some(error) = refusal else { return true };
        match error.code() {
            // It may be another server by now.
            Some("READONLY" | "NOAUTH") => self.lose(&error),
            _ => {
                self.warn(&error);
                self.round_at_ns = self.clock.now_ns() + nanoseconds(REDIS_PAUSE_MAX);
            }
        }
        false
    }

    /// A server that is not written to may be gone, and come back with nothing.
    fn ping(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.heard_ns) < nanoseconds(REDIS_PING_INTERVAL) {
            return;
        }
        self.heard_ns = now_ns;
        if let Some(Err(error)) = self.link.as_mut().map(Link::ping) {
            self.lose(&error);
        }
    }
}

/// The facilities of a batch in one command.
struct Rank {
    command: Cmd,
    is_empty: bool,
}

impl Rank {
    fn new(settings: &RedisSettings, newest_ms: i64) -> Rank {
        let mut command = redis::cmd("EVAL");
        let ttl_ms = settings.ttl.as_millis();
        let oldest_ms = newest_ms.saturating_sub(i64::try_from(ttl_ms).unwrap_or(i64::MAX));
        command.arg(RANK).arg(3).arg(&ranking(&settings.prefix)).arg(oldest_ms).arg(ttl_ms.to_string());
        Rank { command, is_empty: true }
    }

    fn add(&mut self, facility: &str, entry: &Entry) {
        let super::board::Body::Row { risk, .. } = entry.body else { return };
        let order = order_text(entry.order, Kind::Facility);
        self.command.arg(facility).arg(order).arg(entry.order.0).arg(risk);
        self.is_empty = false;
    }

    fn command(self) -> Option<Cmd> {
        (!self.is_empty).then_some(self.command)
    }
}

/// Sets a key's hash, if it is the newest.
fn set(settings: &RedisSettings, (kind, id): (Kind, &str), entry: &Entry, fields: &Fields) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(SET_NEWEST).arg(1).arg(key(&settings.prefix, kind, id));
    command.arg(order_text(entry.order, kind)).arg(settings.ttl.as_millis().to_string());
    for (name, value) in fields {
        command.arg(*name).arg(value);
    }
    command
}

fn short() -> redis::RedisError {
    (redis::ErrorKind::UnexpectedReturnType, "fewer answers than commands").into()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Between two looks at what was told.
const IDLE: Duration = Duration::from_millis(10);
/// Keys that are looked at in each of these: a million within some ten seconds.
const SWEPT: usize = 1_024;
