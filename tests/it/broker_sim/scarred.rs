//! Bits that change between a crash and the start after it, when nobody knows what was torn.
//!
//! Owns: what the disk tells before the bit changes, what may go then and no more; two canaries
//! with a right checksum over wrong bytes, as if the start checked none.
//! Leaves to others: bits that change after a stop in order (`rot`), one log (`log`'s own tests).
//! Invariant: what may go is at and behind the changed batch, above the recovery point, in that
//! partition; or it is in the last block of a journal, which cannot be told from a torn one.
//! Start reading at: [`scar`], then [`Scene::spared`].
use std::collections::BTreeMap;

use logmill::base::{Bytes, Rng, crc32c, crc32c_append};
use logmill::env::{Env, IoError, OpenHow};
use logmill::record::{Codec, Header, Records, Scanned, next_batch};
use logmill::sim::{ADDRESS, DATA_DIR, Death, KafkaClient, MachineId};

use super::audit::{Verdict, metadata, read};
use super::canaries::small;
use super::clients::Site;
use super::model::{PARTITIONS, TOPIC};
use super::rot::{Fate, KINDS, is_of, watch};
use super::{HANGS_MS, Plan, Run, seed_count, seeds};

const FILE_BYTES_MAX: usize = 1 << 20;
const UNIT: usize = 4_096;
const SLOT: usize = 72;
const BLOCK_HEAD: usize = 40;
const ENTRY_HEAD: usize = 64;
const BATCH_HEAD: usize = 61;

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn small_number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// A batch in a journal's block.
struct Entry {
    topic_id: [u8; 16],
    partition: i32,
    base: i64,
    /// Position and bytes of the batch in the file.
    at: usize,
    bytes: usize,
}

/// The blocks of a journal that a start believes, the last one in detail; layout:
/// `log::journal::format`.
struct Blocks {
    journal: u64,
    /// Position and bytes of each.
    all: Vec<(usize, usize)>,
    at: usize,
    bytes: usize,
    entries: Vec<Entry>,
}

impl Blocks {
    fn find(file: &[u8]) -> Option<Self> {
        let slots = [0, UNIT].map(|at| file.get(at..at + SLOT).unwrap_or_default());
        let slot = slots.into_iter().filter(|slot| slot.starts_with(b"LogmillJ"));
        let slot = slot.max_by_key(|slot| number(slot, 16))?;
        let journal = number(slot, 60);
        let (salt, mut sequence, mut at) =
            (number(slot, 24), number(slot, 48), number(slot, 40) as usize);
        let fits = |at: usize, sequence: u64| {
            let head = file.get(at..at + BLOCK_HEAD)?;
            let is_next = head.starts_with(b"LMJb")
                && (number(head, 8), number(head, 16)) == (salt, sequence);
            is_next.then(|| small_number(head, 32) as usize)
        };
        let mut all = Vec::new();
        while let Some((found, bytes)) =
            [at, 2 * UNIT].iter().find_map(|at| Some((*at, fits(*at, sequence)?)))
        {
            all.push((found, bytes));
            (at, sequence) = (found + bytes.next_multiple_of(UNIT), sequence + 1);
        }
        let (at, bytes) = *all.last()?;
        let (mut entries, mut next) = (Vec::new(), at + BLOCK_HEAD);
        for _ in 0..small_number(file, at + 28) {
            let head = file.get(next..next + ENTRY_HEAD)?;
            let bytes = small_number(head, 36) as usize;
            entries.push(Entry {
                topic_id: head[..16].try_into().expect("sixteen bytes"),
                partition: small_number(head, 16) as i32,
                base: number(head, 40) as i64,
                at: next + ENTRY_HEAD,
                bytes,
            });
            next += ENTRY_HEAD + bytes;
        }
        Some(Self { journal, all, at, bytes, entries })
    }

    /// The block's checksum over what it holds now.
    fn seal(&self, file: &mut [u8]) {
        let mut head = file[self.at..self.at + BLOCK_HEAD].to_vec();
        head[4..8].fill(0);
        let mut crc = crc32c_append(crc32c(&self.journal.to_le_bytes()), &head);
        for entry in &self.entries {
            crc = crc32c_append(crc, &file[entry.at - ENTRY_HEAD..entry.at + BATCH_HEAD]);
        }
        file[self.at + 4..self.at + 8].copy_from_slice(&crc.to_le_bytes());
    }
}

/// What the disk of a node that died tells.
#[derive(Default)]
struct Scene {
    /// Of each segment of the topic: where batches begin and end, and their first offsets.
    batches: BTreeMap<String, Vec<(u64, u64, i64)>>,
    /// Recovery points; and the newest producer snapshots, from which a start reads if they hold.
    points: BTreeMap<i32, i64>,
    snapshots: BTreeMap<i32, i64>,
    journals: BTreeMap<String, Blocks>,
}

async fn whole(env: &Env, path: &str) -> Result<Bytes, IoError> {
    let file = env.open(path, OpenHow::Read).await?;
    env.read_at(&file, 0, FILE_BYTES_MAX).await
}

fn partition_of(path: &str) -> Option<i32> {
    let folder = path.strip_prefix(DATA_DIR)?.strip_prefix('/')?.split('/').next()?;
    folder.strip_prefix(TOPIC)?.strip_prefix('-')?.parse().ok()
}

/// The paths of all files of the log directory and its partitions.
async fn paths(env: &Env) -> Result<Vec<String>, IoError> {
    let mut all = Vec::new();
    for entry in env.list_dir(DATA_DIR).await? {
        let path = format!("{DATA_DIR}/{}", entry.name);
        if !entry.is_dir {
            all.push(path);
            continue;
        }
        let inside = env.list_dir(&path).await?.into_iter().filter(|entry| !entry.is_dir);
        all.extend(inside.map(|entry| format!("{path}/{}", entry.name)));
    }
    Ok(all)
}

fn snapshot_of(path: &str) -> Option<i64> {
    path.strip_suffix(".snapshot")?.rsplit('/').next()?.parse().ok()
}

/// What a changed byte may do.
#[derive(Clone, Default)]
struct Harm {
    /// From which offset on records of each partition may go.
    spared: BTreeMap<i32, i64>,
    /// The partition in which a wrong checksum may be served: no start reads that far back.
    unread: Option<i32>,
}

impl Scene {
    async fn look(env: Env) -> Result<Self, IoError> {
        let mut scene = Self::default();
        for path in paths(&env).await? {
            if path.ends_with("/recovery-point-offset-checkpoint") {
                let bytes = whole(&env, &path).await?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                for line in text.lines() {
                    if let [TOPIC, partition, offset] = line.split(' ').collect::<Vec<_>>()[..] {
                        let partition = partition.parse().expect("a number");
                        scene.points.insert(partition, offset.parse().expect("a number"));
                    }
                }
            } else if let Some((partition, offset)) = partition_of(&path).zip(snapshot_of(&path)) {
                let newest = scene.snapshots.entry(partition).or_default();
                *newest = offset.max(*newest);
            } else if path.ends_with(".journal") {
                let bytes = whole(&env, &path).await?;
                scene.journals.extend(Blocks::find(&bytes).map(|last| (path, last)));
            } else if path.ends_with(".log") && partition_of(&path).is_some() {
                let (bytes, mut at, mut batches) = (whole(&env, &path).await?, 0, Vec::new());
                while let Scanned::Batch(header, total) = next_batch(&bytes[at..]) {
                    batches.push((at as u64, (at + total) as u64, header.base_offset.0));
                    at += total;
                }
                scene.batches.insert(path, batches);
            }
        }
        Ok(scene)
    }

    /// A byte that a start reads of a journal: most of the file holds nothing.
    fn aim(&self, seed: u64) -> Option<(String, u64)> {
        let mut dice = Rng::new(seed);
        let at = dice.below(self.journals.len().max(1) as u64) as usize;
        let (path, blocks) = self.journals.iter().nth(at)?;
        // Often the last one, which cannot be told from a torn one.
        let count = blocks.all.len() as u64;
        let chosen = if dice.chance(300) { count - 1 } else { dice.below(count) };
        let (at, bytes) = blocks.all[chosen as usize];
        Some((path.clone(), at as u64 + dice.below(bytes as u64)))
    }

    /// What that byte may do when it is another.
    fn harm(&self, site: &Site, path: &str, at: u64) -> Harm {
        let mut harm = Harm::default();
        if let Some(blocks) = self.journals.get(path) {
            let last = blocks.at as u64..(blocks.at + blocks.bytes) as u64;
            let entries = blocks.entries.iter().filter(|entry| entry.topic_id == site.topic_id.0);
            let entries = entries.filter(|_| last.contains(&at)).rev();
            harm.spared = entries.map(|entry| (entry.partition, entry.base)).collect();
        }
        if let (Some(partition), Some(batches)) = (partition_of(path), self.batches.get(path)) {
            let known = |of: &BTreeMap<i32, i64>| of.get(&partition).copied().unwrap_or(0);
            let (point, snapshot) = (known(&self.points), known(&self.snapshots));
            // Behind the last whole batch there is only what was torn.
            let hit = batches.iter().find(|(from, to, _)| (*from..*to).contains(&at));
            if let Some((_, _, base)) = hit {
                harm.spared.insert(partition, point.max(*base));
                harm.unread = Some(partition).filter(|_| *base < point.max(snapshot));
            }
        }
        harm
    }
}

/// Runs a future on the disk of a node that is off.
fn on_disk<T: 'static, F: Future<Output = Result<T, IoError>> + 'static>(
    run: &Run,
    work: impl FnOnce(Env) -> F,
) -> T {
    let world = &run.broker.world;
    let mut shards = world.boot(MachineId::FIRST, 1);
    let done = world.block_on(&mut shards, work).expect("the disk works");
    world.crash(MachineId::FIRST, shards);
    done
}

/// What readers find of each partition, where so much may be gone; how many records are.
async fn look(site: &Site, harm: &Harm, death: Death) -> Verdict<(Fate, u64)> {
    let mut client = KafkaClient::connect(&site.env, ADDRESS, "auditor").await?;
    match metadata(&mut client).await? {
        Err(sentence) if sentence == "metadata: error 3" => return Ok(Err(sentence)),
        Err(_) => return Ok(Ok((Fate::Told, 0))),
        Ok(_) => {}
    }
    let (mut fate, mut gone) = (Fate::Harmless, 0);
    for partition in 0..PARTITIONS {
        match read(&mut client, site, partition).await? {
            Ok(log) => {
                let mut model = site.model.borrow_mut();
                if let Some(from) = harm.spared.get(&partition) {
                    gone += model.spare(partition, (*from).max(0), log.len() as i64);
                }
                model.check_log(partition, &log, Some(death));
            }
            Err(sentence) if sentence.contains("checksum") && harm.unread != Some(partition) => {
                return Ok(Err(format!("{partition}: {sentence}, and the start has read it")));
            }
            Err(_) => fate = Fate::Told,
        }
    }
    Ok(Ok((fate, gone)))
}

fn look_at(run: &mut Run, harm: Harm, death: Death) -> Result<(Fate, u64), String> {
    let site = run.site.clone();
    watch(run, move || {
        let (site, harm) = (site.clone(), harm.clone());
        async move { look(&site, &harm, death).await }
    })
}

/// Changes one bit of a byte.
async fn flip(env: &Env, path: &str, at: u64) -> Result<(), IoError> {
    let file = env.open(path, OpenHow::ReadWrite).await?;
    let byte = env.read_at(&file, at, 1).await?[0] ^ 1 << (at % 8);
    env.write_all_at(&file, at, vec![vec![byte].into()]).await?;
    env.sync_data(&file).await
}

/// A life that ends with that death; the run, whose node is off.
fn dead(seed: u64, settings: &[(&'static str, &'static str)], death: Death) -> Run {
    let plan = Plan { death: Some(death), settings: settings.to_vec(), ..small() };
    let mut run = Run::new(seed, &plan);
    run.live().unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
    run
}

/// One life, a death, and one bit of one file of that kind is another.
fn scar(seed: u64, kind: &'static str, death: Death) -> (Fate, u64) {
    let mut run = dead(seed, &[], death);
    let scene = on_disk(&run, Scene::look);
    let rotten = match scene.aim(seed) {
        Some(aimed) if kind == ".journal" => {
            let held = aimed.clone();
            on_disk(&run, |env| async move { flip(&env, &held.0, held.1).await });
            Some(aimed)
        }
        _ => run.broker.world.rot(MachineId::FIRST, is_of(kind)),
    };
    let Some((path, at)) = rotten else { return (Fate::Nothing, 0) };
    let told = format!("SEED={seed}: {death:?}, then byte {at} of {path}");
    run.broker.start(2);
    if let Err(sentence) = run.broker.served(HANGS_MS) {
        assert!(sentence.contains('/'), "{told}: {sentence:?} names no file");
        return (Fate::Refused, 0);
    }
    let harm = scene.harm(&run.site, &path, at);
    let looked = look_at(&mut run, harm, death);
    let mut broken = run.site.model.borrow().broken.clone();
    let fate = looked.unwrap_or_else(|sentence| {
        broken.push(sentence);
        (Fate::Told, 0)
    });
    // Kafka's checksum of a batch does not cover its leader epoch.
    if kind == ".log" {
        broken.retain(|line| !line.contains(": epoch "));
    }
    assert!(broken.is_empty(), "{told}: {broken:#?}");
    assert!(kind != ".journal" || fate.0 == Fate::Harmless, "{told}: {fate:?}");
    fate
}

#[test]
fn a_bit_that_changes_before_the_start_after_a_crash_takes_its_own_batch_at_most() {
    let mut fates: BTreeMap<(&str, Fate), (u64, u64)> = BTreeMap::new();
    for seed in seeds(seed_count().div_ceil(50)) {
        for kind in KINDS {
            for death in [Death::Crash, Death::PowerCut] {
                let (fate, gone) = scar(seed, kind, death);
                let sum = fates.entry((kind, fate)).or_default();
                *sum = (sum.0 + 1, sum.1 + gone);
            }
        }
    }
    println!("times, and acknowledged records that went with what cannot be told from torn:");
    println!("{fates:#?}");
}

/// Changes a bit of the newest slot of every journal, where the other one can be read; how many.
async fn scratch_slots(env: Env) -> Result<u64, IoError> {
    let mut scratched = 0;
    for path in paths(&env).await?.into_iter().filter(|path| path.ends_with(".journal")) {
        let bytes = whole(&env, &path).await?;
        let slots = [0, UNIT].map(|at| (at, bytes.get(at..at + SLOT).unwrap_or_default()));
        let is_whole = |slot: &[u8]| {
            slot.starts_with(b"LogmillJ") && small_number(slot, 68) == crc32c(&slot[..68])
        };
        if !slots.iter().all(|(_, slot)| is_whole(slot)) {
            continue;
        }
        let (at, slot) = slots.into_iter().max_by_key(|(_, slot)| number(slot, 16)).expect("two");
        let mut slot = slot.to_vec();
        slot[44] ^= 8;
        let file = env.open(&path, OpenHow::ReadWrite).await?;
        env.write_all_at(&file, at as u64, vec![slot.into()]).await?;
        env.sync_data(&file).await?;
        scratched += 1;
    }
    Ok(scratched)
}

/// The tail before the newest one lies among blocks that are written over by now.
#[test]
fn a_bit_that_changes_in_a_slot_of_a_journal_brings_no_old_tail_back() {
    let mut scratched = 0;
    for seed in seeds(seed_count().div_ceil(25)) {
        for death in [Death::Crash, Death::PowerCut] {
            let mut run = dead(seed, &[("journal.bytes", "65536")], death);
            scratched += on_disk(&run, scratch_slots);
            run.broker.start(2);
            run.broker.served(HANGS_MS).unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
            let looked = look_at(&mut run, Harm::default(), death);
            let broken = &run.site.model.borrow().broken;
            assert!(looked == Ok((Fate::Harmless, 0)), "SEED={seed}: {looked:?}");
            assert!(broken.is_empty(), "SEED={seed}: {broken:#?}");
        }
    }
    println!("{scratched} slots");
    assert!(0 < scratched);
}

/// Changes the first letter of the first record of a batch, under a right checksum.
fn forge(batch: &mut [u8]) -> bool {
    let bytes = Bytes::copy_from_slice(batch);
    let is_plain = Header::decode(&bytes).is_some_and(|header| header.codec() == Some(Codec::None));
    let Ok(records) = Records::decode(&bytes, FILE_BYTES_MAX) else { return false };
    let value = records.rows.first().and_then(|row| records.value(row)).unwrap_or_default();
    let place = batch.windows(value.len().max(1)).rposition(|window| window == value);
    let Some(place) = place.filter(|_| is_plain && !value.is_empty()) else { return false };
    batch[place] ^= 1;
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    true
}

/// Forges one batch of the topic, in a segment or in the last block of a journal.
async fn forge_one(
    env: Env,
    of: &'static str,
    topic_id: [u8; 16],
    mut dice: Rng,
) -> Result<bool, IoError> {
    let mut all = paths(&env).await?;
    all.retain(|path| path.ends_with(of) && (of == ".journal" || partition_of(path).is_some()));
    while !all.is_empty() {
        let path = all.swap_remove(dice.below(all.len() as u64) as usize);
        let mut bytes = whole(&env, &path).await?.to_vec();
        let forged = if of == ".journal" {
            let Some(last) = Blocks::find(&bytes) else { continue };
            let mut ours = last.entries.iter().filter(|entry| entry.topic_id == topic_id);
            let forged = ours.any(|entry| forge(&mut bytes[entry.at..entry.at + entry.bytes]));
            last.seal(&mut bytes);
            forged
        } else {
            match next_batch(&bytes) {
                Scanned::Batch(_, total) => forge(&mut bytes[..total]),
                _ => false,
            }
        };
        if forged {
            let file = env.open(&path, OpenHow::ReadWrite).await?;
            env.write_all_at(&file, 0, vec![bytes.into()]).await?;
            env.sync_data(&file).await?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the checks notice a start that takes a wrong batch for right.
fn is_noticed(seed: u64, of: &'static str, settings: &[(&'static str, &'static str)]) -> bool {
    let mut run = dead(seed, settings, Death::Crash);
    let (topic_id, dice) = (run.site.topic_id.0, Rng::new(seed));
    if !on_disk(&run, |env| forge_one(env, of, topic_id, dice)) {
        return false;
    }
    run.broker.start(2);
    run.broker.served(HANGS_MS).expect("it believes everything");
    let looked = look_at(&mut run, Harm::default(), Death::Crash);
    let broken = &run.site.model.borrow().broken;
    let is_wrong = |line: &String| line.contains("was never sent") || line.contains("is lost");
    looked.is_ok() && broken.iter().any(is_wrong)
}

#[test]
fn a_start_that_checks_no_checksum_of_a_segment_is_noticed() {
    assert!((0..6).any(|seed| is_noticed(seed, ".log", &[("journal.bytes", "0")])));
}

#[test]
fn a_start_that_checks_no_checksum_of_a_journal_is_noticed() {
    assert!((0..6).any(|seed| is_noticed(seed, ".journal", &[])));
}
