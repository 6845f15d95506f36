//! Settings: the name and value pairs that the operator wrote with the binding.

use std::str::FromStr;

/// What the operator wrote with the binding, in the order of the names.
///
/// Errors of its methods name the setting and are meant for the operator: pass them on with `?`.
#[derive(Clone, Debug, Default)]
pub struct Settings(Vec<(String, String)>);

impl Settings {
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(ours, _)| ours == name).map(|(_, value)| value.as_str())
    }

    /// Errors: there is no such setting.
    pub fn required(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("setting `{name}` is missing"))
    }

    /// The setting as a number, `default` when it is not there.
    ///
    /// Errors: it is there and is no such number.
    pub fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => number(name, text),
        }
    }

    /// Name and value of each setting.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Errors: a setting has none of these names; so a misspelt one is found at once.
    pub fn only(&self, names: &[&str]) -> Result<(), String> {
        match self.iter().find(|(name, _)| !names.contains(name)) {
            None => Ok(()),
            Some((name, _)) if names.is_empty() => {
                Err(format!("setting `{name}` is unknown: this plugin has none"))
            }
            Some((name, _)) => {
                let known = names.join("`, `");
                Err(format!("setting `{name}` is unknown: this plugin knows `{known}`"))
            }
        }
    }
}

/// `text` as a number; the error names the setting.
pub(crate) fn number<T: FromStr>(name: &str, text: &str) -> Result<T, String> {
    let parsed = text.trim().parse();
    parsed.map_err(|_| format!("setting `{name}` is {text:?}: a number in range is needed"))
}
