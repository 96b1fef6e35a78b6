//! The head of the file: who can read it and how. Enters: its first bytes. Leaves: schemas, codec, layout,
//! the marker between blocks, how many records there must be.

use std::collections::BTreeMap;
use std::io::{self, Read};

use wellstream_core::schemas::TRACE_RECORD;

use super::TraceError;
use super::bytes::{put_bytes, put_long, zigzag};
use super::layout::Layout;
use super::unpack::Codec;
use crate::limits::TRACE_HEADER_BYTES_MAX;

/// What a reader needs to know before the first block.
pub(super) struct Header {
    /// The schemas of values by their ids.
    pub(super) schemas: BTreeMap<u32, String>,
    pub(super) told: Told,
    pub(super) codec: Codec,
    pub(super) layout: Layout,
    /// Stands behind every block.
    pub(super) marker: [u8; MARKER_BYTES],
    /// Where the first block begins.
    pub(super) bytes: u64,
}

/// What the header says about the number of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing: another tool wrote it.
    Nothing,
    /// The writer did not come to its end.
    Unfinished,
    /// So many.
    Records(u64),
}

impl Header {
    pub(super) fn read(input: &mut impl Read) -> Result<Header, TraceError> {
        let mut reader = HeaderReader { input, at: 0 };
        reader.magic()?;
        let mut schemas = BTreeMap::new();
        let (mut told, mut codec, mut layout) = (Told::Nothing, Codec::Null, None);
        loop {
            let count = reader.long()?;
            if count == 0 {
                break;
            }
            if count < 0 {
                reader.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                let key = String::from_utf8_lossy(&reader.bytes()?).into_owned();
                let value = reader.bytes()?;
                let text = || String::from_utf8_lossy(&value).into_owned();
                match key.as_str() {
                    "avro.schema" => layout = Some(Layout::of(&text())?),
                    "avro.codec" => codec = Codec::named(&text())?,
                    COUNT_KEY => {
                        told = told_by(&text()).ok_or_else(|| reader.fault("no number of records"))?
                    }
                    key => {
                        if let Some(id) = key.strip_prefix(SCHEMA_KEY).and_then(|id| id.parse().ok()) {
                            schemas.insert(id, text());
                        }
                    }
                }
            }
        }
        let layout = layout.ok_or_else(|| reader.fault("it has no schema"))?;
        let marker = reader.array()?;
        Ok(Header { schemas, told, codec, layout, marker, bytes: reader.at })
    }
}

fn told_by(text: &str) -> Option<Told> {
    if text == COUNT_UNKNOWN { Some(Told::Unfinished) } else { text.parse().ok().map(Told::Records) }
}

struct HeaderReader<'r, R> {
    input: &'r mut R,
    at: u64,
}

impl<R: Read> HeaderReader<'_, R> {
    fn magic(&mut self) -> Result<(), TraceError> {
        let mut begins = Vec::new();
        self.input.take(MAGIC.len() as u64).read_to_end(&mut begins)?;
        self.at = begins.len() as u64;
        match begins.as_slice() {
            MAGIC => Ok(()),
            [] => Err(TraceError::NotAvro { reason: "the file is empty" }),
            _ => Err(TraceError::NotAvro { reason: "it is no Avro object container file" }),
        }
    }

    fn fault(&self, reason: impl Into<String>) -> TraceError {
        TraceError::Header { at: self.at, reason: reason.into() }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TraceError> {
        let mut array = [0; N];
        match self.input.read_exact(&mut array) {
            Ok(()) => {
                self.at += N as u64;
                Ok(array)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.fault("the file ends here"))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn long(&mut self) -> Result<i64, TraceError> {
        let mut raw = 0_u64;
        for index in 0..10 {
            let [byte] = self.array()?;
            raw |= u64::from(byte & 0x7F) << (7 * index);
            if byte < 0x80 {
                return Ok(zigzag(raw));
            }
        }
        Err(self.fault("a number has more than 64 bits"))
    }

    /// Grows by what is really there, whatever the length says.
    fn bytes(&mut self) -> Result<Vec<u8>, TraceError> {
        let length = self.long()?;
        let left = (TRACE_HEADER_BYTES_MAX as u64).saturating_sub(self.at);
        let length = u64::try_from(length).ok().filter(|length| *length <= left);
        let length = length.ok_or_else(|| {
            self.fault(format!("a length of {length:?} bytes; {TRACE_HEADER_BYTES_MAX} at most"))
        })?;
        let mut bytes = Vec::new();
        self.input.take(length).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < length {
            return Err(self.fault("the file ends here"));
        }
        self.at += length;
        Ok(bytes)
    }
}

/// A header as it is written, with room for schemas that come later: its length never changes.
pub(super) struct HeaderText {
    schemas: BTreeMap<u32, String>,
    marker: [u8; MARKER_BYTES],
    /// The length of the whole; none before the first time.
    bytes: Option<usize>,
    room: usize,
}

impl HeaderText {
    pub(super) fn new(schemas: &[(u32, String)], marker: [u8; MARKER_BYTES], room: usize) -> HeaderText {
        HeaderText { schemas: schemas.iter().cloned().collect(), marker, bytes: None, room }
    }

    pub(super) fn marker(&self) -> &[u8; MARKER_BYTES] {
        &self.marker
    }

    /// Adds a schema; false if there is no room for it.
    pub(super) fn add(&mut self, id: u32, text: &str) -> bool {
        let before = self.schemas.insert(id, text.to_owned());
        if self.filled(Told::Unfinished).is_some() {
            return true;
        }
        match before {
            Some(before) => self.schemas.insert(id, before),
            None => self.schemas.remove(&id),
        };
        false
    }

    /// The bytes, as long as they were the first time.
    pub(super) fn encode(&mut self, told: Told) -> Vec<u8> {
        let text = self.filled(told).unwrap_or_else(|| self.plain(told, None));
        self.bytes.get_or_insert(text.len());
        text
    }

    /// With the room that is left filled; `None` if there is none left.
    fn filled(&self, told: Told) -> Option<Vec<u8>> {
        let Some(bytes) = self.bytes else {
            let filler = (self.room > 0).then_some((ROOM_KEY, self.room));
            return Some(self.plain(told, filler));
        };
        let plain = self.plain(told, None);
        if plain.len() == bytes {
            return Some(plain);
        }
        // One entry more may also lengthen the number of entries; a length of two bytes or three leaves a
        // gap of one, which the longer key closes.
        let left = bytes.checked_sub(plain.len())?;
        [ROOM_KEY, ROOM_KEY_LONGER].into_iter().find_map(|key| {
            let fillers = (left.saturating_sub(key.len() + 8)..left).rev();
            fillers.map(|filler| self.plain(told, Some((key, filler)))).find(|text| text.len() == bytes)
        })
    }

    fn plain(&self, told: Told, filler: Option<(&str, usize)>) -> Vec<u8> {
        let count = match told {
            Told::Records(records) => format!("{records:020}"),
            Told::Nothing | Told::Unfinished => COUNT_UNKNOWN.to_owned(),
        };
        let mut entries = vec![
            ("avro.schema".to_owned(), TRACE_RECORD.trim().to_owned()),
            ("avro.codec".to_owned(), "zstandard".to_owned()),
            (COUNT_KEY.to_owned(), count),
        ];
        entries.extend(self.schemas.iter().map(|(id, text)| (format!("{SCHEMA_KEY}{id}"), text.clone())));
        entries.extend(filler.map(|(key, bytes)| (key.to_owned(), " ".repeat(bytes))));
        let mut out = MAGIC.to_vec();
        put_long(&mut out, entries.len() as i64);
        for (key, value) in entries {
            put_bytes(&mut out, key.as_bytes());
            put_bytes(&mut out, value.as_bytes());
        }
        out.push(0);
        out.extend_from_slice(&self.marker);
        out
    }
}

/// How every object container file begins.
const MAGIC: &[u8] = b"Obj\x01";

/// Bytes of the marker between blocks.
pub(super) const MARKER_BYTES: usize = 16;

/// Metadata keys of the values' schemas begin so; the id follows.
const SCHEMA_KEY: &str = "ws.schema.";

/// Metadata key of the number of records, in 20 digits.
const COUNT_KEY: &str = "ws.records";

/// Stands there until the trace is finished; as long as the number will be.
const COUNT_UNKNOWN: &str = "-not-yet-finished!!-";

/// Metadata key of the room for schemas that come later: spaces.
const ROOM_KEY: &str = "ws.room";
const ROOM_KEY_LONGER: &str = "ws.room.";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Header {
        Header::read(&mut &text[..]).unwrap()
    }

    #[test]
    fn schemas_that_come_later_do_not_move_the_blocks() {
        let schema = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
        let mut text = HeaderText::new(&[(7, schema(3))], [9; MARKER_BYTES], 4_000);
        let first = text.encode(Told::Unfinished);
        let mut added = 0;
        for id in 100_u32..1_000 {
            if !text.add(id, &schema(id as usize % 90)) {
                break;
            }
            added += 1;
            let now = text.encode(Told::Records(u64::from(id)));
            assert_eq!(now.len(), first.len(), "schema {id}");
            let header = read(&now);
            assert_eq!(header.told, Told::Records(u64::from(id)));
            assert_eq!((header.schemas.len(), header.bytes), (added + 1, first.len() as u64));
        }
        assert!((30..200).contains(&added), "{added} schemas in 4,000 bytes");
        assert!(!text.add(7, &schema(5_000)));
        assert_eq!(
            read(&text.encode(Told::Unfinished)).schemas[&7],
            schema(3),
            "what is too long changes nothing"
        );
    }

    #[test]
    fn every_gap_can_be_filled() {
        for room in 200..500 {
            for bytes in 0..100 {
                let mut text = HeaderText::new(&[], [9; MARKER_BYTES], room);
                let length = text.encode(Told::Unfinished).len();
                if text.add(1, &"x".repeat(bytes)) {
                    assert_eq!(text.encode(Told::Records(1)).len(), length, "room {room}, {bytes} bytes");
                } else {
                    assert!(bytes + 40 > room, "room {room}, {bytes} bytes refused");
                }
            }
        }
    }
}
