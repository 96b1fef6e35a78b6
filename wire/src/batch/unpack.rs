//! Compression of a batch's records: all of them as one piece, by one of Kafka's codecs.

use std::fmt;
use std::io::{self, Read, Write};

use crate::limits::UNPACKED_BYTES_MAX;

use super::error::{BatchError, damaged};

/// A codec, by Kafka's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// snappy: raw as librdkafka writes it, or in the frames of the Java client.
    Snappy,
    /// lz4 frames.
    Lz4,
    /// zstd (KIP-110).
    Zstd,
}

impl Compression {
    /// Every codec, by its number.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// The codec of a number.
    pub(super) fn of(codec: u8) -> Result<Compression, BatchError> {
        Compression::ALL.get(usize::from(codec)).copied().ok_or(BatchError::Codec { codec })
    }

    /// Its number.
    pub(super) fn number(self) -> u16 {
        self as u16
    }

    /// As Kafka's settings name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// Appends records, packed.
    pub(super) fn pack(self, records: &[u8], out: &mut Vec<u8>) -> Result<(), BatchError> {
        let packed = match self {
            Compression::None => {
                out.extend_from_slice(records);
                Ok(())
            }
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(&mut *out, flate2::Compression::default());
                encoder.write_all(records).and_then(|()| encoder.finish().map(drop))
            }
            Compression::Snappy => snap::raw::Encoder::new()
                .compress_vec(records)
                .map(|packed| out.extend(packed))
                .map_err(into_io),
            Compression::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(&mut *out);
                encoder.write_all(records).and_then(|()| encoder.finish().map(drop).map_err(io::Error::other))
            }
            Compression::Zstd => zstd::stream::copy_encode(records, &mut *out, ZSTD_LEVEL),
        };
        // Memory takes all that is written to it.
        packed.map_err(|_| damaged("what was to be packed"))
    }
}

/// Unpacks records into memory that it keeps.
#[derive(Default)]
pub struct Unpacker {
    bytes: Vec<u8>,
    bytes_max: Option<usize>,
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacker").field("bytes", &self.bytes.capacity()).finish_non_exhaustive()
    }
}

impl Unpacker {
    /// One that takes batches of at most so many bytes.
    pub fn new(bytes_max: usize) -> Unpacker {
        Unpacker { bytes: Vec::new(), bytes_max: Some(bytes_max) }
    }

    /// Gives its memory back.
    pub fn shrink(&mut self) {
        self.bytes = Vec::new();
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// What was unpacked last.
    pub(super) fn last(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn unpack(&mut self, compression: Compression, packed: &[u8]) -> Result<&[u8], BatchError> {
        let bytes_max = self.bytes_max.unwrap_or(UNPACKED_BYTES_MAX);
        let out = &mut self.bytes;
        out.clear();
        let unpacked = match compression {
            Compression::None => {
                out.extend_from_slice(packed);
                Ok(())
            }
            Compression::Gzip => read_all(flate2::read::MultiGzDecoder::new(packed), out, bytes_max),
            Compression::Snappy => unpack_snappy(packed, out, bytes_max),
            Compression::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(packed), out, bytes_max),
            Compression::Zstd => zstd::stream::read::Decoder::with_buffer(packed)
                .and_then(|decoder| read_all(decoder, out, bytes_max)),
        };
        match unpacked {
            Ok(()) if self.bytes.len() <= bytes_max => Ok(&self.bytes),
            _ => Err(BatchError::Unpack { what: compression.name(), bytes_max }),
        }
    }
}

fn read_all(from: impl Read, out: &mut Vec<u8>, bytes_max: usize) -> io::Result<()> {
    // One byte more than is allowed tells that it is too large.
    from.take(bytes_max as u64 + 1).read_to_end(out).map(drop)
}

/// Raw, or in frames: a head of 16 bytes, then blocks behind their lengths.
fn unpack_snappy(packed: &[u8], out: &mut Vec<u8>, bytes_max: usize) -> io::Result<()> {
    let Some(mut blocks) = packed.strip_prefix(SNAPPY_FRAMES) else {
        return unpack_snappy_block(packed, out, bytes_max);
    };
    // Two versions of the format, which say nothing that matters.
    blocks = blocks.get(8..).ok_or(io::ErrorKind::UnexpectedEof)?;
    while !blocks.is_empty() {
        let (length, rest) = blocks.split_first_chunk::<4>().ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, rest) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        unpack_snappy_block(block, out, bytes_max)?;
        blocks = rest;
    }
    Ok(())
}

fn unpack_snappy_block(block: &[u8], out: &mut Vec<u8>, bytes_max: usize) -> io::Result<()> {
    let length = snap::raw::decompress_len(block).map_err(into_io)?;
    let begin = out.len();
    if begin + length > bytes_max {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    out.resize(begin + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut out[begin..]).map(drop).map_err(into_io)
}

fn into_io(error: snap::Error) -> io::Error {
    io::Error::other(error)
}

/// How the Java client's snappy begins.
const SNAPPY_FRAMES: &[u8] = b"\x82SNAPPY\0";

/// What Kafka's clients use unless told otherwise.
const ZSTD_LEVEL: i32 = 3;
