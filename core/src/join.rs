//! The interval join of one shard: readings of a facility whose times lie within the bound become rows, and
//! rows with ALERT become alarm episodes (DESIGN section 3).
//!
//! Enters: accepted readings of the shard's facilities in any order, and the movements of W. Leaves: rows and
//! alarms. Drops: a reading whose windows W has already closed (possible only behind an idle partition),
//! counted as `window_incomplete`.
//!
//! ```
//! use std::sync::Arc;
//! use wellstream_core::join::{Arrival, Join, JoinStart, PartRef, RowForm};
//! use wellstream_core::record::{PartitionId, Side};
//! use wellstream_core::rules::Rules;
//!
//! let partitions = [Side::Well, Side::Tank].map(|side| PartitionId { side, number: 0 });
//! let (rules, start) = (Arc::new(Rules::default()), JoinStart::default());
//! let mut join = Join::new(rules, partitions.to_vec(), &start, RowForm::Counted);
//! let facility = join.facility("FAC-1");
//! join.finish_rebuild();
//! let reading = |partition, time_ms, points| Arrival { partition, time_ms, points, ..Arrival::default() };
//! join.arrive(facility, reading(0, 10_000, 40), PartRef::default()); // a well with HIGH_EMISSION
//! join.arrive(facility, reading(1, 15_000, 10), PartRef::default()); // a tank, 5 s later: within the bound
//! join.arrive(facility, reading(1, 15_001, 10), PartRef::default()); // 1 ms too late
//! assert_eq!(join.out.totals.rows, 1);
//! assert_eq!(join.out.totals.risk_sum, 50);
//! ```

mod arena;
mod held;
mod scan;
mod rings;
mod emit;
mod alarm;
mod closing;
mod newest;
mod shard_join;
mod arrive;
mod decide;

pub use arena::{Arena, PartRef};
pub use emit::{AlarmTotals, Emitted, RowForm};
pub use held::{Arrival, Half, Held, Open};
pub use rings::{Ring, Rings};
pub use scan::scan;
pub use shard_join::{Join, JoinCounts, JoinStart};
