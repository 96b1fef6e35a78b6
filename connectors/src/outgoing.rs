//! The records that go out, as every client writes them: byte for byte the same, whoever carries them.
//!
//! Enters: alarms and rejected records. Leaves: keys, values, headers. Rows carry their key and their value
//! with them; only a frame goes before the value.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use wellstream_core::encode;
use wellstream_core::record::{Alarm, Reject};

use crate::kafka::delivery::ResultSchemas;

/// Names and values, in order (avro-schemas/quarantine-headers.json).
pub(crate) type TextHeaders = Vec<(&'static str, String)>;

/// A rejected record as the quarantine topic holds it: byte for byte, with headers that say why and whence;
/// or, what the topic cannot hold, as headers with length and hash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct QuarantineRecord<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: TextHeaders,
}

impl<'a> QuarantineRecord<'a> {
    /// Of a record that was read from `topic`; the quarantine topic takes records of at most `bytes_max`.
    pub(crate) fn of(reject: &'a Reject, topic: &str, bytes_max: usize) -> QuarantineRecord<'a> {
        let mut headers = headers(reject, topic);
        let mut value = reject.value.as_deref();
        if let Some(bytes) = value.filter(|bytes| bytes.len() + overhead_bytes(reject) > bytes_max) {
            headers.extend(digest(bytes));
            value = None;
        }
        QuarantineRecord { key: reject.key.as_deref(), value, headers }
    }
}

/// The frame before a row's value.
pub(crate) fn row_frame(schemas: ResultSchemas) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_BYTES);
    encode::put_frame(&mut frame, schemas.enriched);
    frame
}

/// An alarm's value, in place of what `value` held.
pub(crate) fn put_alarm(value: &mut Vec<u8>, alarm: &Alarm, schemas: ResultSchemas) {
    value.clear();
    encode::put_frame(value, schemas.alert);
    encode::put_alarm(value, alarm, schemas.rules);
}

/// What stands for a value that is left out.
pub(crate) fn digest(value: &[u8]) -> [(&'static str, String); 2] {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(value) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    [("ws.value_bytes", value.len().to_string()), ("ws.value_sha256", hex)]
}

/// Why and whence.
fn headers(reject: &Reject, topic: &str) -> TextHeaders {
    let mut headers = Vec::with_capacity(8);
    headers.extend([
        ("ws.reason", reject.reason.name().to_owned()),
        ("ws.topic", topic.to_owned()),
        ("ws.partition", reject.partition.number.to_string()),
        ("ws.offset", reject.offset.to_string()),
        ("ws.timestamp", reject.timestamp_ms.to_string()),
    ]);
    headers.extend(reject.schema_id.map(|id| ("ws.schema_id", id.to_string())));
    headers
}

/// Bytes that a record takes in a batch beside its value: key, headers and framing, generously.
fn overhead_bytes(reject: &Reject) -> usize {
    reject.key.as_ref().map_or(0, Vec::len) + 1_024
}

/// What a Confluent frame adds to a body.
pub(crate) const FRAME_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use wellstream_core::record::{PartitionId, Reason, Side};

    use super::*;

    #[test]
    fn headers_are_those_of_the_normative_file() {
        let reject = Reject {
            reason: Reason::Truncated,
            partition: PartitionId { side: Side::Tank, number: 3 },
            offset: 42,
            timestamp_ms: -1,
            schema_id: Some(7),
            key: None,
            value: Some(b"abc".to_vec()),
        };
        let record = QuarantineRecord::of(&reject, "tank-sensor-data", 1_026);
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = [
            ("ws.reason", "truncated"),
            ("ws.topic", "tank-sensor-data"),
            ("ws.partition", "3"),
            ("ws.offset", "42"),
            ("ws.timestamp", "-1"),
            ("ws.schema_id", "7"),
            ("ws.value_bytes", "3"),
            ("ws.value_sha256", sha),
        ];
        let text: Vec<_> = record.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!((record.value, &text[..]), (None, &expected[..]));
        let whole = QuarantineRecord::of(&reject, "tank-sensor-data", 1_027);
        assert_eq!((whole.value, whole.headers.len()), (Some(&b"abc"[..]), 6));

        let file = include_str!("../../avro-schemas/quarantine-headers.json");
        let file: serde_json::Value = serde_json::from_str(file).unwrap();
        let named: Vec<&str> =
            file["headers"].as_array().unwrap().iter().map(|h| h["name"].as_str().unwrap()).collect();
        assert_eq!(named, expected.map(|(name, _)| name));
    }
}
