//! A trace block by block, as fast as a disk gives it. Enters: a file. Leaves: [`TraceBlock`]s in the order
//! of the file. Drops: nothing; with [`ReadOptions::salvage`], what lies at and behind the first damage.
//!
//! One thread reads ahead, some unpack: block n goes to thread n mod their number, and is taken from there,
//! so that order costs nothing. Every queue holds two blocks.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::TraceError;
use super::block::{Raw, TraceBlock};
use super::header::{Header, Told};
use super::raw::RawBlocks;
use super::unpack::Unpacker;
use crate::limits::{TRACE_BLOCKS_AHEAD, TRACE_THREADS_MAX};

/// How a trace is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Takes the whole blocks before the first damage, also of a trace that was never finished, instead of
    /// refusing it.
    pub salvage: bool,
    /// How many threads unpack; one per core where nothing is said.
    pub threads: Option<usize>,
}

/// A trace that is being read.
///
/// ```
/// use std::io::Cursor;
/// use wellstream_replay::trace::{BorrowedRecord, ReadOptions, TraceReader, TraceWriter};
///
/// let mut writer = TraceWriter::new(Cursor::new(Vec::new()), &[])?;
/// for offset in 0..3 {
///     let record = BorrowedRecord {
///         topic: "tank-sensor-data",
///         partition: 1,
///         offset,
///         timestamp_ms: 1_700_000_000_000 + offset,
///         key: Some(b"TANK-1"),
///         value: None,
///         headers: &[("source", Some(b"x"))],
///     };
///     writer.append_borrowed(&record)?;
/// }
/// let file = writer.finish()?.into_inner();
/// let mut reader = TraceReader::start(Cursor::new(file), ReadOptions::default())?;
/// let block = reader.next_block()?.expect("one block");
/// let offsets: Vec<i64> = block.records().map(|record| record.offset).collect();
/// assert_eq!(offsets, [0, 1, 2]);
/// assert_eq!(&**block.get(2).unwrap().topic, "tank-sensor-data");
/// assert!(reader.next_block()?.is_none());
/// # Ok::<(), wellstream_replay::trace::TraceError>(())
/// ```
pub struct TraceReader {
    schemas: BTreeMap<u32, String>,
    told: Told,
    salvage: bool,
    lanes: Vec<Lane>,
    /// Whose block comes next.
    next: usize,
    topics: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    found: u64,
    bytes: u64,
    ended: bool,
    damage: Option<TraceError>,
}

/// One unpacking thread, as seen from here.
struct Lane {
    blocks: Receiver<Message<TraceBlock>>,
    /// The reader's numbers of the thread's topics.
    numbers: Vec<u32>,
}

/// A block, the end, or what is wrong.
type Message<B> = Result<Option<B>, TraceError>;

impl TraceReader {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read, is no trace, or was never finished.
    pub fn open(path: &Path, options: ReadOptions) -> Result<TraceReader, TraceError> {
        TraceReader::start(File::open(path)?, options)
    }

    /// Starts to read ahead.
    ///
    /// # Errors
    /// The input is no trace, or was never finished.
    pub fn start(input: impl Read + Send + 'static, options: ReadOptions) -> Result<TraceReader, TraceError> {
        let (header, mut blocks) = RawBlocks::open(input)?;
        if header.told == Told::Unfinished && !options.salvage {
            return Err(TraceError::NeverFinished);
        }
        let Header { schemas, told, codec, layout, bytes, .. } = header;
        let threads =
            options.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
        let (mut lanes, mut inboxes) = (Vec::new(), Vec::new());
        for _ in 0..threads.clamp(1, TRACE_THREADS_MAX) {
            let unpacker = Unpacker::new(codec, layout.clone())?;
            let (inbox, work) = sync_channel(TRACE_BLOCKS_AHEAD);
            let (outbox, blocks) = sync_channel(TRACE_BLOCKS_AHEAD);
            thread::Builder::new()
                .name("trace-unpack".to_owned())
                .spawn(move || unpack_all(unpacker, &work, &outbox))?;
            lanes.push(Lane { blocks, numbers: Vec::new() });
            inboxes.push(inbox);
        }
        thread::Builder::new()
            .name("trace-read".to_owned())
            .spawn(move || read_all(&mut blocks, &inboxes))?;
        Ok(TraceReader {
            schemas,
            told,
            salvage: options.salvage,
            lanes,
            next: 0,
            topics: Vec::new(),
            numbers: HashMap::new(),
            found: 0,
            bytes,
            ended: false,
            damage: None,
        })
    }

    /// The schemas of values by their ids, as the header has them.
    #[must_use]
    pub fn schemas(&self) -> &BTreeMap<u32, String> {
        &self.schemas
    }

    /// How many records the header tells; `None` where another tool wrote it, or it was never finished.
    #[must_use]
    pub fn records_told(&self) -> Option<u64> {
        match self.told {
            Told::Records(records) => Some(records),
            Told::Nothing | Told::Unfinished => None,
        }
    }

    /// The topics met so far, in the order of the file.
    #[must_use]
    pub fn topics(&self) -> &[Arc<str>] {
        &self.topics
    }

    /// How many records the blocks had that were taken so far.
    #[must_use]
    pub fn records_found(&self) -> u64 {
        self.found
    }

    /// What was wrong with the file, where it was read with [`ReadOptions::salvage`]; known at the end.
    #[must_use]
    pub fn damage(&self) -> Option<&TraceError> {
        self.damage.as_ref()
    }

    /// The next block; `None` at the end. Waits for the disk and the unpacking, if they are behind.
    ///
    /// # Errors
    /// The file is damaged or cut off at this place. Nothing comes behind an error.
    pub fn next_block(&mut self) -> Result<Option<TraceBlock>, TraceError> {
        if self.ended {
            return Ok(None);
        }
        let lane = &mut self.lanes[self.next];
        let message = lane.blocks.recv().unwrap_or_else(|_| Err(thread_died().into()));
        let outcome = match message {
            Ok(Some(mut block)) => {
                for topic in block.topics().iter().skip(lane.numbers.len()) {
                    let number = *self.numbers.entry(Arc::clone(topic)).or_insert_with(|| {
                        self.topics.push(Arc::clone(topic));
                        u32::try_from(self.topics.len() - 1).unwrap_or(u32::MAX)
                    });
                    lane.numbers.push(number);
                }
                block.numbers.clone_from(&lane.numbers);
                self.found += block.len() as u64;
                self.bytes += block.packed_bytes() as u64;
                self.next = (self.next + 1) % self.lanes.len();
                return Ok(Some(block));
            }
            Ok(None) => complete(self.told, self.found),
            Err(error) => Err(error),
        };
        self.ended = true;
        match outcome {
            Ok(()) => Ok(None),
            Err(error) if self.salvage && !matches!(error, TraceError::Io(_)) => {
                self.damage = Some(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a trace that has ended is whole.
pub(super) fn complete(told: Told, found: u64) -> Result<(), TraceError> {
    match told {
        Told::Records(told) if told != found => Err(TraceError::Incomplete { told, found }),
        Told::Unfinished => Err(TraceError::NeverFinished),
        Told::Records(_) | Told::Nothing => Ok(()),
    }
}

/// Deals the blocks out in turn; ends behind the last, at an error, or when nobody wants more.
fn read_all<R: Read>(blocks: &mut RawBlocks<R>, inboxes: &[SyncSender<Message<Raw>>]) {
    for inbox in inboxes.iter().cycle() {
        let message = blocks.next();
        let is_last = !matches!(message, Ok(Some(_)));
        if inbox.send(message).is_err() || is_last {
            return;
        }
    }
}

fn unpack_all(
    mut unpacker: Unpacker,
    work: &Receiver<Message<Raw>>,
    outbox: &SyncSender<Message<TraceBlock>>,
) {
    for message in work {
        let message = message.and_then(|raw| raw.map(|raw| unpacker.unpack(raw)).transpose());
        if outbox.send(message).is_err() {
            return;
        }
    }
}

fn thread_died() -> io::Error {
    io::Error::other("a thread that reads ahead has ended too early")
}
