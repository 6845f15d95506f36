//! `verify` is recovery on a stage: what it says of a damaged directory is what happens to it.
use std::path::Path;

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

/// A partition's directory after a stop or a crash, and what is in it.
fn written(seed: u64) -> (Disk, Vec<(i64, String)>, bool) {
    let (temporary, closed) = (temporary(), seed.is_multiple_of(2));
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
    (read_dir(Path::new(&place_in(temporary.path()).path())), values, closed)
}

/// Does something bad to one or more files; says whether a segment is gone as a whole.
fn damage(disk: &mut Disk, dice: &mut Rng) -> bool {
    let mut lost = false;
    for _ in 0..1 + dice.below(2) {
        let names: Vec<String> = disk.keys().cloned().collect();
        let name = names[dice.below(names.len() as u64) as usize].clone();
        let bytes = disk.get_mut(&name).unwrap();
        let at = dice.below(bytes.len() as u64 + 1) as usize;
        match dice.below(5) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 => {
                lost |= name.ends_with(".log");
                disk.remove(&name);
            }
            3 => bytes.extend((0..1 + dice.below(90)).map(|_| dice.next_u64() as u8)),
            _ => {
                let end = bytes.len().min(at + dice.below(60) as usize);
                bytes[at..end].fill(0);
            }
        }
    }
    lost
}

/// What opening came to: the error's words, or what recovery did and where the log ends.
type Outcome = Result<(Recovered, Ends), String>;

async fn outcome(env: Env, dir: String, start: Start) -> (Outcome, Vec<Damage>) {
    let opened = open_at(&env, &dir, 7, start).await;
    let unnoticed = unnoticed_damage(&env, &format!("{dir}/flights-3")).await.unwrap_or_default();
    let told = opened.map(|log| (log.recovered().clone(), log.ends()));
    (told.map_err(|error| error.to_string()), unnoticed)
}

#[test]
fn verify_says_of_a_thousand_damaged_directories_what_recovery_does() {
    let bases: Vec<_> = (0..16).map(written).collect();
    let counts = std::cell::Cell::new((0, 0, 0));
    crate::sim::each_seed(1_000, |seed| {
        let mut dice = Rng::new(seed);
        let (base, values, closed) = &bases[dice.below(bases.len() as u64) as usize];
        let mut disk = base.clone();
        let lost = damage(&mut disk, &mut dice);
        let temporary = temporary();
        let (dir, log_dir) = (temporary.path(), place_in(temporary.path()).path());
        write_dir(Path::new(&log_dir), &disk);
        let point = Offset(dice.below(values.len() as u64 + 1) as i64);
        let start = match dice.below(4) {
            0 if *closed => Start::Clean,
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
        let (mut refused, mut cut, mut whole) = counts.get();
        match deeds {
            Err(_) => refused += 1,
            Ok((recovered, _)) if !recovered.damage.is_empty() || !left.is_empty() => cut += 1,
            Ok((_, ends)) => {
                whole += 1;
                // Nothing was said, so nothing is missing that had to be there.
                let found = block_on(Run::Real, move |env| async move {
                    let again = Start::Unclean { recovery_point: None };
                    let log = open_at(&env, &text, 9, again).await.unwrap();
                    super::values(&log).await
                });
                // Where a log begins only its first file says; and a last one without indexes may
                // never have been.
                assert!(lost || found.len() == ends.log_end.0 as usize);
                assert!(found.iter().all(|record| values.contains(record)));
            }
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
    let (disk, values, _) = all.find(|(disk, ..)| 2 < segments(disk)).unwrap();
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
