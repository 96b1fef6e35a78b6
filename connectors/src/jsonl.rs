//! Rows as JSON lines in a file, one object per row with the fields of enriched-event.avsc. Appends, so that
//! a restart keeps what was written; what at-least-once repeats carries its row id. Alarms and rejects are
//! not written here.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use wellstream_core::decode;
use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, SinkError, Wants};
use wellstream_core::record::RowBatch;

/// Writes rows; they are in the file when `commit` returns.
#[derive(Debug)]
pub struct JsonLinesSink {
    path: PathBuf,
    file: BufWriter<File>,
}

impl JsonLinesSink {
    /// Opens the file at its end, making it where it is missing.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub fn open(path: &Path) -> Result<JsonLinesSink, SinkError> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| refuse(path, &error))?;
        Ok(JsonLinesSink { path: path.to_owned(), file: BufWriter::with_capacity(BUFFER_BYTES, file) })
    }

    fn rows(&mut self, batch: &RowBatch) -> Result<(), SinkError> {
        for row in &batch.rows {
            let event = decode::enriched(batch.value(row)).map_err(|reason| SinkError {
                sink: SINK,
                message: format!("row {} cannot be read back: {reason}", row.id()),
            })?;
            serde_json::to_writer(&mut self.file, &event)
                .map_err(std::io::Error::from)
                .and_then(|()| self.file.write_all(b"\n"))
                .map_err(|error| refuse(&self.path, &error))?;
        }
        Ok(())
    }
}

impl Sink for JsonLinesSink {
    fn wants(&self) -> Wants {
        Wants { encoded_rows: true, rejects: false, only_counts: false }
    }

    fn begin(&mut self, _epoch: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        match output {
            Output::Rows(batch) => self.rows(batch),
            Output::Alarms(_) | Output::Rejects(_) => Ok(()),
        }
    }

    fn offsets(&mut self, _offsets: &EpochOffsets) -> Result<(), SinkError> {
        Ok(())
    }

    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        self.file.flush().map_err(|error| refuse(&self.path, &error))?;
        Ok(CommitOutcome::Committed)
    }
}

fn refuse(path: &Path, error: &std::io::Error) -> SinkError {
    let what_to_do = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            ": the disk is full. Make room; the next start repeats the epoch"
        }
        ErrorKind::NotFound => ": its folder does not exist",
        ErrorKind::PermissionDenied => ": this user may not write there",
        _ => "",
    };
    SinkError { sink: SINK, message: format!("writing {}: {error}{what_to_do}", path.display()) }
}

const SINK: &str = "jsonl";

/// Some hundred rows per write.
const BUFFER_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use wellstream_core::encode::{Origin, PartEncoder, RowEncoder, RowTail};
    use wellstream_core::record::{Input, PartitionId, Row, Side, Status, WellReading};
    use wellstream_core::rules::{RulesHash, ScoreRules};
    use wellstream_core::score;

    use super::*;

    fn batch() -> RowBatch {
        let mut batch = RowBatch::default();
        for offset in 0..3 {
            let facility_id = Some("F-\"1");
            let reading = WellReading { facility_id, methane_ppm: Some(650.5), ..WellReading::default() };
            let input = Input { time_ms: 1_000 + offset, partition: 2, offset };
            let mut part = Vec::new();
            let class = score::well(650.5, &ScoreRules::default());
            let encoder = PartEncoder::new(PartitionId { side: Side::Well, number: input.partition });
            let origin = Origin { offset, time_ms: input.time_ms, value: &[] };
            encoder.well(&mut part, &reading, &origin, class);
            let tail = RowTail { time_ms: input.time_ms, quality: 75, risk: 40, status: Status::Alert };
            let (value, key) = RowEncoder::new(RulesHash(1)).put(&mut batch.bytes, Some(&part), None, tail);
            batch.rows.push(Row {
                well: Some(input),
                tank: None,
                time_ms: input.time_ms,
                risk: 40,
                status: Status::Alert,
                value,
                key,
            });
        }
        batch
    }

    #[test]
    fn rows_are_lines_and_a_restart_appends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        for _ in 0..2 {
            let mut sink = JsonLinesSink::open(&path).unwrap();
            sink.begin(1).unwrap();
            sink.append(Output::Rows(&batch())).unwrap();
            assert_eq!(sink.commit().unwrap(), CommitOutcome::Committed);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let rows: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.len(), 6);
        assert_eq!(rows[1]["row_id"], "w:2:1|-");
        assert_eq!(rows[1]["facility_id"], "F-\"1");
        assert_eq!(rows[1]["methane_ppm"], 650.5);
        assert_eq!(rows[1]["tank_id"], serde_json::Value::Null);
    }

    #[test]
    fn a_full_disk_is_told_at_the_commit() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        let mut sink = JsonLinesSink::open(Path::new("/dev/full")).unwrap();
        sink.append(Output::Rows(&batch())).unwrap();
        let error = sink.commit().unwrap_err();
        assert!(error.to_string().contains("disk is full"), "{error}");
    }
}
