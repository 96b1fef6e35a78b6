//! What the operator's `-X key=value` means to what is produced without librdkafka. Records are always
//! acknowledged by all replicas and idempotent, whatever is asked for.

use std::time::Duration;

use wellstream_wire::batch::Compression;
use wellstream_wire::produce::ProduceSettings;

use super::options::{Given, Unsupported, options, refuse};
use crate::kafka::delivery::Delivery;
use crate::kafka::{KafkaError, KafkaSettings};
use crate::limits::{AUTHENTICATION_GRACE, DELIVERY_TIMEOUT, PRODUCE_LINGER};

/// How records are produced by these settings: in a transaction none is waited for longer than that may be
/// open.
///
/// # Errors
/// A value that is none.
pub fn produce_settings(
    settings: &KafkaSettings,
    delivery: &Delivery,
) -> Result<ProduceSettings, Unsupported> {
    let given = Given(&settings.overrides);
    let ms = |key: &str| Ok::<_, Unsupported>(given.number(key)?.map(Duration::from_millis));
    let transaction_timeout = settings.transaction_timeout().map_err(|error| match error {
        KafkaError::Setting { key, message } => refuse(&key, &message),
        error => refuse("transaction.timeout.ms", &error.to_string()),
    })?;
    let delivery_timeout =
        ms("delivery.timeout.ms")?.or(ms("message.timeout.ms")?).unwrap_or(DELIVERY_TIMEOUT);
    let (transactional_id, delivery_timeout) = match delivery {
        Delivery::AtLeastOnce => (None, delivery_timeout),
        Delivery::ExactlyOnce { transactional_id } => {
            (Some(transactional_id.clone()), delivery_timeout.min(transaction_timeout))
        }
    };
    let mut produce = ProduceSettings {
        transactional_id,
        transaction_timeout,
        delivery_timeout,
        request_timeout: options(settings)?.request_timeout,
        refusal_grace: AUTHENTICATION_GRACE,
        linger: ms("linger.ms")?.or(ms("queue.buffering.max.ms")?).unwrap_or(PRODUCE_LINGER),
        compression: compression(&given)?,
        ..ProduceSettings::default()
    };
    if let Some(bytes) = given.bytes("batch.size")? {
        produce.batch_bytes = bytes;
    }
    if let Some(kbytes) = given.bytes("queue.buffering.max.kbytes")? {
        produce.queue_bytes_max = kbytes.saturating_mul(1_024);
    }
    Ok(produce)
}

fn compression(given: &Given<'_>) -> Result<Compression, Unsupported> {
    let key = ["compression.type", "compression.codec"].into_iter().find(|key| given.get(key).is_some());
    let Some((key, name)) = key.and_then(|key| Some((key, given.get(key)?))) else {
        return Ok(Compression::None);
    };
    let found = Compression::ALL.into_iter().find(|codec| codec.name() == name);
    found.ok_or_else(|| refuse(key, "is none of none, gzip, snappy, lz4, zstd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producers_settings_mean_what_they_mean_to_librdkafka() {
        let mut settings = KafkaSettings::new("h:1", "g");
        for text in ["compression.type=lz4", "linger.ms=7", "message.timeout.ms=300000", "batch.size=100000"]
        {
            settings.add_override(text).unwrap();
        }
        let once = produce_settings(&settings, &Delivery::AtLeastOnce).unwrap();
        assert_eq!(
            (once.compression, once.linger.as_millis(), once.batch_bytes),
            (Compression::Lz4, 7, 100_000)
        );
        assert_eq!((once.delivery_timeout.as_secs(), once.transactional_id), (300, None));
        let delivery = Delivery::ExactlyOnce { transactional_id: "t".to_owned() };
        let exactly = produce_settings(&settings, &delivery).unwrap();
        assert_eq!(exactly.delivery_timeout, exactly.transaction_timeout);
        assert_eq!((exactly.request_timeout.as_secs(), exactly.transaction_timeout.as_secs()), (30, 10));
        settings.add_override("transaction.timeout.ms=60000").unwrap();
        settings.add_override("socket.timeout.ms=50000").unwrap();
        let longer = produce_settings(&settings, &delivery).unwrap();
        assert_eq!(longer.transaction_timeout.as_secs(), 60);
        assert_eq!((longer.request_timeout.as_secs(), longer.delivery_timeout.as_secs()), (50, 60));
        settings.add_override("compression.codec=brotli").unwrap();
        assert!(produce_settings(&settings, &delivery).is_ok(), "the type counts before the codec");
        settings.add_override("compression.type=brotli").unwrap();
        assert_eq!(produce_settings(&settings, &delivery).unwrap_err().key, "compression.type");
    }
}
