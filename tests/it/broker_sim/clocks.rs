//! Wall clocks that jump while the node works: forward a year, back an hour, away for ever.
//!
//! Owns: the jumps. Leaves to others: the work and its checks (the rest of `broker_sim`), what a
//! clock may do to a setting that asks for it (`canaries`).
use logmill::env::Env;
use logmill::sim::{Faults, MachineId, World};

use super::canaries::small;
use super::{Plan, check_seeds, seed_count};

const HOUR_MS: i64 = 60 * 60 * 1_000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;

/// Moves the node's wall clock again and again, by one of these.
pub async fn jump_for_ever(env: Env, world: World, jumps_ms: &'static [i64]) {
    loop {
        env.sleep_ms(1 + env.random() % 3).await;
        let by_ms = jumps_ms[env.random() as usize % jumps_ms.len()];
        world.jump_wall_ms(MachineId::FIRST, by_ms);
    }
}

/// Connections break, so that producers repeat what a clock could make the node forget.
fn jumping(jumps_ms: &'static [i64]) -> Plan {
    let faults = Faults { reset_per_1000: 10, ..small().faults };
    // Clients have the right time, which is far from the node's.
    let settings = vec![("log.message.timestamp.after.max.ms", "9223372036854775807")];
    Plan { faults, jumps_ms, settings, ..small() }
}

#[test]
fn clocks_that_jump_or_run_away_harm_nobody() {
    for jumps_ms in [&[100_000][..], &[-HOUR_MS, YEAR_MS, -YEAR_MS, HOUR_MS]] {
        check_seeds(seed_count().div_ceil(10), &jumping(jumps_ms));
    }
}
