//! Batches that the broker packs anew, and logs that it syncs by count and age.
//!
//! Owns: the settings. Leaves to others: the work and its checks (the rest of `broker_sim`).
use super::{Plan, check_seeds, seed_count};

/// Each batch waits for a worker before it gets its offsets, and syncs come that nobody asked for.
#[test]
fn packing_anew_and_flushing_break_no_promise() {
    let mut plan = Plan::legal();
    plan.settings = vec![
        ("compression.type", "lz4"),
        ("log.flush.interval.messages", "7"),
        ("log.flush.interval.ms", "3"),
    ];
    check_seeds(seed_count().div_ceil(10), &plan);
}
