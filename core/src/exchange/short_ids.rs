//! Ids of up to 15 bytes, each its own key of 16 bytes in the table itself: a lookup is one cache line, which
//! can be asked for ahead. Longer ids are not for it.
//!
//! ```
//! use wellstream_core::exchange::{ShortIds, short_key};
//! let mut ids = ShortIds::default();
//! let key = short_key(b"FAC-00017").unwrap();
//! assert_eq!(ids.get(key), None);
//! ids.insert(key, 17);
//! assert_eq!(ids.get(key), Some(17));
//! assert_eq!(short_key(b"a facility with a name"), None);
//! ```

use std::hash::{BuildHasher, RandomState};

use crate::prefetch::prefetch;

/// A short id as a number that is never 0: its bytes, its length above them, and a bit.
pub type ShortKey = u128;

/// The table: open addressing, linear probing.
#[derive(Clone, Debug)]
pub struct ShortIds<V> {
    /// A power of two of slots; key 0 where there is none.
    slots: Vec<(ShortKey, V)>,
    len: usize,
    // Ids come from outside: unseeded, a writer could choose ones that collide.
    seeds: [u64; 2],
}

impl<V: Copy + Default> Default for ShortIds<V> {
    fn default() -> Self {
        let seeds = [0, 1].map(|n: u64| RandomState::new().hash_one(n));
        ShortIds { slots: vec![(0, V::default()); SLOTS_MIN], len: 0, seeds }
    }
}

impl<V: Copy + Default> ShortIds<V> {
    /// The value of an id.
    #[inline]
    pub fn get(&self, key: ShortKey) -> Option<V> {
        self.get_hashed(key, self.hash(key))
    }

    /// The value of an id whose hash is known.
    #[inline]
    pub fn get_hashed(&self, key: ShortKey, hash: u64) -> Option<V> {
        let mut at = self.first(hash);
        loop {
            let (known, value) = self.slots[at];
            if known == key {
                return Some(value);
            }
            if known == 0 {
                return None;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// The id is looked up soon. Returns its hash, which stays what it is as long as the table lives.
    #[inline]
    pub fn expect(&self, key: ShortKey) -> u64 {
        let hash = self.hash(key);
        prefetch(&self.slots, self.first(hash));
        hash
    }

    /// Forgets every id.
    pub fn clear(&mut self) {
        self.slots = vec![(0, V::default()); SLOTS_MIN];
        self.len = 0;
    }

    /// Adds an id that is not there.
    pub fn insert(&mut self, key: ShortKey, value: V) {
        // Half empty: ids lie all over the table, so a sparse one takes no more cache lines, and a lookup
        // that ends at its first slot is one that the processor foresees.
        if (self.len + 1) * 2 > self.slots.len() {
            let doubled = vec![(0, V::default()); self.slots.len() * 2];
            let old = std::mem::replace(&mut self.slots, doubled);
            old.into_iter().filter(|(key, _)| *key != 0).for_each(|(key, value)| self.put(key, value));
        }
        self.put(key, value);
        self.len += 1;
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn put(&mut self, key: ShortKey, value: V) {
        let mut at = self.first(self.hash(key));
        while self.slots[at].0 != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = (key, value);
    }

    /// One multiplication of 64 by 64 bits, both halves folded.
    #[inline]
    fn hash(&self, key: ShortKey) -> u64 {
        let product = u128::from(low(key) ^ self.seeds[0]) * u128::from(low(key >> 64) ^ self.seeds[1]);
        low(product) ^ low(product >> 64)
    }

    /// Where a key of this hash is looked for first.
    #[inline]
    fn first(&self, hash: u64) -> usize {
        usize::try_from(hash & (self.slots.len() as u64 - 1)).unwrap_or(0)
    }
}

/// An id of up to 15 bytes as its key.
#[inline]
pub fn short_key(id: &[u8]) -> Option<ShortKey> {
    let length = id.len();
    // Two loads that overlap, instead of a copy of unknown length.
    let (low, high) = match length {
        8..=15 => {
            let (low, high) = (word::<8>(id, 0), word::<8>(id, length - 8));
            // What both hold is the same bytes in both: the upper word keeps those that the lower has not.
            (low, if length == 8 { 0 } else { high >> (8 * (16 - length)) })
        }
        4..=7 => (word::<4>(id, 0) | word::<4>(id, length - 4) << (8 * (length - 4)), 0),
        0..=3 => (id.iter().rev().fold(0, |low, byte| low << 8 | u64::from(*byte)), 0),
        _ => return None,
    };
    Some(u128::from(low) | u128::from(high) << 64 | (length as u128) << 120 | IS_ID)
}

/// `N` bytes from a place on, as a little-endian number.
#[inline]
fn word<const N: usize>(id: &[u8], from: usize) -> u64 {
    let mut word = [0; 8];
    word[..N].copy_from_slice(&id[from..from + N]);
    u64::from_le_bytes(word)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
#[inline]
fn low(number: u128) -> u64 {
    number as u64
}

/// So that the empty id is no empty slot.
const IS_ID: u128 = 1 << 127;
const SLOTS_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_length_are_told_apart_as_a_map_of_strings_does() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut ids = ShortIds::default();
        let mut naive = std::collections::HashMap::new();
        for number in 0..50_000 {
            // Few letters and a zero byte, so that ids are often prefixes of one another.
            let length = random.usize(0..=15);
            let id: String = (0..length).map(|_| ['a', 'b', '\0'][random.usize(0..3)]).collect();
            let key = short_key(id.as_bytes()).unwrap();
            let hash = ids.expect(key);
            assert_eq!(ids.get(key), naive.get(&id).copied(), "{id:?}");
            assert_eq!(ids.get_hashed(key, hash), ids.get(key));
            naive.entry(id).or_insert_with(|| {
                ids.insert(key, number);
                number
            });
        }
        assert_eq!(ids.len(), naive.len());
        assert!(naive.len() > 10_000, "{}", naive.len());
        assert_eq!(short_key(&[0; 16]), None);
    }
}
