//! A fetch's answer taken apart in place, versions 4 to 16. Own code, since the library reserves memory for
//! as many entries as an answer claims to have, and allocates for each partition.

use bytes::Bytes;
use uuid::Uuid;

use crate::error::ErrorCode;

/// How a topic is named in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicKey<'a> {
    /// By its id, from version 13 on.
    Id(Uuid),
    /// By its name, before.
    Name(&'a str),
}

/// What an answer says of one partition.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its number.
    pub partition: i32,
    /// Whether it could be read.
    pub error: ErrorCode,
    /// The end of what all replicas have.
    pub high_watermark: i64,
    /// Where the first open transaction begins: the end for a reader of committed records. -1 if not told.
    pub last_stable_offset: i64,
    /// The first offset of the log, -1 if not told.
    pub log_start: i64,
    /// Aborted transactions among the records: producer and first offset.
    pub aborted: Vec<(i64, i64)>,
    /// Where the leader's log parts from what was read before, if it does.
    pub diverging: Option<i64>,
    /// Batches; the last may be cut.
    pub records: Bytes,
}

/// What an answer says as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How long the broker wants no further request, milliseconds.
    pub throttle_ms: i32,
    /// Whether the request as a whole was refused.
    pub error: ErrorCode,
}

/// Takes an answer apart, header included. `each` sees the partitions in order.
///
/// # Errors
/// What is wrong with it; partitions before that have been seen.
pub fn read(
    frame: &Bytes,
    version: i16,
    mut each: impl FnMut(TopicKey<'_>, Part),
) -> Result<Head, &'static str> {
    if !(VERSION_MIN..=VERSION_MAX).contains(&version) {
        return Err("its version");
    }
    let flexible = version >= 12;
    let mut rest = Rest { bytes: frame, flexible };
    // The correlation id was looked at by the connection.
    rest.int()?;
    rest.tags()?;
    let throttle_ms = rest.int()?;
    let mut head = Head { throttle_ms, error: ErrorCode::NONE };
    if version >= 7 {
        head.error = ErrorCode(rest.short()?);
        rest.int()?;
    }
    for _ in 0..rest.count(TOPIC_BYTES)? {
        let topic = if version >= 13 {
            TopicKey::Id(Uuid::from_bytes(rest.array()?))
        } else {
            TopicKey::Name(rest.text()?)
        };
        for _ in 0..rest.count(PARTITION_BYTES)? {
            each(topic, part(&mut rest, frame, version)?);
        }
        rest.tags()?;
    }
    rest.tags()?;
    if rest.bytes.is_empty() { Ok(head) } else { Err("bytes behind its end") }
}

fn part(rest: &mut Rest<'_>, frame: &Bytes, version: i16) -> Result<Part, &'static str> {
    let partition = rest.int()?;
    let error = ErrorCode(rest.short()?);
    let high_watermark = rest.long()?;
    let last_stable_offset = rest.long()?;
    let log_start = if version >= 5 { rest.long()? } else { -1 };
    let transactions = rest.count(ABORTED_BYTES)?;
    let mut aborted = Vec::with_capacity(transactions);
    for _ in 0..transactions {
        aborted.push((rest.long()?, rest.long()?));
        rest.tags()?;
    }
    if version >= 11 {
        rest.int()?;
    }
    let records = rest.records()?;
    let records = if records.is_empty() { Bytes::new() } else { frame.slice_ref(records) };
    let mut diverging = None;
    if rest.flexible {
        rest.each_tag(|tag, field| {
            if tag == DIVERGING_EPOCH {
                field.int()?;
                let end_offset = field.long()?;
                diverging = (end_offset >= 0).then_some(end_offset);
            }
            Ok(())
        })?;
    }
    Ok(Part { partition, error, high_watermark, last_stable_offset, log_start, aborted, diverging, records })
}

/// What is left of an answer.
struct Rest<'a> {
    bytes: &'a [u8],
    /// Lengths are varints, and tagged fields stand behind every structure.
    flexible: bool,
}

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or("its length")?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or("its length")?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn short(&mut self) -> Result<i16, &'static str> {
        self.array().map(i16::from_be_bytes)
    }

    fn int(&mut self) -> Result<i32, &'static str> {
        self.array().map(i32::from_be_bytes)
    }

    fn long(&mut self) -> Result<i64, &'static str> {
        self.array().map(i64::from_be_bytes)
    }

    fn varint(&mut self) -> Result<u32, &'static str> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            let bits = u32::from(byte & 0x7F);
            value |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits).ok_or("a varint")?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a varint")
    }

    /// A length where null counts as none.
    fn length(&mut self) -> Result<usize, &'static str> {
        if self.flexible {
            return Ok((self.varint()? as usize).saturating_sub(1));
        }
        match self.int()? {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| "a negative length"),
        }
    }

    /// How many entries an array has, of at least so many bytes each.
    fn count(&mut self, entry_bytes: usize) -> Result<usize, &'static str> {
        let count = self.length()?;
        if count.saturating_mul(entry_bytes) > self.bytes.len() { Err("a count") } else { Ok(count) }
    }

    fn text(&mut self) -> Result<&'a str, &'static str> {
        let length = match self.flexible {
            true => self.length()?,
            false => usize::try_from(self.short()?).map_err(|_| "a negative length")?,
        };
        std::str::from_utf8(self.take(length)?).map_err(|_| "a name")
    }

    fn records(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.length()?;
        self.take(length)
    }

    /// Leaves out tagged fields, where there are any.
    fn tags(&mut self) -> Result<(), &'static str> {
        if self.flexible { self.each_tag(|_, _| Ok(())) } else { Ok(()) }
    }

    fn each_tag(
        &mut self,
        mut each: impl FnMut(u32, &mut Rest<'a>) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let length = self.varint()? as usize;
            let bytes = self.take(length)?;
            each(tag, &mut Rest { bytes, flexible: true })?;
        }
        Ok(())
    }
}

/// Versions of a fetch that are read here.
pub const VERSION_MIN: i16 = 4;
/// From 17 on there is nothing for a consumer.
pub const VERSION_MAX: i16 = 16;

/// The tag of where the logs part.
const DIVERGING_EPOCH: u32 = 0;

/// What an entry takes at least.
const TOPIC_BYTES: usize = 3;
const PARTITION_BYTES: usize = 24;
const ABORTED_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::fetch_response::{
        AbortedTransaction, EpochEndOffset, FetchableTopicResponse, PartitionData,
    };
    use kafka_protocol::messages::{FetchResponse, ResponseHeader, TopicName};
    use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};

    use super::*;

    fn response(version: i16) -> Bytes {
        let partition = |index: i32| {
            let aborted = (0..index).map(|number| {
                AbortedTransaction::default().with_producer_id(5.into()).with_first_offset(i64::from(number))
            });
            let data = PartitionData::default()
                .with_partition_index(index)
                .with_error_code(if index == 2 { 6 } else { 0 })
                .with_high_watermark(100)
                .with_last_stable_offset(90)
                .with_aborted_transactions((index != 1).then(|| aborted.collect()))
                .with_records((index != 2).then(|| Bytes::from(vec![7; 200 * (index as usize + 1)])));
            let data = if version >= 5 { data.with_log_start_offset(3) } else { data };
            if version >= 12 && index == 1 {
                data.with_diverging_epoch(EpochEndOffset::default().with_epoch(4).with_end_offset(55))
            } else {
                data
            }
        };
        let topic = FetchableTopicResponse::default().with_partitions((0..4).map(partition).collect());
        let topic = if version >= 13 {
            topic.with_topic_id(Uuid::from_u128(99))
        } else {
            topic.with_topic(TopicName(StrBytes::from_static_str("wells")))
        };
        let response = FetchResponse::default().with_throttle_time_ms(12).with_responses(vec![topic]);
        let response = if version >= 7 { response.with_error_code(70) } else { response };
        let mut bytes = Vec::new();
        ResponseHeader::default().encode(&mut bytes, FetchResponse::header_version(version)).unwrap();
        response.encode(&mut bytes, version).unwrap();
        bytes.into()
    }

    #[test]
    fn differential_what_kafka_protocol_writes_is_read_in_every_version() {
        for version in VERSION_MIN..=VERSION_MAX {
            let frame = response(version);
            let mut parts = Vec::new();
            let head = read(&frame, version, |topic, part| {
                let name = match topic {
                    TopicKey::Id(id) => id.as_u128().to_string(),
                    TopicKey::Name(name) => name.to_owned(),
                };
                assert_eq!(name, if version >= 13 { "99" } else { "wells" });
                assert_eq!((part.high_watermark, part.last_stable_offset), (100, 90));
                assert_eq!(part.log_start, if version >= 5 { 3 } else { -1 });
                let diverges = version >= 12 && part.partition == 1;
                assert_eq!(part.diverging, diverges.then_some(55));
                parts.push((part.partition, part.error.0, part.aborted.len(), part.records.len()));
            });
            let error = ErrorCode(if version >= 7 { 70 } else { 0 });
            assert_eq!(head, Ok(Head { throttle_ms: 12, error }), "version {version}");
            assert_eq!(parts, [(0, 0, 0, 200), (1, 0, 0, 400), (2, 6, 2, 0), (3, 0, 3, 800)]);
        }
    }

    #[test]
    fn an_answer_that_is_cut_or_goes_on_is_an_error() {
        for version in [VERSION_MIN, 11, 12, VERSION_MAX] {
            let whole = response(version);
            for length in 0..whole.len() {
                assert!(read(&whole.slice(..length), version, |_, _| {}).is_err(), "{version} {length}");
            }
            let more = Bytes::from([&whole[..], &[0]].concat());
            assert!(read(&more, version, |_, _| {}).is_err());
        }
        assert!(read(&response(4), 17, |_, _| {}).is_err());
    }

    #[test]
    fn a_claimed_count_takes_no_memory() {
        let mut frame = vec![0; 8];
        frame.extend_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(read(&frame.into(), 4, |_, _| {}), Err("a count"));
    }
}
