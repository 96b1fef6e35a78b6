//! An answer read without a broker: what tests and the fuzzer look at.

use bytes::Bytes;

use super::partition::{Fetched, Partition};
use super::response;
use crate::batch::{BatchError, Crc, Record, Unpacker};
use crate::limits::UNPACKED_BYTES_MAX;

/// Takes an answer apart and walks each of its partitions, as if it had been asked from `offset` on, taking
/// at most `take` records of a run. `seen` sees what is taken, with the partition's number. Returns where
/// each partition ended, in order, or what ended it.
///
/// # Errors
/// The answer as a whole is none.
pub fn rehearse(
    frame: &Bytes,
    version: i16,
    offset: i64,
    take: usize,
    seen: &mut dyn FnMut(i32, &Record<'_>),
) -> Result<Vec<Result<i64, BatchError>>, &'static str> {
    let mut parts = Vec::new();
    response::read(frame, version, |_, part| parts.push(part))?;
    let walked = parts.into_iter().map(|part| {
        let unpacker = Unpacker::new(UNPACKED_BYTES_MAX.min(frame.len() * PACKED_MAX));
        let mut partition = Partition::new(0, part.partition, offset, part.records.len(), unpacker);
        let end = part.last_stable_offset;
        let fetched = Fetched { records: part.records, aborted: part.aborted, end };
        let put = partition.put(fetched, 0);
        while let Some(shown) = partition.show(Crc::Trusted, &mut |run| {
            let (mut taken, mut next) = (0, 0);
            for record in run.map_while(Result::ok).take(take + 1) {
                if taken == take {
                    break;
                }
                seen(part.partition, &record);
                (taken, next) = (taken + 1, record.offset + 1);
            }
            (taken, next)
        }) {
            shown?;
            partition.compact();
        }
        put.map(|()| partition.position)
    });
    Ok(walked.collect())
}

/// How many bytes one packed byte may come to here.
const PACKED_MAX: usize = 1_000;
