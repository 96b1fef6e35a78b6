//! The sink that decides: Kafka, by the client and with the delivery that were asked for.

use wellstream_connectors::kafka::sink::{Delivery as KafkaDelivery, KafkaOutputs, KafkaSink};
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaError, TopicNames};
use wellstream_connectors::native::choice::Reader;
use wellstream_connectors::native::sink::NativeSink;
use wellstream_core::engine::Sink;

use crate::settings::{Delivery, Settings};

/// Opens it. Exactly once, what was open under the transactional id is ended when this returns: committed
/// offsets are to be fetched behind it.
pub(super) fn open(
    settings: &Settings,
    reader: &Reader,
    connection: &Connection,
    names: &TopicNames,
    outputs: KafkaOutputs,
) -> Result<Box<dyn Sink>, KafkaError> {
    let delivery = delivery(settings);
    Ok(match reader.is_native {
        true => Box::new(NativeSink::open(connection, names, outputs, delivery)?),
        false => Box::new(KafkaSink::open_for(connection, names, outputs, &delivery)?),
    })
}

fn delivery(settings: &Settings) -> KafkaDelivery {
    match settings.delivery {
        Delivery::AtLeastOnce => KafkaDelivery::AtLeastOnce,
        Delivery::ExactlyOnce => {
            let default = || format!("wellstream-{}", settings.group);
            let transactional_id = settings.transactional_id.clone().unwrap_or_else(default);
            KafkaDelivery::ExactlyOnce { transactional_id }
        }
    }
}
