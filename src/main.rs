//! The `logmill` executable.
use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: this process may be a child that compiles a plugin.
    if let Some(code) = logmill::plugin::early_main(std::env::args()) {
        return code;
    }
    logmill::server::run()
}
