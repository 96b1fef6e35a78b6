//! What a client says about itself: errors and logs. One context per client; it is told
//! things by the thread that polls the client, and by no other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

use super::error::{is_authentication, plain};
use crate::limits::WARNING_INTERVAL;
use crate::machine_clock::{Deadline, RateLimit};

/// The context of every client.
pub(super) struct Context {
    /// What the client is for, as messages name it.
    purpose: &'static str,
    /// Set with `trouble`, cleared by whoever sees the client work again; relaxed, it only spares taking the
    /// lock.
    troubled: AtomicBool,
    /// Counts the times that trouble began, so that others see whether it is a new one; relaxed, as
    /// `troubled`.
    times: AtomicU32,
    /// Set where the client has said an error that reaches no queue; taken by the source, on the same thread.
    doubt: AtomicBool,
    trouble: Mutex<Trouble>,
}

struct Trouble {
    /// The last that the client said, for messages.
    reason: Option<String>,
    /// Whether the log has told of it: only then is the end of it worth a line.
    told: bool,
    /// When credentials were first refused since the client last worked, and how.
    refused: Option<(Deadline, String)>,
    limit: RateLimit,
}

impl Context {
    pub(super) fn new(purpose: &'static str) -> Context {
        let trouble =
            Trouble { reason: None, told: false, refused: None, limit: RateLimit::new(WARNING_INTERVAL) };
        Context {
            purpose,
            troubled: AtomicBool::new(false),
            times: AtomicU32::new(0),
            doubt: AtomicBool::new(false),
            trouble: Mutex::new(trouble),
        }
    }

    /// Takes note of an error that the client retries by itself.
    pub(super) fn troubled(&self, code: Option<RDKafkaErrorCode>, reason: &str) {
        if !self.troubled.swap(true, Ordering::Relaxed) {
            self.times.fetch_add(1, Ordering::Relaxed);
        }
        let mut trouble = lock(&self.trouble);
        if code.is_some_and(is_authentication) && trouble.refused.is_none() {
            let grace = Deadline::after(crate::limits::AUTHENTICATION_GRACE);
            trouble.refused = Some((grace, reason.to_owned()));
        }
        // "All brokers are down" says less than the error before it.
        if trouble.reason.is_none() || code != Some(RDKafkaErrorCode::AllBrokersDown) {
            trouble.reason = Some(reason.to_owned());
        }
        if let Some(held_back) = trouble.limit.pass() {
            trouble.told = true;
            let purpose = self.purpose;
            tracing::warn!(
                "kafka {purpose}: {reason}; retrying ({held_back} more since the last warning). If this \
                 stays, check that the broker runs and --brokers reaches it"
            );
        }
    }

    /// A broker has answered since the trouble began: forget it, and say so if the log has told of it.
    pub(super) fn works(&self) {
        if self.troubled.load(Ordering::Relaxed) {
            self.troubled.store(false, Ordering::Relaxed);
            let mut trouble = lock(&self.trouble);
            trouble.refused = None;
            trouble.reason = None;
            if std::mem::take(&mut trouble.told) {
                let purpose = self.purpose;
                tracing::info!("kafka {purpose}: works again");
            }
        }
    }

    /// Records came, perhaps from before the trouble: at least the credentials are not refused for good.
    pub(super) fn heard(&self) {
        if self.troubled.load(Ordering::Relaxed) {
            lock(&self.trouble).refused = None;
        }
    }

    /// The number of the present trouble, `None` where there is none.
    pub(super) fn trouble(&self) -> Option<u32> {
        self.troubled.load(Ordering::Relaxed).then(|| self.times.load(Ordering::Relaxed))
    }

    /// The last that the client said.
    pub(super) fn reason(&self) -> Option<String> {
        lock(&self.trouble).reason.clone()
    }

    /// How credentials were refused, if they were; with `wait`, only once that has lasted for the grace time.
    pub(super) fn refused(&self, wait: bool) -> Option<String> {
        if !self.troubled.load(Ordering::Relaxed) {
            return None;
        }
        let trouble = lock(&self.trouble);
        let (grace, reason) = trouble.refused.as_ref()?;
        (!wait || grace.passed()).then(|| reason.clone())
    }

    /// Whether the client has said an error that reaches no queue, once: a topic or partition that is not
    /// there. A batch call turns such an error into a line of the log.
    pub(super) fn take_doubt(&self) -> bool {
        self.doubt.load(Ordering::Relaxed) && self.doubt.swap(false, Ordering::Relaxed)
    }
}

impl ClientContext for Context {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters also comes as an error; the client's own log repeats itself at each reconnect.
        tracing::debug!(target: "librdkafka", "{}: {facility}: {message}", self.purpose);
        if facility == "ERROR" {
            self.doubt.store(true, Ordering::Relaxed);
            let reason = message.split_once(": ").map_or(message, |(_client, reason)| reason);
            self.troubled(None, reason);
        }
    }

    fn error(&self, error: ClientError, reason: &str) {
        let code = error.rdkafka_error_code();
        let reason = if reason.is_empty() { plain(&error) } else { reason.to_owned() };
        // The end of a partition is no trouble, and reaches the source by its own queue.
        if code != Some(RDKafkaErrorCode::PartitionEOF) {
            self.troubled(code, &reason);
        }
    }
}

impl ConsumerContext for Context {}

/// A poisoned lock holds plain values that a panic elsewhere cannot have left half-written.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
