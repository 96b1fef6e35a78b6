//! From the bytes of a block to its records. Enters: a block as it lies in the file. Leaves: a
//! [`TraceBlock`], every record of it checked. One of these per thread: it keeps what can be used again.

use std::io::Read;

use zstd::bulk::Decompressor;

use super::block::{Raw, Topics, TraceBlock};
use super::layout::{Layout, rewrite};
use super::{TraceError, bytes::Fault};
use crate::limits::TRACE_BLOCK_BYTES_MAX;

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Null,
    Deflate,
    Zstandard,
}

impl Codec {
    pub(super) fn named(name: &str) -> Result<Codec, TraceError> {
        match name {
            "null" => Ok(Codec::Null),
            "deflate" => Ok(Codec::Deflate),
            "zstandard" => Ok(Codec::Zstandard),
            other => Err(TraceError::Codec { codec: other.chars().take(40).collect() }),
        }
    }
}

pub(super) struct Unpacker {
    codec: Codec,
    layout: Layout,
    zstd: Decompressor<'static>,
    topics: Topics,
}

impl Unpacker {
    pub(super) fn new(codec: Codec, layout: Layout) -> Result<Unpacker, TraceError> {
        Ok(Unpacker { codec, layout, zstd: Decompressor::new()?, topics: Topics::default() })
    }

    pub(super) fn unpack(&mut self, raw: Raw) -> Result<TraceBlock, TraceError> {
        let Raw { number, at, count, packed } = raw;
        let damaged = |reason: String| TraceError::Damaged { block: number, at, reason };
        let packed_bytes = packed.len();
        let plain = self.plain(packed).map_err(damaged)?;
        let plain = match &self.layout {
            Layout::Ours => plain,
            Layout::Other(schema) => rewrite(schema, count, &plain).map_err(damaged)?,
        };
        let index = TraceBlock::index(&plain, count, &mut self.topics);
        let places = index.map_err(|(record, fault)| damaged(format!("record {record}: {fault}")))?;
        Ok(TraceBlock::new(plain, places, self.topics.shared(), packed_bytes))
    }

    fn plain(&mut self, packed: Vec<u8>) -> Result<Vec<u8>, String> {
        match self.codec {
            Codec::Null => Ok(packed),
            Codec::Deflate => {
                miniz_oxide::inflate::decompress_to_vec_with_limit(&packed, TRACE_BLOCK_BYTES_MAX)
                    .map_err(|error| format!("deflate: {error}"))
            }
            Codec::Zstandard => self.zstandard(&packed),
        }
    }

    fn zstandard(&mut self, packed: &[u8]) -> Result<Vec<u8>, String> {
        let told = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
        // A length in the frame is believed up to the limit, but not beyond what zstd can reach.
        let told = told.and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| {
            *bytes <= TRACE_BLOCK_BYTES_MAX && *bytes <= packed.len().saturating_mul(TIMES_BELIEVED)
        });
        if let Some(bytes) = told {
            let mut plain = Vec::with_capacity(bytes);
            // Several frames are legal, and only the whole is too long then: below, step by step.
            if self.zstd.decompress_to_buffer(packed, &mut plain).is_ok() {
                return Ok(plain);
            }
        }
        let mut plain = Vec::new();
        let said = |error: std::io::Error| format!("zstandard: {error}");
        let decoder = zstd::Decoder::with_buffer(packed).map_err(said)?;
        decoder.take(TRACE_BLOCK_BYTES_MAX as u64 + 1).read_to_end(&mut plain).map_err(said)?;
        if plain.len() > TRACE_BLOCK_BYTES_MAX { Err(TOO_LARGE.to_owned()) } else { Ok(plain) }
    }
}

/// Memory set aside at once for a compressed block, as a multiple of it; beyond, memory grows with what comes
/// out.
const TIMES_BELIEVED: usize = 256;

/// What is said of a block beyond the limit.
pub(super) const TOO_LARGE: Fault = "it is larger than 64 MiB";
