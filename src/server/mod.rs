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
mod data_dir;
mod doctor;
mod log_dirs;
mod meta;
mod offline;
mod outdoors;
mod ports;
mod ring;
mod settings;
mod shards;
mod start;
#[cfg(test)]
mod tests;
mod users;
mod words;

use args::{Args, Command, ConfigArgs};

/// The whole program: parses the arguments of this process and does what they say.
pub fn run() -> ExitCode {
    let Args { remote, command } = Args::parse();
    let done = match command {
        Command::Serve(args) => start::serve(&args).map_err(|error| error.to_string()),
        Command::Doctor(args) => doctor(&args, remote.json),
        Command::Log { order } => {
            offline::run(order, remote.json).map_err(|error| error.to_string())
        }
        remotely => cli::run(remotely, &remote).map_err(|error| error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("logmill: {}", words::sentence(&sentence));
            ExitCode::FAILURE
        }
    }
}

fn doctor(args: &ConfigArgs, json: bool) -> Result<(), String> {
    let loaded = settings::load(args).map_err(|error| error.to_string())?;
    let report = doctor::examine(&loaded.config);
    if json {
        words::print_out(&serde_json::to_string_pretty(&report).expect("plain texts"));
    } else {
        words::print_out(&report.text());
    }
    report.obstacle().map_or(Ok(()), Err)
}
