//! weighted, version 2: each member gets one contiguous block of a topic, sized by its weight.
//!
//! Readers of neighbouring partitions stay together. A member of weight 0 gets a block only when
//! every subscriber of the topic weighs 0.
//! Settings: see `weights.rs` of version 1.

use logmill_sdk::{Assignor, Group, Settings, assignor, export_assignor};

#[path = "../../weighted-1/src/weights.rs"]
mod weights;

struct Weighted(weights::Weights);

impl Assignor for Weighted {
    fn new(settings: &Settings) -> Result<Self, String> {
        weights::Weights::new(settings).map(Self)
    }

    fn assign(&mut self, group: &Group) -> Result<Vec<u32>, String> {
        let weights = self.0.of(&assignor::client_ids());
        let mut answer = group.empty();
        let copies = group.copies as usize;
        for (topic, slots) in group.topics() {
            let members = group.subscribers(topic);
            let mut shares: Vec<u64> =
                members.iter().map(|&member| weights[member as usize]).collect();
            if shares.iter().all(|&share| share == 0) {
                shares.fill(1);
            }
            let owners = blocks(&shares, slots.len());
            let weighty: Vec<usize> = (0..shares.len()).filter(|&at| 0 < shares[at]).collect();
            for (slot, owner) in slots.zip(owners) {
                let first = weighty.iter().position(|&at| at == owner).expect("it has a share");
                for copy in 0..copies.min(weighty.len()) {
                    let at = weighty[(first + copy) % weighty.len()];
                    answer[slot * copies + copy] = members[at];
                }
            }
        }
        Ok(answer)
    }
}

/// For each of `count` slots the index of the share that it falls into.
fn blocks(shares: &[u64], count: usize) -> Vec<usize> {
    let total: u64 = shares.iter().sum();
    let mut owners = Vec::with_capacity(count);
    let mut sum = 0;
    for (at, share) in shares.iter().enumerate() {
        sum += share;
        // Rounded to the nearest slot; the last share ends exactly at `count`.
        let end = (2 * sum * count as u64 + total) / (2 * total);
        owners.resize((end as usize).min(count).max(owners.len()), at);
    }
    owners
}

export_assignor!(Weighted);
