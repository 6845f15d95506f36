//! What was committed survives kills and power cuts in simulated worlds; damage is told.
use std::cell::RefCell;
use std::rc::Rc;

use super::{MetadataLog, MetadataLogError, Recovery};
use crate::base::Bytes;
use crate::cluster::{Command, Draft, Entry, Image};
use crate::config::Overrides;
use crate::env::{Env, OpenHow};
use crate::sim::{Faults, MachineId, World, each_seed};

const LOG: &str = "data/metadata/log-00000000000000000001";

async fn open(env: &Env, snapshot_bytes: u64) -> Result<(MetadataLog, Recovery), MetadataLogError> {
    // The data directory itself is the server's.
    env.create_dir_all("data").await.unwrap();
    env.sync_dir("").await.unwrap();
    MetadataLog::open(env, "data", snapshot_bytes).await
}

fn group(number: u64) -> Command {
    let configs = [("retention".to_owned(), "x".repeat((number % 90) as usize))];
    Command::SetGroupConfigs {
        group: format!("g{}", number % 7),
        configs: Overrides::from(configs),
    }
}

fn draft(image: &Image, commands: u64) -> Draft {
    let mut draft = Draft::new(image, 1);
    for _ in 0..commands {
        let command = group(draft.image().version() + 1);
        draft.push(command, 1).unwrap();
    }
    draft
}

/// What the world outside believes: entries that were answered, and those that are on their way.
#[derive(Clone, Default)]
struct Belief {
    answered: Vec<Entry>,
    in_flight: Vec<Entry>,
}

fn replayed(entries: &[Entry]) -> Image {
    entries.iter().fold(Image::empty(), |image, entry| image.apply(entry).unwrap())
}

/// Commits drafts of random sizes until the power goes, or until the disk says no.
async fn commit_for_ever(env: Env, mut log: MetadataLog, belief: Rc<RefCell<Belief>>) {
    loop {
        let draft = draft(log.image(), 1 + env.random() % 4);
        let entries = draft.entries().to_vec();
        belief.borrow_mut().in_flight = entries.clone();
        if log.commit(&env, draft).await.is_err() {
            return;
        }
        belief.borrow_mut().in_flight.clear();
        belief.borrow_mut().answered.extend(entries);
        if log.snapshot_is_due() && log.snapshot(&env).await.is_err() {
            return;
        }
    }
}

/// One machine through several lives. Gives the reason when an answered entry is gone.
fn lives(seed: u64, faults: Faults, power: bool) -> Result<u64, String> {
    let world = World::new(seed, faults);
    let belief = Rc::new(RefCell::new(Belief::default()));
    let mut snapshots = 0;
    for _ in 0..5 {
        let mut shards = world.boot(MachineId::FIRST, 1);
        let opened = world.block_on(&mut shards, |env| async move { open(&env, 3_000).await });
        let (log, _) = opened.map_err(|error| error.to_string())?;
        settle(&belief, log.image())?;
        snapshots += u64::from(log.path != LOG);
        let env = shards[0].env();
        env.spawn(commit_for_ever(env.clone(), log, belief.clone()));
        world.run_for(&mut shards, 1 + world.below(12_000_000));
        match power {
            true => world.power_cut(MachineId::FIRST, shards),
            false => world.crash(MachineId::FIRST, shards),
        }
    }
    Ok(snapshots)
}

/// The image must hold all that was answered, and beyond it only a part of what was on its way.
fn settle(belief: &RefCell<Belief>, image: &Image) -> Result<(), String> {
    let mut belief = belief.borrow_mut();
    let answered = belief.answered.len();
    let found = usize::try_from(image.version()).unwrap();
    if found < answered {
        return Err(format!("{found} of {answered} answered entries are left"));
    }
    let more = found - answered;
    if belief.in_flight.len() < more {
        return Err(format!("{more} entries came from nowhere"));
    }
    let survived: Vec<Entry> = belief.in_flight.drain(..more).collect();
    belief.answered.extend(survived);
    belief.in_flight.clear();
    if *image != replayed(&belief.answered) {
        return Err("the image differs from a full replay".to_owned());
    }
    Ok(())
}

#[test]
fn answered_commands_survive_power_cuts() {
    let snapshots = std::cell::Cell::new(0);
    each_seed(150, |seed| {
        snapshots.set(snapshots.get() + lives(seed, Faults::LEGAL, true).unwrap());
    });
    let enough = 100 < snapshots.get() || std::env::var_os("SEED").is_some();
    assert!(enough, "only {} starts had a snapshot", snapshots.get());
}

#[test]
fn answered_commands_survive_kills() {
    each_seed(50, |seed| {
        lives(seed, Faults::LEGAL, false).unwrap();
    });
}

#[test]
fn disk_errors_lose_nothing_that_was_answered() {
    let faults = Faults { io_error_per_1000: 4, ..Faults::LEGAL };
    let mut whole = 0;
    for seed in 0..100 {
        match lives(seed, faults, true) {
            Ok(_) => whole += 1,
            // A start may fail on a bad read; what it must not do is to start with less.
            Err(reason) => assert!(reason.starts_with("cannot "), "SEED={seed}: {reason}"),
        }
    }
    assert!(20 < whole, "only {whole} runs came through");
}

#[test]
fn canary_a_disk_that_lies_about_syncs_is_caught() {
    let faults = Faults { lying_sync_per_1000: 500, ..Faults::LEGAL };
    let caught = (0..60).filter(|seed| lives(*seed, faults, true).is_err()).count();
    assert!(20 < caught, "only {caught} of 60 worlds noticed");
}

#[test]
fn one_life_hands_its_image_to_the_next() {
    let world = World::new(1, Faults::NONE);
    let mut shards = world.boot(MachineId::FIRST, 1);
    world.block_on(&mut shards, |env| async move {
        let (mut log, recovery) = open(&env, 1 << 20).await.unwrap();
        assert_eq!(recovery, Recovery::default());
        log.commit(&env, draft(log.image(), 3)).await.unwrap();
        let stale = draft(log.image(), 1);
        log.commit(&env, draft(log.image(), 1)).await.unwrap();
        let late = log.commit(&env, stale).await.unwrap_err();
        assert!(matches!(late, MetadataLogError::Stale { base: 3, current: 4 }));
        log.snapshot(&env).await.unwrap();
        log.commit(&env, draft(log.image(), 2)).await.unwrap();
        let image = log.image().clone();
        drop(log);
        let (log, recovery) = open(&env, 1 << 20).await.unwrap();
        assert_eq!(*log.image(), image);
        assert_eq!(recovery, Recovery { entries: 2, ..Recovery::default() });
        let names = env.list_dir("data/metadata").await.unwrap();
        let names: Vec<&str> = names.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["log-00000000000000000005", "snapshot-00000000000000000004"]);
    });
}

#[test]
fn a_full_disk_refuses_a_command_and_the_log_goes_on() {
    let world = World::new(2, Faults::NONE);
    let mut shards = world.boot(MachineId::FIRST, 1);
    let opened = world.block_on(&mut shards, |env| async move {
        let (mut log, _) = open(&env, 1 << 20).await.unwrap();
        log.commit(&env, draft(log.image(), 3)).await.unwrap();
        log
    });
    world.set_disk_bytes_max(MachineId::FIRST, opened.log_bytes() + 50);
    let mut log = opened;
    let log = world.block_on(&mut shards, |env| async move {
        let error = log.commit(&env, draft(log.image(), 2)).await.unwrap_err();
        assert!(matches!(error, MetadataLogError::Disk { what: "write to", .. }), "{error}");
        assert_eq!(log.image().version(), 3);
        log
    });
    world.set_disk_bytes_max(MachineId::FIRST, u64::MAX);
    let mut log = log;
    world.block_on(&mut shards, |env| async move {
        log.commit(&env, draft(log.image(), 2)).await.unwrap();
        let image = log.image().clone();
        drop(log);
        let (log, recovery) = open(&env, 1 << 20).await.unwrap();
        assert_eq!((log.image(), recovery.torn_bytes), (&image, 0));
    });
}

#[test]
fn after_a_failed_sync_the_log_takes_nothing_more() {
    let world = World::new(3, Faults::NONE);
    let mut shards = world.boot(MachineId::FIRST, 1);
    let log = world.block_on(&mut shards, |env| async move {
        let (mut log, _) = open(&env, 1 << 20).await.unwrap();
        log.commit(&env, draft(log.image(), 1)).await.unwrap();
        log
    });
    world.set_faults(Faults { failed_sync_per_1000: 1_000, ..Faults::NONE });
    let mut log = log;
    let log = world.block_on(&mut shards, |env| async move {
        let error = log.commit(&env, draft(log.image(), 1)).await.unwrap_err();
        assert!(matches!(error, MetadataLogError::Disk { what: "sync", .. }), "{error}");
        log
    });
    world.set_faults(Faults::NONE);
    let mut log = log;
    world.block_on(&mut shards, |env| async move {
        let error = log.commit(&env, draft(log.image(), 1)).await.unwrap_err();
        assert!(matches!(error, MetadataLogError::Failed));
        assert!(log.snapshot(&env).await.is_err());
        assert_eq!(log.image().version(), 1);
    });
}

/// Changes bytes of the first log file of a log with four entries, and opens it again.
fn tampered(change: impl FnOnce(&mut Vec<u8>) + 'static) -> Result<u64, String> {
    let world = World::new(4, Faults::NONE);
    let mut shards = world.boot(MachineId::FIRST, 1);
    world.block_on(&mut shards, |env| async move {
        let (mut log, _) = open(&env, 1 << 20).await.unwrap();
        for _ in 0..4 {
            log.commit(&env, draft(log.image(), 1)).await.unwrap();
        }
        drop(log);
        let file = env.open(LOG, OpenHow::ReadWrite).await.unwrap();
        let size = env.file_bytes(&file).await.unwrap() as usize;
        let mut bytes = env.read_at(&file, 0, size).await.unwrap().to_vec();
        change(&mut bytes);
        env.truncate(&file, 0).await.unwrap();
        env.write_all_at(&file, 0, vec![Bytes::from(bytes)]).await.unwrap();
        let opened = open(&env, 1 << 20).await;
        opened.map(|(log, _)| log.image().version()).map_err(|error| error.to_string())
    })
}

#[test]
fn damage_is_told_in_one_sentence_and_a_torn_end_is_cut() {
    assert_eq!(tampered(|_| ()), Ok(4));
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 3);
    assert_eq!(tampered(cut), Ok(3));
    assert_eq!(tampered(|bytes| bytes.extend_from_slice(&[0; 700])), Ok(4));
    assert_eq!(tampered(|bytes| bytes.truncate(9)), Ok(0), "no entry was ever there");
    let early = tampered(|bytes| bytes[30] ^= 1).unwrap_err();
    assert!(early.starts_with(&format!("{LOG} is damaged at byte 16: entry 1:")), "{early}");
    let foreign = tampered(|bytes| bytes[0] = b'?').unwrap_err();
    assert_eq!(foreign, format!("{LOG} cannot be used: it is no metadata file of Logmill"));
}

#[test]
fn a_missing_file_is_told() {
    let world = World::new(5, Faults::NONE);
    let mut shards = world.boot(MachineId::FIRST, 1);
    let error = world.block_on(&mut shards, |env| async move {
        let (mut log, _) = open(&env, 1 << 20).await.unwrap();
        log.commit(&env, draft(log.image(), 2)).await.unwrap();
        log.snapshot(&env).await.unwrap();
        drop(log);
        let snapshot = "data/metadata/snapshot-00000000000000000002";
        env.remove_file(snapshot).await.unwrap();
        open(&env, 1 << 20).await.map(drop).unwrap_err().to_string()
    });
    assert_eq!(
        error,
        "entries 1 to 2 are missing before data/metadata/log-00000000000000000003; restore the \
         directory from a copy"
    );
}
