//! Quarantine records as librdkafka takes them, and those that it gives back.

use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use super::TopicNames;
use crate::outgoing::digest;

/// A record that the broker refused for its size, or for that of the batch it was in.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    pub(super) headers: OwnedHeaders,
}

/// Headers as librdkafka takes them.
pub(super) fn owned(headers: &[(&'static str, String)]) -> OwnedHeaders {
    headers.iter().fold(OwnedHeaders::new_with_capacity(8), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value.as_bytes()) })
    })
}

/// Adds what stands for a value that is left out.
pub(super) fn with_digest(headers: OwnedHeaders, value: &[u8]) -> OwnedHeaders {
    digest(value)
        .iter()
        .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value.as_bytes()) }))
}

/// A record that was refused, to be sent again; `None` where it has no value any more, so that its size
/// cannot be the value's fault.
pub(super) fn refused(message: &impl Message) -> Option<Refused> {
    let value = message.payload()?.to_vec();
    let sent = message.headers()?;
    let headers = (0..sent.count()).fold(OwnedHeaders::new_with_capacity(8), |headers, index| {
        let header = sent.get(index);
        headers.insert(Header { key: header.key, value: header.value })
    });
    Some(Refused { key: message.key().map(<[u8]>::to_vec), value, headers })
}

/// A record to the quarantine topic.
pub(super) fn record<'a>(
    names: &'a TopicNames,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: OwnedHeaders,
) -> BaseRecord<'a, [u8], [u8]> {
    let mut record = BaseRecord::to(&names.quarantine).headers(headers);
    record.key = key;
    record.payload = value;
    record
}
