//! Races of the classic protocol, as scripts.
use expect_test::{Expect, expect};

use super::world::World;

#[track_caller]
fn check(script: &str, want: Expect) {
    want.assert_eq(&World::new().run(script));
}

#[test]
fn a_new_group_waits_for_more_members_and_the_leader_assigns() {
    check(
        "0s: join a; 1s: join b; 10s: sync b a; 15s: beat a b",
        expect![[r#"
        6s a join: leads generation 1 (range)
        6s b join: follows generation 1 (range)
        10s a sync: for a
        10s b sync: for b
        15s a beat: ok
        15s b beat: ok
    "#]],
    );
}

#[test]
fn a_new_member_first_gets_its_id() {
    check(
        "0s: ask a; ask a; 3s: tick",
        expect![[r#"
        0s a join: MEMBER_ID_REQUIRED
        3s a join: leads generation 1 (range)
    "#]],
    );
}

#[test]
fn an_id_that_nobody_joins_with_is_forgotten() {
    check(
        "0s: ask a; 10s: ask a",
        expect![[r#"
        0s a join: MEMBER_ID_REQUIRED
        10s a join: UNKNOWN_MEMBER_ID
    "#]],
    );
}

#[test]
fn old_clients_join_at_once() {
    check(
        "0s: join-old a; 3s: sync a; show",
        expect![[r#"
        3s a join: leads generation 1 (range)
        3s a sync: for a
        3s Stable generation 1 ["a"]
    "#]],
    );
}

#[test]
fn a_silent_member_leaves_and_the_others_rejoin() {
    check(
        "0s: join a b; 6s: sync a b; 11s: beat a; 16s: beat a; show; join a; sync a",
        expect![[r#"
            6s a join: leads generation 1 (range)
            6s b join: follows generation 1 (range)
            6s a sync: for a
            6s b sync: for b
            11s a beat: ok
            16s a beat: REBALANCE_IN_PROGRESS
            16s PreparingRebalance generation 1 ["a"]
            16s a join: leads generation 2 (range)
            16s a sync: for a
        "#]],
    );
}

#[test]
fn who_does_not_rejoin_is_dropped_at_the_rebalance_timeout() {
    check(
        "0s: join a b; 6s: sync a b; 8s: join c; 10s: beat a b; 12s: join b; 15s: beat a; \
         24s: beat a; 33s: beat a; 38s: tick; show",
        expect![[r#"
            6s a join: leads generation 1 (range)
            6s b join: follows generation 1 (range)
            6s a sync: for a
            6s b sync: for b
            10s a beat: REBALANCE_IN_PROGRESS
            10s b beat: REBALANCE_IN_PROGRESS
            15s a beat: REBALANCE_IN_PROGRESS
            24s a beat: REBALANCE_IN_PROGRESS
            33s a beat: REBALANCE_IN_PROGRESS
            38s b join: leads generation 2 (range)
            38s c join: follows generation 2 (range)
            38s CompletingRebalance generation 2 ["b", "c"]
        "#]],
    );
}

#[test]
fn who_does_not_sync_is_dropped() {
    check(
        "0s: join a b; 6s: sync a; 12s: beat b a; 20s: beat b a; 28s: beat b a; 36s: show",
        expect![[r#"
            6s a join: leads generation 1 (range)
            6s b join: follows generation 1 (range)
            6s a sync: for a
            12s b beat: ok
            12s a beat: ok
            20s b beat: ok
            20s a beat: ok
            28s b beat: ok
            28s a beat: ok
            36s PreparingRebalance generation 1 ["a"]
        "#]],
    );
}

#[test]
fn a_join_while_the_leader_assigns_starts_over() {
    check(
        "0s: join a b; 6s: sync b; join c; join a b; sync a b c",
        expect![[r#"
            6s a join: leads generation 1 (range)
            6s b join: follows generation 1 (range)
            6s b sync: REBALANCE_IN_PROGRESS
            6s a join: leads generation 2 (range)
            6s b join: follows generation 2 (range)
            6s c join: follows generation 2 (range)
            6s a sync: for a
            6s b sync: for b
            6s c sync: for c
        "#]],
    );
}

#[test]
fn a_join_while_the_assignment_is_written_wins() {
    check(
        "0s: join a; 3s: hold; sync a; join b; flush; join a; sync b a",
        expect![[r#"
        3s a join: leads generation 1 (range)
        3s a sync: REBALANCE_IN_PROGRESS
        3s a join: leads generation 2 (range)
        3s b join: follows generation 2 (range)
        3s a sync: for a
        3s b sync: for b
    "#]],
    );
}

#[test]
fn a_failed_write_of_an_assignment_sends_members_back() {
    check(
        "0s: join a; 3s: hold; sync a; fail; show; join a; sync a",
        expect![[r#"
        3s a join: leads generation 1 (range)
        3s a sync: NOT_COORDINATOR
        3s PreparingRebalance generation 1 ["a"]
        3s a join: leads generation 2 (range)
        3s a sync: for a
    "#]],
    );
}

#[test]
fn a_group_whose_first_record_fails_never_was() {
    check(
        "0s: hold; join-old a; fail; show; join-old a; 3s: sync a",
        expect![[r#"
        0s a join: NOT_COORDINATOR
        0s no group
        3s a join: leads generation 1 (range)
        3s a sync: for a
    "#]],
    );
}

#[test]
fn a_follower_that_asks_again_hears_the_same() {
    check(
        "0s: join a b; 6s: sync a b; join b; sync b; join b:t,u; beat a",
        expect![[r#"
            6s a join: leads generation 1 (range)
            6s b join: follows generation 1 (range)
            6s a sync: for a
            6s b sync: for b
            6s b join: follows generation 1 (range)
            6s b sync: for b
            6s a beat: REBALANCE_IN_PROGRESS
        "#]],
    );
}

#[test]
fn a_leader_that_rejoins_starts_a_round() {
    check(
        "0s: join a b; 6s: sync a b; 8s: join a; beat b; join b; sync a b",
        expect![[r#"
            6s a join: leads generation 1 (range)
            6s b join: follows generation 1 (range)
            6s a sync: for a
            6s b sync: for b
            8s b beat: REBALANCE_IN_PROGRESS
            8s a join: leads generation 2 (range)
            8s b join: follows generation 2 (range)
            8s a sync: for a
            8s b sync: for b
        "#]],
    );
}

#[test]
fn most_votes_choose_the_protocol() {
    check(
        "0s: join a/range,sticky; join b/sticky,range; join c/sticky,range; join d/other; 6s: tick",
        expect![[r#"
            0s d join: INCONSISTENT_GROUP_PROTOCOL
            6s a join: leads generation 1 (sticky)
            6s b join: follows generation 1 (sticky)
            6s c join: follows generation 1 (sticky)
        "#]],
    );
}

#[test]
fn a_static_member_returns_without_a_round() {
    check(
        "0s: join a@one b@two; 6s: sync a b; 8s: forget b; join b; sync b; show",
        expect![[r#"
            6s a join: leads generation 1 (range)
            6s b join: follows generation 1 (range)
            6s a sync: for one
            6s b sync: for two
            8s b join: follows generation 1 (range)
            8s b sync: for two
            8s Stable generation 1 ["one", "two"]
        "#]],
    );
}

#[test]
fn a_static_member_that_was_replaced_is_fenced() {
    let mut world = World::new();
    world.run("0s: join a@one; 3s: sync a");
    let old = world.consumers["a"].clone();
    world.consumers.insert("old".into(), old);
    expect![[r#"
        5s a join: leads generation 1 (range) without assigning
        5s a sync: for one
        5s old beat: FENCED_INSTANCE_ID
        5s old sync: FENCED_INSTANCE_ID
        5s a beat: ok
    "#]]
    .assert_eq(&world.run("5s: forget a; join a; sync a; beat old; sync old; beat a"));
}

#[test]
fn a_static_return_that_cannot_be_written_is_taken_back() {
    let mut world = World::new();
    world.run("0s: join a@one; 3s: sync a");
    let old = world.consumers["a"].clone();
    world.consumers.insert("old".into(), old);
    let lines = world.run("5s: hold; forget a; join a; fail; beat old; show");
    expect![[r#"
        5s a join: NOT_COORDINATOR
        5s old beat: ok
        5s Stable generation 1 ["one"]
    "#]]
    .assert_eq(&lines);
}

#[test]
fn a_static_leader_that_returns_need_not_assign() {
    check(
        "0s: join a@one b; 6s: sync a b; 8s: forget a; join a; sync a",
        expect![[r#"
            6s b join: follows generation 1 (range)
            6s a join: leads generation 1 (range)
            6s a sync: for one
            6s b sync: for b
            8s a join: leads generation 1 (range) without assigning
            8s a sync: for one
        "#]],
    );
}

#[test]
fn static_members_survive_a_missed_round_until_their_session_ends() {
    check(
        "0s: join a@one b; 6s: sync a b; 8s: join b:t,u; 15s: beat a; 24s: beat a; 33s: beat a; \
         38s: show; sync b; 44s: show; join b; sync b",
        expect![[r#"
            6s b join: follows generation 1 (range)
            6s a join: leads generation 1 (range)
            6s a sync: for one
            6s b sync: for b
            15s a beat: REBALANCE_IN_PROGRESS
            24s a beat: REBALANCE_IN_PROGRESS
            33s a beat: REBALANCE_IN_PROGRESS
            38s b join: leads generation 2 (range)
            38s CompletingRebalance generation 2 ["b", "one"]
            38s b sync: for b
            44s Stable generation 2 ["b", "one"]
            44s b sync: REBALANCE_IN_PROGRESS
        "#]],
    );
}

#[test]
fn members_leave_by_id_and_by_static_name() {
    check(
        "0s: join a@one b c; 9s: sync a b c; leave b; remove a; leave b; join c; sync c; leave c; \
         show",
        expect![[r#"
            6s b join: follows generation 1 (range)
            6s c join: follows generation 1 (range)
            6s a join: leads generation 1 (range)
            9s a sync: for one
            9s b sync: for b
            9s c sync: for c
            9s b leave: ok ["ok"]
            9s a leave: ok ["ok"]
            9s b leave: ok ["UNKNOWN_MEMBER_ID"]
            9s c join: leads generation 2 (range)
            9s c sync: for c
            9s c leave: ok ["ok"]
            9s Empty generation 3 []
        "#]],
    );
}

#[test]
fn commits_need_the_current_generation() {
    check(
        "0s: commit - t-0=1; join a; 3s: commit a t-0=2; sync a; commit a t-0=3; commit - t-0=4; \
         commit a t-9=1; commit a x-0=1; fetch t-0; fetch t-1",
        expect![[r#"
            0s - commit: ok
            3s a join: leads generation 1 (range)
            3s a commit: REBALANCE_IN_PROGRESS
            3s a sync: for a
            3s a commit: ok
            3s - commit: UNKNOWN_MEMBER_ID
            3s a commit: UNKNOWN_TOPIC_OR_PARTITION
            3s a commit: UNKNOWN_TOPIC_OR_PARTITION
            3s - fetch: t-0=3
            3s - fetch: t-1=-1
        "#]],
    );
}

#[test]
fn commits_keep_a_session_alive() {
    check(
        "0s: join a; 3s: sync a; 12s: commit a t-0=1; 20s: show; 22s: show",
        expect![[r#"
        3s a join: leads generation 1 (range)
        3s a sync: for a
        12s a commit: ok
        20s Stable generation 1 ["a"]
        22s Empty generation 2 []
    "#]],
    );
}

#[test]
fn an_answer_waits_for_its_write() {
    check(
        "0s: hold; commit - t-0=1; fetch t-0; fetch-stable t-0; 2s: flush; fetch t-0",
        expect![[r#"
            0s - fetch: t-0=-1
            2s - commit: ok
            2s - fetch: t-0=1
            2s - fetch: t-0=1
        "#]],
    );
}

#[test]
fn a_commit_that_fails_is_not_seen() {
    check(
        "0s: commit - t-0=1; hold; commit - t-0=2; fail; fetch t-0",
        expect![[r#"
        0s - commit: ok
        0s - commit: NOT_COORDINATOR
        0s - fetch: t-0=1
    "#]],
    );
}

#[test]
fn a_restart_keeps_offsets_and_stable_groups() {
    check(
        "0s: join a b; 6s: sync a b; commit a t-0=7; crash; show; beat a b; fetch t-0; 16s: show",
        expect![[r#"
            6s a join: leads generation 1 (range)
            6s b join: follows generation 1 (range)
            6s a sync: for a
            6s b sync: for b
            6s a commit: ok
            6s Stable generation 1 ["a", "b"]
            6s a beat: ok
            6s b beat: ok
            6s - fetch: t-0=7
            16s Empty generation 2 []
        "#]],
    );
}

#[test]
fn a_restart_during_a_round_brings_the_last_generation_back() {
    check(
        "0s: join a; 3s: sync a; join b; crash; show; beat a; join b; beat a",
        expect![[r#"
        3s a join: leads generation 1 (range)
        3s a sync: for a
        3s Stable generation 1 ["a"]
        3s a beat: ok
        3s b join: UNKNOWN_MEMBER_ID
        3s a beat: ok
    "#]],
    );
}

#[test]
fn groups_are_deleted_when_empty() {
    check(
        "0s: join a; 3s: sync a; delete; commit a t-0=1; leave a; delete; show; fetch t-0; crash; \
         show; delete",
        expect![[r#"
            3s a join: leads generation 1 (range)
            3s a sync: for a
            3s - delete: NON_EMPTY_GROUP
            3s a commit: ok
            3s a leave: ok ["ok"]
            3s - delete: ok
            3s no group
            3s - fetch: t-0=-1
            3s no group
            3s - delete: GROUP_ID_NOT_FOUND
        "#]],
    );
}

#[test]
fn a_deletion_that_fails_changes_nothing() {
    check(
        "0s: commit - t-0=1; hold; delete; show; fail; show; fetch t-0",
        expect![[r#"
        0s - commit: ok
        0s no group
        0s - delete: NOT_COORDINATOR
        0s Empty generation 0 []
        0s - fetch: t-0=1
    "#]],
    );
}

#[test]
fn a_commit_in_flight_goes_with_its_group() {
    check(
        "0s: commit - t-0=1; hold; commit - t-1=2; delete; flush; show; fetch t-1; crash; show",
        expect![[r#"
            0s - commit: ok
            0s - commit: ok
            0s - delete: ok
            0s no group
            0s - fetch: t-1=-1
            0s no group
        "#]],
    );
}

#[test]
fn offsets_expire_a_week_after_the_last_member() {
    check(
        "0s: join a; 3s: sync a; commit a t-0=7; leave a; 604100s: fetch t-0; show; \
         605400s: fetch t-0; show; crash; show",
        expect![[r#"
            3s a join: leads generation 1 (range)
            3s a sync: for a
            3s a commit: ok
            3s a leave: ok ["ok"]
            604100s - fetch: t-0=7
            604100s Empty generation 2 []
            605400s - fetch: t-0=-1
            605400s no group
            605400s no group
        "#]],
    );
}

#[test]
fn a_stable_group_keeps_offsets_of_what_it_reads() {
    let mut world = World::new();
    world.config.cleanup_interval_ms = 60_000;
    world.config.offsets_retention_ms = 100_000;
    world.crash();
    world.run("0s: join a:t; 3s: sync a; commit a t-0=7; commit a u-0=8");
    for _ in 0..30 {
        let next = world.now_ms + 9_000;
        world.advance(next);
        world.beat("a");
    }
    world.lines.clear();
    expect![[r#"
        273s - fetch: t-0=7
        273s - fetch: u-0=-1
        273s Stable generation 1 ["a"]
    "#]]
    .assert_eq(&world.run("fetch t-0; fetch u-0; show"));
}

#[test]
fn a_full_group_refuses_newcomers() {
    let mut world = World::new();
    world.config.members_max = 2;
    world.crash();
    expect![[r#"
        0s c join: GROUP_MAX_SIZE_REACHED
        6s a join: leads generation 1 (range)
        6s b join: follows generation 1 (range)
        6s a sync: for a
        6s b sync: for b
        6s c join: GROUP_MAX_SIZE_REACHED
        6s a join: leads generation 2 (range)
        6s b join: follows generation 2 (range)
        6s a sync: for a
        6s b sync: for b
    "#]]
    .assert_eq(&world.run("0s: join a b c; 6s: sync a b; join c; join a b; sync a b"));
}

#[test]
fn a_tombstone_never_follows_the_commit_that_renews_an_offset() {
    let mut world = World::new();
    world.config.cleanup_interval_ms = 60_000;
    world.config.offsets_retention_ms = 100_000;
    world.crash();
    expect![[r#"
        0s - commit: ok
        121s - commit: ok
        121s - fetch: t-0=2
        121s - fetch: t-0=2
    "#]]
    .assert_eq(&world.run(
        "0s: commit - t-0=1; 119s: hold; commit - t-0=2; 121s: flush; fetch t-0; crash; fetch t-0",
    ));
}

#[test]
fn a_member_that_waited_for_its_assignment_starts_a_new_session() {
    check(
        "0s: join a b; 6s: sync b; 15s: beat a; 24s: beat a; 25s: sync a; 34s: show; 36s: show",
        expect![[r#"
            6s a join: leads generation 1 (range)
            6s b join: follows generation 1 (range)
            15s a beat: ok
            24s a beat: ok
            25s a sync: for a
            25s b sync: for b
            34s Stable generation 1 ["a", "b"]
            36s Empty generation 2 []
        "#]],
    );
}

#[test]
fn a_request_that_is_sent_again_ends_the_one_before() {
    check(
        "0s: join a b; 1s: join a; 6s: sync b; sync b; sync a",
        expect![[r#"
        1s a join: REBALANCE_IN_PROGRESS
        6s a join: leads generation 1 (range)
        6s b join: follows generation 1 (range)
        6s b sync: REBALANCE_IN_PROGRESS
        6s a sync: for a
        6s b sync: for b
    "#]],
    );
}

/// The first group's assignment is still on its way to the disk when a second group of the same
/// name waits for its own, of the same generation.
#[test]
fn a_late_write_of_a_deleted_group_is_not_taken_for_its_successors() {
    let mut world = World::new();
    let before = world.run("0s: join a; 3s: hold; sync a; leave a; delete; forget a; join a");
    expect![[r#"
        3s a join: leads generation 1 (range)
        3s a sync: UNKNOWN_MEMBER_ID
        3s a leave: ok ["ok"]
    "#]]
    .assert_eq(&before);
    world.advance(6_000);
    world.sync("a");
    // Everything up to the deletion becomes durable, the new group's own assignment does not.
    for _ in 0..3 {
        let (write_id, records) = world.writes.pop_front().unwrap();
        world.log.extend(records);
        world.turn(|coordinator, turn| coordinator.on_written(turn, write_id, Ok(())));
    }
    expect![[r#"
        6s a join: leads generation 1 (range)
        6s - delete: ok
        6s CompletingRebalance generation 1 ["a"]
        6s a sync: for a
        6s Stable generation 1 ["a"]
    "#]]
    .assert_eq(&world.run("show; flush; show"));
}

#[test]
fn followers_hear_nothing_until_the_assignment_is_durable() {
    check(
        "0s: join a b; 6s: hold; sync b a; 7s: show; flush; sync b",
        expect![[r#"
        6s a join: leads generation 1 (range)
        6s b join: follows generation 1 (range)
        7s CompletingRebalance generation 1 ["a", "b"]
        7s a sync: for a
        7s b sync: for b
        7s b sync: for b
    "#]],
    );
}

#[test]
fn a_group_that_lost_its_leader_takes_the_next_one() {
    check(
        "0s: join a b c; 6s: sync a b c; leave a; join c b; sync c b",
        expect![[r#"
        6s a join: leads generation 1 (range)
        6s b join: follows generation 1 (range)
        6s c join: follows generation 1 (range)
        6s a sync: for a
        6s b sync: for b
        6s c sync: for c
        6s a leave: ok ["ok"]
        6s b join: leads generation 2 (range)
        6s c join: follows generation 2 (range)
        6s b sync: for b
        6s c sync: for c
    "#]],
    );
}

#[test]
fn a_commit_of_an_older_generation_is_refused() {
    let mut world = World::new();
    world.run("0s: join a b; 6s: sync a b; join a; join b; sync a b");
    world.consumers.get_mut("a").unwrap().generation -= 1;
    expect![[r#"
        6s a commit: ILLEGAL_GENERATION
        6s a beat: ILLEGAL_GENERATION
        6s a sync: ILLEGAL_GENERATION
        6s b commit: ok
    "#]]
    .assert_eq(&world.run("commit a t-0=1; beat a; sync a; commit b t-0=2"));
}
