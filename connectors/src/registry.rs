//! The schema registry, by the Confluent API: how bodies were written is read there by schema id.
//!
//! Enters: schema ids met in records. Leaves: plans, compiled once per side and id and served for ever.
//! Drops: nothing. A lane that meets an unknown id is answered at once with "pending": one worker thread
//! asks, once per id whoever waits for it, and asks again with growing pauses. A registry that is away parks
//! the partitions that meet new ids, not the process; an id is given up only once the registry has answered
//! "not found" throughout the grace time.

mod client;
mod lookup;

pub use client::{Registered, RegistryClient, RegistryError, RegistrySettings};
pub use lookup::{Registry, RegistryCounts};
