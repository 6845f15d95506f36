//! The log's bytes: they survive reading, cuts and damage are told apart, nothing panics.
use super::history::random_world;
use super::{Entry, FormatError, Image, Tail, World, topic};
use crate::base::{Rng, crc32c};
use crate::cluster::{
    Command, ENTRY_BYTES_MAX, HEADER_BYTES, check_header, decode_entries, encode_entry, file_header,
};

/// Entries as one file's body, each written after all before it were synced; and their ends.
fn encoded(entries: &[Entry]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut ends = vec![0];
    for entry in entries {
        bytes.extend_from_slice(&encode_entry(entry, entry.index - 1).unwrap());
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn small_world() -> World {
    let mut world = World::new(&[]);
    world.create(&topic("flights", 3));
    world.create(&topic("delays", 1));
    world
}

#[test]
fn entries_survive_writing_and_reading() {
    for seed in 0..20 {
        let world = random_world(&mut Rng::new(seed), 100);
        let (bytes, _) = encoded(&world.entries);
        let decoded = decode_entries(&bytes, 1);
        assert_eq!(decoded.entries, world.entries);
        assert_eq!((decoded.valid_bytes, decoded.tail), (bytes.len(), Tail::Clean));
    }
}

#[test]
fn a_cut_anywhere_keeps_every_whole_entry() {
    let world = small_world();
    let (bytes, ends) = encoded(&world.entries);
    for cut in 0..bytes.len() {
        let decoded = decode_entries(&bytes[..cut], 1);
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(decoded.entries, world.entries[..whole]);
        assert_eq!(decoded.valid_bytes, ends[whole]);
        let tail = if ends.contains(&cut) { Tail::Clean } else { Tail::Torn };
        assert_eq!(decoded.tail, tail, "cut at {cut}");
    }
}

#[test]
fn damage_before_a_synced_entry_is_not_taken_for_a_torn_tail() {
    let world = small_world();
    let (bytes, ends) = encoded(&world.entries);
    let last = ends[ends.len() - 2];
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        let decoded = decode_entries(&damaged, 1);
        assert!(decoded.entries.len() < world.entries.len());
        match decoded.tail {
            Tail::Corrupt { .. } => assert!(at < last, "byte {at} is in the unsynced entry"),
            Tail::Torn => assert!(last <= at, "byte {at} of a synced entry passed for torn"),
            Tail::Clean => panic!("byte {at} was not noticed"),
        }
    }
}

#[test]
fn a_hole_among_entries_of_one_sync_is_a_torn_tail() {
    let world = small_world();
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for entry in &world.entries {
        // The last three were on their way together when the power went.
        let stable = (entry.index - 1).min(world.image.version() - 3);
        bytes.extend_from_slice(&encode_entry(entry, stable).unwrap());
        ends.push(bytes.len());
    }
    let hole = ends[ends.len() - 4] + 20;
    bytes[hole..hole + 4].fill(0);
    let decoded = decode_entries(&bytes, 1);
    assert_eq!(decoded.tail, Tail::Torn);
    assert_eq!(decoded.entries.len(), world.entries.len() - 3);
}

#[test]
fn a_wrong_first_index_is_noticed() {
    let (bytes, _) = encoded(&small_world().entries);
    let decoded = decode_entries(&bytes, 2);
    assert!(decoded.entries.is_empty());
    assert_ne!(decoded.tail, Tail::Clean);
}

#[test]
fn no_bytes_make_the_reader_panic_or_believe_what_was_not_written() {
    let mut rng = Rng::new(11);
    let world = random_world(&mut rng, 60);
    let (bytes, _) = encoded(&world.entries);
    let snapshot = world.image.to_snapshot();
    for _ in 0..4_000 {
        let mut mutated = bytes.clone();
        for _ in 0..1 + rng.below(4) {
            let at = usize::try_from(rng.below(mutated.len() as u64)).unwrap();
            match rng.below(4) {
                0 => mutated.truncate(at.max(1)),
                1 => mutated[at] = 0xff,
                2 => drop(mutated.splice(at..at, [0, 0, 0, 40])),
                _ => mutated[at] ^= 1 << rng.below(8),
            }
        }
        let decoded = decode_entries(&mutated, 1);
        assert_eq!(decoded.entries, world.entries[..decoded.entries.len()]);
        let at = usize::try_from(rng.below(snapshot.len() as u64)).unwrap();
        let mut damaged = snapshot.to_vec();
        damaged[at] ^= 1 << rng.below(8);
        assert!(Image::from_snapshot(&damaged).is_err(), "byte {at}");
        assert!(Image::from_snapshot(&snapshot[..at]).is_err());
    }
}

#[test]
fn files_of_other_versions_and_foreign_ones_are_refused_in_one_sentence() {
    let header = file_header();
    assert_eq!((header.len(), check_header(&header)), (HEADER_BYTES, Ok(())));
    let of_version = |version: u32| {
        let mut other = header.to_vec();
        other[8..12].copy_from_slice(&version.to_be_bytes());
        let crc = crc32c(&other[..12]);
        other[12..].copy_from_slice(&crc.to_be_bytes());
        check_header(&other).unwrap_err().to_string()
    };
    assert_eq!(
        of_version(3),
        "it has format version 3, this Logmill reads 2: start the newer Logmill that wrote it"
    );
    assert_eq!(
        of_version(1),
        "it has format version 1, this Logmill reads 2: a version before the first release wrote \
         it; begin with an empty directory"
    );
    assert_eq!(check_header(b"not a metadata file"), Err(FormatError::Foreign));
    assert!(matches!(check_header(&header[..9]), Err(FormatError::Damaged { .. })));
    let mut damaged = header.to_vec();
    damaged[13] ^= 1;
    assert!(matches!(check_header(&damaged), Err(FormatError::Damaged { .. })));
    let snapshot = Image::empty().to_snapshot();
    let mut newer = snapshot.to_vec();
    newer[8..12].copy_from_slice(&7_u32.to_be_bytes());
    assert_eq!(Image::from_snapshot(&newer), Err(FormatError::Newer { found: 7 }));
    let mut damaged = snapshot.to_vec();
    damaged[11] ^= 2;
    assert!(matches!(Image::from_snapshot(&damaged), Err(FormatError::Damaged { .. })));
}

#[test]
fn a_command_that_could_not_be_read_back_is_not_written() {
    let configs = [("x".to_owned(), "y".repeat(ENTRY_BYTES_MAX))].into();
    let command = Command::SetGroupConfigs { group: "g".to_owned(), configs };
    let entry = Entry { index: 1, term: 1, at_ms: 0, command };
    assert!(matches!(encode_entry(&entry, 0), Err(FormatError::TooLarge { .. })));
}

#[test]
fn an_entry_of_an_unknown_command_stops_the_start() {
    let body = br#"[0,{"teleport":{}}]"#;
    let mut covered = Vec::new();
    for number in [1_u64, 1, 0] {
        covered.extend_from_slice(&number.to_be_bytes());
    }
    covered.extend_from_slice(body);
    let mut bytes = u32::try_from(covered.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(&crc32c(&covered).to_be_bytes());
    bytes.extend_from_slice(&covered);
    assert!(matches!(decode_entries(&bytes, 1).tail, Tail::Corrupt { at: 0, .. }));
}
