//! W, the watermark of a domain: the minimum of its partitions' watermarks, and it never goes back.

use crate::sabotage::{Rule, broken};

use super::clock::NEVER;

/// What one shard (or the committer) has heard of the domain's partitions, and the W that follows.
#[derive(Clone, Debug)]
pub struct DomainWatermark {
    watermarks_ms: Vec<i64>,
    idle: Vec<bool>,
    ended: Vec<bool>,
    w_ms: i64,
}

impl DomainWatermark {
    /// A domain of `partitions` partitions, with the W of the last commit.
    pub fn new(partitions: usize, restored: Option<i64>) -> DomainWatermark {
        DomainWatermark {
            watermarks_ms: vec![NEVER; partitions],
            idle: vec![false; partitions],
            ended: vec![false; partitions],
            w_ms: restored.unwrap_or(NEVER),
        }
    }

    /// A partition's watermark, heard behind the rows that it follows.
    pub fn hear(&mut self, partition: usize, watermark_ms: i64) {
        self.watermarks_ms[partition] = self.watermarks_ms[partition].max(watermark_ms);
    }

    /// A bounded partition has been read to its end: it leaves the minimum for good.
    pub fn end(&mut self, partition: usize) {
        self.ended[partition] = true;
    }

    /// Who is idle from this cut on. Only at a cut, for all shards at once.
    pub fn set_idle(&mut self, idle: &[bool]) {
        self.idle.copy_from_slice(idle);
    }

    /// One partition leaves or rejoins at any time: how it must not be (only for a sabotaged run).
    pub fn set_idle_one(&mut self, partition: usize, idle: bool) {
        self.idle[partition] = idle;
    }

    /// Moves W on to the minimum over the partitions that count. With all idle, W stays. Once the last one
    /// that counted has ended, W is the largest watermark of the ended ones: the minimum was never above
    /// that, so W does not depend on the order in which shards heard of the ends.
    pub fn advance(&mut self) -> i64 {
        let minimum = self.minimum().or_else(|| self.ended_maximum());
        if let Some(minimum) = minimum {
            self.w_ms = if broken(Rule::WatermarkNeverBack) { minimum } else { self.w_ms.max(minimum) };
        }
        self.w_ms
    }

    fn minimum(&self) -> Option<i64> {
        let counting = |&(i, _): &(usize, &i64)| !self.idle[i] && !self.ended[i];
        self.watermarks_ms.iter().enumerate().filter(counting).map(|(_, w)| *w).min()
    }

    fn ended_maximum(&self) -> Option<i64> {
        let ended = |&(i, _): &(usize, &i64)| self.ended[i];
        self.watermarks_ms.iter().enumerate().filter(ended).map(|(_, w)| *w).max()
    }

    /// Moves W to a time that is known to be past everything (the end of a bounded run).
    pub fn advance_to(&mut self, w_ms: i64) -> i64 {
        self.w_ms = self.w_ms.max(w_ms);
        self.w_ms
    }

    /// W, epoch ms; `NEVER` while a partition that counts has no clock.
    pub fn w_ms(&self) -> i64 {
        self.w_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_is_the_minimum_and_never_goes_back() {
        let mut domain = DomainWatermark::new(2, None);
        domain.hear(0, 50);
        assert_eq!(domain.advance(), NEVER);
        domain.set_idle(&[false, true]);
        assert_eq!(domain.advance(), 50);
        domain.set_idle(&[false, false]);
        domain.hear(1, 20);
        assert_eq!(domain.advance(), 50, "the returned partition is behind W: W stays");
        domain.hear(1, 70);
        domain.end(0);
        assert_eq!(domain.advance(), 70);
        domain.end(1);
        assert_eq!(domain.advance(), 70, "with none left W is the largest of the ended");
        assert_eq!(domain.advance_to(90), 90);
    }
}
