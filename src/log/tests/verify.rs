//! `verify` is recovery on a stage: what it says of a damaged directory is what happens to it; and
//! both are held against a model that knows what was written and what was damaged.
use std::path::Path;

use super::foreign::{CLEANED, batches_at};
use super::*;
use crate::base::Rng;
use crate::io::offline::{Run, block_on};

type Disk = BTreeMap<String, Vec<u8>>;

/// Names and contents of a partition's directory.
fn read_dir(dir: &Path) -> Disk {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

fn write_dir(dir: &Path, disk: &Disk) {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).unwrap();
    for (name, bytes) in disk {
        std::fs::write(dir.join(name), bytes).unwrap();
    }
}

/// Memory where there is such a place: nobody's disk is asked for thousands of syncs.
fn temporary() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn place_in(dir: &Path) -> LogPlace {
    LogPlace { dir: dir.to_str().unwrap().to_owned(), ..place() }
}

async fn open_at(env: &Env, dir: &str, epoch: i32, start: Start) -> Result<Rc<Log>, LogError> {
    let host = LogHost::new(env.clone(), LogMetrics::default(), TAIL_BYTES, QUEUE_BYTES, 0);
    let place = LogPlace { dir: dir.to_owned(), ..place() };
    Log::open(&host, place, small(), LeaderEpoch(epoch), start).await
}

/// Who wrote a directory, and how that ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Stopped,
    Killed,
    /// Apache Kafka compacted it and was killed.
    ByKafka,
}

/// A directory, and the records in it.
struct Written {
    disk: Disk,
    values: Vec<(i64, String)>,
    left: Left,
}

impl Written {
    fn end(&self) -> i64 {
        self.values.last().map_or(0, |(offset, _)| offset + 1)
    }

    /// Behind the last record that damage has left whole with all before it, by what was written
    /// and which bytes changed: nothing here knows how recovery works.
    fn whole_end(&self, damaged: &Disk) -> i64 {
        let bound = self.first_change(damaged);
        let whole = self.values.iter().rev().find(|(offset, _)| *offset < bound);
        whole.map_or(0, |(offset, _)| offset + 1)
    }

    /// Where the first batch lies, or begins to be missing, that is not as it was.
    fn first_change(&self, damaged: &Disk) -> i64 {
        let logs = self.disk.keys().filter(|name| name.ends_with(".log"));
        for name in logs {
            let (before, after) = (&self.disk[name], damaged.get(name));
            let base: i64 = name.strip_suffix(".log").unwrap().parse().unwrap();
            let Some(after) = after else { return base };
            let (mut at, mut end) = (0, base);
            while at < before.len() {
                let Scanned::Batch(header, bytes) = next_batch(&before[at..]) else { panic!() };
                if after.get(at..at + bytes) != Some(&before[at..at + bytes]) {
                    return end;
                }
                (at, end) = (at + bytes, header.next_offset().0);
            }
            if before.len() < after.len() {
                return end;
            }
        }
        self.end()
    }

    /// Below it everything was durable, as far as what is left can say.
    fn stable_end(&self, damaged: &Disk, start: Start) -> i64 {
        let is_whole = |name: &&String| {
            name.ends_with(".snapshot") && damaged.get(*name) == self.disk.get(*name)
        };
        let snapshots = self.disk.keys().filter(is_whole);
        let newest = snapshots.map(|name| name[..20].parse().unwrap()).max().unwrap_or(0);
        match start {
            Start::Foreign { recovery_point } => recovery_point.map_or(0, |point| point.0),
            Start::Unclean { recovery_point } => {
                recovery_point.map_or(newest, |point| newest.max(point.0))
            }
            Start::Clean | Start::New => newest,
        }
    }

    /// Holds what opening came to against what must be left.
    fn check(&self, damaged: &Disk, start: Start, found: &Outcome, unnoticed: &[Damage]) {
        let (whole_end, stable_end) = (self.whole_end(damaged), self.stable_end(damaged, start));
        let Ok(Found { ends, read, times, .. }) = found else {
            assert!(whole_end < stable_end, "refused, and nothing stable is gone: {found:?}");
            return;
        };
        let log_end = ends.log_end.0;
        assert!(whole_end.min(self.end()) <= log_end, "cut at {log_end}, whole to {whole_end}");
        assert!(stable_end <= log_end, "cut at {log_end}, stable to {stable_end}");
        for one in unnoticed {
            // An index is complained of also when it is its segment that changed.
            let stem = &one.path.rsplit('/').next().unwrap()[..20];
            let mut names = self.disk.keys().filter(|name| name.starts_with(stem));
            let changed = names.any(|name| damaged.get(name) != self.disk.get(name));
            assert!(changed, "{} is as it was", one.path);
        }
        if !unnoticed.is_empty() {
            return;
        }
        let log_start = ends.log_start.0;
        let upper = whole_end.min(log_end);
        let want = self.values.iter().filter(|(offset, _)| (log_start..upper).contains(offset));
        let read = read.as_ref().unwrap();
        assert!(read.iter().take_while(|(offset, _)| *offset < upper).eq(want.clone()));
        let is_index = |name: &&String| name.ends_with("index");
        let same =
            self.disk.keys().filter(is_index).all(|name| damaged.get(name) == self.disk.get(name));
        if same && self.left != Left::ByKafka && log_start == 0 {
            let want: Vec<Option<i64>> = (0..upper).map(Some).collect();
            assert_eq!(times.as_ref().unwrap()[..upper as usize], want);
        }
    }
}

/// Segments that Kafka's cleaner went over, as they lie when Kafka is killed; no index file needs
/// to be right then.
fn by_kafka() -> Written {
    let mut disk = Disk::new();
    for (base, offsets) in CLEANED {
        disk.insert(format!("{base:020}.log"), batches_at(offsets));
    }
    let offsets = CLEANED.iter().flat_map(|(_, offsets)| offsets.iter());
    let values = offsets.map(|offset| (*offset, format!("v{offset}"))).collect();
    Written { disk, values, left: Left::ByKafka }
}

/// A partition's directory after a stop or a crash.
fn written(seed: u64) -> Written {
    let (temporary, closed) = (temporary(), seed.is_multiple_of(2));
    let left = if closed { Left::Stopped } else { Left::Killed };
    let dir = temporary.path().to_str().unwrap().to_owned();
    let values = block_on(Run::Real, move |env| async move {
        let mut dice = Rng::new(seed);
        let log = open_at(&env, &dir, 0, Start::New).await.unwrap();
        for n in 0..40 + dice.below(80) as i64 {
            let spec = spec(Some((n % 3, 0, n as i32 / 3)));
            let value = format!("value {n}");
            let told = log.append(&batch_of(&spec, n, &[&value]), Acks::Leader, 5).unwrap();
            told.ack.await.unwrap();
            if dice.chance(30) {
                log.settle(100).await.unwrap();
            }
        }
        let values = values(&log).await;
        if closed {
            log.close().await.unwrap();
        }
        values
    });
    Written { disk: read_dir(Path::new(&place_in(temporary.path()).path())), values, left }
}

/// Does something bad to one or more files.
fn damage(disk: &mut Disk, dice: &mut Rng) {
    for _ in 0..1 + dice.below(2) {
        let names: Vec<String> = disk.keys().cloned().collect();
        let name = names[dice.below(names.len() as u64) as usize].clone();
        let bytes = disk.get_mut(&name).unwrap();
        let at = dice.below(bytes.len() as u64 + 1) as usize;
        match dice.below(5) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 => drop(disk.remove(&name)),
            3 => bytes.extend((0..1 + dice.below(90)).map(|_| dice.next_u64() as u8)),
            _ => {
                let end = bytes.len().min(at + dice.below(60) as usize);
                bytes[at..end].fill(0);
            }
        }
    }
}

/// What is in a log that could be opened.
#[derive(Debug, PartialEq)]
struct Found {
    recovered: Recovered,
    ends: Ends,
    /// All records, or why they cannot be read.
    read: Result<Vec<(i64, String)>, String>,
    /// For each time from 0 on, the offset that a search finds.
    times: Result<Vec<Option<i64>>, String>,
}

/// What opening came to: what is there, or the error's words.
type Outcome = Result<Found, String>;

async fn outcome(env: Env, dir: String, start: Start) -> (Outcome, Vec<Damage>) {
    let opened = open_at(&env, &dir, 7, start).await;
    let unnoticed = unnoticed_damage(&env, &format!("{dir}/flights-3")).await.unwrap_or_default();
    let log = match opened {
        Ok(log) => log,
        Err(error) => return (Err(error.to_string()), unnoticed),
    };
    let (recovered, ends) = (log.recovered().clone(), log.ends());
    let (read, times) = (read_to_end(&log).await, search_all(&log).await);
    (Ok(Found { recovered, ends, read, times }), unnoticed)
}

async fn read_to_end(log: &Log) -> Result<Vec<(i64, String)>, String> {
    let (ends, mut out) = (log.ends(), Vec::new());
    let mut from = ends.log_start;
    while from < ends.log_end {
        let found = log.read(from, 700, FirstBatch::Always, ends.log_end).await;
        let bytes = Bytes::from(found.map_err(|error| error.to_string())?.slices.concat());
        let mut at = 0;
        while at < bytes.len() {
            let Scanned::Batch(header, total) = next_batch(&bytes[at..]) else {
                return Err(format!("no batch behind {from}"));
            };
            let records = Records::decode(&bytes.slice(at..at + total), 1 << 20);
            let records = records.map_err(|error| error.to_string())?;
            let text =
                |row| String::from_utf8_lossy(records.value(row).unwrap_or(b"")).into_owned();
            out.extend(records.rows.iter().map(|row| (row.offset.0, text(row))));
            (at, from) = (at + total, header.next_offset());
        }
        if bytes.is_empty() {
            break;
        }
    }
    Ok(out)
}

async fn search_all(log: &Log) -> Result<Vec<Option<i64>>, String> {
    let (mut out, upper) = (Vec::new(), log.ends().log_end);
    for time in 0..upper.0.min(200) {
        let hit = log.offset_for_timestamp(time, upper).await.map_err(|error| error.to_string())?;
        out.push(hit.map(|hit| hit.offset.0));
    }
    Ok(out)
}

#[test]
fn verify_says_of_a_thousand_damaged_directories_what_recovery_does() {
    let bases: Vec<Written> = (0..16).map(written).chain((0..4).map(|_| by_kafka())).collect();
    let counts = std::cell::Cell::new((0, 0, 0));
    crate::sim::each_seed(1_000, |seed| {
        let mut dice = Rng::new(seed);
        let base = &bases[dice.below(bases.len() as u64) as usize];
        let mut disk = base.disk.clone();
        damage(&mut disk, &mut dice);
        let temporary = temporary();
        let (dir, log_dir) = (temporary.path(), place_in(temporary.path()).path());
        write_dir(Path::new(&log_dir), &disk);
        let point = Offset(dice.below(base.end() as u64 + 1) as i64);
        let start = match dice.below(4) {
            0 | 1 if base.left == Left::ByKafka => Start::Foreign { recovery_point: None },
            _ if base.left == Left::ByKafka => Start::Foreign { recovery_point: Some(point) },
            0 if base.left == Left::Stopped => Start::Clean,
            1 => Start::Unclean { recovery_point: None },
            2 => Start::Foreign { recovery_point: Some(point) },
            _ => Start::Unclean { recovery_point: Some(point) },
        };
        let text = dir.to_str().unwrap().to_owned();
        let (words, unnoticed) = block_on(Run::Rehearsal, |env| outcome(env, text.clone(), start));
        assert_eq!(read_dir(Path::new(&log_dir)), disk, "a rehearsal changes nothing");
        let (deeds, left) = block_on(Run::Real, |env| outcome(env, text.clone(), start));
        assert_eq!(words, deeds, "what was said, and what was done");
        assert_eq!(unnoticed, left);
        base.check(&disk, start, &deeds, &left);
        let (mut refused, mut cut, mut whole) = counts.get();
        match deeds {
            Err(_) => refused += 1,
            Ok(found) if !found.recovered.damage.is_empty() || !left.is_empty() => cut += 1,
            Ok(_) => whole += 1,
        }
        counts.set((refused, cut, whole));
    });
    let (refused, cut, whole) = counts.get();
    let each = if std::env::var("SEED").is_ok() { 0 } else { 50 };
    assert!(each <= refused.min(cut).min(whole), "{refused} refused, {cut} cut, {whole} whole");
}

#[test]
fn what_is_cut_on_request_is_saved_first() {
    let segments = |disk: &Disk| disk.keys().filter(|name| name.ends_with(".log")).count();
    let mut all = (0..).map(|seed| written(2 * seed + 1));
    let Written { disk, values, .. } = all.find(|one| 2 < segments(&one.disk)).unwrap();
    let temporary = temporary();
    let log_dir = place_in(temporary.path()).path();
    write_dir(Path::new(&log_dir), &disk);
    let segments: Vec<&String> = disk.keys().filter(|name| name.ends_with(".log")).collect();
    assert!(2 < segments.len());
    let (name, before) = (segments[1].clone(), disk[segments[1]].clone());
    let mut bytes = before.clone();
    bytes[80] ^= 1;
    std::fs::write(format!("{log_dir}/{name}"), &bytes).unwrap();
    std::fs::remove_file(format!("{log_dir}/{}", name.replace(".log", ".index"))).unwrap();
    let (dir, save) = (temporary.path().to_str().unwrap(), temporary.path().join("save"));
    let (dir, save) = (dir.to_owned(), save.to_str().unwrap().to_owned());
    let (all, kept) = (values.len() as i64, save.clone());
    let end = block_on(Run::Real, move |env| async move {
        let start = Start::Unclean { recovery_point: Some(Offset(all)) };
        let error = open_at(&env, &dir, 1, start).await.err().unwrap();
        let LogError::Corrupt { path, position, .. } = error else { panic!("{error}") };
        let (saved, base) = cut_away(&env, &log_dir, &path, position, &kept).await.unwrap();
        assert!(0 < saved);
        let again = Start::Unclean { recovery_point: Some(base) };
        let log = open_at(&env, &dir, 2, again).await.unwrap();
        log.ends().log_end
    });
    assert!(Offset(0) < end && end < Offset(all));
    // Damaged segment first, from the damage on; the later ones whole.
    let saved = read_dir(Path::new(&save));
    let tail = saved.iter().find(|(file, _)| file.starts_with(&name)).unwrap();
    assert!(bytes.ends_with(tail.1));
    for later in &segments[2..] {
        assert_eq!(saved[*later], disk[*later]);
    }
}
