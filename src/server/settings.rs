//! From arguments to a checked configuration.
//!
//! Owns: opening the file, asking for the host's name. Leaves to others: every setting (`config`).
use std::path::Path;

use crate::config::{self, LoadError, Loaded};
use crate::server::args::ConfigArgs;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("Cannot read the configuration {path}: {source}.")]
    File { path: String, source: std::io::Error },
    #[error("The configuration {path} is not text; name a TOML file.")]
    NotText { path: String },
    #[error(transparent)]
    Content(#[from] LoadError),
}

/// Reads the file, if one is named, and the `--set` arguments, which win.
pub fn load(args: &ConfigArgs) -> Result<Loaded, SettingsError> {
    let file = args.config.as_deref().map(read).transpose()?;
    let file = file.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(config::load(file, &args.settings, &hostname())?)
}

fn read(path: &Path) -> Result<(String, String), SettingsError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(SettingsError::NotText { path: name })
        }
        Err(source) => Err(SettingsError::File { path: name, source }),
    }
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}
