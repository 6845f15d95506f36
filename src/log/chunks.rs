//! An ordered map of which a view can be taken at any moment, for who writes it down while it goes
//! on changing.
//!
//! Owns: the chunks, and that a change while a view is there copies one of them, or two.
//! Leaves to others: what is kept (`producers`).
//! Invariant: keys ascend, within each chunk and from one to the next; no chunk is empty.
//! Start reading at: [`Chunks::change`]; a view is a clone.
use std::sync::Arc;

/// Entries of one chunk: what a change copies, and what a view shares.
const CHUNK_MAX: usize = 64;

type Chunk<K, V> = Vec<(K, V)>;

/// A clone costs one count per chunk, not one copy per entry.
#[derive(Clone, Debug)]
pub struct Chunks<K, V> {
    chunks: Vec<Arc<Chunk<K, V>>>,
    len: usize,
}

impl<K, V> Default for Chunks<K, V> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Chunks<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.chunks().flatten().zip(other.chunks().flatten());
        self.len == other.len && pairs.into_iter().all(|(one, other)| one == other)
    }
}

impl<K: Eq, V: Eq> Eq for Chunks<K, V> {}

impl<K, V> Chunks<K, V> {
    pub fn len(&self) -> usize {
        self.len
    }

    /// The entries in order, in slices of some dozens.
    pub fn chunks(&self) -> impl Iterator<Item = &[(K, V)]> {
        self.chunks.iter().map(|chunk| chunk.as_slice())
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.chunks().flatten().map(|(_, value)| value)
    }

    /// The largest key.
    pub fn last_key(&self) -> Option<&K> {
        Some(&self.chunks.last()?.last()?.0)
    }
}

impl<K: Copy + Ord, V: Clone> Chunks<K, V> {
    pub fn get(&self, key: &K) -> Option<&V> {
        let (at, row) = self.place(key).ok()?;
        Some(&self.chunks[at][row].1)
    }

    /// The value of `key`, to be changed; one that is not there is made first.
    pub fn change(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let (at, row) = match self.place(&key) {
            Ok(place) => place,
            Err(place) => self.insert(place, key, make()),
        };
        &mut Arc::make_mut(&mut self.chunks[at])[row].1
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (at, row) = self.place(key).ok()?;
        let (_, value) = Arc::make_mut(&mut self.chunks[at]).remove(row);
        self.len -= 1;
        if self.chunks[at].is_empty() {
            self.chunks.remove(at);
        }
        // Many small chunks would make a view dear.
        self.join(at);
        if let Some(before) = at.checked_sub(1) {
            self.join(before);
        }
        Some(value)
    }

    /// Chunk and row of a key, or where it belongs.
    fn place(&self, key: &K) -> Result<(usize, usize), (usize, usize)> {
        let behind = self.chunks.partition_point(|chunk| chunk[0].0 <= *key);
        let at = behind.saturating_sub(1);
        let Some(chunk) = self.chunks.get(at) else { return Err((0, 0)) };
        let row = chunk.binary_search_by(|(known, _)| known.cmp(key));
        row.map(|row| (at, row)).map_err(|row| (at, row))
    }

    fn insert(&mut self, (at, row): (usize, usize), key: K, value: V) -> (usize, usize) {
        self.len += 1;
        let is_full = self.chunks.get(at).is_some_and(|chunk| chunk.len() == CHUNK_MAX);
        if self.chunks.is_empty() || (is_full && row == CHUNK_MAX) {
            let at = if is_full { at + 1 } else { at };
            self.chunks.insert(at, Arc::new(vec![(key, value)]));
            return (at, 0);
        }
        let (mut at, mut row) = (at, row);
        if is_full {
            let rest = Arc::make_mut(&mut self.chunks[at]).split_off(CHUNK_MAX / 2);
            self.chunks.insert(at + 1, Arc::new(rest));
            if CHUNK_MAX / 2 < row {
                (at, row) = (at + 1, row - CHUNK_MAX / 2);
            }
        }
        Arc::make_mut(&mut self.chunks[at]).insert(row, (key, value));
        (at, row)
    }

    /// Makes one chunk of this one and the next, when both are small.
    fn join(&mut self, at: usize) {
        let pair = self.chunks.get(at..at + 2);
        if pair.is_some_and(|pair| pair[0].len() + pair[1].len() <= CHUNK_MAX / 2) {
            let next = Arc::unwrap_or_clone(self.chunks.remove(at + 1));
            Arc::make_mut(&mut self.chunks[at]).extend(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{CHUNK_MAX, Chunks};
    use crate::base::Rng;

    fn pairs(chunks: &Chunks<u64, u64>) -> Vec<(u64, u64)> {
        chunks.chunks().flatten().copied().collect()
    }

    #[test]
    fn it_is_a_map_whose_views_stay_as_they_were() {
        for seed in 0..20 {
            let mut rng = Rng::new(seed);
            let (mut chunks, mut model) = (Chunks::default(), BTreeMap::new());
            let (mut view, mut seen) = (chunks.clone(), Vec::new());
            // Half of the seeds see keys that ascend, as those of a new log do.
            let below = if seed % 2 == 0 { 400 } else { u64::MAX };
            for step in 0..3_000 {
                let key = if below == 400 { rng.below(below) } else { step };
                if rng.chance(300) {
                    let key = if below == 400 { key } else { rng.below(step + 1) };
                    assert_eq!(chunks.remove(&key), model.remove(&key), "seed {seed}");
                } else {
                    *chunks.change(key, || 0) += step;
                    *model.entry(key).or_insert(0) += step;
                }
                assert_eq!(chunks.get(&key), model.get(&key), "seed {seed}");
                assert_eq!(chunks.len(), model.len(), "seed {seed}");
                assert_eq!(chunks.last_key(), model.keys().next_back(), "seed {seed}");
                if rng.chance(10) {
                    assert_eq!(pairs(&view), seen, "seed {seed}: the view of before");
                    (view, seen) = (chunks.clone(), pairs(&chunks));
                }
            }
            let sorted: Vec<_> = model.into_iter().collect();
            assert_eq!(pairs(&chunks), sorted, "seed {seed}");
            let few = chunks.len() / (CHUNK_MAX / 4) + 1;
            assert!(chunks.chunks().count() <= few, "seed {seed}: the chunks are not crumbs");
        }
    }
}
