//! Where readers stopped in files, so that the next read begins there and not by the index.
//!
//! Owns: a small table per shard, in which a newer place takes the room of an older one.
//! Invariant: a found position is where the batch begins whose first reader wants `offset` next.
use std::cell::RefCell;

use crate::log::cold::SegmentId;
use crate::model::Offset;

/// Places that a shard remembers; a power of two.
const PLACES: usize = 256;

struct Place {
    segment: SegmentId,
    offset: Offset,
    position: u64,
}

/// The places of one shard.
pub struct Bookmarks(RefCell<Box<[Option<Place>]>>);

impl Default for Bookmarks {
    fn default() -> Self {
        Self(RefCell::new((0..PLACES).map(|_| None).collect()))
    }
}

fn slot(segment: &SegmentId, offset: Offset) -> usize {
    let mixed =
        (segment.log() ^ (offset.0 as u64).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % PLACES
}

impl Bookmarks {
    /// Notes that what follows below `offset` in the segment begins at byte `position`.
    pub fn put(&self, segment: &SegmentId, offset: Offset, position: u64) {
        let place = Place { segment: segment.clone(), offset, position };
        self.0.borrow_mut()[slot(segment, offset)] = Some(place);
    }

    pub fn find(&self, segment: &SegmentId, offset: Offset) -> Option<u64> {
        let places = self.0.borrow();
        let place = places[slot(segment, offset)].as_ref()?;
        (place.offset == offset && place.segment == *segment).then_some(place.position)
    }
}
