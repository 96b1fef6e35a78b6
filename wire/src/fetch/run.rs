//! A walk through buffered batches, without copying: it goes on until a packed batch has been walked, since
//! the next one would be unpacked over it.

use crate::batch::{
    Aborted, BatchError, Batches, Compression, Crc, Place, Record, Records, Unpacker, Verdict,
};

/// The next records of a partition, in offset order. Behind an error nothing comes.
pub struct Run<'f> {
    bytes: &'f [u8],
    at: usize,
    current: Option<Current<'f>>,
    aborted: &'f mut Aborted,
    /// Until a packed batch borrows it.
    unpacker: Option<&'f mut Unpacker>,
    crc: Crc,
    /// All below it was taken before.
    floor: i64,
    /// All below it is shown, or is for nobody.
    reached: i64,
    shown: usize,
    is_over: bool,
    error: Option<BatchError>,
}

/// The batch that is walked.
struct Current<'f> {
    records: Records<'f>,
    bytes: usize,
    next_offset: i64,
    is_packed: bool,
}

/// Where a run stood when it was left.
pub(super) struct RunEnd {
    pub(super) shown: usize,
    pub(super) at: usize,
    pub(super) inside: Option<Place>,
    pub(super) reached: i64,
    pub(super) error: Option<BatchError>,
}

impl<'f> Run<'f> {
    /// From a batch's begin, or from a place inside it: then it was judged, checked and unpacked before.
    pub(super) fn new(
        bytes: &'f [u8],
        (at, inside): (usize, Option<Place>),
        aborted: &'f mut Aborted,
        unpacker: &'f mut Unpacker,
        floor: i64,
        crc: Crc,
    ) -> Run<'f> {
        let mut run = Run {
            bytes,
            at,
            current: None,
            aborted,
            unpacker: Some(unpacker),
            crc,
            floor,
            reached: floor,
            shown: 0,
            is_over: false,
            error: None,
        };
        if let Some(place) = inside {
            run.resume(place);
        }
        run
    }

    fn resume(&mut self, place: Place) {
        let rest: &'f [u8] = &self.bytes[self.at..];
        let mut batches = Batches::new(rest, Crc::Trusted);
        let Some(Ok(batch)) = batches.next() else { return };
        let is_packed = batch.compression() != Compression::None;
        let records = match (is_packed, self.unpacker.take()) {
            (true, Some(unpacker)) => batch.records_at(place, &*unpacker),
            (_, unpacker) => {
                self.unpacker = unpacker;
                batch.records_plain().at(place)
            }
        };
        let bytes = rest.len() - batches.cut_bytes();
        self.current = Some(Current { records, bytes, next_offset: batch.next_offset(), is_packed });
    }

    /// Enters the next batch that is to be read; false where there is none in this run.
    fn enter(&mut self) -> Result<bool, BatchError> {
        while !self.is_over {
            let rest: &'f [u8] = &self.bytes[self.at..];
            let mut batches = Batches::new(rest, self.crc);
            let Some(batch) = batches.next().transpose()? else { break };
            let bytes = rest.len() - batches.cut_bytes();
            let is_packed = batch.compression() != Compression::None;
            if is_packed && self.unpacker.is_none() {
                break;
            }
            let is_read = self.aborted.judge(&batch)? == Verdict::Read;
            if !is_read || batch.is_empty() || batch.next_offset() <= self.floor {
                self.at += bytes;
                self.reached = batch.next_offset().max(self.reached);
                continue;
            }
            let records = match self.unpacker.take() {
                Some(unpacker) if is_packed => batch.records(unpacker)?,
                unpacker => {
                    self.unpacker = unpacker;
                    batch.records_plain()
                }
            };
            self.current = Some(Current { records, bytes, next_offset: batch.next_offset(), is_packed });
            return Ok(true);
        }
        self.is_over = true;
        Ok(false)
    }

    /// Where it stands.
    pub(super) fn end(self) -> RunEnd {
        let inside = self.current.map(|current| current.records.place());
        RunEnd { shown: self.shown, at: self.at, inside, reached: self.reached, error: self.error }
    }

    fn fail(&mut self, error: BatchError) -> Option<Result<Record<'f>, BatchError>> {
        self.error = Some(error);
        (self.is_over, self.current) = (true, None);
        Some(Err(error))
    }
}

impl<'f> Iterator for Run<'f> {
    type Item = Result<Record<'f>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(current) = &mut self.current {
                match current.records.next() {
                    Some(Ok(record)) if record.offset >= self.reached => {
                        self.reached = record.offset + 1;
                        self.shown += 1;
                        return Some(Ok(record));
                    }
                    // Before where reading began, or taken before.
                    Some(Ok(record)) if record.offset < self.floor => continue,
                    Some(Ok(_)) => {
                        return self.fail(BatchError::Damaged { what: "the order of the records" });
                    }
                    Some(Err(error)) => return self.fail(error),
                    None => {
                        self.at += current.bytes;
                        // The rest of a batch that was resumed may lie below what was taken since.
                        self.reached = current.next_offset.max(self.reached);
                        self.is_over |= current.is_packed;
                        self.current = None;
                    }
                }
            }
            match self.enter() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return self.fail(error),
            }
        }
    }
}
