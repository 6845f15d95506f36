//! When a checkpoint begins: as late as it can end well before the journal is full, for the later
//! it begins, the more batches of a partition one write to the device takes.
//!
//! Owns: how fast the journal fills, how long checkpoints take.
//! Invariant: it begins when between half and seven eighths of the journal are live: that bounds
//! what is left, whatever was foreseen.
//! Start reading at: [`Pace::is_due`].
use crate::env::Instant;

/// Checkpoints as long as the longest of late that should fit into what is free when one begins.
const SPARE: u128 = 4;
/// Of what a longer checkpoint took, so much is forgotten with each that is shorter.
const FORGOTTEN_SHARE: u64 = 8;

#[derive(Default)]
pub struct Pace {
    /// When a quarter of the journal was live, and how much exactly: a trickle before it says
    /// nothing of what comes now.
    quarter: Option<(Instant, u64)>,
    /// Of late checkpoints; before the first one nobody knows.
    took_ns: Option<u64>,
}

impl Pace {
    /// Notes the end of a checkpoint.
    pub fn ended(&mut self, took_ns: u64) {
        let faded = self.took_ns.map_or(0, |longest| longest - longest / FORGOTTEN_SHARE);
        (self.quarter, self.took_ns) = (None, Some(took_ns.max(faded)));
    }

    /// Notes a block; says whether a checkpoint should begin, with so many live bytes of so many
    /// in all.
    pub fn is_due(&mut self, live: u64, area: u64, now: Instant) -> bool {
        if area / 4 <= live {
            self.quarter.get_or_insert((now, live));
        }
        let (Some((since, quarter)), Some(took_ns)) = (self.quarter, self.took_ns) else {
            return area / 2 < live;
        };
        let since_ns = u128::from(now.0.saturating_sub(since.0)).max(1);
        let written = u128::from(live.saturating_sub(quarter));
        let wanted = SPARE * written * u128::from(took_ns) / since_ns;
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
        fill(&mut pace, 0, 0, bytes_per_ms)
    }

    /// Adds to what is live from a moment on, until a checkpoint begins.
    fn fill(pace: &mut Pace, from_ms: u64, live: u64, bytes_per_ms: u64) -> u64 {
        let live = |ms: u64| live + ms * bytes_per_ms;
        let ms = (1..).find(|ms| pace.is_due(live(*ms), AREA, Instant((from_ms + ms) * MS)));
        live(ms.expect("some time it is due"))
    }

    #[test]
    fn neither_a_trickle_nor_a_short_checkpoint_hides_a_burst() {
        let mut pace = Pace::default();
        pace.ended(1_000 * MS);
        pace.ended(MS);
        for ms in 0..100_000 {
            assert!(!pace.is_due(2 * ms, AREA, Instant(ms * MS)), "{ms}");
        }
        let begins = fill(&mut pace, 100_000, 200_000, 10_000);
        assert!(begins <= AREA / 2 + 10_000, "{begins}");
    }

    #[test]
    fn a_checkpoint_leaves_room_for_four_of_its_like() {
        let near = |at: u64, parts_of_100: u64| at.abs_diff(AREA * parts_of_100 / 100) < AREA / 50;
        assert!(near(begins_at(100, 10), 87), "a slow journal fills up further");
        assert!(near(begins_at(1_000, 100), 62), "{}", begins_at(1_000, 100));
        assert!(near(begins_at(10_000, 1_000), 50), "a fast one never waits longer than half");
        let mut first = Pace::default();
        assert!(!first.is_due(AREA / 2, AREA, Instant(MS)));
        assert!(first.is_due(AREA / 2 + 1, AREA, Instant(MS)));
    }
}
