//! How the writer's schema lays records out. Enters: its text. Leaves: the fast way where it has exactly our
//! fields in our order, else the slow way by the Avro library, which moves fields to their places. Drops:
//! fields that we do not know.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::RecordSchema;
use apache_avro::types::Value;
use apache_avro::util::max_allocation_bytes;

use super::write::put_owned;
use super::{TraceError, TraceRecord};
use crate::limits::TRACE_BLOCK_BYTES_MAX;

/// How the bodies of records lie in a block.
#[derive(Clone, Debug)]
pub(super) enum Layout {
    /// As avro-schemas/trace-record.avsc has them.
    Ours,
    /// In another order, with more fields, or with wider types.
    Other(Arc<Schema>),
}

impl Layout {
    pub(super) fn of(schema_json: &str) -> Result<Layout, TraceError> {
        let not = |reason: String| TraceError::NotATrace { reason };
        let schema = Schema::parse_str(schema_json).map_err(|error| not(format!("its schema: {error}")))?;
        let Schema::Record(record) = &schema else {
            return Err(not("its schema is not a record".to_owned()));
        };
        for (name, what, fits) in FIELDS {
            match field(record, name) {
                None => return Err(not(format!("its schema has no field {name}"))),
                Some(found) if !fits(found) => return Err(not(format!("its field {name} is not {what}"))),
                Some(_) => {}
            }
        }
        if is_ours(record) { Ok(Layout::Ours) } else { Ok(Layout::Other(Arc::new(schema))) }
    }
}

/// Puts the records of a block as ours.
pub(super) fn rewrite(schema: &Schema, count: usize, mut block: &[u8]) -> Result<Vec<u8>, String> {
    // The library sets aside what a length says; the first to say how much may be, decides.
    max_allocation_bytes(TRACE_BLOCK_BYTES_MAX);
    let said = |error: apache_avro::Error| error.to_string();
    let reader = GenericDatumReader::builder(schema).build().map_err(said)?;
    let mut out = Vec::with_capacity(block.len());
    let mut topics = HashSet::new();
    for _ in 0..count {
        let value = reader.read_value(&mut block).map_err(said)?;
        let record = record(value, &mut topics).map_err(|name| format!("a record has no valid {name}"))?;
        put_owned(&mut out, &record).map_err(|error| error.to_string())?;
    }
    if block.is_empty() { Ok(out) } else { Err("it holds more than its records".to_owned()) }
}

fn field<'s>(record: &'s RecordSchema, name: &str) -> Option<&'s Schema> {
    record.lookup.get(name).and_then(|&place| record.fields.get(place)).map(|field| &field.schema)
}

type Fits = fn(&Schema) -> bool;

/// What a record must have: name, what it must be, and the test.
const FIELDS: [(&str, &str, Fits); 7] = [
    ("topic", "a string", |schema| matches!(schema, Schema::String)),
    ("partition", "an int", is_number),
    ("offset", "a long", is_number),
    ("timestamp", "a long", is_number),
    ("key", "bytes or null", is_bytes),
    ("value", "bytes or null", is_bytes),
    ("headers", "an array of key and value", is_headers),
];

fn is_number(schema: &Schema) -> bool {
    matches!(schema, Schema::Int | Schema::Long | Schema::TimestampMillis)
}

fn is_bytes(schema: &Schema) -> bool {
    let bytes = |schema: &Schema| matches!(schema, Schema::Bytes | Schema::Null);
    match schema {
        Schema::Union(union) => union.variants().iter().all(bytes),
        schema => bytes(schema),
    }
}

fn is_headers(schema: &Schema) -> bool {
    let Schema::Array(array) = schema else { return false };
    let Schema::Record(header) = array.items.as_ref() else { return false };
    field(header, "key").is_some_and(|key| matches!(key, Schema::String))
        && field(header, "value").is_some_and(is_bytes)
}

/// Whether bodies lie exactly as ours do, whatever names and docs say.
fn is_ours(record: &RecordSchema) -> bool {
    let names =
        |record: &RecordSchema| record.fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
    let null_first = |schema: &Schema| match schema {
        Schema::Union(union) => matches!(union.variants(), [Schema::Null, Schema::Bytes]),
        _ => false,
    };
    if names(record) != FIELDS.map(|(name, ..)| name) {
        return false;
    }
    let headers = match record.fields.last().map(|field| &field.schema) {
        Some(Schema::Array(array)) => match array.items.as_ref() {
            Schema::Record(header) => {
                names(header) == ["key", "value"] && field(header, "value").is_some_and(null_first)
            }
            _ => false,
        },
        _ => false,
    };
    // Int and long are written alike.
    headers && ["key", "value"].iter().all(|name| field(record, name).is_some_and(null_first))
}

/// One record, or the field that it lacks.
fn record(value: Value, topics: &mut HashSet<Arc<str>>) -> Result<TraceRecord, &'static str> {
    let Value::Record(fields) = value else { return Err("fields") };
    let mut fields: BTreeMap<String, Value> = fields.into_iter().collect();
    let mut take = |name: &'static str| fields.remove(name).ok_or(name);
    let topic = match take("topic")? {
        Value::String(topic) => match topics.get(topic.as_str()) {
            Some(known) => known.clone(),
            None => {
                let topic: Arc<str> = topic.into();
                topics.insert(topic.clone());
                topic
            }
        },
        _ => return Err("topic"),
    };
    let long = |value| match value {
        Value::Long(long) | Value::TimestampMillis(long) => Some(long),
        Value::Int(int) => Some(i64::from(int)),
        _ => None,
    };
    let partition = long(take("partition")?).and_then(|number| u32::try_from(number).ok());
    let headers = match take("headers")? {
        Value::Array(headers) => headers.into_iter().map(header).collect::<Option<_>>().ok_or("headers")?,
        _ => return Err("headers"),
    };
    Ok(TraceRecord {
        topic,
        partition: partition.ok_or("partition")?,
        offset: long(take("offset")?).ok_or("offset")?,
        timestamp_ms: long(take("timestamp")?).ok_or("timestamp")?,
        key: bytes(take("key")?).ok_or("key")?,
        value: bytes(take("value")?).ok_or("value")?,
        headers,
    })
}

fn header(value: Value) -> Option<(String, Option<Vec<u8>>)> {
    let Value::Record(fields) = value else { return None };
    let mut fields: BTreeMap<String, Value> = fields.into_iter().collect();
    match (fields.remove("key")?, fields.remove("value")?) {
        (Value::String(key), value) => Some((key, bytes(value)?)),
        _ => None,
    }
}

/// Bytes or null, in a union or not.
fn bytes(value: Value) -> Option<Option<Vec<u8>>> {
    match value {
        Value::Union(_, inner) => bytes(*inner),
        Value::Null => Some(None),
        Value::Bytes(bytes) => Some(Some(bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use wellstream_core::schemas::TRACE_RECORD;

    use super::*;

    #[test]
    fn the_normative_schema_is_read_the_fast_way_whatever_its_names() {
        assert!(matches!(Layout::of(TRACE_RECORD), Ok(Layout::Ours)));
        let renamed = TRACE_RECORD.replace("TraceRecord", "Else").replace("TraceHeader", "H");
        assert!(matches!(Layout::of(&renamed), Ok(Layout::Ours)));
        let time = r#"{"type": "long", "logicalType": "timestamp-millis"}"#;
        let logical = TRACE_RECORD.replacen(
            r#""name": "timestamp", "type": "long""#,
            &format!(r#""name": "timestamp", "type": {time}"#),
            1,
        );
        assert!(logical.contains("timestamp-millis") && matches!(Layout::of(&logical), Ok(Layout::Ours)));
    }

    #[test]
    fn other_ways_to_say_the_same_are_read_the_slow_way() {
        for (from, to) in [
            (r#""name": "key", "type": ["null", "bytes"]"#, r#""name": "key", "type": ["bytes", "null"]"#),
            (r#""name": "value", "type": ["null", "bytes"]"#, r#""name": "value", "type": "bytes""#),
            (r#"{"name": "offset""#, r#"{"name": "more", "type": "double"}, {"name": "offset""#),
        ] {
            let text = TRACE_RECORD.replace(from, to);
            assert!(text != TRACE_RECORD && matches!(Layout::of(&text), Ok(Layout::Other(_))), "{to}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (from, to, part) in [
            (r#""name": "topic""#, r#""name": "subject""#, "no field topic"),
            (
                r#""name": "offset", "type": "long""#,
                r#""name": "offset", "type": "string""#,
                "offset is not a long",
            ),
            (
                r#""name": "key", "type": ["null", "bytes"]"#,
                r#""name": "key", "type": "double""#,
                "key is not",
            ),
        ] {
            let error = Layout::of(&TRACE_RECORD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(Layout::of(r#""string""#).unwrap_err().to_string().contains("not a record"));
        assert!(Layout::of("{").is_err());
    }
}
