//! The metadata log's bytes: a file header, then entries; and the frame of a snapshot.
//!
//! Owns: framing, checksums, versions, telling a torn tail from damage.
//! Leaves to others: files and syncs (`shard`).
//! Invariant: bytes from a disk give an `Err` or a [`Decoded`], whatever they are.
//!
//! ```text
//! file     = "LGMMETA1" version:u32 crc32c(magic version):u32 entry*
//! entry    = length:u32 crc32c(rest):u32 index:u64 term:u64 stable:u64 JSON
//! snapshot = "LGMSNAP1" version:u32 length:u64 crc32c(version length JSON):u32 JSON
//! ```
//! Numbers are big-endian; `length` counts what follows the checksum. `stable` is the index of the
//! last entry that was known to be synced when this one was written: a gap before an entry that
//! knows better is damage, not the torn tail of a power cut.
use super::command::{Command, Entry};
use crate::base::{Bytes, crc32c};

/// Version that is written, and the only one that is read: 1 knew no log directories, and no
/// release wrote it.
pub const FORMAT_VERSION: u32 = 2;
/// Largest entry; a command for 10,000 partitions takes less than a tenth.
pub const ENTRY_BYTES_MAX: usize = 16 << 20;
/// Size of a log file's header.
pub const HEADER_BYTES: usize = 16;

const LOG_MAGIC: &[u8; 8] = b"LGMMETA1";
const SNAPSHOT_MAGIC: &[u8; 8] = b"LGMSNAP1";
/// Length and checksum before an entry.
const PREFIX_BYTES: usize = 8;
/// Index, term and stable index.
const FIXED_BYTES: usize = 24;
const SNAPSHOT_HEADER_BYTES: usize = 24;

/// Why bytes are no metadata of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("it is no metadata file of Logmill")]
    Foreign,
    #[error(
        "it has format version {found}, this Logmill reads {FORMAT_VERSION}: start the \
         newer Logmill that wrote it"
    )]
    Newer { found: u32 },
    #[error(
        "it has format version {found}, this Logmill reads {FORMAT_VERSION}: a version before the \
         first release wrote it; begin with an empty directory"
    )]
    Older { found: u32 },
    #[error("it is damaged: {reason}")]
    Damaged { reason: String },
    #[error("a command of {bytes} bytes is larger than {ENTRY_BYTES_MAX}")]
    TooLarge { bytes: usize },
}

/// How the entries end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With the last byte.
    Clean,
    /// Before the last byte, as a power cut leaves an unsynced end: cut the rest off.
    Torn,
    /// Entries that were synced are unreadable: do not go on.
    Corrupt { at: usize, reason: String },
}

/// Entries of a log file.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub entries: Vec<Entry>,
    /// Bytes up to the end of the last good entry.
    pub valid_bytes: usize,
    pub tail: Tail,
}

/// The first bytes of a log file.
pub fn file_header() -> Bytes {
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.extend_from_slice(LOG_MAGIC);
    out.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
    out.extend_from_slice(&crc32c(&out).to_be_bytes());
    out.into()
}

/// Checks a log file's first bytes.
///
/// Errors: foreign, newer, older, or damaged (also: cut short).
pub fn check_header(bytes: &[u8]) -> Result<(), FormatError> {
    if bytes.len() < HEADER_BYTES {
        return Err(FormatError::Damaged { reason: "its header is cut short".to_owned() });
    }
    if bytes[..8] != *LOG_MAGIC {
        return Err(FormatError::Foreign);
    }
    let version = read_u32(bytes, 8);
    check_not_newer(version)?;
    if crc32c(&bytes[..12]) != read_u32(bytes, 12) {
        return Err(FormatError::Damaged { reason: "its header's checksum differs".to_owned() });
    }
    check_not_older(version)
}

/// Before anything else of the bytes is believed to be where it is in this version.
fn check_not_newer(found: u32) -> Result<(), FormatError> {
    if FORMAT_VERSION < found { Err(FormatError::Newer { found }) } else { Ok(()) }
}

/// After the checksum: a damaged number is no version.
fn check_not_older(found: u32) -> Result<(), FormatError> {
    if found < FORMAT_VERSION { Err(FormatError::Older { found }) } else { Ok(()) }
}

/// One entry's bytes. `stable` is the index of the last entry that is known to be synced.
///
/// Errors: the command is too large.
pub fn encode_entry(entry: &Entry, stable: u64) -> Result<Bytes, FormatError> {
    let mut out = vec![0; PREFIX_BYTES];
    out.extend_from_slice(&entry.index.to_be_bytes());
    out.extend_from_slice(&entry.term.to_be_bytes());
    out.extend_from_slice(&stable.to_be_bytes());
    let body = (entry.at_ms, &entry.command);
    serde_json::to_writer(&mut out, &body).expect("commands have text keys only");
    let length = out.len() - PREFIX_BYTES;
    if ENTRY_BYTES_MAX < length {
        return Err(FormatError::TooLarge { bytes: length });
    }
    let length = u32::try_from(length).expect("at most ENTRY_BYTES_MAX");
    let crc = crc32c(&out[PREFIX_BYTES..]);
    out[..4].copy_from_slice(&length.to_be_bytes());
    out[4..8].copy_from_slice(&crc.to_be_bytes());
    Ok(out.into())
}

/// Reads entries, beginning behind the file's header; the first must have the index `first`.
pub fn decode_entries(bytes: &[u8], first: u64) -> Decoded {
    let mut entries: Vec<Entry> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let want = entries.last().map_or(first, |last| last.index + 1);
        let reason = match read_entry(bytes, at) {
            Ok(found) if found.index != want => format!("entry {} follows {}", found.index, want),
            Ok(found) => match serde_json::from_slice::<(i64, Command)>(found.body) {
                Ok((at_ms, command)) => {
                    let (index, term) = (found.index, found.term);
                    entries.push(Entry { index, term, at_ms, command });
                    at = found.end;
                    continue;
                }
                // Its checksum is right: it was written so, by a version that knows more.
                Err(error) => {
                    let reason = format!("entry {want} cannot be read: {error}");
                    let tail = Tail::Corrupt { at, reason };
                    return Decoded { entries, valid_bytes: at, tail };
                }
            },
            Err(reason) => reason.to_owned(),
        };
        let tail = match synced_after(bytes, at, want) {
            true => Tail::Corrupt { at, reason: format!("entry {want}: {reason}") },
            false => Tail::Torn,
        };
        return Decoded { entries, valid_bytes: at, tail };
    }
    Decoded { entries, valid_bytes: at, tail: Tail::Clean }
}

struct Found<'a> {
    index: u64,
    term: u64,
    stable: u64,
    body: &'a [u8],
    end: usize,
}

fn read_entry(bytes: &[u8], at: usize) -> Result<Found<'_>, &'static str> {
    let rest = &bytes[at..];
    if rest.len() < PREFIX_BYTES + FIXED_BYTES {
        return Err("it is cut short");
    }
    let length = read_u32(rest, 0) as usize;
    if length < FIXED_BYTES || ENTRY_BYTES_MAX < length {
        return Err("its length is impossible");
    }
    let Some(covered) = rest.get(PREFIX_BYTES..PREFIX_BYTES + length) else {
        return Err("it is cut short");
    };
    if crc32c(covered) != read_u32(rest, 4) {
        return Err("its checksum differs");
    }
    Ok(Found {
        index: read_u64(covered, 0),
        term: read_u64(covered, 8),
        stable: read_u64(covered, 16),
        body: &covered[FIXED_BYTES..],
        end: at + PREFIX_BYTES + length,
    })
}

/// Whether a later entry knows that entry `index` was synced.
fn synced_after(bytes: &[u8], at: usize, index: u64) -> bool {
    // A length that is possible and a matching index are rare in damaged bytes, so that the
    // checksum, which costs time, is taken of few places.
    let mut place = at + 1;
    while place + PREFIX_BYTES + FIXED_BYTES <= bytes.len() {
        let length = read_u32(bytes, place) as usize;
        let possible = (FIXED_BYTES..=ENTRY_BYTES_MAX).contains(&length)
            && place + PREFIX_BYTES + length <= bytes.len();
        let near = possible && {
            let found = read_u64(bytes, place + PREFIX_BYTES);
            let stable = read_u64(bytes, place + PREFIX_BYTES + 16);
            index < found && index <= stable && stable < found
        };
        if near && read_entry(bytes, place).is_ok_and(|found| index <= found.stable) {
            return true;
        }
        place += 1;
    }
    false
}

/// A snapshot's bytes around its body.
pub(super) fn frame_snapshot(body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(SNAPSHOT_HEADER_BYTES + body.len());
    out.extend_from_slice(SNAPSHOT_MAGIC);
    out.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
    out.extend_from_slice(&(body.len() as u64).to_be_bytes());
    let crc = crc32c::crc32c_append(crc32c(&out[8..]), body);
    out.extend_from_slice(&crc.to_be_bytes());
    out.extend_from_slice(body);
    out.into()
}

/// A snapshot's body.
///
/// Errors: foreign, newer, older, or damaged.
pub(super) fn unframe_snapshot(bytes: &[u8]) -> Result<&[u8], FormatError> {
    let damaged = |reason: &str| FormatError::Damaged { reason: reason.to_owned() };
    if bytes.len() < SNAPSHOT_HEADER_BYTES {
        return Err(damaged("its header is cut short"));
    }
    if bytes[..8] != *SNAPSHOT_MAGIC {
        return Err(FormatError::Foreign);
    }
    let version = read_u32(bytes, 8);
    check_not_newer(version)?;
    let body = &bytes[SNAPSHOT_HEADER_BYTES..];
    if read_u64(bytes, 12) != body.len() as u64 {
        return Err(damaged("its length differs"));
    }
    if crc32c::crc32c_append(crc32c(&bytes[8..20]), body) != read_u32(bytes, 20) {
        return Err(damaged("its checksum differs"));
    }
    check_not_older(version)?;
    Ok(body)
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
