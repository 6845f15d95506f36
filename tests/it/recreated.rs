//! Topics that are deleted and created again under the same name, through crashes and damage.
//!
//! Owns: what lies on the simulated disk when a deletion stops half way, or meets a partition that
//! is offline.
//! Leaves to others: one log (`log`'s own tests), data of topics that stay (`broker_sim`).
//! Start reading at: [`Life`].
use std::future::Future;

use logmill::base::Bytes;
use logmill::env::{Env, OpenHow};
use logmill::model::ErrorCode;
use logmill::record::Codec;
use logmill::sim::{DATA_DIR, Death, Faults, MachineId, SimBroker, World};

use crate::harness::sim::{
    HANGS_MS, TOPIC, batch, connect, create, delete_topic, produce, run, serve, try_create_topic,
};

/// A node of one shard, and what clients and the disk do to it.
struct Life {
    broker: SimBroker,
}

/// Nothing heals from a journal what is damaged here.
const SETTINGS: &[(&str, &str)] = &[("journal.bytes", "0")];

impl Life {
    fn start() -> Self {
        let mut life = Self { broker: SimBroker::new(World::new(1, Faults::NONE), SETTINGS) };
        life.boot();
        life
    }

    fn boot(&mut self) {
        serve(&mut self.broker, 1);
    }

    /// Runs a future to its end while the node lives.
    fn run<T: 'static>(&mut self, env: &Env, work: impl Future<Output = T> + 'static) -> T {
        run(&mut self.broker, env, work)
    }

    fn create(&mut self) {
        let env = self.broker.clients();
        self.run(&env.clone(), async move { create(&env, &[]).await });
    }

    fn delete(&mut self) {
        let env = self.broker.clients();
        self.run(&env.clone(), async move { delete_topic(&env, TOPIC).await });
    }

    /// One record with acks=all: error code and offset.
    fn produce(&mut self) -> (i16, i64) {
        let env = self.broker.clients();
        self.run(&env.clone(), async move {
            let records = batch(Codec::None, &[(None, b"a record")]);
            let told = produce(&mut connect(&env).await, records).await;
            (told.error_code, told.base_offset)
        })
    }

    /// Twenty records to a new topic, all of them below its recovery point.
    fn produce_and_record_the_point(&mut self) {
        for offset in 0..20 {
            assert_eq!(self.produce(), (0, offset));
        }
        let core = self.broker.cores().borrow()[0].clone();
        let env = core.env.clone();
        let unwritten = self.run(&env, async move { core.write_recovery_points().await });
        assert!(unwritten.is_empty(), "{unwritten:?}");
    }

    /// What the node's disk is made to do.
    fn disk<T: 'static, F: Future<Output = T> + 'static>(
        &mut self,
        work: impl FnOnce(Env) -> F,
    ) -> T {
        let env = self.broker.cores().borrow()[0].env.clone();
        self.run(&env.clone(), work(env))
    }

    fn has_directory(&mut self) -> bool {
        self.disk(|env| async move { env.exists(&directory()).await.expect("a disk that works") })
    }
}

fn directory() -> String {
    format!("{DATA_DIR}/{TOPIC}-0")
}

/// A node that was killed when a deletion was committed and nothing was renamed, and lives again.
fn deleted_and_killed() -> Life {
    let mut life = Life::start();
    life.create();
    assert_eq!(life.produce(), (0, 0));
    let aside = || format!("{DATA_DIR}/aside");
    life.disk(|env| async move { env.rename(&directory(), &aside()).await.expect("a rename") });
    life.delete();
    life.disk(|env| async move { env.rename(&aside(), &directory()).await.expect("a rename") });
    life.broker.die(Death::Crash);
    life.boot();
    assert!(life.has_directory(), "a stranger is left alone");
    life
}

#[test]
fn a_topic_whose_namesake_left_a_directory_serves_after_a_crash_and_after_a_stop() {
    for ends_in_order in [false, true] {
        let mut life = deleted_and_killed();
        life.create();
        if ends_in_order {
            assert!(life.broker.stop(HANGS_MS).expect("it stops"), "every log is closed");
        } else {
            life.broker.die(Death::Crash);
        }
        life.boot();
        assert_eq!(life.produce(), (0, 0), "in order: {ends_in_order}");
        life.broker.die(Death::Crash);
        life.boot();
        assert_eq!(life.produce(), (0, 1), "the topic's own directory stays");
    }
}

#[test]
fn a_topic_whose_partition_is_offline_is_deleted_with_its_files() {
    let mut life = Life::start();
    life.create();
    assert_eq!(life.produce(), (0, 0));
    life.disk(|env| async move {
        let path = format!("{}/{:020}.log", directory(), 0);
        let file = env.open(&path, OpenHow::ReadWrite).await.expect("the segment");
        let damage = vec![Bytes::from_static(&[0xff; 4])];
        env.write_all_at(&file, 62, damage).await.expect("a write");
    });
    // The stop leaves a snapshot at the end, below which nothing is cut.
    assert!(life.broker.stop(HANGS_MS).expect("it stops"));
    life.broker.set_last_end(logmill::sim::LastEnd::Crashed);
    life.boot();
    assert_eq!(life.produce().0, ErrorCode::KafkaStorageError.code());
    life.delete();
    assert!(!life.has_directory());
    life.create();
    life.broker.die(Death::Crash);
    life.boot();
    assert_eq!(life.produce(), (0, 0));
}

#[test]
fn the_folder_of_a_deleted_topic_goes_when_a_full_disk_lets_it() {
    let mut life = Life::start();
    life.create();
    assert_eq!(life.produce(), (0, 0));
    life.broker.world.set_renames_left(MachineId::FIRST, 0);
    life.delete();
    life.broker.run_for(30_000_000_000);
    assert!(life.has_directory(), "there is no room for another name");
    life.broker.world.set_renames_left(MachineId::FIRST, u64::MAX);
    life.broker.run_for(12_000_000_000);
    assert!(!life.has_directory());
}

#[test]
fn a_topic_created_again_never_meets_the_recovery_point_of_its_namesake() {
    let mut life = Life::start();
    life.create();
    life.produce_and_record_the_point();
    // The topic goes; its successor is short when the process dies.
    life.delete();
    life.create();
    assert_eq!(life.produce(), (0, 0));
    life.broker.die(Death::Crash);
    life.boot();
    assert_eq!(life.produce(), (0, 1), "nothing is missing from the new topic");
}

#[test]
fn a_log_that_was_cut_below_its_recovery_point_stays_offline_through_starts() {
    let mut life = Life::start();
    life.create();
    life.produce_and_record_the_point();
    life.disk(|env| async move {
        let path = format!("{}/{:020}.log", directory(), 0);
        let file = env.open(&path, OpenHow::ReadWrite).await.expect("the segment");
        env.truncate(&file, 300).await.expect("a cut");
    });
    for _ in 0..3 {
        life.broker.die(Death::Crash);
        life.boot();
        assert_eq!(life.produce().0, ErrorCode::KafkaStorageError.code());
    }
}

#[test]
fn no_topic_is_created_while_nobody_can_tell_what_its_namesake_left() {
    let starts = || format!("{DATA_DIR}/log-start-offset-checkpoint");
    let mut life = Life::start();
    // As it is after a deletion whose end a crash has cut off.
    life.disk(|env| write_line(env, starts()));
    let world = life.broker.world.clone();
    world.set_unreadable(MachineId::FIRST, &starts(), true);
    life.broker.die(Death::Crash);
    life.boot();
    let env = life.broker.clients();
    let code = life.run(&env.clone(), async move { try_create_topic(&env, TOPIC, 1, &[]).await });
    assert_eq!(code, ErrorCode::KafkaStorageError.code());
    world.set_unreadable(MachineId::FIRST, &starts(), false);
    life.create();
    assert_eq!(life.produce(), (0, 0));
    for offset in 1..3 {
        life.broker.die(Death::Crash);
        life.boot();
        assert_eq!(life.produce(), (0, offset), "the namesake's line is gone");
    }
}

/// A file in the log directory with one line, of the topic.
async fn write_line(env: Env, path: String) {
    let file = env.open(&path, OpenHow::Create).await.expect("a file");
    env.truncate(&file, 0).await.expect("a cut");
    let line = Bytes::from(format!("0\n1\n{TOPIC} 0 5\n").into_bytes());
    env.write_all_at(&file, 0, vec![line]).await.expect("a write");
}

#[test]
fn recovery_points_that_cannot_be_read_cost_no_record() {
    let points = || format!("{DATA_DIR}/recovery-point-offset-checkpoint");
    let mut life = Life::start();
    life.create();
    for offset in 0..20 {
        assert_eq!(life.produce(), (0, offset));
    }
    let core = life.broker.cores().borrow()[0].clone();
    let env = core.env.clone();
    let unwritten = life.run(&env, async move { core.write_recovery_points().await });
    assert!(unwritten.is_empty(), "{unwritten:?}");
    // Below the point, where nobody could tell it from a torn end without.
    life.disk(|env| async move {
        let path = format!("{}/{:020}.log", directory(), 0);
        let file = env.open(&path, OpenHow::ReadWrite).await.expect("the segment");
        env.write_all_at(&file, 300, vec![Bytes::from_static(&[0xff; 4])]).await.expect("a write");
    });
    let world = life.broker.world.clone();
    world.set_unreadable(MachineId::FIRST, &points(), true);
    life.broker.die(Death::Crash);
    life.broker.start(1);
    let sentence = life.broker.served(HANGS_MS).expect_err("its only log directory has failed");
    assert!(sentence.contains(&points()), "{sentence}");
    world.set_unreadable(MachineId::FIRST, &points(), false);
    life.broker.die(Death::Crash);
    life.boot();
    assert_eq!(life.produce().0, ErrorCode::KafkaStorageError.code(), "nothing is cut");
}

#[test]
fn no_line_of_a_namesake_outlives_that_it_could_not_be_read() {
    for name in ["cleaner-offset-checkpoint", "replication-offset-checkpoint"] {
        let path = move || format!("{DATA_DIR}/{name}");
        let mut life = Life::start();
        // As it is after a deletion whose end a crash has cut off.
        life.disk(|env| write_line(env, path()));
        let world = life.broker.world.clone();
        world.set_unreadable(MachineId::FIRST, &path(), true);
        life.broker.die(Death::Crash);
        life.boot();
        life.create();
        let text = life.disk(move |env| async move {
            let file = env.open(&path(), OpenHow::Read).await.expect("the file");
            env.read_at(&file, 0, 1_000).await.expect("it is another one")
        });
        assert!(!String::from_utf8_lossy(&text).contains(TOPIC), "{name}");
    }
}
