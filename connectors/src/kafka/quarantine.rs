//! Rejected records as the quarantine topic holds them: byte for byte, with headers that say why and whence;
//! or, what the topic cannot hold, as headers with length and hash (avro-schemas/quarantine-headers.json).

use std::fmt::Write;

use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use sha2::{Digest, Sha256};
use wellstream_core::record::Reject;

/// A record that the broker refused for its size, or for that of the batch it was in.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    pub(super) headers: OwnedHeaders,
}

/// Why and whence.
pub(super) fn headers(reject: &Reject, topic: &str) -> OwnedHeaders {
    let headers = [
        ("ws.reason", reject.reason.name().to_owned()),
        ("ws.topic", topic.to_owned()),
        ("ws.partition", reject.partition.number.to_string()),
        ("ws.offset", reject.offset.to_string()),
        ("ws.timestamp", reject.timestamp_ms.to_string()),
    ];
    let headers = headers.iter().fold(OwnedHeaders::new_with_capacity(8), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value.as_bytes()) })
    });
    match reject.schema_id {
        None => headers,
        Some(id) => headers.insert(Header { key: "ws.schema_id", value: Some(id.to_string().as_bytes()) }),
    }
}

/// Adds what stands for a value that is left out.
pub(super) fn with_digest(headers: OwnedHeaders, value: &[u8]) -> OwnedHeaders {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(value) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    headers
        .insert(Header { key: "ws.value_bytes", value: Some(value.len().to_string().as_bytes()) })
        .insert(Header { key: VALUE_SHA256, value: Some(hex.as_bytes()) })
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

/// Bytes that a record takes in a batch beside its value: key, headers and framing, generously.
pub(super) fn overhead_bytes(reject: &Reject) -> usize {
    reject.key.as_ref().map_or(0, Vec::len) + 1_024
}

const VALUE_SHA256: &str = "ws.value_sha256";

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
        let headers = with_digest(headers(&reject, "tank-sensor-data"), b"abc");
        let text: Vec<(String, String)> = headers
            .iter()
            .map(|h| (h.key.to_owned(), String::from_utf8(h.value.unwrap().to_vec()).unwrap()))
            .collect();
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
        assert_eq!(text.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);

        let file = include_str!("../../../avro-schemas/quarantine-headers.json");
        let file: serde_json::Value = serde_json::from_str(file).unwrap();
        let named: Vec<&str> =
            file["headers"].as_array().unwrap().iter().map(|h| h["name"].as_str().unwrap()).collect();
        assert_eq!(named, expected.map(|(name, _)| name));
    }
}
