//! A lane's dictionary: facility id -> shard and the number by which that shard knows it from this lane.

use std::hash::{BuildHasher, RandomState};

use hashbrown::{HashMap, HashTable};

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
///
/// Ids of up to 15 bytes, which is all that most sites have, are their own key: 16 bytes in the table itself,
/// so that a lookup follows no pointer. Longer ones lie in an ordinary table.
#[derive(Debug)]
pub struct Dictionary {
    short: HashTable<(u128, Route)>,
    long: HashMap<Box<str>, Route, RandomState>,
    // Ids come from outside: unseeded, a writer could choose ones that collide.
    seeds: [u64; 2],
    // Common to all lanes of the process, since a facility must reach the same shard from each of them.
    placing: RandomState,
    next: Vec<u32>,
}

impl Dictionary {
    /// An empty dictionary for `shards` shards; `placing` must be the same for all lanes.
    pub fn new(shards: usize, placing: RandomState) -> Dictionary {
        let seeds = [0, 1].map(|n: u64| RandomState::new().hash_one(n));
        let (short, long) = (HashTable::new(), HashMap::default());
        Dictionary { short, long, seeds, placing, next: vec![0; shards] }
    }

    /// The route of a facility, and whether it was seen for the first time (its shard must then be told the
    /// name, ahead of the reading). `score` tells which score rules a new facility has.
    #[inline]
    pub fn route(&mut self, facility: &str, score: impl FnOnce(&str) -> u32) -> (Route, bool) {
        let known = match short_key(facility.as_bytes()) {
            Some(key) => {
                let hash = fold(key, self.seeds);
                self.short.find(hash, |(known, _)| *known == key).map(|(_, route)| *route)
            }
            None => self.long.get(facility).copied(),
        };
        match known {
            Some(route) => (route, false),
            None => (self.add(facility, score(facility)), true),
        }
    }

    #[cold]
    fn add(&mut self, facility: &str, score: u32) -> Route {
        let shard = place(&self.placing, facility, self.next.len());
        let number = self.next[shard];
        self.next[shard] += 1;
        let route = Route { shard: u32::try_from(shard).unwrap_or(0), number, score };
        let seeds = self.seeds;
        match short_key(facility.as_bytes()) {
            Some(key) => {
                self.short.insert_unique(fold(key, seeds), (key, route), |(key, _)| fold(*key, seeds));
            }
            None => drop(self.long.insert(facility.into(), route)),
        }
        route
    }

    /// Forgets every facility: their numbers begin anew, as the shards are told by the mark that says so.
    pub fn forget(&mut self) {
        self.short = HashTable::new();
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

/// An id of up to 15 bytes as a number: its bytes, and its length above them.
#[inline]
fn short_key(id: &[u8]) -> Option<u128> {
    let length = id.len();
    // Two loads that overlap, instead of a copy of unknown length.
    let (low, high) = match length {
        8..=15 => {
            let (low, high) = (word::<8>(id, 0), word::<8>(id, length - 8));
            // What both hold is the same bytes in both: the upper word keeps those that the lower has not.
            (low, high.checked_shr(8 * u32::from(16 - short(length))).unwrap_or(0))
        }
        4..=7 => (word::<4>(id, 0) | word::<4>(id, length - 4) << (8 * (length - 4)), 0),
        0..=3 => (id.iter().rev().fold(0, |low, byte| low << 8 | u64::from(*byte)), 0),
        _ => return None,
    };
    Some(u128::from(low) | u128::from(high) << 64 | u128::from(short(length)) << 120)
}

/// `N` bytes from a place on, as a little-endian number.
#[inline]
fn word<const N: usize>(id: &[u8], from: usize) -> u64 {
    let mut word = [0; 8];
    word[..N].copy_from_slice(&id[from..from + N]);
    u64::from_le_bytes(word)
}

#[expect(clippy::cast_possible_truncation, reason = "a length of at most 16")]
#[inline]
fn short(length: usize) -> u8 {
    length as u8
}

/// A seeded hash of a short key: one multiplication of 64 by 64 bits, both halves folded.
#[inline]
fn fold(key: u128, seeds: [u64; 2]) -> u64 {
    let [low, high] = [key, key >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
    let product = u128::from(low ^ seeds[0]) * u128::from(high ^ seeds[1]);
    let [low, high] =
        [product, product >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
    low ^ high
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

    #[test]
    fn ids_of_every_length_are_told_apart_as_a_map_of_strings_does() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut dictionary = Dictionary::new(1, RandomState::new());
        let mut naive = std::collections::HashMap::new();
        for _ in 0..50_000 {
            // Few letters and a zero byte, so that ids are often prefixes of one another.
            let length = random.usize(0..20);
            let id: String = (0..length).map(|_| ['a', 'b', '\0'][random.usize(0..3)]).collect();
            let expected = naive.len();
            let (number, new) = (*naive.entry(id.clone()).or_insert(expected), naive.len() > expected);
            let (route, is_new) = dictionary.route(&id, |_| 0);
            assert_eq!((usize::try_from(route.number).unwrap(), is_new), (number, new), "{id:?}");
        }
        assert_eq!(dictionary.len(), naive.len());
    }
}
