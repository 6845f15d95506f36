//! weighted, version 1: each next partition goes to the member that has least for its weight.
//!
//! Partitions of a topic are interleaved among its subscribers. A member of weight 0 gets one only
//! when every subscriber of the topic weighs 0.
//! Settings: see `weights.rs`.

use logmill_sdk::{Assignor, Group, Settings, assignor, export_assignor};

mod weights;

struct Weighted(weights::Weights);

impl Assignor for Weighted {
    fn new(settings: &Settings) -> Result<Self, String> {
        weights::Weights::new(settings).map(Self)
    }

    fn assign(&mut self, group: &Group) -> Result<Vec<u32>, String> {
        let weights = self.0.of(&assignor::client_ids());
        let mut loads = vec![0_u64; weights.len()];
        let mut answer = group.empty();
        let copies = group.copies as usize;
        for (topic, slots) in group.topics() {
            let mut members = group.subscribers(topic);
            if members.iter().any(|&member| 0 < weights[member as usize]) {
                members.retain(|&member| 0 < weights[member as usize]);
            }
            let mut heap: std::collections::BinaryHeap<_> = members
                .into_iter()
                .map(|member| turn(member, loads[member as usize], weights[member as usize]))
                .collect();
            let mut taken = Vec::with_capacity(copies);
            for slot in slots {
                for cell in &mut answer[slot * copies..(slot + 1) * copies] {
                    let Some(std::cmp::Reverse((_, member))) = heap.pop() else { break };
                    *cell = member;
                    loads[member as usize] += 1;
                    taken.push(member);
                }
                heap.extend(
                    taken.drain(..).map(|member| {
                        turn(member, loads[member as usize], weights[member as usize])
                    }),
                );
            }
        }
        Ok(answer)
    }
}

/// When the member's turn is: its load after one more, divided by its weight.
fn turn(member: u32, load: u64, weight: u64) -> std::cmp::Reverse<(u64, u32)> {
    std::cmp::Reverse((((load + 1) << 24) / weight.max(1), member))
}

export_assignor!(Weighted);
