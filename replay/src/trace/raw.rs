//! From a file to its blocks, as they lie there. Enters: bytes. Leaves: one block after the other, each with
//! its marker checked. Drops: nothing; a file that ends in the middle of a block is an error.

use std::io::{self, BufReader, Read};

use super::TraceError;
use super::block::Raw;
use super::bytes::zigzag;
use super::header::{Header, MARKER_BYTES};
use super::unpack::TOO_LARGE;
use crate::limits::TRACE_BLOCK_BYTES_MAX;

pub(super) struct RawBlocks<R> {
    input: BufReader<R>,
    marker: [u8; MARKER_BYTES],
    /// The next block's number and where it begins.
    number: u64,
    at: u64,
}

impl<R: Read> RawBlocks<R> {
    /// Reads the header, and stands before the first block.
    pub(super) fn open(input: R) -> Result<(Header, RawBlocks<R>), TraceError> {
        let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
        let header = Header::read(&mut input)?;
        let blocks = RawBlocks { input, marker: header.marker, number: 0, at: header.bytes };
        Ok((header, blocks))
    }

    /// The next block; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Raw>, TraceError> {
        let (number, at) = (self.number, self.at);
        let mut bytes = 0;
        let Some(count) = self.long(&mut bytes)? else {
            return if bytes == 0 { Ok(None) } else { Err(self.cut_off()) };
        };
        let count = usize::try_from(count).map_err(|_| self.damaged("its number of records is negative"))?;
        let length = self.long(&mut bytes)?.ok_or_else(|| self.cut_off())?;
        let length = usize::try_from(length).map_err(|_| self.damaged("its length is negative"))?;
        if length > TRACE_BLOCK_BYTES_MAX {
            return Err(self.damaged(TOO_LARGE));
        }
        // Memory grows with what is there, not with what the length says.
        let mut packed = Vec::with_capacity(length.min(BUFFER_BYTES));
        (&mut self.input).take(length as u64).read_to_end(&mut packed)?;
        if packed.len() < length {
            return Err(self.cut_off());
        }
        let mut marker = [0; MARKER_BYTES];
        match self.input.read_exact(&mut marker) {
            Ok(()) if marker == self.marker => {}
            Ok(()) => return Err(self.damaged("the marker behind it is another than the header's")),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(self.cut_off()),
            Err(error) => return Err(error.into()),
        }
        self.number += 1;
        self.at += bytes + (length + MARKER_BYTES) as u64;
        Ok(Some(Raw { number, at, count, packed }))
    }

    /// A long, with its bytes added to `bytes`; `None` where the file ends.
    fn long(&mut self, bytes: &mut u64) -> Result<Option<i64>, TraceError> {
        let mut raw = 0_u64;
        for index in 0..10 {
            let mut byte = [0];
            match self.input.read_exact(&mut byte) {
                Ok(()) => *bytes += 1,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            raw |= u64::from(byte[0] & 0x7F) << (7 * index);
            if byte[0] < 0x80 {
                return Ok(Some(zigzag(raw)));
            }
        }
        Err(self.damaged("a number has more than 64 bits"))
    }

    fn cut_off(&self) -> TraceError {
        TraceError::CutOff { block: self.number, at: self.at }
    }

    fn damaged(&self, reason: &str) -> TraceError {
        TraceError::Damaged { block: self.number, at: self.at, reason: reason.to_owned() }
    }
}

/// One read from the file.
const BUFFER_BYTES: usize = 256 << 10;
