//! The process: command line, start, stop, doctor.
//!
//! Owns: what `logmill …` does before and after the broker runs, and the exit code.
//! Leaves to others: everything that the broker does while it runs (`shard`, `api`).
//! Invariant: a failure is one sentence on standard error; exit 0 done, 1 failed, 2 usage.
//! Start reading at: [`run`], then [`args::Args`].
use std::process::ExitCode;

use clap::Parser as _;

pub mod args;
mod cli;

use args::{Args, Command};

/// The whole program: parses the arguments of this process and does what they say.
pub fn run() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        Command::Plugin { order, remote } => cli::plugin(order, &remote),
        Command::Topic { order, remote } => cli::topic(order, &remote),
        Command::Group { order, remote } => cli::group(order, &remote),
        Command::Config { order, remote } => cli::config(order, &remote),
        Command::Health { remote } => cli::health(&remote),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("logmill: {error}");
            ExitCode::FAILURE
        }
    }
}
