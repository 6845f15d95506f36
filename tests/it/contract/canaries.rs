//! Canaries: for each kind of fault a program with a seeded mistake, which the checks must catch.
//!
//! Each runs a correct program under the same faults too: no check may fail there, and the fault
//! must have happened.
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use logmill::base::{Bytes, crc32c};
use logmill::env::{Env, File, IoError, OpenHow, Shard, Socket};
use logmill::model::ShardId;
use logmill::sim::{FaultCounts, Faults, MachineId, World};

use super::net::any_port;
use super::pattern;

const HERE: MachineId = MachineId::FIRST;
const SEEDS: u64 = 60;
const RECORDS: u32 = 24;
const RECORDS_PER_FILE: u32 = 6;
const HEADER_BYTES: usize = 12;

/// What a program gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    TakesShortWriteForWhole,
    ForgetsSync,
    ForgetsDirSync,
    SyncsBesideTheWrite,
    AcksBeforeTheWrite,
    TriesAFailedSyncAgain,
    IgnoresNoSpace,
    IgnoresWriteErrors,
    RecoversWithoutChecksums,
    TrustsPagesAfterAFailedSync,
    ForgetsSyncAfterTheCut,
    TakesChunkForFrame,
    TakesResetForSent,
    TrustsOrderBetweenPairs,
}
use Mistake as M;

/// How a run ends before recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    PowerCut,
    Crash,
}

fn record(number: u32) -> Vec<u8> {
    let body = pattern(40 + (number as usize * 97) % 900, number as u8);
    let mut record = (body.len() as u32).to_le_bytes().to_vec();
    record.extend(crc32c(&body).to_le_bytes());
    record.extend(number.to_le_bytes());
    record.extend(body);
    record
}

async fn write(env: &Env, file: &File, at: u64, data: Vec<u8>, mistake: M) -> Result<(), IoError> {
    let data = vec![Bytes::from(data)];
    let result = match mistake {
        M::TakesShortWriteForWhole => env.write_once_at(file, at, data).await.map(drop),
        _ => env.write_all_at(file, at, data).await,
    };
    match result {
        Err(IoError::NoSpace) if mistake == M::IgnoresNoSpace => Ok(()),
        Err(IoError::Errno(_)) if mistake == M::IgnoresWriteErrors => Ok(()),
        other => other,
    }
}

/// Writes records into a few files and notes each that is acknowledged; stops at an error.
async fn append(env: Env, acked: Rc<Cell<u32>>, mistake: M) -> Result<(), IoError> {
    env.create_dir_all("/data").await?;
    env.sync_dir("/").await?;
    let (mut file, mut at) = (None, 0);
    for number in 0..RECORDS {
        if number % RECORDS_PER_FILE == 0 {
            let path = format!("/data/{number:04}");
            file = Some(env.open(&path, OpenHow::Create).await?);
            at = 0;
            if mistake != M::ForgetsDirSync {
                env.sync_dir("/data").await?;
            }
        }
        let file = file.as_ref().expect("opened with the first record");
        let data = record(number);
        let len = data.len() as u64;
        if mistake == M::AcksBeforeTheWrite {
            acked.set(number + 1);
        }
        if mistake == M::SyncsBesideTheWrite {
            let (writer, file) = (env.clone(), file.clone());
            env.spawn(async move { write(&writer, &file, at, data, M::None).await.unwrap() });
        } else {
            write(&env, file, at, data, mistake).await?;
        }
        at += len;
        if mistake == M::ForgetsSync {
            acked.set(number + 1);
            continue;
        }
        match env.sync_data(file).await {
            Err(_) if mistake == M::TriesAFailedSyncAgain => env.sync_data(file).await?,
            other => other?,
        }
        acked.set(number + 1);
    }
    Ok(())
}

/// The numbers that recovery finds: of each file the records before the first invalid one.
async fn recover(env: Env, mistake: M) -> Result<Vec<u32>, String> {
    let mut found = Vec::new();
    for entry in env.list_dir("/data").await.unwrap_or_default() {
        let file = env.open(&format!("/data/{}", entry.name), OpenHow::Read).await.unwrap();
        let bytes = env.read_at(&file, 0, 1 << 20).await.unwrap();
        let mut rest = &bytes[..];
        while let Some((header, behind)) = rest.split_at_checked(HEADER_BYTES) {
            let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
            let len = word(0) as usize;
            let Some(body) = behind.get(..len).filter(|_| 0 < len) else { break };
            if mistake != M::RecoversWithoutChecksums && crc32c(body) != word(4) {
                break;
            }
            if record(word(8)) != rest[..HEADER_BYTES + len] {
                return Err(format!("record {} has other bytes", word(8)));
            }
            found.push(word(8));
            rest = &behind[len..];
        }
    }
    Ok(found)
}

/// Whether everything acknowledged is there, in order.
fn check(acked: u32, found: &[u32]) -> Result<(), String> {
    let ordered = found.windows(2).all(|pair| pair[0] < pair[1]);
    let have: BTreeSet<u32> = found.iter().copied().collect();
    match (0..acked).find(|number| !have.contains(number)) {
        Some(lost) => Err(format!("record {lost} of {acked} acknowledged is lost")),
        None if !ordered => Err(format!("out of order: {found:?}")),
        None => Ok(()),
    }
}

fn store_run(seed: u64, faults: Faults, mistake: M, end: End) -> (Result<(), String>, FaultCounts) {
    let world = World::new(seed, faults);
    if mistake == M::IgnoresNoSpace {
        world.set_disk_bytes_max(HERE, 5_000);
    }
    let mut shards = world.boot(HERE, 1);
    let acked = Rc::new(Cell::new(0));
    let (env, count) = (shards[0].env(), acked.clone());
    // It ends by itself, by an error, or with the machine.
    env.clone().spawn(async move { append(env, count, mistake).await.unwrap_or(()) });
    world.run_for(&mut shards, world.below(5_000_000));
    match end {
        End::PowerCut => world.power_cut(HERE, shards),
        End::Crash => world.crash(HERE, shards),
    }
    // Faults of the running system, not of its recovery, are what is tried here.
    world.set_faults(Faults::NONE);
    let mut shards = world.boot(HERE, 1);
    let found = world.block_on(&mut shards, move |env| recover(env, mistake));
    (found.and_then(|found| check(acked.get(), &found)), world.counts())
}

/// Seeds in which the check failed, and the faults of all of them.
fn failures(
    run: impl Fn(u64) -> (Result<(), String>, FaultCounts),
) -> (u64, u64, Vec<FaultCounts>) {
    let (mut failed, mut counts) = (0, Vec::new());
    for seed in 0..SEEDS {
        let (result, count) = run(seed);
        failed += u64::from(result.is_err());
        counts.push(count);
    }
    (failed, SEEDS, counts)
}

#[track_caller]
fn canary(
    run: impl Fn(u64, M) -> (Result<(), String>, FaultCounts),
    mistake: M,
    fired: impl Fn(&FaultCounts) -> u64,
) {
    let (failed, of, counts) = failures(|seed| run(seed, M::None));
    assert_eq!(failed, 0, "the correct program failed in {failed} of {of} worlds");
    assert!(0 < counts.iter().map(&fired).sum::<u64>(), "the fault never happened");
    let (caught, _, _) = failures(|seed| run(seed, mistake));
    assert!(0 < caught, "{mistake:?} was not noticed in {of} worlds");
}

#[test]
fn canary_a_short_write_taken_for_whole() {
    let run = |seed, mistake| store_run(seed, Faults::LEGAL, mistake, End::Crash);
    canary(run, M::TakesShortWriteForWhole, |counts| counts.short);
}

#[test]
fn canary_a_forgotten_sync() {
    let run = |seed, mistake| store_run(seed, Faults::LEGAL, mistake, End::PowerCut);
    canary(run, M::ForgetsSync, |counts| counts.sectors_lost);
}

#[test]
fn canary_a_forgotten_sync_of_the_directory() {
    let run = |seed, mistake| store_run(seed, Faults::LEGAL, mistake, End::PowerCut);
    canary(run, M::ForgetsDirSync, |counts| counts.power_cuts);
    let (_, _, counts) = failures(|seed| run(seed, M::ForgetsDirSync));
    assert!(counts.iter().any(|counts| 0 < counts.names_lost));
}

#[test]
fn canary_a_sync_that_is_submitted_beside_its_write() {
    let run = |seed, mistake| store_run(seed, Faults::LEGAL, mistake, End::PowerCut);
    canary(run, M::SyncsBesideTheWrite, |counts| counts.power_cuts);
}

#[test]
fn canary_an_ack_before_the_write() {
    let run = |seed, mistake| store_run(seed, Faults::LEGAL, mistake, End::Crash);
    canary(run, M::AcksBeforeTheWrite, |counts| counts.crashes);
}

#[test]
fn canary_recovery_without_checksums_takes_torn_sectors_for_records() {
    let run = |seed, mistake| store_run(seed, Faults::LEGAL, mistake, End::PowerCut);
    canary(run, M::RecoversWithoutChecksums, |counts| counts.sectors_torn);
}

#[test]
fn canary_a_failed_sync_tried_again() {
    let faults = Faults { failed_sync_per_1000: 100, ..Faults::LEGAL };
    let run = |seed, mistake| store_run(seed, faults, mistake, End::PowerCut);
    canary(run, M::TriesAFailedSyncAgain, |counts| counts.failed_syncs);
}

/// Recovers after a crash, promises what it found, and recovers once more after a power cut.
fn twice_run(seed: u64, faults: Faults, mistake: M) -> (Result<(), String>, FaultCounts) {
    let world = World::new(seed, faults);
    let mut shards = world.boot(HERE, 1);
    let env = shards[0].env();
    env.clone().spawn(async move { append(env, Rc::default(), M::None).await.unwrap_or(()) });
    world.run_for(&mut shards, world.below(5_000_000));
    world.crash(HERE, shards);
    world.set_faults(Faults { failed_sync_per_1000: 0, ..faults });
    let mut shards = world.boot(HERE, 1);
    let promised = world.block_on(&mut shards, move |env| async move {
        for entry in env.list_dir("/data").await.unwrap_or_default() {
            let path = format!("/data/{}", entry.name);
            let file = env.open(&path, OpenHow::ReadWrite).await.unwrap();
            if mistake != M::TrustsPagesAfterAFailedSync {
                env.drop_cached(&file, 0, 1 << 20).await.unwrap();
            }
            env.sync_data(&file).await.unwrap();
            env.sync_dir("/data").await.unwrap();
        }
        recover(env, M::None).await
    });
    world.power_cut(HERE, shards);
    world.set_faults(Faults::NONE);
    let mut shards = world.boot(HERE, 1);
    let found = world.block_on(&mut shards, |env| recover(env, M::None));
    let kept = promised.and_then(|promised| {
        let found: BTreeSet<u32> = found?.into_iter().collect();
        let lost = promised.iter().find(|number| !found.contains(number));
        lost.map_or(Ok(()), |lost| Err(format!("record {lost} was found and is lost")))
    });
    (kept, world.counts())
}

#[test]
fn canary_pages_of_a_failed_sync_taken_for_durable() {
    let faults = Faults { failed_sync_per_1000: 200, ..Faults::LEGAL };
    let run = |seed, mistake| twice_run(seed, faults, mistake);
    canary(run, M::TrustsPagesAfterAFailedSync, |counts| counts.failed_syncs);
}

/// Cuts what it does not want, writes a shorter end, and promises that nothing else is there.
fn cut_run(seed: u64, mistake: M) -> (Result<(), String>, FaultCounts) {
    let world = World::new(seed, Faults::LEGAL);
    let mut shards = world.boot(HERE, 1);
    world.block_on(&mut shards, move |env| async move {
        let file = env.open("/log", OpenHow::Create).await.unwrap();
        write(&env, &file, 0, [record(0), record(1), record(2)].concat(), M::None).await.unwrap();
        env.sync_data(&file).await.unwrap();
        env.sync_dir("/").await.unwrap();
        env.truncate(&file, record(0).len() as u64).await.unwrap();
        if mistake != M::ForgetsSyncAfterTheCut {
            env.sync_data(&file).await.unwrap();
        }
    });
    world.power_cut(HERE, shards);
    let mut shards = world.boot(HERE, 1);
    let bytes = world.block_on(&mut shards, |env| async move {
        let file = env.open("/log", OpenHow::Read).await.unwrap();
        env.file_bytes(&file).await.unwrap()
    });
    let cut = bytes == record(0).len() as u64;
    (if cut { Ok(()) } else { Err(format!("{bytes} bytes are back")) }, world.counts())
}

#[test]
fn canary_a_truncation_that_is_not_synced() {
    canary(cut_run, M::ForgetsSyncAfterTheCut, |counts| counts.sizes_lost + counts.power_cuts);
}

/// Sectors that land elsewhere are the only fault: what is there of them has no right checksum.
#[test]
fn canary_recovery_without_checksums_takes_misdirected_sectors_for_records() {
    let run = |seed, mistake| {
        let faults = Faults { sector_misdirected_per_1000: 500, ..Faults::NONE };
        let world = World::new(seed, faults);
        let mut shards = world.boot(HERE, 1);
        let env = shards[0].env();
        env.clone()
            .spawn(async move { append(env, Rc::default(), M::ForgetsSync).await.unwrap_or(()) });
        world.run_for(&mut shards, world.below(100_000));
        world.power_cut(HERE, shards);
        let mut shards = world.boot(HERE, 1);
        let found = world.block_on(&mut shards, move |env| recover(env, mistake));
        (found.map(drop), world.counts())
    };
    canary(run, M::RecoversWithoutChecksums, |counts| counts.sectors_misdirected);
}

#[test]
fn canary_a_write_error_ignored() {
    let faults = Faults { io_error_per_1000: 50, ..Faults::LEGAL };
    let run = |seed, mistake| store_run(seed, faults, mistake, End::Crash);
    canary(run, M::IgnoresWriteErrors, |counts| counts.io_errors);
}

#[test]
fn canary_a_full_disk_ignored() {
    let run = |seed, mistake| store_run(seed, Faults::LEGAL, mistake, End::Crash);
    let (caught, of, counts) = failures(|seed| run(seed, M::IgnoresNoSpace));
    assert!(0 < caught, "not noticed in {of} worlds");
    assert!(counts.iter().any(|counts| 0 < counts.disk_full));
    // The correct program stops at the full disk, and loses nothing that it acknowledged.
    let correct = failures(|seed| {
        let world = World::new(seed, Faults::LEGAL);
        world.set_disk_bytes_max(HERE, 5_000);
        let mut shards = world.boot(HERE, 1);
        let acked = Rc::new(Cell::new(0));
        let count = acked.clone();
        let stopped = world.block_on(&mut shards, |env| append(env, count, M::None));
        assert_eq!(stopped, Err(IoError::NoSpace));
        let found = world.block_on(&mut shards, |env| recover(env, M::None));
        (found.and_then(|found| check(acked.get(), &found)), world.counts())
    });
    assert_eq!(correct.0, 0);
}

#[test]
fn canary_a_sync_that_lies_is_noticed_by_the_check() {
    // No program can see through the lie; what matters is that the loss does not go unnoticed.
    let faults = Faults { lying_sync_per_1000: 300, ..Faults::LEGAL };
    let (caught, _, counts) = failures(|seed| store_run(seed, faults, M::None, End::PowerCut));
    assert!(0 < caught && counts.iter().any(|counts| 0 < counts.lying_syncs));
}

#[test]
fn one_seed_gives_one_run_with_faults_crashes_and_power_cuts() {
    let faults = Faults { failed_sync_per_1000: 50, io_error_per_1000: 5, ..Faults::LEGAL };
    for end in [End::PowerCut, End::Crash] {
        for seed in 0..20 {
            let run = || store_run(seed, faults, M::None, end);
            let (first, second) = (run(), run());
            assert_eq!(first, second, "seed {seed} after {end:?}");
        }
    }
}

const FRAMES: u32 = 20;
const FRAME_BYTES: usize = 100;

/// A server that answers each frame with one byte; a client that counts the answers.
fn frames_run(seed: u64, faults: Faults, mistake: M) -> (Result<(), String>, FaultCounts) {
    let world = World::new(seed, faults);
    let mut shards = world.boot(HERE, 1);
    let served = Rc::new(Cell::new(0));
    let count = served.clone();
    let sent = world.block_on(&mut shards, |env| async move {
        let listener = env.listen(any_port()).await.unwrap();
        let mut accepting = env.accept_many(&listener);
        let client = env.connect(listener.address).await.unwrap();
        let (server, _) = accepting.next().await.unwrap();
        let serving = env.clone();
        env.spawn(async move { serve(serving, server, count, mistake).await.unwrap_or(()) });
        request(&env, &client, mistake).await
    });
    let (served, counts) = (served.get(), world.counts());
    if served < sent {
        return (Err(format!("{sent} frames were answered, {served} arrived")), counts);
    }
    if FRAMES < served {
        return (Err(format!("{served} frames arrived of {FRAMES}")), counts);
    }
    (Ok(()), counts)
}

async fn serve(env: Env, socket: Socket, served: Rc<Cell<u32>>, mistake: M) -> Result<(), IoError> {
    let (mut stream, mut carry) = (env.receive_many(&socket), 0);
    while let Some(chunk) = stream.next().await {
        carry += chunk?.len();
        while FRAME_BYTES <= carry || mistake == M::TakesChunkForFrame && 0 < carry {
            carry = carry.saturating_sub(FRAME_BYTES);
            served.set(served.get() + 1);
            env.send_all(&socket, vec![Bytes::from_static(b"!")]).await?;
        }
    }
    Ok(())
}

/// Sends all frames, one after the other; gives how many the server is believed to have.
async fn request(env: &Env, socket: &Socket, mistake: M) -> u32 {
    let mut believed = 0;
    for number in 0..FRAMES {
        let frame = vec![Bytes::from(pattern(FRAME_BYTES, number as u8))];
        let sent = env.send_all(socket, frame).await;
        if mistake == M::TakesResetForSent {
            believed += 1;
            continue;
        }
        if sent.is_err() || env.receive_exact(socket, Vec::new(), 1).await.is_err() {
            break;
        }
        believed += 1;
    }
    believed
}

#[test]
fn canary_a_chunk_taken_for_a_frame() {
    let run = |seed, mistake| frames_run(seed, Faults::LEGAL, mistake);
    canary(run, M::TakesChunkForFrame, |counts| counts.one_byte);
}

#[test]
fn canary_a_reset_taken_for_sent() {
    let faults = Faults { reset_per_1000: 50, ..Faults::LEGAL };
    let run = |seed, mistake| frames_run(seed, faults, mistake);
    canary(run, M::TakesResetForSent, |counts| counts.resets);
}

/// Shard 0 tells shard 2 "first", then asks shard 1 to tell it "second".
fn order_run(seed: u64, mistake: M) -> (Result<(), String>, FaultCounts) {
    let world = World::new(seed, Faults::LEGAL);
    let mut shards: Vec<Shard> = world.boot(HERE, 3);
    let heard = Rc::new(RefCell::new(Vec::new()));
    let (listening, log) = (shards[2].env(), heard.clone());
    shards[2].env().spawn(async move {
        let mut inbox = listening.inbox();
        loop {
            let mut request = inbox.next().await;
            log.borrow_mut().push(*request.take_body().downcast::<&str>().unwrap());
            request.answer(Box::new(()));
        }
    });
    let passing = shards[1].env();
    shards[1].env().spawn(async move {
        let mut inbox = passing.inbox();
        loop {
            let request = inbox.next().await;
            passing.call(ShardId(2), Box::new("second")).await.unwrap();
            request.answer(Box::new(()));
        }
    });
    world.block_on(&mut shards, |env| async move {
        let first = env.call(ShardId(2), Box::new("first"));
        if mistake == M::TrustsOrderBetweenPairs {
            env.call(ShardId(1), Box::new(())).await.unwrap();
            first.await.unwrap();
        } else {
            first.await.unwrap();
            env.call(ShardId(1), Box::new(())).await.unwrap();
        }
    });
    let heard = heard.borrow();
    let right = *heard == ["first", "second"];
    (if right { Ok(()) } else { Err(format!("heard {heard:?}")) }, world.counts())
}

#[test]
fn canary_order_between_pairs_of_shards_taken_for_granted() {
    canary(order_run, M::TrustsOrderBetweenPairs, |counts| counts.mail_overtaken);
}
