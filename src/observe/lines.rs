//! Log lines that a person can read: UTC time, level, room, message, facts as fields.
//!
//! Owns: form and filter of the lines. Leaves to others: what is worth a line (state changes).
//! Start reading at: [`start_logging`].
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Says what is shown without any filter.
const FILTER_DEFAULT: &str = "info";

/// Why logging was not set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error("{filter:?} is not a log filter (write it like `info` or `warn,logmill::log=debug`)")]
    Filter { filter: String },
    #[error("logging is already set up in this process")]
    Again,
}

/// Sends log lines to standard error from now on, times in UTC.
///
/// The filter is `given`, else `LOGMILL_LOG`, else `RUST_LOG`, else `info`.
///
/// Errors: [`LoggingError::Filter`] names a filter that does not parse.
pub fn start_logging(given: Option<&str>) -> Result<(), LoggingError> {
    let from_env = || ["LOGMILL_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    let text = given.map(str::to_owned).or_else(from_env);
    let text = text.filter(|text| !text.is_empty()).unwrap_or_else(|| FILTER_DEFAULT.to_owned());
    let filter =
        EnvFilter::try_new(&text).map_err(|_| LoggingError::Filter { filter: text.clone() })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
        .map_err(|_| LoggingError::Again)
}
