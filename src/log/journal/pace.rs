//! When a checkpoint begins: as late as it can end well before the journal is full, for the later
//! it begins, the more batches of a partition one write to the device takes.
//!
//! Owns: how fast the journal fills, how long checkpoints take.
//! Invariant: it begins when between half and seven eighths of the journal are live.
//! Start reading at: [`Pace::is_due`].
use crate::env::Instant;

/// Checkpoints as long as the last one that should fit into what is free when one begins.
const SPARE: u128 = 4;

#[derive(Default)]
pub struct Pace {
    /// When the first block was written since the tail moved.
    began: Option<Instant>,
    /// Of the last checkpoint; before the first one nobody knows.
    took_ns: Option<u64>,
}

impl Pace {
    /// Notes a block.
    pub fn wrote(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// Notes the end of a checkpoint.
    pub fn ended(&mut self, took_ns: u64) {
        (self.began, self.took_ns) = (None, Some(took_ns));
    }

    /// Whether a checkpoint should begin, with so many live bytes of so many in all.
    pub fn is_due(&self, live: u64, area: u64, now: Instant) -> bool {
        let (Some(began), Some(took_ns)) = (self.began, self.took_ns) else {
            return area / 2 < live;
        };
        let since_ns = u128::from(now.0.saturating_sub(began.0)).max(1);
        let wanted = SPARE * u128::from(live) * u128::from(took_ns) / since_ns;
        let free = area.saturating_sub(live);
        u128::from(free) < wanted.clamp(u128::from(area / 8), u128::from(area / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: u64 = 1 << 20;
    const MS: u64 = 1_000_000;

    /// Live bytes at which a checkpoint begins, at a rate and after one that took so long.
    fn begins_at(bytes_per_ms: u64, took_ms: u64) -> u64 {
        let mut pace = Pace::default();
        pace.ended(took_ms * MS);
        pace.wrote(Instant(0));
        let live = |ms: u64| ms * bytes_per_ms;
        let ms = (1..).find(|ms| pace.is_due(live(*ms), AREA, Instant(ms * MS)));
        live(ms.expect("some time it is due"))
    }

    #[test]
    fn a_checkpoint_leaves_room_for_four_of_its_like() {
        let near = |at: u64, parts_of_100: u64| at.abs_diff(AREA * parts_of_100 / 100) < AREA / 50;
        assert!(near(begins_at(100, 10), 87), "a slow journal fills up further");
        assert!(near(begins_at(1_000, 100), 62), "{}", begins_at(1_000, 100));
        assert!(near(begins_at(10_000, 1_000), 50), "a fast one never waits longer than half");
        let mut first = Pace::default();
        first.wrote(Instant(0));
        assert!(!first.is_due(AREA / 2, AREA, Instant(MS)));
        assert!(first.is_due(AREA / 2 + 1, AREA, Instant(MS)));
    }
}
