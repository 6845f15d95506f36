//! The file of goldens: messages as Apache Kafka's own library wrote them, and ways to damage them.
//!
//! Owns: mutations; reading and writing the format that `tests/peers/kafka-clients/Goldens.java`
//! describes.
//! Leaves to others: what a golden must do. Included by the unit tests of `wire` and by `tests/it`.
//! Start reading at: [`load`], [`Damage::frame`].
// Each of the two users needs another part.
#![allow(dead_code)]
use std::io::{Read, Write};

/// One message of one version.
#[derive(Clone, Debug)]
pub struct Golden {
    pub name: String,
    pub version: i16,
    /// Every field has its default.
    pub is_default: bool,
    pub bytes: Vec<u8>,
}

/// One message, and what Kafka writes for it in each version; `None` where Kafka refuses.
#[derive(Clone, Debug)]
pub struct Transcode {
    pub name: String,
    pub version: i16,
    pub bytes: Vec<u8>,
    pub targets: Vec<(i16, Option<Vec<u8>>)>,
}

/// Reads messages.bin.gz. Panics on anything unexpected: the file is ours.
pub fn load(packed: &[u8]) -> Vec<Golden> {
    read_groups(packed, |name, rest| {
        let version = number(rest, 2) as i16;
        let is_default = number(rest, 1) == 1;
        let length = number(rest, 4);
        Golden { name, version, is_default, bytes: take(rest, length).to_vec() }
    })
}

/// Reads transcodes.bin.gz, as [`load`].
pub fn load_transcodes(packed: &[u8]) -> Vec<Transcode> {
    const REFUSED: usize = u32::MAX as usize;
    read_groups(packed, |name, rest| {
        let version = number(rest, 2) as i16;
        let length = number(rest, 4);
        let bytes = take(rest, length).to_vec();
        let count = number(rest, 4);
        let target = |_| {
            let version = number(rest, 2) as i16;
            match number(rest, 4) {
                REFUSED => (version, None),
                length => (version, Some(take(rest, length).to_vec())),
            }
        };
        let targets = (0..count).map(target).collect();
        Transcode { name, version, bytes, targets }
    })
}

/// Reads what both files have in common: a number of names, and for each a number of entries.
fn read_groups<T>(packed: &[u8], mut entry: impl FnMut(String, &mut &[u8]) -> T) -> Vec<T> {
    let mut file = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut file).expect("the goldens are gzip");
    let mut rest = &file[..];
    let mut entries = Vec::new();
    for _ in 0..number(&mut rest, 4) {
        let length = number(&mut rest, 2);
        let name = String::from_utf8(take(&mut rest, length).to_vec()).expect("a name is text");
        for _ in 0..number(&mut rest, 4) {
            entries.push(entry(name.clone(), &mut rest));
        }
    }
    assert!(rest.is_empty(), "{} bytes follow the goldens", rest.len());
    entries
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}

fn number(rest: &mut &[u8], width: usize) -> usize {
    take(rest, width).iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// Writes a file that `Goldens.java` reads; goldens of one name lie together.
pub fn save(goldens: &[Golden]) -> Vec<u8> {
    let groups: Vec<&[Golden]> = goldens.chunk_by(|a, b| a.name == b.name).collect();
    let mut file = (groups.len() as u32).to_be_bytes().to_vec();
    for group in groups {
        let name = &group[0].name;
        file.extend((name.len() as u16).to_be_bytes());
        file.extend(name.as_bytes());
        file.extend((group.len() as u32).to_be_bytes());
        for golden in group {
            file.extend(golden.version.to_be_bytes());
            file.push(u8::from(golden.is_default));
            file.extend((golden.bytes.len() as u32).to_be_bytes());
            file.extend(&golden.bytes);
        }
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&file).expect("memory takes every byte");
    packed.finish().expect("memory takes every byte")
}

/// Damages frames; `below(n)` gives the choices, 0 to n - 1.
pub struct Damage<F: FnMut(u64) -> u64> {
    pub below: F,
}

impl<F: FnMut(u64) -> u64> Damage<F> {
    /// A frame made of `source`, and at times of a piece of `other`, with one to four changes.
    pub fn frame(&mut self, source: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = source.to_vec();
        for _ in 0..=self.at(4) {
            self.change(&mut bytes, other);
        }
        bytes
    }

    /// `source` with one to four bits flipped, so that it often still has sense.
    pub fn value(&mut self, source: &[u8]) -> Vec<u8> {
        let mut bytes = source.to_vec();
        for _ in 0..=self.at(4) {
            let (at, bit) = (self.at(bytes.len()), self.at(8));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        bytes
    }

    /// A frame of up to `bytes_max` bytes without any sense, mostly of small numbers.
    pub fn noise(&mut self, bytes_max: usize) -> Vec<u8> {
        let length = self.at(bytes_max + 1);
        let width = [256, 16, 3][self.at(3)];
        (0..length).map(|_| self.at(width) as u8).collect()
    }

    fn at(&mut self, count: usize) -> usize {
        (self.below)(count.max(1) as u64) as usize
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        const LARGE: [&[u8]; 6] = [
            &[0x7f, 0xff, 0xff, 0xff],
            &[0xff, 0xff, 0xff, 0xff],
            &[0x80, 0, 0, 0],
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x7f, 0xff],
        ];
        let at = self.at(bytes.len());
        match self.at(9) {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_slice(&other[self.at(other.len())..]),
            2 => {
                let end = (at + self.at(9)).min(bytes.len());
                let from = self.at(other.len());
                let until = (from + self.at(17)).min(other.len());
                bytes.splice(at..end, other[from..until].iter().copied());
            }
            3 => {
                let large = LARGE[self.at(LARGE.len())];
                let end = (at + large.len()).min(bytes.len());
                bytes.splice(at..end, large.iter().copied());
            }
            4 if !bytes.is_empty() => bytes[at] = [0, 1, 2, 0x7f, 0x80, 0xff][self.at(6)],
            5 if !bytes.is_empty() => bytes[at] = bytes[at].wrapping_add(1),
            6 if !bytes.is_empty() => bytes[at] = bytes[at].wrapping_sub(1),
            _ if !bytes.is_empty() => bytes[at] ^= 1 << self.at(8),
            _ => bytes.push(self.at(256) as u8),
        }
    }
}
