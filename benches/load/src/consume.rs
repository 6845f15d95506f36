//! Consume: partitions from their start, or their tail as it grows.
//!
//! Owns: what each connection asks for next.
//! Invariant: offsets come without a gap. The tail's latency counts from when a record was due.
//! Start reading at: [`Consume::run`].
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Failed;
use crate::batch;
use crate::connection::Connection;
use crate::measure::{self, Latencies};
use crate::produce::Rate;
use crate::wire::{self, Request};

const WAIT_MS: i32 = 100;
const FETCH_BYTES_MAX: i32 = 50 << 20;
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

#[derive(clap::Args)]
pub struct Consume {
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    #[arg(long)]
    from: From,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Ends after so long.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Ends when it has read what there was when it began.
    #[arg(long, conflicts_with = "again")]
    once: bool,
    /// Starts over when it has read what there was when it began.
    #[arg(long)]
    again: bool,
    /// MB (10^6 bytes of batches) a second over all connections, or max.
    #[arg(long, default_value = "max")]
    rate: Rate,
    /// Bytes of one partition that an answer carries.
    #[arg(long, default_value_t = 1 << 20)]
    partition_bytes: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum From {
    Earliest,
    Latest,
}

/// One partition of a connection.
struct Place {
    start: i64,
    next: i64,
    /// The log's end when this began.
    end: i64,
}

/// What one connection read.
struct Part {
    latencies: Latencies,
    fetches: u64,
    bytes: u64,
    records: u64,
    left: i64,
}

impl Consume {
    pub fn run(&self, port: u16) -> Result<Value, Failed> {
        let mut connections = Vec::new();
        for index in 0..self.connections {
            let mut connection = Connection::open(port)?;
            let mine: Vec<i32> =
                (0..self.partitions).skip(index).step_by(self.connections).collect();
            let places = self.places(&mut connection, &mine)?;
            connections.push((connection, places));
        }
        let begin = Instant::now();
        let parts = std::thread::scope(|scope| {
            let threads: Vec<_> = connections
                .into_iter()
                .map(|(connection, places)| scope.spawn(|| self.part(begin, connection, places)))
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
        let sum = |of: fn(&Part) -> u64| parts.iter().map(of).sum::<u64>();
        let mut line = json!({
            "fetches": sum(|part| part.fetches),
            "bytes": sum(|part| part.bytes),
            "records": sum(|part| part.records),
            "left": parts.iter().map(|part| part.left).sum::<i64>(),
            "wall_s": wall_s,
        });
        all.put_into(&mut line);
        Ok(line)
    }

    fn places(
        &self,
        connection: &mut Connection,
        mine: &[i32],
    ) -> Result<BTreeMap<i32, Place>, Failed> {
        let ends = self.offsets(connection, mine, LATEST)?;
        let starts = match self.from {
            From::Earliest => self.offsets(connection, mine, EARLIEST)?,
            From::Latest => ends.clone(),
        };
        let place = |(partition, next)| {
            let end = ends.get(&partition).copied().unwrap_or(next);
            (partition, Place { start: next, next, end })
        };
        Ok(starts.into_iter().map(place).collect())
    }

    fn offsets(
        &self,
        connection: &mut Connection,
        mine: &[i32],
        which: i64,
    ) -> Result<BTreeMap<i32, i64>, Failed> {
        let mut request = Request::new(2, 1, false);
        request.int32(-1).count(1).string(&self.topic).count(mine.len());
        for partition in mine {
            request.int32(*partition).int64(which);
        }
        wire::offsets(connection.call(&mut request)?)
    }

    fn request(&self, places: &BTreeMap<i32, Place>) -> Request {
        let mut request = Request::new(1, 11, false);
        request.int32(-1).int32(WAIT_MS).int32(1).int32(FETCH_BYTES_MAX).int8(0);
        // No session: every answer stands for itself.
        request.int32(0).int32(-1).count(1).string(&self.topic).count(places.len());
        for (partition, place) in places {
            request.int32(*partition).int32(-1).int64(place.next).int64(-1);
            request.int32(self.partition_bytes);
        }
        request.count(0).string("");
        request
    }

    fn part(
        &self,
        begin: Instant,
        mut connection: Connection,
        mut places: BTreeMap<i32, Place>,
    ) -> Result<Part, Failed> {
        let latencies = Latencies::new()?;
        let mut part = Part { latencies, fetches: 0, bytes: 0, records: 0, left: 0 };
        while begin.elapsed() < Duration::from_secs_f64(self.seconds) {
            let left = |place: &Place| (place.end - place.next).max(0);
            part.left = places.values().map(left).sum();
            if self.once && part.left == 0 {
                break;
            }
            if self.again && part.left == 0 {
                for place in places.values_mut() {
                    place.next = place.start;
                }
            }
            let mut request = self.request(&places);
            let frame = connection.call(&mut request)?;
            part.fetches += 1;
            wire::fetched(frame, |partition, error, _high_watermark, records| {
                if error != 0 {
                    return Err(format!("Fetch of partition {partition}: error {error}").into());
                }
                let place =
                    places.get_mut(&partition).ok_or("a partition that nobody asked for")?;
                self.walk(place, records, &mut part)
            })?;
            if let Rate::MegabytesASecond(rate) = self.rate {
                let share = rate * 1e6 / self.connections as f64;
                measure::sleep_until(begin + Duration::from_secs_f64(part.bytes as f64 / share));
            }
        }
        Ok(part)
    }

    fn walk(&self, place: &mut Place, mut records: &[u8], part: &mut Part) -> Result<(), Failed> {
        while let Some(seen) = batch::look(records) {
            let overlaps = seen.base_offset <= place.next && place.next < seen.next_offset;
            if !overlaps {
                let Place { next, .. } = place;
                return Err(format!("offset {} where {next} was due", seen.base_offset).into());
            }
            place.next = seen.next_offset;
            part.bytes += seen.bytes as u64;
            part.records += seen.records;
            if self.from == From::Latest
                && let Some(stamp) = seen.stamp_ns
            {
                part.latencies.record(Duration::from_nanos(batch::now_ns().saturating_sub(stamp)));
            }
            records = &records[seen.bytes..];
        }
        Ok(())
    }
}
