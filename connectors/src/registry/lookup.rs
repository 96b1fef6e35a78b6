//! From schema ids to plans, without ever making a lane wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use wellstream_core::decode::{Plan, SchemaLookup, Schemas};
use wellstream_core::record::Side;

use super::{RegistryClient, RegistryError, RegistrySettings};
use crate::limits::{REGISTRY_PAUSE_MAX, REGISTRY_PAUSE_MIN, WARNING_INTERVAL};
use crate::machine_clock::{Deadline, MachineClock, RateLimit};

/// Plans by schema id, fetched in the background.
pub struct Registry {
    shared: Arc<Shared>,
    /// Ids to fetch. Dropping it ends the worker.
    wanted: Mutex<Sender<(Side, u32)>>,
}

#[derive(Default)]
struct Shared {
    known: RwLock<HashMap<(Side, u32), SchemaLookup>>,
    /// Counters: the worker adds, anybody reads; they order nothing, so relaxed.
    fetched: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    pending: AtomicU64,
}

/// What the registry was asked and said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistryCounts {
    /// Schemas fetched.
    pub fetched: u64,
    /// Requests that failed, "not found" included.
    pub failed: u64,
    /// Ids given up.
    pub given_up: u64,
    /// Ids that are waited for now.
    pub pending: u64,
}

impl Registry {
    /// A lookup with its worker thread. Nothing is asked before a lane does.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(settings: &RegistrySettings) -> std::io::Result<Registry> {
        let shared = Arc::new(Shared::default());
        let (wanted, inbox) = channel();
        let worker = Worker {
            shared: Arc::clone(&shared),
            client: RegistryClient::new(settings),
            grace: settings.grace,
            clock: MachineClock::start(),
            waiting: HashMap::new(),
            limit: RateLimit::new(WARNING_INTERVAL),
        };
        std::thread::Builder::new().name("registry".to_owned()).spawn(move || worker.run(&inbox))?;
        Ok(Registry { shared, wanted: Mutex::new(wanted) })
    }

    /// What was asked and said so far.
    #[must_use]
    pub fn counts(&self) -> RegistryCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RegistryCounts {
            fetched: read(&self.shared.fetched),
            failed: read(&self.shared.failed),
            given_up: read(&self.shared.given_up),
            pending: read(&self.shared.pending),
        }
    }
}

impl Schemas for Registry {
    fn plan(&self, side: Side, id: u32) -> SchemaLookup {
        let known = self.shared.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(lookup) = known.get(&(side, id)) {
            return lookup.clone();
        }
        drop(known);
        let mut known = self.shared.known.write().unwrap_or_else(PoisonError::into_inner);
        // Another lane may have asked between the two locks: its answer, or its question, stands.
        known
            .entry((side, id))
            .or_insert_with(|| {
                self.shared.pending.fetch_add(1, Ordering::Relaxed);
                let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
                // The worker ends only after this sender: it cannot have gone.
                let _ = wanted.send((side, id));
                SchemaLookup::Pending
            })
            .clone()
    }
}

/// Asks the registry, one id at a time.
struct Worker {
    shared: Arc<Shared>,
    client: RegistryClient,
    grace: Duration,
    clock: MachineClock,
    waiting: HashMap<u32, Waiting>,
    limit: RateLimit,
}

struct Waiting {
    /// Who asked: a plan is compiled for each.
    sides: Vec<Side>,
    next: Deadline,
    attempts: u32,
    /// Since when the registry has said nothing but "not found".
    absent_since_ms: Option<i64>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<(Side, u32)>) {
        loop {
            let pause = self.waiting.values().map(|waiting| waiting.next.left()).min().unwrap_or(IDLE);
            match inbox.recv_timeout(pause) {
                Ok((side, id)) => self.add(side, id),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Ok((side, id)) = inbox.try_recv() {
                self.add(side, id);
            }
            let due = self.waiting.iter().find(|(_, waiting)| waiting.next.passed());
            if let Some(id) = due.map(|(id, _)| *id) {
                self.ask(id);
            }
        }
    }

    fn add(&mut self, side: Side, id: u32) {
        let waiting = self.waiting.entry(id).or_insert_with(|| Waiting {
            sides: Vec::new(),
            next: Deadline::after(Duration::ZERO),
            attempts: 0,
            absent_since_ms: None,
        });
        waiting.sides.push(side);
    }

    fn ask(&mut self, id: u32) {
        let Some(mut waiting) = self.waiting.remove(&id) else { return };
        let answer = self.client.schema(id);
        let failed = !matches!(answer, Ok(Some(_)));
        self.shared.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
        match answer {
            Ok(Some(schema)) => {
                self.shared.fetched.fetch_add(1, Ordering::Relaxed);
                for side in waiting.sides {
                    self.settle(side, id, compiled(side, id, &schema));
                }
                return;
            }
            Ok(None) => {
                let now = self.clock.now_ms();
                let since = *waiting.absent_since_ms.get_or_insert(now);
                if Duration::from_millis((now - since).unsigned_abs()) >= self.grace {
                    tracing::error!(
                        "schema id {id} is not in the registry, for {} s now: its records are quarantined",
                        self.grace.as_secs()
                    );
                    self.shared.given_up.fetch_add(1, Ordering::Relaxed);
                    for side in waiting.sides {
                        self.settle(side, id, SchemaLookup::GivenUp);
                    }
                    return;
                }
                self.warn(&format!("schema id {id} is not in the registry"));
            }
            Err(error @ RegistryError::NotAvro { .. }) => {
                tracing::error!("{error}: its records are quarantined");
                for side in waiting.sides {
                    self.settle(side, id, SchemaLookup::Unreadable);
                }
                return;
            }
            Err(error) => {
                waiting.absent_since_ms = None;
                self.warn(&error.to_string());
            }
        }
        waiting.attempts += 1;
        waiting.next = Deadline::after(pause(waiting.attempts));
        self.waiting.insert(id, waiting);
    }

    fn settle(&self, side: Side, id: u32, lookup: SchemaLookup) {
        let mut known = self.shared.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert((side, id), lookup);
        self.shared.pending.fetch_sub(1, Ordering::Relaxed);
    }

    fn warn(&mut self, message: &str) {
        if let Some(held_back) = self.limit.pass() {
            tracing::warn!(
                "{message}; the partitions that need it wait, and it is asked again ({held_back} more since \
                 the last warning)"
            );
        }
    }
}

fn compiled(side: Side, id: u32, schema: &str) -> SchemaLookup {
    match Plan::compile(side, schema) {
        Ok(plan) => SchemaLookup::Ready(Arc::new(plan)),
        Err(error) => {
            tracing::error!(
                "schema id {id} cannot be read as a {side} reading ({error}): its records are quarantined"
            );
            SchemaLookup::Unreadable
        }
    }
}

/// Doubles from the shortest to the longest, with half of it left to chance: several instances must not ask
/// at once.
fn pause(attempts: u32) -> Duration {
    let whole = REGISTRY_PAUSE_MIN.saturating_mul(1 << attempts.min(10)).min(REGISTRY_PAUSE_MAX);
    whole.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// With nothing to ask, the worker only waits for ids; this bounds each wait.
const IDLE: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert!(pause(1) <= REGISTRY_PAUSE_MIN * 2);
        for attempts in 0..100 {
            assert!((REGISTRY_PAUSE_MIN / 2..=REGISTRY_PAUSE_MAX).contains(&pause(attempts)));
        }
        assert!(pause(50) >= REGISTRY_PAUSE_MAX / 2);
    }

    #[test]
    fn one_schema_for_both_sides_is_ready_for_one_and_unreadable_for_the_other() {
        let schema = wellstream_core::schemas::WELL_DATA;
        assert!(matches!(compiled(Side::Well, 1, schema), SchemaLookup::Ready(_)));
        assert!(matches!(compiled(Side::Tank, 1, schema), SchemaLookup::Unreadable));
        assert!(matches!(compiled(Side::Well, 1, "{"), SchemaLookup::Unreadable));
    }
}
