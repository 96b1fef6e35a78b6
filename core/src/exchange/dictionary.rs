//! A lane's dictionary: facility id -> shard and the number by which that shard knows it from this lane.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashMap;

use super::short_ids::{ShortIds, ShortKey, short_key};

/// Where a facility's readings go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// Ids of up to 15 bytes: all that most sites have.
    short: ShortIds<Route>,
    long: HashMap<Box<str>, Route, RandomState>,
    // Common to all lanes of the process, since a facility must reach the same shard from each of them.
    placing: RandomState,
    next: Vec<u32>,
}

/// A facility that will be looked up: its short key and that one's hash, if it has one.
pub type Expected = Option<(ShortKey, u64)>;

impl Dictionary {
    /// An empty dictionary for `shards` shards; `placing` must be the same for all lanes.
    pub fn new(shards: usize, placing: RandomState) -> Dictionary {
        let (short, long) = (ShortIds::default(), HashMap::default());
        Dictionary { short, long, placing, next: vec![0; shards] }
    }

    /// A facility is looked up soon: its place is asked for.
    #[inline]
    pub fn expect(&self, facility: &str) -> Expected {
        let key = short_key(facility.as_bytes())?;
        Some((key, self.short.expect(key)))
    }

    /// The route of a facility that `expect` was told of, and whether it was seen for the first time (its
    /// shard must then be told the name, ahead of the reading). `score` tells which score rules a new
    /// facility has.
    #[inline]
    pub fn route(
        &mut self,
        facility: &str,
        expected: Expected,
        score: impl FnOnce(&str) -> u32,
    ) -> (Route, bool) {
        let known = match expected {
            Some((key, hash)) => self.short.get_hashed(key, hash),
            None => self.long.get(facility).copied(),
        };
        match known {
            Some(route) => (route, false),
            None => (self.add(facility, expected, score(facility)), true),
        }
    }

    #[cold]
    fn add(&mut self, facility: &str, expected: Expected, score: u32) -> Route {
        let shard = place(&self.placing, facility, self.next.len());
        let number = self.next[shard];
        self.next[shard] += 1;
        let route = Route { shard: u32::try_from(shard).unwrap_or(0), number, score };
        match expected {
            Some((key, _)) => self.short.insert(key, route),
            None => drop(self.long.insert(facility.into(), route)),
        }
        route
    }

    /// Forgets every facility: their numbers begin anew, as the shards are told by the mark that says so.
    pub fn forget(&mut self) {
        self.short.clear();
        self.long = HashMap::default();
        self.next.fill(0);
    }

    /// Facilities known.
    pub fn len(&self) -> usize {
        self.short.len() + self.long.len()
    }

    /// None known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
            let name = format!("FAC-{i}");
            let expected = a.expect(&name);
            a.route(&name, expected, |_| 0);
        }
        for i in (0..1_000).rev() {
            let name = format!("FAC-{i}");
            let expected = b.expect(&name);
            let (in_b, new) = b.route(&name, expected, |_| 0);
            assert!(new);
            let expected = a.expect(&name);
            assert_eq!(a.route(&name, expected, |_| 0).0.shard, in_b.shard);
        }
    }

    #[test]
    fn long_ids_are_known_too_and_all_are_forgotten_at_once() {
        let mut dictionary = Dictionary::new(1, RandomState::new());
        let names = ["", "a facility with quite a long name", "FAC-1", "a facility with quite a long nose"];
        for round in 0..3 {
            for (number, name) in (0..).zip(names) {
                let expected = dictionary.expect(name);
                let (route, is_new) = dictionary.route(name, expected, |_| 7);
                assert_eq!((route.number, route.score, is_new), (number, 7, round != 1), "{name}");
            }
            assert_eq!(dictionary.len(), names.len());
            if round == 1 {
                dictionary.forget();
                assert!(dictionary.is_empty());
            }
        }
    }
}
