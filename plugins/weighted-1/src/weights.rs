//! Weights of members by the prefix of their client id; both versions of `weighted` read them here.

use logmill_sdk::Settings;

const WEIGHT_MAX: u64 = 1_000;

/// Settings: `default` is the weight of everybody else (1), any other name is a prefix.
pub struct Weights {
    prefixes: Vec<(String, u64)>,
    default: u64,
}

impl Weights {
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let mut prefixes = Vec::new();
        let mut default = 1;
        for (name, value) in settings.iter() {
            let weight = value.trim().parse().ok().filter(|weight| *weight <= WEIGHT_MAX);
            let weight = weight.ok_or_else(|| {
                format!("setting `{name}` is {value:?}: a weight from 0 to {WEIGHT_MAX} is needed")
            })?;
            if name == "default" {
                default = weight;
            } else {
                prefixes.push((name.to_owned(), weight));
            }
        }
        // The longest prefix that fits decides.
        prefixes.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.0.cmp(&b.0)));
        Ok(Self { prefixes, default })
    }

    /// One weight for each member; all 1 when the settings leave nobody with any.
    pub fn of(&self, client_ids: &[String]) -> Vec<u64> {
        let weight = |id: &String| {
            let prefix = self.prefixes.iter().find(|(prefix, _)| id.starts_with(prefix.as_str()));
            prefix.map_or(self.default, |(_, weight)| *weight)
        };
        client_ids.iter().map(weight).collect()
    }
}
