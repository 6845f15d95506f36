//! Uniform: the built-in assignor, balanced and sticky.
//!
//! Owns: the rule that applies when a plugin cannot answer.
//! Leaves to others: who may be asked to give up what (`assign`).
//! Invariant: every slot that somebody is subscribed to has an owner; with equal subscriptions
//! the loads of two members differ by at most one.
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::assign::{AssignInput, NOBODY};

/// Passes over all topics that look for a move which evens out two members.
const PASSES_MAX: usize = 32;

/// A member for each slot: keeps valid owners, gives the rest to the least loaded, then moves as
/// few as needed until no move from one member to another would narrow their difference.
pub fn uniform(input: &AssignInput) -> Vec<u32> {
    let eligible = members_by_topic(input);
    let mut owners = input.owners.clone();
    let mut load = vec![0_usize; input.members.len()];
    let firsts = input.first_slots();
    let topic_slots =
        |topic: usize| firsts[topic]..firsts[topic] + input.partition_counts[topic] as usize;
    for (topic, allowed) in eligible.iter().enumerate() {
        for owner in &mut owners[topic_slots(topic)] {
            if *owner != NOBODY && allowed.binary_search(owner).is_ok() {
                load[*owner as usize] += 1;
            } else {
                *owner = NOBODY;
            }
        }
    }
    for (topic, allowed) in eligible.iter().enumerate() {
        give_rest(&mut owners[topic_slots(topic)], allowed, &mut load);
    }
    // Who has more than a fair share gives first, so that nobody else gives in vain.
    let fair = owners.len().div_ceil(load.len().max(1));
    for above in [fair, fair.saturating_sub(1), 0] {
        for _ in 0..PASSES_MAX {
            let mut moved = false;
            for (topic, allowed) in eligible.iter().enumerate() {
                moved |= even_out(&mut owners[topic_slots(topic)], allowed, &mut load, above);
            }
            if !moved {
                break;
            }
        }
    }
    owners
}

/// Members that are subscribed to each topic, ascending.
fn members_by_topic(input: &AssignInput) -> Vec<Vec<u32>> {
    let mut eligible = vec![Vec::new(); input.topics.len()];
    for member in 0..input.members.len() {
        for topic in input.subscriptions.of(member) {
            eligible[*topic as usize].push(member as u32);
        }
    }
    eligible
}

fn give_rest(owners: &mut [u32], allowed: &[u32], load: &mut [usize]) {
    if allowed.is_empty() || !owners.contains(&NOBODY) {
        return;
    }
    let mut least: BinaryHeap<Reverse<(usize, u32)>> =
        allowed.iter().map(|member| Reverse((load[*member as usize], *member))).collect();
    for owner in owners.iter_mut().filter(|owner| **owner == NOBODY) {
        let Reverse((count, member)) = least.pop().expect("nobody leaves the heap for good");
        *owner = member;
        load[member as usize] = count + 1;
        least.push(Reverse((count + 1, member)));
    }
}

/// Moves slots of one topic from members with more than `above`, and two or more above the least
/// loaded one.
fn even_out(owners: &mut [u32], allowed: &[u32], load: &mut [usize], above: usize) -> bool {
    let highest = owners.iter().filter(|owner| **owner != NOBODY).map(|o| load[*o as usize]).max();
    let lowest = allowed.iter().map(|member| load[*member as usize]).min();
    match (highest, lowest) {
        (Some(highest), Some(lowest)) if (lowest + 1).max(above) < highest => (),
        _ => return false,
    }
    let mut least: BinaryHeap<Reverse<(usize, u32)>> =
        allowed.iter().map(|member| Reverse((load[*member as usize], *member))).collect();
    let mut moved = false;
    for owner in owners.iter_mut().filter(|owner| **owner != NOBODY) {
        // Entries of members that gave something away are out of date: look again.
        while let Some(Reverse((count, member))) = least.peek().copied()
            && count != load[member as usize]
        {
            least.pop();
            least.push(Reverse((load[member as usize], member)));
        }
        let Some(Reverse((count, member))) = least.peek().copied() else { break };
        if (count + 1).max(above) < load[*owner as usize] {
            least.pop();
            least.push(Reverse((count + 1, member)));
            load[member as usize] += 1;
            load[*owner as usize] -= 1;
            *owner = member;
            moved = true;
        }
    }
    moved
}
