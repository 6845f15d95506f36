//! A sorted map that costs little to copy and to change a copy of.
//!
//! Owns: [`Ordered`]. Metadata images share all but the few entries that one command changes.
//! Invariant: keys ascend over all chunks, and no chunk is empty.
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Entries of a chunk; a change copies one chunk and the list of chunks.
const CHUNK_MAX: usize = 128;

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// Sorted entries in shared chunks. Clone is one reference count.
#[derive(Debug)]
pub struct Ordered<K, V> {
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

impl<K, V> Clone for Ordered<K, V> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), len: self.len }
    }
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::new(Vec::new()), len: 0 }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Ordered<K, V> {
    /// Equal entries are equal, whatever the chunks.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K, V> Ordered<K, V> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Entries in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value))
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord + Clone, V: Clone> Ordered<K, V> {
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let at = chunk.binary_search_by(|(known, _)| known.borrow().cmp(key)).ok()?;
        Some(&chunk[at].1)
    }

    /// Entries from `key` on, in key order.
    pub fn iter_from<Q: Ord + ?Sized>(&self, key: &Q) -> impl Iterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        let first = self.chunk_of(key);
        let skipped = self
            .chunks
            .get(first)
            .map_or(0, |chunk| chunk.partition_point(|(known, _)| known.borrow() < key));
        let rest = self.chunks[first..].iter().flat_map(|chunk| chunk.iter());
        rest.skip(skipped).map(|(key, value)| (key, value))
    }

    /// Puts a value, and gives back the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let chunks = Arc::make_mut(&mut self.chunks);
        if chunks.is_empty() {
            chunks.push(Arc::new(Vec::new()));
        }
        let place = chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last.0 < key));
        let place = place.min(chunks.len() - 1);
        let chunk = Arc::make_mut(&mut chunks[place]);
        match chunk.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => Some(std::mem::replace(&mut chunk[at].1, value)),
            Err(at) => {
                chunk.insert(at, (key, value));
                self.len += 1;
                if CHUNK_MAX < chunk.len() {
                    let upper = chunk.split_off(CHUNK_MAX / 2);
                    chunks.insert(place + 1, Arc::new(upper));
                }
                None
            }
        }
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.chunk_of(key);
        let found = self.chunks.get(place)?;
        let at = found.binary_search_by(|(known, _)| known.borrow().cmp(key)).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(&mut chunks[place]);
        let (_, value) = chunk.remove(at);
        if chunk.is_empty() {
            chunks.remove(place);
        }
        self.len -= 1;
        Some(value)
    }

    /// Calls `each` with every key whose entry is not the same in both, in key order: what was
    /// there before and what is there now. Shared chunks are passed over, so that the cost follows
    /// the number of changes. Entries may be reported though equal.
    pub fn differences(before: &Self, now: &Self, mut each: impl FnMut(Option<&V>, Option<&V>)) {
        let pointers = |map: &Self| -> BTreeSet<*const Vec<(K, V)>> {
            map.chunks.iter().map(Arc::as_ptr).collect()
        };
        let (known, kept) = (pointers(before), pointers(now));
        let unshared = |map: &Self, others: &BTreeSet<*const Vec<(K, V)>>| -> Vec<Chunk<K, V>> {
            let own = map.chunks.iter().filter(|chunk| !others.contains(&Arc::as_ptr(chunk)));
            own.cloned().collect()
        };
        let (old, new) = (unshared(before, &kept), unshared(now, &known));
        let mut old = old.iter().flat_map(|chunk| chunk.iter()).peekable();
        let mut new = new.iter().flat_map(|chunk| chunk.iter()).peekable();
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.0.cmp(&new.0),
            };
            let gone = if order.is_le() { old.next() } else { None };
            let here = if order.is_ge() { new.next() } else { None };
            each(gone.map(|entry| &entry.1), here.map(|entry| &entry.1));
        }
    }

    /// The only chunk that can hold `key`; one past the last when all keys are smaller.
    fn chunk_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last.0.borrow() < key))
    }
}
