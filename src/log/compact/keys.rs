//! Kafka's rule: of each key the newest record stays; records without a key go.
//!
//! Owns: the map from a key's hash to its newest offset, and its bound: a round covers a range of
//! hashes.
//! Leaves to others: which records are looked at (`steps`), how many keys there may be (settings).
//! Invariant: every key belongs to exactly one round, so that no prefix of the log is compacted
//! with knowledge of another; memory is one table, made once, at most [`SLOT_BYTES`] per slot.
//! Start reading at: [`NewestPerKey::observe`].
//! Source: Kafka `SkimpyOffsetMap`.
use sha2::{Digest, Sha256};

use crate::model::Offset;

/// Bytes of memory per key that fits, as in Kafka.
pub const SLOT_BYTES: usize = 24;

#[derive(Clone, Copy)]
struct Slot {
    /// High half of the hash: rounds are ranges of it.
    high: u64,
    /// Low half: the place in the table.
    low: u64,
    /// -1: the slot is free.
    offset: i64,
}

const FREE: Slot = Slot { high: 0, low: 0, offset: -1 };
const _: () = assert!(size_of::<Slot>() == SLOT_BYTES);

/// Newest offset per key, for the keys of one round.
pub struct NewestPerKey {
    slots: Vec<Slot>,
    used: usize,
    used_max: usize,
    /// Hashes of this round: from here …
    from: u64,
    /// … up to here, this one included.
    to: u64,
}

/// 128 bits: two keys of one hash would be taken for the same, so none may be found.
fn hash(key: &[u8]) -> (u64, u64) {
    let digest = Sha256::digest(key);
    let half = |at: usize| u64::from_be_bytes(digest[at..at + 8].try_into().expect("32 bytes"));
    (half(0), half(8))
}

impl NewestPerKey {
    /// Room for `keys_max` keys at once (at least 2), with a load of at most `load` (0 to 1).
    pub fn new(keys_max: usize, load: f64) -> Self {
        let used_max = keys_max.max(2);
        // One slot stays free, so that every search ends.
        let slots = (used_max as f64 / load.clamp(0.1, 1.0)).ceil() as usize + 1;
        let slots = vec![FREE; slots];
        Self { slots, used: 0, used_max, from: 0, to: u64::MAX }
    }

    fn covers(&self, high: u64) -> bool {
        (self.from..=self.to).contains(&high)
    }

    fn home(&self, low: u64) -> usize {
        ((u128::from(low) * self.slots.len() as u128) >> 64) as usize
    }

    /// The slot of a hash, or the free one where it would go.
    fn find(&self, (high, low): (u64, u64)) -> usize {
        let mut at = self.home(low);
        loop {
            let slot = &self.slots[at];
            if slot.offset < 0 || (slot.high, slot.low) == (high, low) {
                return at;
            }
            at = (at + 1) % self.slots.len();
        }
    }

    /// Notes a record of the part of the log that is dirty.
    pub fn observe(&mut self, key: &[u8], offset: Offset) {
        let (high, low) = hash(key);
        if !self.covers(high) {
            return;
        }
        let at = self.find((high, low));
        self.used += usize::from(self.slots[at].offset < 0);
        let offset = offset.0.max(self.slots[at].offset);
        self.slots[at] = Slot { high, low, offset };
        while self.used_max < self.used {
            self.halve();
        }
    }

    /// Leaves the upper half of the hashes to the next round.
    fn halve(&mut self) {
        assert!(self.from < self.to, "more keys of one hash than fit");
        self.to = self.from + (self.to - self.from) / 2;
        for at in 0..self.slots.len() {
            while 0 <= self.slots[at].offset && !self.covers(self.slots[at].high) {
                self.remove(at);
            }
        }
    }

    /// Frees a slot and moves up what stands behind it only because of it.
    fn remove(&mut self, at: usize) {
        let count = self.slots.len();
        self.used -= 1;
        let (mut hole, mut next) = (at, (at + 1) % count);
        while 0 <= self.slots[next].offset {
            let home = self.home(self.slots[next].low);
            // How far each lies behind the slot's home, around the end of the table.
            let (to_hole, to_next) = ((hole + count - home) % count, (next + count - home) % count);
            if to_hole < to_next {
                self.slots[hole] = self.slots[next];
                hole = next;
            }
            next = (next + 1) % count;
        }
        self.slots[hole] = FREE;
    }

    /// Whether a newer record of the same key was seen in this round.
    pub fn is_newer_known(&self, key: &[u8], offset: Offset) -> bool {
        let hash = hash(key);
        self.covers(hash.0) && offset.0 < self.slots[self.find(hash)].offset
    }

    /// Begins the round of the next hashes; false when all were covered.
    pub fn next_round(&mut self) -> bool {
        if self.to == u64::MAX {
            return false;
        }
        (self.from, self.to, self.used) = (self.to + 1, u64::MAX, 0);
        self.slots.fill(FREE);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::Rng;

    #[test]
    fn rounds_over_ranges_of_hashes_know_what_one_large_map_knows() {
        let mut dice = Rng::new(7);
        for keys_max in [2, 3, 10, 37, 400] {
            let keys: Vec<String> = (0..300).map(|_| format!("k{}", dice.below(200))).collect();
            let want: BTreeMap<_, _> = keys.iter().zip(0_i64..).collect();
            let mut map = NewestPerKey::new(keys_max, 0.9);
            let (mut rounds, mut dropped) = (0, vec![false; keys.len()]);
            loop {
                rounds += 1;
                for (at, key) in keys.iter().enumerate() {
                    map.observe(key.as_bytes(), Offset(at as i64));
                }
                for (at, key) in keys.iter().enumerate() {
                    dropped[at] |= map.is_newer_known(key.as_bytes(), Offset(at as i64));
                }
                assert!(map.used <= keys_max);
                if !map.next_round() {
                    break;
                }
            }
            assert!(want.len() <= keys_max * rounds, "{rounds} rounds of {keys_max}");
            for (at, key) in keys.iter().enumerate() {
                assert_eq!(dropped[at], want[key] != at as i64, "{key} at {at}, {keys_max}");
            }
        }
    }
}
