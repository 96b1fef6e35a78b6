//! The producing client: what came of each record that was not delivered, and waiting with a bound.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext};
use wellstream_core::engine::SinkError;

use super::batch::flush_for;
use super::context::{Context, lock};
use super::patience::Patience;
use super::quarantine::{Refused, refused};
use super::settings::KafkaSettings;
use crate::limits::FLUSH_MARGIN;
use crate::machine_clock::Deadline;

/// Told of each record that failed, by the thread that polls.
pub(super) struct ProducerEvents {
    settings: KafkaSettings,
    context: Context,
    quarantine: Option<String>,
    failed: Mutex<Failures>,
}

#[derive(Default)]
struct Failures {
    /// How many records, by topic and error.
    counts: BTreeMap<(String, String), u64>,
    /// Quarantine records that the broker found too large, alone or in their batch.
    refused: Vec<Refused>,
}

impl ProducerEvents {
    pub(super) fn new(settings: &KafkaSettings, quarantine: Option<&str>) -> ProducerEvents {
        ProducerEvents {
            settings: settings.clone(),
            context: Context::new("producer"),
            quarantine: quarantine.map(str::to_owned),
            failed: Mutex::default(),
        }
    }

    fn note(&self, error: &ClientError, message: &BorrowedMessage<'_>) {
        let code = error.rdkafka_error_code();
        let mut failed = lock(&self.failed);
        let is_size = matches!(
            code,
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge)
        );
        let ours = is_size && self.quarantine.as_deref() == Some(message.topic());
        if let Some(again) = ours.then(|| refused(message)).flatten() {
            failed.refused.push(again);
            return;
        }
        let reason = code.map_or_else(|| error.to_string(), |code| code.to_string());
        *failed.counts.entry((message.topic().to_owned(), reason)).or_default() += 1;
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Quarantine records that were refused for their size.
    pub(super) fn take_refused(&self) -> Vec<Refused> {
        std::mem::take(&mut lock(&self.failed).refused)
    }

    /// What was not delivered, as text; forgets it.
    pub(super) fn take_failures(&self) -> Option<String> {
        let counts = std::mem::take(&mut lock(&self.failed).counts);
        let text = |((topic, reason), count)| format!("{count} records to {topic}: {reason}");
        (!counts.is_empty()).then(|| counts.into_iter().map(text).collect::<Vec<_>>().join("; "))
    }
}

impl ClientContext for ProducerEvents {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }
    fn error(&self, error: ClientError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ProducerContext for ProducerEvents {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        if let Err((error, message)) = result {
            self.note(error, message);
        }
    }
}

/// The largest delivery time that the client was given, and with it the bound of every wait.
pub(super) fn delivery_bound(config: &rdkafka::ClientConfig) -> Duration {
    let text = config.get("delivery.timeout.ms").or_else(|| config.get("message.timeout.ms"));
    let time_ms = text.and_then(|text| text.parse().ok()).unwrap_or(120_000);
    Duration::from_millis(time_ms) + FLUSH_MARGIN
}

/// Waits until all records are delivered or have failed. A flush makes the client's thread spin for as long
/// as it may send nothing, since it takes the linger to be over: one that a broker holds up goes on as a
/// wait.
pub(super) fn drain(producer: &BaseProducer<ProducerEvents>, bound: Duration) -> Result<(), SinkError> {
    drain_unless(producer, bound, &|| false)
}

/// The same for whoever may find on the way that waiting is no use: then it is a few seconds more at most.
pub(super) fn drain_unless(
    producer: &BaseProducer<ProducerEvents>,
    bound: Duration,
    hurry: &dyn Fn() -> bool,
) -> Result<(), SinkError> {
    let began = Deadline::after(bound);
    let hurry = || hurry() || producer.context().settings.gives_up();
    let patience = Patience::new(bound, &hurry);
    let flush = Deadline::after(FLUSH_TIME);
    loop {
        let slice = patience.left().min(FLUSH_SLICE);
        let done = if flush.passed() {
            producer.poll(slice);
            producer.in_flight_count() == 0
        } else {
            flush_for(producer, slice)
        };
        serve_events(producer);
        if done {
            return Ok(());
        }
        check(producer)?;
        if patience.is_over() {
            let left = u64::from(producer.in_flight_count().unsigned_abs());
            return Err(refuse(not_acknowledged(left, bound.saturating_sub(began.left()))));
        }
    }
}

/// What is told where waiting was no use.
pub(crate) fn not_acknowledged(records: u64, waited: Duration) -> String {
    format!(
        "{records} records are not acknowledged after {} s. Check that the brokers run and have enough in-sync \
         replicas",
        waited.as_secs()
    )
}

/// Serves reports and errors without waiting.
pub(super) fn serve_events(producer: &BaseProducer<ProducerEvents>) {
    producer.poll(Duration::ZERO);
}

/// Whether the client can go on.
pub(super) fn check(producer: &BaseProducer<ProducerEvents>) -> Result<(), SinkError> {
    if let Some((code, reason)) = producer.client().fatal_error() {
        return Err(refuse(format!(
            "the producer cannot go on ({code}: {reason}). The next start repeats the epoch"
        )));
    }
    if let Some(reason) = producer.client().context().context().refused(true) {
        return Err(refuse(format!(
            "the broker refuses the credentials ({reason}). Check -X sasl.username and sasl.password"
        )));
    }
    Ok(())
}

pub(super) fn refuse(message: String) -> SinkError {
    SinkError { sink: "kafka", message }
}

/// Longer than a broker that keeps up takes.
const FLUSH_TIME: Duration = Duration::from_millis(200);

/// One wait for acknowledgements: short, since failed records are reported between two waits only.
const FLUSH_SLICE: Duration = Duration::from_millis(20);
