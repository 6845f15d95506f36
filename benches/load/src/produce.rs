//! Produce: batches to all partitions in turn, at a fixed rate or as fast as the broker answers.
//!
//! Owns: when each request is due, what is in flight.
//! Invariant: latency counts from when a request was due, not from when it could be sent: a broker
//! that stalls pays for all that waits meanwhile.
//! Start reading at: [`Produce::run`].
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Failed;
use crate::batch::{self, Batch};
use crate::connection::Connection;
use crate::measure::{self, Latencies};
use crate::wire::{self, Request};

/// A rate that is not held may lag so long; what is due later is not sent and said to be unsent.
const LAG_MAX: Duration = Duration::from_secs(5);
/// Between the last connection and the first request.
const LEAD: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub struct Produce {
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    /// Bytes that a batch has at most, of as many records as fit, at least one.
    #[arg(long, default_value_t = 16_384)]
    batch_bytes: usize,
    #[arg(long, default_value_t = 1_024)]
    record_bytes: usize,
    /// MB (10^6 bytes of batches) a second over all connections, or max.
    #[arg(long, default_value = "max")]
    rate: Rate,
    #[arg(long)]
    acks: Acks,
    #[arg(long, default_value_t = 1)]
    connections: u32,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Partitions that one request carries a batch for.
    #[arg(long, default_value_t = 1)]
    batches_per_request: usize,
    /// Unanswered requests of a connection.
    #[arg(long, default_value_t = 5)]
    in_flight: usize,
    /// Ends when so many bytes of batches were sent, if that is earlier.
    #[arg(long, default_value_t = u64::MAX)]
    bytes_max: u64,
}

#[derive(Clone, Copy)]
pub enum Acks {
    One,
    All,
}

impl Acks {
    pub fn code(self) -> i16 {
        match self {
            Self::One => 1,
            Self::All => -1,
        }
    }
}

impl FromStr for Acks {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "1" => Ok(Self::One),
            "all" => Ok(Self::All),
            _ => Err("acks are 1 or all".to_owned()),
        }
    }
}

#[derive(Clone, Copy)]
pub enum Rate {
    Max,
    MegabytesASecond(f64),
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word.parse() {
            _ if word == "max" => Ok(Self::Max),
            Ok(rate) if 0.0 < rate => Ok(Self::MegabytesASecond(rate)),
            _ => Err("a rate is max or a number above 0".to_owned()),
        }
    }
}

/// What one connection sent and what came back.
struct Part {
    latencies: Latencies,
    requests: u64,
    /// Partitions refused, by error code.
    errors: BTreeMap<i16, u64>,
    end: Instant,
}

/// Shared by all connections.
struct Plan {
    begin: Instant,
    /// `begin` by the clock of the stamps.
    begin_ns: u64,
    end: Instant,
    /// Between two requests of the whole run; none at full speed.
    interval: Option<Duration>,
    requests_max: u64,
}

impl Produce {
    pub fn run(&self, port: u16) -> Result<Value, Failed> {
        measure::wake_exactly()?;
        let batch = Batch::new(self.batch_bytes, self.record_bytes)?;
        let request_bytes = batch.bytes.len() * self.batches_per_request;
        if usize::try_from(self.partitions)? < self.batches_per_request {
            return Err("a request cannot carry two batches for one partition".into());
        }
        let connections =
            (0..self.connections).map(|_| Connection::open(port)).collect::<Result<Vec<_>, _>>()?;
        let plan = self.plan(request_bytes);
        let (parts, unsent) = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for (index, connection) in (0..).zip(connections) {
                threads.push(self.connection(scope, &plan, index, connection)?);
            }
            let (mut parts, mut unsent) = (Vec::new(), 0);
            for (sender, receiver) in threads {
                unsent += sender.join().expect("no thread panics")?;
                parts.push(receiver.join().expect("no thread panics")?);
            }
            Ok::<_, Failed>((parts, unsent))
        })?;
        self.line(&plan, &batch, &parts, unsent)
    }

    fn plan(&self, request_bytes: usize) -> Plan {
        let begin = Instant::now() + LEAD;
        let interval = match self.rate {
            Rate::Max => None,
            Rate::MegabytesASecond(rate) => {
                Some(Duration::from_secs_f64(request_bytes as f64 / (rate * 1e6)))
            }
        };
        Plan {
            begin,
            begin_ns: batch::now_ns() + u64::try_from(LEAD.as_nanos()).unwrap_or(0),
            end: begin + Duration::from_secs_f64(self.seconds),
            interval,
            requests_max: self.bytes_max.div_ceil(request_bytes as u64),
        }
    }

    fn connection<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        plan: &'scope Plan,
        index: u32,
        connection: Connection,
    ) -> Result<Threads<'scope>, Failed> {
        // One more is with the receiver while it waits for that answer.
        let (sent, answered) = sync_channel(self.in_flight.saturating_sub(1));
        let twin = connection.twin()?;
        let sender = scope.spawn(move || self.send(plan, index, connection, &sent));
        let receiver = scope.spawn(move || receive(plan, twin, &answered));
        Ok((sender, receiver))
    }

    /// Sends what is due; returns how many requests were given up.
    fn send(
        &self,
        plan: &Plan,
        index: u32,
        mut connection: Connection,
        sent: &SyncSender<Instant>,
    ) -> Result<u64, Failed> {
        let mut batch = Batch::new(self.batch_bytes, self.record_bytes)?;
        let mut request = Request(Vec::new());
        // Connections start at different partitions.
        let partitions = i64::from(self.partitions);
        let mut cursor = partitions * i64::from(index) / i64::from(self.connections);
        let step = i64::try_from(self.batches_per_request)?;
        for number in (u64::from(index)..plan.requests_max).step_by(self.connections as usize) {
            let due = match plan.interval {
                None => Instant::now(),
                Some(interval) => {
                    let after = Duration::from_secs_f64(interval.as_secs_f64() * number as f64);
                    batch.stamp(plan.begin_ns + u64::try_from(after.as_nanos())?);
                    plan.begin + after
                }
            };
            if plan.end <= due {
                return Ok(0);
            }
            if plan.end + LAG_MAX < Instant::now() {
                let interval = plan.interval.unwrap_or_default() * self.connections;
                let rest = plan.end.duration_since(due).as_secs_f64();
                return Ok((rest / interval.as_secs_f64()).ceil() as u64);
            }
            let mine = (cursor..cursor + step).map(|at| (at % partitions) as i32);
            let mine: Vec<i32> = mine.collect();
            cursor = (cursor + step) % partitions;
            let acks = self.acks.code();
            wire::produce(&mut request, &self.topic, acks, mine.into_iter(), &batch.bytes);
            measure::sleep_until(due);
            if sent.send(due).is_err() {
                return Err("answers have ended".into());
            }
            connection.send(&mut request)?;
        }
        Ok(0)
    }

    fn line(
        &self,
        plan: &Plan,
        batch: &Batch,
        parts: &[Part],
        unsent: u64,
    ) -> Result<Value, Failed> {
        let mut all = Latencies::new()?;
        let mut errors = BTreeMap::new();
        let mut end = plan.begin;
        let mut requests = 0;
        for part in parts {
            all.add(&part.latencies)?;
            for (code, count) in &part.errors {
                *errors.entry(code.to_string()).or_insert(0) += count;
            }
            end = end.max(part.end);
            requests += part.requests;
        }
        let refused: u64 = errors.values().sum();
        let batches = requests * self.batches_per_request as u64 - refused;
        let mut line = json!({
            "requests": requests,
            "batches": batches,
            "records": batches * batch.records,
            "bytes": batches * batch.bytes.len() as u64,
            "wall_s": end.duration_since(plan.begin).as_secs_f64(),
            "errors": errors,
            "unsent": unsent,
        });
        all.put_into(&mut line);
        Ok(line)
    }
}

type Joined<'scope, T> = std::thread::ScopedJoinHandle<'scope, Result<T, Failed>>;
type Threads<'scope> = (Joined<'scope, u64>, Joined<'scope, Part>);

fn receive(
    plan: &Plan,
    mut connection: Connection,
    answered: &Receiver<Instant>,
) -> Result<Part, Failed> {
    let latencies = Latencies::new()?;
    let mut part = Part { latencies, requests: 0, errors: BTreeMap::new(), end: plan.begin };
    while let Ok(due) = answered.recv() {
        let frame = connection.receive()?;
        part.end = Instant::now();
        part.latencies.record(part.end.duration_since(due));
        part.requests += 1;
        wire::produced(frame, |_, error| {
            if error != 0 {
                *part.errors.entry(error).or_insert(0) += 1;
            }
        })?;
    }
    Ok(part)
}
