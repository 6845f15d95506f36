//! What must not deceive a log: pages of a failed sync, a damaged topic id, a clock that jumps.
use super::*;
use crate::env::OpenHow;

const HERE: MachineId = MachineId::FIRST;

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_not_taken_for_durable() {
    let world = quiet_world();
    let open_again = |epoch| {
        let mut shards = world.boot(HERE, 1);
        let found = world.block_on(&mut shards, async move |env| {
            let start = Start::Unclean { recovery_point: None };
            values(&open(&env, small(), epoch, start).await.unwrap()).await
        });
        (shards, found)
    };
    let mut shards = world.boot(HERE, 1);
    let log = world.block_on(&mut shards, async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        log.append(&batch(1, &["durable"]), Acks::All, 5).unwrap().ack.await.unwrap();
        log.append(&batch(2, &["x"; 90]), Acks::Leader, 5).unwrap().ack.await.unwrap();
        log
    });
    world.set_faults(Faults { failed_sync_per_1000: 1_000, ..Faults::NONE });
    world.block_on(&mut shards, async move |_| assert!(log.flush().await.is_err()));
    world.set_faults(Faults::NONE);
    world.crash(HERE, shards);
    let (shards, found) = open_again(1);
    assert_eq!(found[0].1, "durable");
    world.power_cut(HERE, shards);
    assert_eq!(open_again(2).1, found, "what a start makes readable stays");
}

#[test]
fn a_topic_id_with_a_wrong_bit_is_no_other_topic() {
    run(&quiet_world(), async |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        log.append(&batch(1, &["a"]), Acks::All, 5).unwrap().ack.await.unwrap();
        log.close().await.unwrap();
        let path = "data/flights-3/partition.metadata";
        let file = env.open(path, OpenHow::ReadWrite).await.unwrap();
        let text = env.read_at(&file, 0, 1_000).await.unwrap();
        // A character of the id: six of its bits, of which one changes.
        let at = text.len() as u64 - 8;
        let damaged = text[at as usize] ^ 1;
        env.write_all_at(&file, at, vec![Bytes::from(vec![damaged])]).await.unwrap();
        let again = open(&env, small(), 0, Start::Clean).await.unwrap();
        assert_eq!(values(&again).await, [(0, "a".to_owned())]);
        let repaired = env.open(path, OpenHow::Read).await.unwrap();
        assert_eq!(env.read_at(&repaired, 0, 1_000).await.unwrap(), text);
    });
}

#[test]
fn no_wall_clock_makes_a_log_forget_its_producers() {
    let world = quiet_world();
    let mut shards = world.boot(HERE, 1);
    let jumping = world.clone();
    world.block_on(&mut shards, async move |env| {
        let log = open(&env, small(), 0, Start::New).await.unwrap();
        let one = batch_of(&spec(Some((7, 0, 0))), 5, &["once"]);
        log.append(&one, Acks::All, env.wall_ms()).unwrap().ack.await.unwrap();
        jumping.jump_wall_ms(HERE, 365 * 24 * 60 * 60 * 1_000);
        env.sleep_ms(1).await;
        assert!(log.append(&one, Acks::All, env.wall_ms()).unwrap().duplicate);
        // Time that passes does.
        env.sleep_ms(log.config().producer_expiration_ms as u64 + 1).await;
        assert!(!log.append(&one, Acks::All, env.wall_ms()).unwrap().duplicate);
    });
}
