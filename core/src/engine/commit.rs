//! The metadata string committed with each offset: all that a restart needs, some 100 bytes (DESIGN 6 and
//! 10).

use std::fmt;
use std::str::FromStr;

use crate::rules::RulesHash;

/// `ws1;TOPICID;PARTITIONS;REWIND;CLOCK_BEFORE_REWIND;CLOCK;W;HASH[;ID:OFFSET,...]`.
///
/// ```
/// use wellstream_core::engine::CommitMetadata;
/// let text =
/// "ws1;AAAAAAAAAAAAAAAAAAAAAQ;3;120;1700000000000;1700000031000;1700000020000;00000000000000ff;7:130";
/// let metadata: CommitMetadata = text.parse().unwrap();
/// assert_eq!(metadata.rewind, 120);
/// assert_eq!(metadata.schemas_given_up, vec![(7, 130)]);
/// assert_eq!(metadata.to_string(), text);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitMetadata {
    /// Kafka's id of the topic, as text: a topic deleted and made again is another log. `-` where unknown.
    pub topic_id: String,
    /// How many partitions the topic had.
    pub partitions: u32,
    /// Where re-reading starts after a restart.
    pub rewind: i64,
    /// The partition's clock before the record at `rewind`, epoch ms; `None` before the first record.
    pub clock_before_rewind: Option<i64>,
    /// The partition's clock at the committed offset.
    pub clock: Option<i64>,
    /// The domain's watermark when the epoch was cut.
    pub watermark: Option<i64>,
    /// The hash of the rules that decided.
    pub rules: RulesHash,
    /// Schema ids given up (the registry said "not found" for the grace time) with the first offset
    /// concerned:
    /// a re-read repeats that verdict.
    pub schemas_given_up: Vec<(u32, i64)>,
}

impl fmt::Display for CommitMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws1;{};{};{};", self.topic_id, self.partitions, self.rewind)?;
        for time in [self.clock_before_rewind, self.clock, self.watermark] {
            match time {
                Some(ms) => write!(f, "{ms};")?,
                None => f.write_str("-;")?,
            }
        }
        write!(f, "{}", self.rules)?;
        for (i, (id, offset)) in self.schemas_given_up.iter().enumerate() {
            let separator = if i == 0 { ';' } else { ',' };
            write!(f, "{separator}{id}:{offset}")?;
        }
        Ok(())
    }
}

impl FromStr for CommitMetadata {
    type Err = MetadataError;

    fn from_str(text: &str) -> Result<Self, MetadataError> {
        let bad = || MetadataError { text: text.chars().take(120).collect() };
        let mut parts = text.split(';');
        let mut next = || parts.next().ok_or_else(bad);
        if next()? != "ws1" {
            return Err(bad());
        }
        let time = |part: &str| match part {
            "-" => Ok(None),
            ms => ms.parse().map(Some).map_err(|_| bad()),
        };
        let metadata = CommitMetadata {
            topic_id: next()?.to_owned(),
            partitions: next()?.parse().map_err(|_| bad())?,
            rewind: next()?.parse().map_err(|_| bad())?,
            clock_before_rewind: time(next()?)?,
            clock: time(next()?)?,
            watermark: time(next()?)?,
            rules: RulesHash(u64::from_str_radix(next()?, 16).map_err(|_| bad())?),
            schemas_given_up: match parts.next() {
                None => Vec::new(),
                Some(list) => {
                    list.split(',').map(|pair| given_up(pair).ok_or_else(bad)).collect::<Result<_, _>>()?
                }
            },
        };
        if parts.next().is_some() { Err(bad()) } else { Ok(metadata) }
    }
}

fn given_up(pair: &str) -> Option<(u32, i64)> {
    let (id, offset) = pair.split_once(':')?;
    Some((id.parse().ok()?, offset.parse().ok()?))
}

/// The committed metadata is not ours, or of another version: treated as lost history, never guessed at.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not commit metadata of this version: {text:?}")]
pub struct MetadataError {
    /// Its first 120 characters.
    pub text: String,
}
