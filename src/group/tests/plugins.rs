//! Assignments made by plugins: asking, checking, failing, two-step revocation, new rules.
use std::sync::Arc;

use expect_test::{Expect, expect};

use super::world::{GROUP, World, short};
use crate::base::Rng;
use crate::group::*;

#[track_caller]
fn check(script: &str, want: Expect) {
    want.assert_eq(&World::new().run(script));
}

#[test]
fn a_bound_group_gets_what_the_plugin_says_and_not_what_the_leader_does() {
    check(
        "0s: bind 1 open; join a b; 6s: sync a; answer aaab; sync b; show",
        expect![[r#"
        6s a join: leads generation 1 (range) without assigning
        6s b join: follows generation 1 (range)
        6s a sync: owns [t:0,1,2]
        6s b sync: owns [t:3]
        6s Stable generation 1 ["a", "b"] by weighted
    "#]],
    );
}

#[test]
fn an_answer_may_come_before_anybody_syncs() {
    check(
        "0s: bind 1 open; join a b; 6s: answer bbaa; sync a b",
        expect![[r#"
        6s a join: leads generation 1 (range) without assigning
        6s b join: follows generation 1 (range)
        6s a sync: owns [t:2,3]
        6s b sync: owns [t:0,1]
    "#]],
    );
}

#[test]
fn a_failed_call_falls_back_to_uniform() {
    check(
        "0s: bind 1 open; join a b; 6s: sync a b; answer trap; show",
        expect![[r#"
        6s a join: leads generation 1 (range) without assigning
        6s b join: follows generation 1 (range)
        6s assignor failed, uniform assigns instead: call failed: trap
        6s a sync: owns [t:0,2]
        6s b sync: owns [t:1,3]
        6s Stable generation 1 ["a", "b"] by uniform
    "#]],
    );
}

#[test]
fn malformed_answers_are_failures() {
    check(
        "0s: bind 1 open; join a b; 6s: answer aaabb; sync a b",
        expect![[r#"
        6s a join: leads generation 1 (range) without assigning
        6s b join: follows generation 1 (range)
        6s assignor failed, uniform assigns instead: answered 5 slots, there are 4
        6s a sync: owns [t:0,2]
        6s b sync: owns [t:1,3]
    "#]],
    );
    check(
        "0s: bind 1 open; join a:t b:u; 6s: answer aaaaab; sync a b",
        expect![[r#"
            6s a join: leads generation 1 (range) without assigning
            6s b join: follows generation 1 (range)
            6s assignor failed, uniform assigns instead: gave u-0 to a, not subscribed to it
            6s a sync: owns [t:0,1,2,3]
            6s b sync: owns [u:0,1]
        "#]],
    );
    let mut world = World::new();
    world.run("0s: bind 1 open; join a; 3s: sync a");
    let (run_id, _) = world.runs.remove(0);
    let (version, digest) = (Arc::from("1"), Arc::from("d"));
    let answer = Answer { owners: vec![0, 0, 7, 0], version, digest };
    world.turn(|coordinator, turn| coordinator.on_assigned(turn, GROUP, run_id, Ok(answer)));
    expect![[r#"
        3s assignor failed, uniform assigns instead: gave t-2 to member 7, there are 1
        3s a sync: owns [t:0,1,2,3]
    "#]]
    .assert_eq(&world.run(""));
}

#[test]
fn a_plugin_that_says_nothing_has_failed() {
    check(
        "0s: bind 1 open; join a; 3s: sync a; 13s: answer aaaa; show",
        expect![[r#"
        3s a join: leads generation 1 (range) without assigning
        13s assignor failed, uniform assigns instead: no answer in 10000 ms
        13s a sync: owns [t:0,1,2,3]
        13s Stable generation 1 ["a"] by uniform
    "#]],
    );
}

#[test]
fn closed_waits_for_the_plugin_when_there_is_no_last_assignment() {
    check(
        "0s: bind 1 closed; join a; 3s: sync a; answer trap; 4s: answer trap; 6s: answer aaaa; \
         show",
        expect![[r#"
            3s a join: leads generation 1 (range) without assigning
            3s assignor failed, members wait until it is asked again: call failed: trap
            4s assignor failed, members wait until it is asked again: call failed: trap
            6s a sync: owns [t:0,1,2,3]
            6s Stable generation 1 ["a"] by weighted
        "#]],
    );
}

#[test]
fn closed_sends_members_back_before_their_requests_time_out() {
    check(
        "0s: bind 1 closed; join a; 3s: sync a; answer trap; 4s: answer trap; 6s: answer trap; \
         10s: answer trap; 18s: answer trap; 26s: beat a; 34s: tick; show",
        expect![[r#"
            3s a join: leads generation 1 (range) without assigning
            3s assignor failed, members wait until it is asked again: call failed: trap
            4s assignor failed, members wait until it is asked again: call failed: trap
            6s assignor failed, members wait until it is asked again: call failed: trap
            10s assignor failed, members wait until it is asked again: call failed: trap
            18s assignor failed, members wait until it is asked again: call failed: trap
            26s a beat: ok
            34s a sync: REBALANCE_IN_PROGRESS
            34s PreparingRebalance generation 1 ["a"]
        "#]],
    );
}

#[test]
fn closed_keeps_the_last_assignment_and_asks_again() {
    check(
        "0s: bind 1 closed; join a b; 6s: sync a b; answer aaab; 8s: leave a; join b; answer trap; \
         sync b; 9s: beat b; join b; answer bbbb; sync b; 16s: beat b",
        expect![[r#"
            6s a join: leads generation 1 (range) without assigning
            6s b join: follows generation 1 (range)
            6s a sync: owns [t:0,1,2]
            6s b sync: owns [t:3]
            8s a leave: ok ["ok"]
            8s b join: leads generation 2 (range) without assigning
            8s assignor failed, the last assignment stays: call failed: trap
            8s b sync: owns [t:3]
            9s b beat: REBALANCE_IN_PROGRESS
            9s b join: leads generation 3 (range) without assigning
            9s b sync: owns [t:0,1,2,3]
            16s b beat: ok
        "#]],
    );
}

#[test]
fn a_cooperative_member_gives_up_before_another_one_takes() {
    check(
        "0s: bind 1 open; join a/cooperative-sticky; 3s: sync a; answer aaaa; \
         5s: join b/cooperative-sticky; join a+t0,t1,t2,t3; sync a b; answer aabb; \
         6s: join a+t0,t1; beat b; join b; sync a b; answer aabb; show",
        expect![[r#"
            3s a join: leads generation 1 (cooperative-sticky) without assigning
            3s a sync: owns [t:0,1,2,3]
            5s a join: leads generation 2 (cooperative-sticky) without assigning
            5s b join: follows generation 2 (cooperative-sticky)
            5s a sync: owns [t:0,1]
            5s b sync: owns []
            6s b beat: REBALANCE_IN_PROGRESS
            6s a join: leads generation 3 (cooperative-sticky) without assigning
            6s b join: follows generation 3 (cooperative-sticky)
            6s a sync: owns [t:0,1]
            6s b sync: owns [t:2,3]
            6s Stable generation 3 ["a", "b"] by weighted
        "#]],
    );
}

#[test]
fn an_eager_member_has_given_up_already() {
    check(
        "0s: bind 1 open; join a; 3s: sync a; answer aaaa; \
         5s: join b; join a; sync a b; answer aabb",
        expect![[r#"
            3s a join: leads generation 1 (range) without assigning
            3s a sync: owns [t:0,1,2,3]
            5s a join: leads generation 2 (range) without assigning
            5s b join: follows generation 2 (range)
            5s a sync: owns [t:0,1]
            5s b sync: owns [t:2,3]
        "#]],
    );
}

#[test]
fn a_claim_from_an_older_generation_holds_nothing() {
    let mut world = World::new();
    world.run(
        "0s: bind 1 open; join a/cooperative-sticky b/cooperative-sticky; 6s: sync a b; \
         answer aabb; 7s: join a+t0",
    );
    // It slept through generations and still thinks that it owns what `a` has.
    world.consumers.get_mut("b").unwrap().generation = 0;
    expect![[r#"
        7s a join: leads generation 2 (cooperative-sticky) without assigning
        7s b join: follows generation 2 (cooperative-sticky)
        7s a sync: owns [t:0,1]
        7s b sync: owns [t:2,3]
    "#]]
    .assert_eq(&world.run("join b+t1,t2,t3; sync a b; answer aabb"));
}

#[test]
fn an_activation_makes_bound_groups_rejoin_once() {
    check(
        "0s: bind 1 open; join a b; 6s: sync a b; answer aabb; activated; beat a; \
         bind 2 open; activated; activated; beat a; join a b; activated; answer baaa; sync a b; \
         activated; beat a",
        expect![[r#"
            6s a join: leads generation 1 (range) without assigning
            6s b join: follows generation 1 (range)
            6s a sync: owns [t:0,1]
            6s b sync: owns [t:2,3]
            6s a beat: ok
            6s a beat: REBALANCE_IN_PROGRESS
            6s a join: leads generation 2 (range) without assigning
            6s b join: follows generation 2 (range)
            6s a sync: owns [t:1,2,3]
            6s b sync: owns [t:0]
            6s a beat: ok
        "#]],
    );
}

#[test]
fn a_binding_that_changes_makes_its_group_rejoin_even_under_the_same_version() {
    check(
        "0s: bind 1 open; join a; 3s: sync a; answer aaaa; rebound; beat a; join a; answer aaaa; \
         sync a; unbind; rebound; join a; sync a; rebound; beat a; show",
        expect![[r#"
            3s a join: leads generation 1 (range) without assigning
            3s a sync: owns [t:0,1,2,3]
            3s a beat: REBALANCE_IN_PROGRESS
            3s a join: leads generation 2 (range) without assigning
            3s a sync: owns [t:0,1,2,3]
            3s a join: leads generation 3 (range)
            3s a sync: for a
            3s a beat: ok
            3s Stable generation 3 ["a"]
        "#]],
    );
}

#[test]
fn a_group_that_is_unbound_after_failures_is_left_in_peace() {
    check(
        "0s: bind 1 closed; join a; 3s: sync a; answer aaaa; rebound; join a; answer trap; sync a; \
         unbind; rebound; join a; sync a; 9s: beat a",
        expect![[r#"
            3s a join: leads generation 1 (range) without assigning
            3s a sync: owns [t:0,1,2,3]
            3s a join: leads generation 2 (range) without assigning
            3s assignor failed, the last assignment stays: call failed: trap
            3s a sync: owns [t:0,1,2,3]
            3s a join: leads generation 3 (range)
            3s a sync: for a
            9s a beat: ok
        "#]],
    );
}

#[test]
fn an_answer_to_a_round_that_is_over_is_dropped() {
    let mut world = World::new();
    world.run("0s: bind 1 open; join a; 3s: join b; join a");
    let stale = world.runs[0].0;
    let (owners, version, digest) = (vec![0; 4], Arc::from("1"), Arc::from("d"));
    let answer = Answer { owners, version, digest };
    world.turn(|coordinator, turn| coordinator.on_assigned(turn, GROUP, stale, Ok(answer)));
    world.runs.remove(0);
    expect![[r#"
        3s a sync: owns [t:0,2]
        3s b sync: owns [t:1,3]
    "#]]
    .assert_eq(&world.run("sync a b; answer abab"));
}

#[test]
fn an_unbound_group_is_left_to_its_leader_until_it_is_bound() {
    let mut world = World::new();
    world.run("0s: join a; 3s: sync a");
    assert!(world.runs.is_empty());
    expect![[r#"
        3s Stable generation 1 ["a"]
        3s a join: leads generation 2 (range) without assigning
        3s a sync: owns [t:0,1,2,3]
        3s Stable generation 2 ["a"] by weighted
    "#]]
    .assert_eq(&world.run("show; bind 1 open; join a; sync a; answer aaaa; show"));
}

#[test]
fn groups_of_other_protocol_types_are_never_parsed() {
    let mut world = World::new();
    world.protocol_type = "connect";
    world.run("0s: bind 1 open; join a; 3s: sync a; activated");
    assert!(world.runs.is_empty());
    expect!["3s Stable generation 1 [\"a\"]\n"].assert_eq(&world.run("show"));
}

#[test]
fn an_unreadable_subscription_counts_as_none() {
    check(
        "0s: bind 1 open; join a b:?; 6s: sync a b; answer abaa; show",
        expect![[r#"
            6s a join: leads generation 1 (range) without assigning
            6s b join: follows generation 1 (range)
            6s assignor failed, uniform assigns instead: gave t-1 to b, not subscribed to it
            6s a sync: owns [t:0,1,2,3]
            6s b sync: owns []
            6s Stable generation 1 ["a", "b"] by uniform
        "#]],
    );
}

#[test]
fn the_plugin_sees_topics_slots_owners_and_claims() {
    let mut world = World::new();
    world.run(
        "0s: bind 1 open; join a/cooperative-sticky:u,t b@two/cooperative-sticky:x,t; \
         6s: sync a b; answer atta-a; join a+t0,u1; join b+t1,t2",
    );
    let (_, input) = &world.runs[0];
    let members: Vec<_> = input.members.iter().map(|member| short(&member.id)).collect();
    assert_eq!(members, ["a", "two"]);
    assert_eq!(input.members[1].instance_id.as_deref(), Some("two"));
    assert_eq!(input.topics, [Arc::from("t"), Arc::from("u")]);
    assert_eq!(input.partition_counts, [4, 2]);
    assert_eq!(input.subscriptions.set_of_member, [0, 1]);
    assert_eq!(input.subscriptions.starts, [0, 2, 3]);
    assert_eq!(input.subscriptions.topics, [0, 1, 0]);
    assert_eq!(input.owners, [0, 1, 1, 0, NOBODY, 0]);
    assert_eq!(input.held, [0, 1, 1, NOBODY, NOBODY, 0]);
}

#[test]
fn after_a_restart_the_last_owners_come_from_the_log() {
    let mut world = World::new();
    world.run("0s: bind 1 open; join a b; 6s: sync a b; answer abba; crash; join a b");
    assert_eq!(world.runs[0].1.owners, [0, 1, 1, 0]);
}

#[test]
fn a_static_member_keeps_its_slots_under_its_new_id() {
    let mut world = World::new();
    world.run(
        "0s: bind 1 open; join a@one b@two; 6s: sync a b; answer otto; forget a; join a; sync a",
    );
    world.lines.clear();
    world.run("join a b");
    assert_eq!(world.runs[0].1.owners, [0, 1, 1, 0]);
}

/// Everything that a run can be about, at random; owners that may be out of date.
fn random_input(rng: &mut Rng) -> AssignInput {
    let mut world = World::new();
    world.run("0s: bind 1 open; join a; 3s: tick");
    let (_, input) = world.runs.remove(0);
    drop(world);
    let mut input = Arc::into_inner(input).expect("nobody else has it once the world is gone");
    let members = 1 + rng.below(6) as usize;
    let topics = 1 + rng.below(5) as usize;
    let first = input.members.pop().unwrap();
    for at in 0..members {
        input.members.push(AssignMember::for_test(format!("m{at}"), &first));
    }
    input.topics = (0..topics).map(|at| Arc::from(format!("t{at}"))).collect();
    input.partition_counts = (0..topics).map(|_| rng.below(9) as u32).collect();
    let same = rng.chance(500);
    let mut sets = Subscriptions { starts: vec![0], ..Default::default() };
    for at in 0..members {
        if !same || at == 0 {
            let picked = (0..topics as u32).filter(|_| same || rng.chance(600));
            sets.topics.extend(picked.collect::<Vec<_>>());
            sets.starts.push(sets.topics.len() as u32);
        }
        sets.set_of_member.push(sets.starts.len() as u32 - 2);
    }
    input.subscriptions = sets;
    let slots = input.slots();
    input.owners = (0..slots)
        .map(|_| if rng.chance(300) { NOBODY } else { rng.below(members as u64) as u32 })
        .collect();
    input.held = vec![NOBODY; slots];
    input
}

#[test]
fn uniform_is_valid_balanced_and_sticky() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let mut input = random_input(&mut rng);
        let owners = uniform(&input);
        assert_eq!(input.check(&owners), Ok(()), "seed {seed}");
        let mut load = vec![0_i64; input.members.len()];
        let mut slot = 0;
        for (topic, count) in input.partition_counts.iter().enumerate() {
            let readers: Vec<usize> = (0..input.members.len())
                .filter(|at| input.subscriptions.of(*at).contains(&(topic as u32)))
                .collect();
            for _ in 0..*count {
                assert_eq!(owners[slot] == NOBODY, readers.is_empty(), "seed {seed}");
                if owners[slot] != NOBODY {
                    load[owners[slot] as usize] += 1;
                }
                slot += 1;
            }
        }
        // No single move would narrow a difference.
        let firsts = input.first_slots();
        for (topic, count) in input.partition_counts.iter().enumerate() {
            for partition in 0..*count as usize {
                let owner = owners[firsts[topic] + partition];
                for other in 0..input.members.len() {
                    if owner != NOBODY && input.subscriptions.of(other).contains(&(topic as u32)) {
                        assert!(load[owner as usize] <= load[other] + 1, "seed {seed}: {load:?}");
                    }
                }
            }
        }
        // Asked again about its own answer it moves nothing.
        input.owners.clone_from(&owners);
        assert_eq!(uniform(&input), owners, "seed {seed}");
        if input.subscriptions.starts.len() == 2 {
            one_more_member_moves_only_its_share(&mut input, seed);
        }
    }
}

fn one_more_member_moves_only_its_share(input: &mut AssignInput, seed: u64) {
    let before = input.owners.clone();
    let first = AssignMember::for_test("z".into(), &input.members[0]);
    input.members.push(first);
    input.subscriptions.set_of_member.push(0);
    let after = uniform(input);
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    let owned = after.iter().filter(|owner| **owner != NOBODY).count();
    let share = owned / input.members.len();
    assert!(moved <= share.max(1), "seed {seed}: {moved} moved, {before:?} {after:?}");
}

/// 1,000 members, 1,000 topics, 50,000 partitions, nothing owned yet and then one member gone.
#[test]
fn uniform_is_fast_enough_for_large_groups() {
    let mut rng = Rng::new(1);
    let mut input = random_input(&mut rng);
    let first = input.members.remove(0);
    input.members =
        (0..1_000).map(|at| AssignMember::for_test(format!("m{at:04}"), &first)).collect();
    input.topics = (0..1_000).map(|at| Arc::from(format!("t{at:04}"))).collect();
    input.partition_counts = vec![50; 1_000];
    input.subscriptions = Subscriptions {
        set_of_member: vec![0; 1_000],
        starts: vec![0, 1_000],
        topics: (0..1_000).collect(),
    };
    input.owners = vec![NOBODY; 50_000];
    input.held = vec![NOBODY; 50_000];
    let owners = uniform(&input);
    for owner in &owners {
        assert!(*owner < 1_000);
    }
    assert_eq!(input.assignments(&owners).unwrap().len(), 1_000);
}
