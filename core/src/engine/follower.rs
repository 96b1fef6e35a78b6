//! Whoever follows the commits with what is newest, such as a cache: it never decides anything, and what it
//! has not passed on when the program dies it is told again by the next one.

use crate::record::News;

/// A follower. The committer calls it from its own thread: it must not wait for anybody.
pub trait Follower: Send {
    /// An epoch is committed: what is newest in it.
    fn tell(&mut self, news: News);

    /// The oldest event time among what it was told and has not passed on yet, epoch ms: a restart reads
    /// again from there.
    fn untold_ms(&self) -> Option<i64>;
}
