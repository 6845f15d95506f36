//! The first record to each of many partitions, as fast as it goes.
//!
//! Owns: the order (ascending, a share for each connection), retries while a partition comes to be.
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Failed;
use crate::batch::Batch;
use crate::connection::Connection;
use crate::measure::Latencies;
use crate::produce::Acks;
use crate::wire::{self, Request};

#[derive(clap::Args)]
pub struct Each {
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    #[arg(long)]
    acks: Acks,
    #[arg(long, default_value_t = 4)]
    connections: i32,
    #[arg(long, default_value_t = 100)]
    record_bytes: usize,
    /// Partitions that one request carries a record for.
    #[arg(long, default_value_t = 1)]
    batches_per_request: usize,
    /// Unanswered requests of a connection.
    #[arg(long, default_value_t = 5)]
    in_flight: usize,
    /// Seconds until this gives up.
    #[arg(long, default_value_t = 600)]
    within: u64,
}

/// What one connection found.
struct Part {
    latencies: Latencies,
    retries: u64,
}

impl Each {
    pub fn run(&self, port: u16) -> Result<Value, Failed> {
        let connections =
            (0..self.connections).map(|_| Connection::open(port)).collect::<Result<Vec<_>, _>>()?;
        let begin = Instant::now();
        let parts = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..)
                .zip(connections)
                .map(|(index, connection)| scope.spawn(move || self.part(index, connection)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no thread panics"))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let wall_s = begin.elapsed().as_secs_f64();
        let mut all = Latencies::new()?;
        for part in &parts {
            all.add(&part.latencies)?;
        }
        let retries: u64 = parts.iter().map(|part| part.retries).sum();
        let mut line = json!({ "records": self.partitions, "wall_s": wall_s, "retries": retries });
        all.put_into(&mut line);
        Ok(line)
    }

    fn part(&self, index: i32, mut connection: Connection) -> Result<Part, Failed> {
        let batch = Batch::new(0, self.record_bytes)?;
        let mut part = Part { latencies: Latencies::new()?, retries: 0 };
        let share = |index: i32| {
            let at = i64::from(self.partitions) * i64::from(index) / i64::from(self.connections);
            i32::try_from(at).expect("less than all partitions")
        };
        let mut left: VecDeque<i32> = (share(index)..share(index + 1)).collect();
        let mut sent = VecDeque::new();
        let mut request = Request(Vec::new());
        let begin = Instant::now();
        while !left.is_empty() || !sent.is_empty() {
            while sent.len() < self.in_flight && !left.is_empty() {
                let count = left.len().min(self.batches_per_request);
                let acks = self.acks.code();
                wire::produce(&mut request, &self.topic, acks, left.drain(..count), &batch.bytes);
                sent.push_back(Instant::now());
                connection.send(&mut request)?;
            }
            let mut refused = None;
            let frame = connection.receive()?;
            wire::produced(frame, |partition, error| match error {
                0 => (),
                error if wire::NOT_YET.contains(&error) => {
                    part.retries += 1;
                    left.push_back(partition);
                }
                error => refused = Some((partition, error)),
            })?;
            if let Some((partition, error)) = refused {
                return Err(format!("Produce to partition {partition}: error {error}").into());
            }
            part.latencies.record(sent.pop_front().ok_or("an answer too many")?.elapsed());
            if Duration::from_secs(self.within) < begin.elapsed() {
                return Err(format!("{} records are not accepted yet", left.len()).into());
            }
        }
        Ok(part)
    }
}
