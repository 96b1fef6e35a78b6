//! Kafka without librdkafka: records straight from and to the socket (`wellstream-wire`).

mod outputs;
pub mod sink;
