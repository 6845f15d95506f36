//! newest-by-header: of each key the record with the highest version in a header survives.
//!
//! Settings: `header`, the header's name (`version`); `format`: `text` (default), a decimal number
//! as text, or `int64`, eight bytes, big end first. A record without a readable version is older
//! than any with one; of equal versions the later record survives. A record without a key stays. A
//! tombstone that survived goes when its delete horizon has passed.

use std::collections::HashMap;

use logmill_sdk::{Policy, Scope, Settings, export_policy, policy, rows};

/// What the keys may take; the broker stops a plugin at 64 MiB.
const KEYS_BYTES_MAX: usize = 40 << 20;
/// What a key costs beside its bytes.
const ENTRY_BYTES: usize = 96;

/// Version and offset; compared in this order.
type Rank = (Option<i128>, i64);

struct Newest {
    header: String,
    text: bool,
    best: HashMap<Vec<u8>, Rank>,
    keys_bytes: usize,
    /// Records from here on were not observed.
    end: i64,
}

impl Policy for Newest {
    fn new(settings: &Settings) -> Result<(Self, Scope), String> {
        settings.only(&["header", "format"])?;
        let text = match settings.get("format").unwrap_or("text") {
            "text" => true,
            "int64" => false,
            other => {
                return Err(format!("setting `format` is {other:?}: `text` or `int64` is needed"));
            }
        };
        let header = settings.get("header").unwrap_or("version").to_owned();
        let (best, keys_bytes, end) = (HashMap::new(), 0, i64::MAX);
        Ok((Self { header, text, best, keys_bytes, end }, Scope::All))
    }

    fn observe(&mut self) -> Result<bool, String> {
        let keys = rows::keys();
        let batch_bytes: usize =
            keys.iter().map(|key| ENTRY_BYTES + key.map_or(0, <[u8]>::len)).sum();
        if KEYS_BYTES_MAX < self.keys_bytes + batch_bytes {
            return Ok(false);
        }
        for (key, rank) in keys.iter().zip(self.ranks()) {
            let Some(key) = key else { continue };
            match self.best.get_mut(key) {
                Some(best) => *best = rank.max(*best),
                None => {
                    self.keys_bytes += ENTRY_BYTES + key.len();
                    self.best.insert(key.to_vec(), rank);
                }
            }
        }
        Ok(true)
    }

    fn finish(&mut self, end: i64) -> Result<(), String> {
        self.end = end;
        Ok(())
    }

    fn drops(&mut self) -> Result<Vec<u32>, String> {
        let keys = rows::keys();
        let expired = policy::expired_tombstones();
        let mut drops = Vec::new();
        for (row, (key, rank)) in keys.iter().zip(self.ranks()).enumerate() {
            let Some(best) = key.and_then(|key| self.best.get(key)) else { continue };
            if rank.1 < self.end && (rank < *best || expired[row]) {
                drops.push(row as u32);
            }
        }
        Ok(drops)
    }
}

impl Newest {
    fn ranks(&self) -> Vec<Rank> {
        let versions = rows::header(&self.header);
        let version = |bytes| if self.text { decimal(bytes) } else { int64(bytes) };
        let versions = versions.iter().map(|bytes| bytes.and_then(version));
        versions.zip(policy::offsets()).collect()
    }
}

fn int64(bytes: &[u8]) -> Option<i128> {
    bytes.try_into().ok().map(|bytes| i128::from(i64::from_be_bytes(bytes)))
}

/// A decimal number with at most nine places behind the point, in billionths.
fn decimal(bytes: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    if 9 < places.len() || !places.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let negative = whole.starts_with('-');
    let billions = i128::from(whole.parse::<i64>().ok()?) * 1_000_000_000;
    let places = format!("{places:0<9}").parse::<i128>().ok()?;
    Some(if negative { billions - places } else { billions + places })
}

export_policy!(Newest);
