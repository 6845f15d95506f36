//! Kafka's rule: of each key the newest record stays; records without a key go.
//!
//! Owns: the map from key to newest offset, and its bound: a round covers a range of key hashes.
//! Invariant: every key belongs to exactly one round; so no prefix of the log is compacted with
//! knowledge of another.
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::model::Offset;
use crate::record::{Records, Row};

pub struct NewestPerKey {
    /// By hash of the key; only hashes from `low` up to `high`.
    newest: BTreeMap<u128, Offset>,
    low: u128,
    /// Exclusive; `None`: up to the largest.
    high: Option<u128>,
    keys_max: usize,
}

/// 128 bits: two keys of one hash would be taken for the same, so none may be found.
fn hash(key: &[u8]) -> u128 {
    let digest = Sha256::digest(key);
    u128::from_be_bytes(digest[..16].try_into().expect("32 bytes"))
}

impl NewestPerKey {
    pub fn new(keys_max: usize) -> Self {
        Self { newest: BTreeMap::new(), low: 0, high: None, keys_max: keys_max.max(2) }
    }

    fn covers(&self, hash: u128) -> bool {
        self.low <= hash && self.high.is_none_or(|high| hash < high)
    }

    pub fn observe(&mut self, records: &Records) {
        for row in &records.rows {
            let Some(hash) = records.key(row).map(hash).filter(|hash| self.covers(*hash)) else {
                continue;
            };
            let newest = self.newest.entry(hash).or_insert(row.offset);
            *newest = row.offset.max(*newest);
            if self.keys_max < self.newest.len() {
                // The upper half of the hashes waits for the next round.
                let middle = self.newest.keys().nth(self.newest.len() / 2).copied();
                let middle = middle.expect("more than two keys");
                self.newest.split_off(&middle);
                self.high = Some(middle);
            }
        }
    }

    /// Whether a newer record of the same key was seen in this round, or there is no key.
    pub fn drops(&self, records: &Records, row: &Row) -> bool {
        let Some(key) = records.key(row) else { return true };
        let hash = hash(key);
        self.covers(hash) && self.newest.get(&hash).is_some_and(|newest| row.offset < *newest)
    }

    /// Begins the round of the next hashes; `None` when all were covered.
    pub fn next_round(&self) -> Option<Self> {
        let low = self.high?;
        Some(Self { low, ..Self::new(self.keys_max) })
    }
}
