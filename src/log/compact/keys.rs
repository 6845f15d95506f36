//! Keys in a bounded table: of each the newest offset, for one range of the keys' hashes at a time.
//!
//! Owns: the hash of a key, ranges of hashes, the map from hash to newest offset and its bound.
//! Leaves to others: which records are looked at (`steps`, `show`), how much memory there may be
//! (settings).
//! Invariant: every key belongs to exactly one round, so that no prefix of the log is compacted
//! with knowledge of another; memory is one table, made once, at most [`SLOT_BYTES`] per slot.
//! Start reading at: [`NewestPerKey::observe`].
//! Source: Kafka `SkimpyOffsetMap`.
use sha2::{Digest, Sha256};

use crate::model::Offset;

/// Bytes of memory per key that fits, as in Kafka.
pub const SLOT_BYTES: usize = 24;

/// 128 bits of a key: two keys of one hash would be taken for the same, so none may be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash {
    /// Rounds are ranges of it.
    high: u64,
    /// The place in the table.
    low: u64,
}

impl KeyHash {
    /// Records without a key count as records of one key.
    pub fn of(key: Option<&[u8]>) -> Self {
        let Some(key) = key else { return Self { high: 0, low: 0 } };
        let digest = Sha256::digest(key);
        let half = |at: usize| u64::from_be_bytes(digest[at..at + 8].try_into().expect("32 bytes"));
        Self { high: half(0), low: half(8) }
    }
}

/// Hashes from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashRange {
    from: u64,
    to: u64,
}

impl HashRange {
    pub const ALL: Self = Self { from: 0, to: u64::MAX };

    pub fn covers(self, hash: KeyHash) -> bool {
        (self.from..=self.to).contains(&hash.high)
    }

    /// `None` for a single hash.
    pub fn lower_half(self) -> Option<Self> {
        let to = self.from + (self.to - self.from) / 2;
        (self.from < self.to).then_some(Self { from: self.from, to })
    }

    /// The range of the same width behind this one, up to the end of `whole`.
    pub fn next_in(self, whole: Self) -> Option<Self> {
        let from = self.to.checked_add(1).filter(|from| *from <= whole.to)?;
        let to = from.saturating_add(self.to - self.from).min(whole.to);
        Some(Self { from, to })
    }
}

#[derive(Clone, Copy)]
struct Slot {
    hash: KeyHash,
    /// -1: the slot is free.
    offset: i64,
}

const FREE: Slot = Slot { hash: KeyHash { high: 0, low: 0 }, offset: -1 };
const _: () = assert!(size_of::<Slot>() == SLOT_BYTES);

/// Newest offset per key, for the keys of one round.
pub struct NewestPerKey {
    slots: Vec<Slot>,
    used: usize,
    used_max: usize,
    /// Hashes of this round.
    range: HashRange,
}

impl NewestPerKey {
    /// A table of at most `bytes` (or room for 2 keys), filled up to `load` (0 to 1); no larger
    /// than `keys` need.
    pub fn new(bytes: usize, load: f64, keys: u64) -> Self {
        let load = load.clamp(0.1, 1.0);
        // One slot stays free, also beside the key that is too many, so that every search ends.
        let fits = ((bytes / SLOT_BYTES).saturating_sub(2) as f64 * load) as usize;
        let used_max = fits.min(usize::try_from(keys).unwrap_or(usize::MAX)).max(2);
        let slots = vec![FREE; (used_max as f64 / load).ceil() as usize + 2];
        Self { slots, used: 0, used_max, range: HashRange::ALL }
    }

    /// Memory of the table.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * SLOT_BYTES
    }

    /// Hashes of this round; it becomes narrower while keys are observed.
    pub fn range(&self) -> HashRange {
        self.range
    }

    fn home(&self, low: u64) -> usize {
        ((u128::from(low) * self.slots.len() as u128) >> 64) as usize
    }

    /// The slot of a hash, or the free one where it would go.
    fn find(&self, hash: KeyHash) -> usize {
        let mut at = self.home(hash.low);
        loop {
            let slot = &self.slots[at];
            if slot.offset < 0 || slot.hash == hash {
                return at;
            }
            at = (at + 1) % self.slots.len();
        }
    }

    /// Notes a record of the part of the log that is dirty.
    pub fn observe(&mut self, hash: KeyHash, offset: Offset) {
        if !self.range.covers(hash) {
            return;
        }
        let at = self.find(hash);
        self.used += usize::from(self.slots[at].offset < 0);
        let offset = offset.0.max(self.slots[at].offset);
        self.slots[at] = Slot { hash, offset };
        while self.used_max < self.used {
            self.halve();
        }
    }

    /// Leaves the upper half of the hashes to the next round.
    fn halve(&mut self) {
        self.range = self.range.lower_half().expect("few keys have one hash");
        for at in 0..self.slots.len() {
            while 0 <= self.slots[at].offset && !self.range.covers(self.slots[at].hash) {
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
            let home = self.home(self.slots[next].hash.low);
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
    pub fn is_newer_known(&self, hash: KeyHash, offset: Offset) -> bool {
        self.range.covers(hash) && offset.0 < self.slots[self.find(hash)].offset
    }

    /// Whether a record of the key was seen in this round.
    pub fn knows(&self, hash: KeyHash) -> bool {
        self.range.covers(hash) && 0 <= self.slots[self.find(hash)].offset
    }

    /// Begins the round of the next hashes; false when all were covered.
    pub fn next_round(&mut self) -> bool {
        let Some(from) = self.range.to.checked_add(1) else { return false };
        (self.range, self.used) = (HashRange { from, to: u64::MAX }, 0);
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
        let loads = [0.9, 1.0];
        let all = [2, 3, 10, 37, 400].into_iter().flat_map(|max| loads.map(|load| (max, load)));
        for (keys_max, load) in all {
            let keys: Vec<String> = (0..300).map(|_| format!("k{}", dice.below(200))).collect();
            let want: BTreeMap<_, _> = keys.iter().zip(0_i64..).collect();
            let hash = |key: &String| KeyHash::of(Some(key.as_bytes()));
            let bytes = ((keys_max as f64 / load).ceil() as usize + 2) * SLOT_BYTES;
            let mut map = NewestPerKey::new(bytes, load, 1_000);
            assert_eq!((map.used_max, map.bytes()), (keys_max, bytes));
            let (mut rounds, mut dropped) = (0, vec![false; keys.len()]);
            loop {
                rounds += 1;
                for (at, key) in keys.iter().enumerate() {
                    map.observe(hash(key), Offset(at as i64));
                }
                for (at, key) in keys.iter().enumerate() {
                    dropped[at] |= map.is_newer_known(hash(key), Offset(at as i64));
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
    #[test]
    fn ranges_of_hashes_cover_each_key_once() {
        let keys: Vec<KeyHash> =
            (0..500).map(|n| KeyHash::of(Some(format!("k{n}").as_bytes()))).collect();
        let keys = [&keys[..], &[KeyHash::of(None)]].concat();
        for halvings in 0..9 {
            let narrow = |range: HashRange| range.lower_half().unwrap();
            let mut range = Some((0..halvings).fold(HashRange::ALL, |range, _| narrow(range)));
            let (mut rounds, mut covered) = (0, 0);
            while let Some(now) = range {
                rounds += 1;
                covered += keys.iter().filter(|key| now.covers(**key)).count();
                range = now.next_in(HashRange::ALL);
            }
            assert_eq!((rounds, covered), (1 << halvings, keys.len()));
        }
        let one = HashRange { from: u64::MAX, to: u64::MAX };
        assert_eq!((one.lower_half(), one.next_in(HashRange::ALL)), (None, None));
    }
}
