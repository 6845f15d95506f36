//! The `logmill` executable.
use std::process::ExitCode;

fn main() -> ExitCode {
    logmill::server::run()
}
