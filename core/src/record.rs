//! The nouns: what comes in (a record, a reading), what goes out (a row, an alarm, a reject).

mod input;
mod reading;
mod row;
mod alarm;
mod reject;
mod newest;

pub use alarm::{Alarm, AlarmInForce, AlarmKind};
pub use input::{PartitionId, Record, Side};
pub use newest::{NewestReading, NewestReadings, NewestRow, News};
pub use reading::{TankReading, WellReading};
pub use reject::{Fate, Reason, Reject};
pub use row::{Input, Row, RowBatch, RowDigest, RowTotals, Status, splitmix64};
