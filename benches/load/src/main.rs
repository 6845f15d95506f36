//! A load driver that costs little itself: Kafka's protocol by hand, for any Kafka broker.
//!
//! Owns: the command line, one JSON line per run.
//! Leaves to others: brokers, rounds, tables (the Python beside it).
//! Invariant: a run that did not do what it was asked to ends with an error, not with figures.
//! Start reading at: [`Command`].
mod batch;
mod connection;
mod consume;
mod each;
mod measure;
mod produce;
mod topic;
mod wire;

use std::process::ExitCode;

use clap::Parser;

/// Why a run gave no figure; the text is for a person.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(about = "A load driver for Kafka brokers; prints one line of JSON")]
struct Arguments {
    /// Port of the broker on 127.0.0.1.
    #[arg(long, global = true, default_value_t = 9092)]
    port: u16,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Creates a topic and waits until all of it is writable.
    Create(topic::Create),
    /// Waits for the broker, for a leader of each partition, for one accepted record.
    WaitUntilWritable(topic::Wait),
    /// The first record to each partition.
    OneRecordToEach(each::Each),
    /// Batches to all partitions in turn, at a fixed rate or as fast as it goes.
    Produce(produce::Produce),
    /// Reads partitions from their start, or their tail as it grows.
    Consume(consume::Consume),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let port = arguments.port;
    let found = match &arguments.command {
        Command::Create(create) => create.run(port),
        Command::WaitUntilWritable(wait) => wait.run(port),
        Command::OneRecordToEach(each) => each.run(port),
        Command::Produce(produce) => produce.run(port),
        Command::Consume(consume) => consume.run(port),
    };
    match found {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
