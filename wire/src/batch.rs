//! Record batches, format 2: what a broker stores, a fetch brings and a produce request carries.
//!
//! Enters: the bytes of a partition's part of a fetch response, or records to send. Leaves: records that
//! borrow from those bytes, in offset order, or a batch as it travels. Drops: nothing; what is left out on
//! purpose (control batches, aborted transactions) is told apart by [`Batch::is_control`] and [`Aborted`],
//! and the caller decides. A batch that a response ends in the middle of comes again with the next fetch.
//!
//! Rules: KIP-98 (format 2, transactions), KIP-110 (zstd), and the log format in Kafka's documentation.
//!
//! ```
//! use wellstream_wire::batch::{BatchWriter, Batches, Compression, Crc, Stamp, Unpacker};
//!
//! let mut writer = BatchWriter::default();
//! writer.push(1_700_000_000_000, Some(b"WELL-1"), Some(b"a reading"), &[]);
//! writer.push(1_700_000_000_250, Some(b"WELL-2"), None, &[("why", Some(b"gone"))]);
//! let mut bytes = Vec::new();
//! writer.finish(Compression::Lz4, Stamp::default(), &mut bytes).unwrap();
//!
//! let mut unpacker = Unpacker::default();
//! let batch = Batches::new(&bytes, Crc::Checked).next().unwrap().unwrap();
//! assert_eq!((batch.base_offset(), batch.next_offset(), batch.is_control()), (0, 2, false));
//! let records: Vec<_> = batch.records(&mut unpacker).unwrap().map(Result::unwrap).collect();
//! assert_eq!(records[0].value, Some(&b"a reading"[..]));
//! assert_eq!((records[1].offset, records[1].timestamp_ms), (1, 1_700_000_000_250));
//! let header = records[1].headers.clone().next().unwrap().unwrap();
//! assert_eq!((header.key, header.value), (&b"why"[..], Some(&b"gone"[..])));
//! ```

mod varint;
mod error;
mod header;
mod unpack;
mod records;
mod walk;
mod extent;
mod aborted;
mod write;

pub use aborted::{Aborted, Verdict};
pub use error::BatchError;
pub use extent::Extent;
pub use header::Stamp;
pub use records::{Header, Headers, Place, Record, Records};
pub use unpack::{Compression, Unpacker};
pub use walk::{Batch, Batches, Crc};
pub use write::{BatchWriter, restamp};
