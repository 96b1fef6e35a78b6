//! What goes wrong with single partitions and with what is known of the topics: what is tried again, and what
//! ends the run.

use std::sync::Arc;

use super::errand::Errand;
use super::link::Link;
use super::response::Part;
use super::{Fetcher, bounds};
use crate::clock::nanoseconds;
use crate::error::{ErrorClass, ErrorCode, WireError};
use crate::limits::UNKNOWN_GRACE;

impl Fetcher {
    /// Takes in what the brokers said of the topics, and asks them if that is wanted.
    pub(super) fn learn(&mut self, now_ns: u64) {
        let names: Vec<String>;
        let finished = self.metadata.poll();
        match finished {
            Some(Ok(())) => self.settle(now_ns),
            Some(Err(error)) => self.trouble(error, now_ns),
            None => {}
        }
        if self.metadata.is_due(now_ns) {
            names = self.topics.iter().map(|topic| topic.name.clone()).collect();
            self.metadata.ask(names, &self.clock, now_ns);
        }
    }

    /// Takes over who leads what. What ends a partition ends it behind the records that are buffered.
    fn settle(&mut self, now_ns: u64) {
        let mut is_missing = false;
        for index in 0..self.partitions.len() {
            let partition = &mut self.partitions[index];
            let topic = &mut self.topics[partition.topic];
            let Some(facts) = self.metadata.topic(&topic.name) else { continue };
            if !facts.id.is_nil() && !topic.id.is_nil() && facts.id != topic.id {
                partition.failed.get_or_insert(WireError::Remade { topic: topic.name.clone() });
                continue;
            }
            if facts.error.is_none() && !facts.id.is_nil() {
                topic.id = facts.id;
            }
            let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            let missing = facts.error.or((!facts.leaders.contains_key(&partition.number)).then_some(unknown));
            match missing {
                Some(code) if code.class() == ErrorClass::Fatal => {
                    let (broker, what) = (self.metadata.broker(), topic.name.clone());
                    partition.failed.get_or_insert(WireError::Code { broker, api: "Metadata", what, code });
                }
                Some(code) => {
                    is_missing = true;
                    let since_ns = *partition.missing_since_ns.get_or_insert(now_ns);
                    let is_unknown = [unknown, ErrorCode::UNKNOWN_TOPIC_ID].contains(&code);
                    if is_unknown && now_ns.saturating_sub(since_ns) >= nanoseconds(UNKNOWN_GRACE) {
                        let (topic, partition) = (topic.name.clone(), partition.number);
                        self.partitions[index].failed.get_or_insert(WireError::Unknown { topic, partition });
                    }
                }
                None => {
                    partition.missing_since_ns = None;
                    let found = facts.leaders.get(&partition.number).copied().flatten();
                    let known_epoch = partition.leader.map_or(-1, |leader| leader.epoch);
                    match found {
                        // A broker that lags behind what is known.
                        Some(leader) if leader.epoch >= 0 && leader.epoch < known_epoch => is_missing = true,
                        Some(leader) => partition.leader = Some(leader),
                        None => is_missing = true,
                    }
                }
            }
        }
        if is_missing {
            self.metadata.want(now_ns);
        }
    }

    /// A partition was answered with an error.
    pub(super) fn refused(&mut self, link: usize, index: usize, part: &Part, now_ns: u64) {
        let partition = &mut self.partitions[index];
        let (topic, number) = (self.topics[partition.topic].name.clone(), partition.number);
        let offset = partition.fetch_offset;
        if let Some(end) = part.diverging {
            partition.failed = Some(WireError::Truncated { topic, partition: number, offset, end });
            return;
        }
        let code = part.error;
        let error = WireError::Code {
            broker: self.links[link].address(),
            api: "Fetch",
            what: format!("{topic}[{number}]"),
            code,
        };
        if code == ErrorCode::OFFSET_OUT_OF_RANGE {
            // The answer does not say where the log is. Until that is known it is not asked again.
            let (leader, options, clock) =
                (self.links[link].address(), self.metadata.options().clone(), Arc::clone(&self.clock));
            let errand = Errand::start(move || bounds::ask(&leader, &options, &*clock, &topic, number));
            partition.retry_at_ns = if errand.is_some() { u64::MAX } else { now_ns };
            self.bounds.extend(errand.map(|errand| (index, errand)));
            return;
        }
        let class = match code {
            // An accident of the broker's own. Reading again loses nothing, unlike writing again.
            ErrorCode::UNKNOWN_SERVER_ERROR => ErrorClass::Retry,
            code => code.class(),
        };
        match class {
            ErrorClass::Refresh => {
                let is_missing =
                    [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::UNKNOWN_TOPIC_ID].contains(&code);
                if is_missing {
                    partition.missing_since_ns.get_or_insert(now_ns);
                }
                partition.retry_at_ns = now_ns + nanoseconds(partition.backoff.pause());
                self.trouble(error, now_ns);
            }
            ErrorClass::Retry => {
                partition.retry_at_ns = now_ns + nanoseconds(partition.backoff.pause());
                self.trouble(error, now_ns);
            }
            ErrorClass::Abort | ErrorClass::Fatal => partition.failed = Some(error),
        }
    }

    /// Where the log of a partition is, whose offset is not in it: outside of it is the end.
    pub(super) fn take_bounds(&mut self, now_ns: u64) {
        let mut found = Vec::new();
        self.bounds.retain_mut(|(index, errand)| match errand.poll() {
            Some(bounds) => {
                found.push((*index, bounds));
                false
            }
            None => true,
        });
        for (index, bounds) in found {
            let partition = &mut self.partitions[index];
            partition.retry_at_ns = now_ns + nanoseconds(partition.backoff.pause());
            let offset = partition.fetch_offset;
            match bounds {
                Ok((log_start, log_end)) if offset < log_start || offset > log_end => {
                    let (topic, partition_number) =
                        (self.topics[partition.topic].name.clone(), partition.number);
                    let failed = WireError::OutOfRange {
                        topic,
                        partition: partition_number,
                        offset,
                        log_start,
                        log_end,
                    };
                    partition.failed = Some(failed);
                }
                // A leader that was just chosen did not know its end yet.
                Ok(_) => {
                    let what = format!("{}[{}]", self.topics[partition.topic].name, partition.number);
                    let leader = partition.leader.map_or(-1, |leader| leader.broker);
                    let broker = self.links.iter().find(|link| link.broker == leader).map(Link::address);
                    let code = ErrorCode::OFFSET_OUT_OF_RANGE;
                    if let Some(broker) = broker {
                        self.trouble(WireError::Code { broker, api: "Fetch", what, code }, now_ns);
                    }
                }
                Err(error) => self.trouble(error, now_ns),
            }
        }
    }
}
