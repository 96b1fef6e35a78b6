//! A scenario's readings as a load.

use crate::generate::Generator;
use crate::schedule::{Schedule, Times};

use super::{Load, LoadBlock, LoadError};

/// A scenario's first readings, with their intended times.
#[derive(Clone, Debug)]
pub struct GeneratedLoad {
    generator: Generator,
    times: When,
    next: u64,
    end: u64,
    stamp: Stamp,
}

/// When readings are due.
#[derive(Clone, Debug)]
enum When {
    /// By a schedule.
    Schedule(Box<Times>),
    /// As soon as there is room.
    AtOnce,
}

/// Which Kafka timestamp a record gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The time of its sending on the axis of event times.
    OfScenario,
    /// This one: the start of the run, epoch ms. Every event time lies before it.
    Fixed(i64),
}

impl GeneratedLoad {
    /// As many readings as the schedule has.
    pub fn scheduled(generator: Generator, schedule: &Schedule, stamp: Stamp) -> GeneratedLoad {
        let times = When::Schedule(Box::new(schedule.times()));
        GeneratedLoad { generator, times, next: 0, end: schedule.events(), stamp }
    }

    /// So many readings as fast as they are taken.
    pub fn at_once(generator: Generator, events: u64, stamp: Stamp) -> GeneratedLoad {
        GeneratedLoad { generator, times: When::AtOnce, next: 0, end: events, stamp }
    }
}

impl Load for GeneratedLoad {
    fn fill(&mut self, block: &mut LoadBlock) -> Result<(), LoadError> {
        let events = self.next..self.end.min(self.next + BLOCK_EVENTS);
        self.next = events.end;
        match &mut self.times {
            When::Schedule(times) => block.due_ns.extend(events.clone().zip(times).map(|(_, due)| due)),
            When::AtOnce => {}
        }
        let stamp = self.stamp;
        self.generator.fill(
            events,
            |event| match stamp {
                Stamp::OfScenario => event.sent_ms,
                Stamp::Fixed(ms) => ms,
            },
            &mut block.records,
        );
        Ok(())
    }
}

/// Readings in a block.
const BLOCK_EVENTS: u64 = 4_096;
