//! A lane's dictionary: facility id -> shard and the number by which that shard knows it from this lane.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashMap;

/// Where a facility's readings go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The shard.
    pub shard: u32,
    /// The facility's number between this lane and that shard.
    pub number: u32,
    /// Which score rules it has: 0 the common ones, else its own.
    pub score: u32,
}

/// The dictionary. Names are added by the first reading of a facility and stay.
#[derive(Debug)]
pub struct Dictionary {
    routes: HashMap<Box<str>, Route, RandomState>,
    // Common to all lanes of the process, since a facility must reach the same shard from each of them.
    placing: RandomState,
    next: Vec<u32>,
}

impl Dictionary {
    /// An empty dictionary for `shards` shards; `placing` must be the same for all lanes.
    pub fn new(shards: usize, placing: RandomState) -> Dictionary {
        Dictionary { routes: HashMap::default(), placing, next: vec![0; shards] }
    }

    /// The route of a facility, and whether it was seen for the first time (its shard must then be told the
    /// name, ahead of the reading). `score` tells which score rules a new facility has.
    pub fn route(&mut self, facility: &str, score: impl FnOnce(&str) -> u32) -> (Route, bool) {
        if let Some(route) = self.routes.get(facility) {
            return (*route, false);
        }
        let shard = place(&self.placing, facility, self.next.len());
        let number = self.next[shard];
        self.next[shard] += 1;
        let route = Route { shard: u32::try_from(shard).unwrap_or(0), number, score: score(facility) };
        self.routes.insert(facility.into(), route);
        (route, true)
    }

    /// Forgets every facility: their numbers begin anew, as the shards are told by the mark that says so.
    pub fn forget(&mut self) {
        self.routes = HashMap::default();
        self.next.fill(0);
    }

    /// Facilities known.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// None known.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

/// The shard of a facility, the same for all lanes of a process.
pub fn place(placing: &RandomState, facility: &str, shards: usize) -> usize {
    usize::try_from(placing.hash_one(facility) % shards as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lanes_send_a_facility_to_the_same_shard_under_numbers_of_their_own() {
        let placing = RandomState::new();
        let (mut a, mut b) = (Dictionary::new(4, placing.clone()), Dictionary::new(4, placing));
        for i in 0..1_000 {
            a.route(&format!("FAC-{i}"), |_| 0);
        }
        for i in (0..1_000).rev() {
            let name = format!("FAC-{i}");
            let (in_b, new) = b.route(&name, |_| 0);
            assert!(new);
            assert_eq!(a.route(&name, |_| 0).0.shard, in_b.shard);
        }
    }
}
