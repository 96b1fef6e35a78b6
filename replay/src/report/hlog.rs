//! The run as HdrHistogram's interval log (`.hlog`): one histogram of nanoseconds for each interval and, by
//! tag, each series. Warm-up included: the log has the times, so its reader can choose.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::ReportError;
use super::model::{Report, Stage};

/// The text of a `.hlog` file. End-to-end intervals have no tag, so that a reader that asks for none gets
/// them; the slip's have the tag `slip`.
///
/// # Errors
/// A histogram of the report cannot be read.
pub fn hlog(report: &Report) -> Result<Vec<u8>, ReportError> {
    let bad = |what: String| ReportError::Histogram { what };
    let start = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(report.started_ms).unwrap_or(0));
    let (mut out, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let head = format!("[WellStream {}, {}: latencies in ns]", report.version, report.outcome);
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&head)
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(NS_PER_MS)
        .begin_log_with(&mut out, &mut serializer)
        .map_err(|error| bad(error.to_string()))?;
    for interval in &report.timeline {
        let (at, span) = (seconds(interval.at_s), seconds(interval.span_s));
        let slip = Tag::new(Stage::Slip.name());
        for (ns, tag) in [(&interval.end_to_end_ns, None), (&interval.slip_ns, slip)] {
            let samples = ns.histogram()?;
            log.write_histogram(&samples, at, span, tag).map_err(|error| bad(error.to_string()))?;
        }
    }
    Ok(out)
}

fn seconds(s: f64) -> Duration {
    Duration::try_from_secs_f64(s).unwrap_or_default()
}

const NS_PER_MS: f64 = 1e6;
