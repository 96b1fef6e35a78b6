//! Carries a sender's batches to the brokers, on a thread of its own.
//!
//! Enters: what the sender has written since the last tick. Leaves: requests over the connections, several at
//! a time; what is acknowledged, and why nothing goes any more. Drops: nothing by itself.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wellstream_wire::produce::{Phase, ProduceError, Producer};

use super::gather::{Gathered, lock};
use crate::limits::{SEND_TICK_MAX, SEND_TICK_MIN};
use crate::machine_clock::MachineClock;

/// The thread's own.
pub(super) struct Carrier {
    shared: Arc<Mutex<Gathered>>,
    taken: Gathered,
    producer: Producer,
    tick_ns: u64,
    clock: MachineClock,
}

impl Carrier {
    /// Starts it: it takes what is written once per tick, until it is told to stop, or cannot go on.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        shared: Arc<Mutex<Gathered>>,
        producer: Producer,
        places: usize,
        tick: Duration,
        clock: MachineClock,
    ) -> io::Result<JoinHandle<()>> {
        let tick = tick.clamp(SEND_TICK_MIN, SEND_TICK_MAX);
        let tick_ns = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX);
        let mut carrier = Carrier { shared, taken: Gathered::new(places), producer, tick_ns, clock };
        thread::Builder::new().name("kafka-sender".to_owned()).spawn(move || carrier.carry())
    }

    fn carry(&mut self) {
        let mut next_ns = self.clock.now_ns();
        loop {
            let now_ns = self.clock.now_ns();
            if now_ns >= next_ns {
                next_ns = now_ns + self.tick_ns;
                if !self.take(now_ns) {
                    return;
                }
            }
            self.producer.poll(&self.clock);
            let state = self.producer.state_mut();
            if let Some(refused) = state.refused() {
                state.give_up(&refused);
            }
            if let Phase::FatalError(error) = state.phase() {
                let reason = said(error);
                lock(&self.shared).failure = Some(reason);
                return;
            }
            let left_ns = next_ns.saturating_sub(self.clock.now_ns());
            if left_ns > 0 {
                self.producer.wait(Duration::from_nanos(left_ns), &self.clock);
            }
        }
    }

    /// Takes what is written, and tells what is under way; false where it is to stop.
    fn take(&mut self, now_ns: u64) -> bool {
        let state = self.producer.state_mut();
        let mut shared = lock(&self.shared);
        if shared.stop {
            return false;
        }
        (shared.carried_bytes, shared.carried_records) = (state.bytes(), state.records_left());
        // A leader that is away holds up its own partitions only.
        shared.take(&mut self.taken, |place| state.is_backed_up(place));
        drop(shared);
        for (place, batch) in self.taken.batches() {
            state.append_batch(place, batch, now_ns);
        }
        true
    }
}

/// In the words of the sender by librdkafka.
fn said(error: &ProduceError) -> String {
    match error {
        ProduceError::NotDelivered { topic, records, seconds, last, .. } => {
            let text = "Local: Message timed out";
            format!("{records} records to {topic}: {text} (not acknowledged after {seconds} s; {last})")
        }
        ProduceError::Wire(error) if error.is_refusal() => {
            format!("the broker refuses the credentials ({error}). Check -X sasl.username and sasl.password")
        }
        error => error.to_string(),
    }
}
