//! by-airport: the settings say which key belongs to which partition.
//!
//! Settings: one for each key, `EWR = 0`, `JFK = 1`, …; `others` is the partition of all other
//! keys. Without `others` a record with another key, or with none, is refused.

use std::collections::BTreeMap;

use logmill_sdk::{Fault, Partitioner, Settings, export_partitioner, partitioner};

struct ByAirport {
    homes: BTreeMap<Vec<u8>, u32>,
    others: Option<u32>,
}

impl Partitioner for ByAirport {
    fn new(settings: &Settings) -> Result<Self, String> {
        let mut homes = BTreeMap::new();
        for (name, value) in settings.iter().filter(|(name, _)| *name != "others") {
            let partition = value.trim().parse();
            let bad = |_| format!("setting `{name}` is {value:?}: a partition number is needed");
            homes.insert(name.as_bytes().to_vec(), partition.map_err(bad)?);
        }
        let others = settings.get("others").map(|_| settings.number("others", 0)).transpose()?;
        if homes.is_empty() && others.is_none() {
            return Err("no setting: one for each key is needed, such as `EWR = 0`".into());
        }
        Ok(Self { homes, others })
    }

    fn partition(&mut self, partitions: u32) -> Result<Vec<u32>, Fault> {
        partitioner::by_key(partitions, |key| {
            let home = key.and_then(|key| self.homes.get(key).copied()).or(self.others);
            home.ok_or_else(|| match key {
                Some(key) => {
                    format!("key {:?} has no partition", String::from_utf8_lossy(key))
                }
                None => "a record without a key has no partition".into(),
            })
        })
    }
}

export_partitioner!(ByAirport);
