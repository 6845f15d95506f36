//! The log on simulated disks: values alone, one life, many lives with crashes between.
use std::rc::Rc;

use super::*;
use crate::base::Bytes;
use crate::env::Shard;
use crate::model::{Offset, ProducerEpoch, ProducerId, TopicId};
use crate::observe::LogMetrics;
use crate::record::{BatchBuilder, BatchSpec, CheckedBatch, Codec, Header, Records, Scanned};
use crate::record::{crc_holds, next_batch};
use crate::sim::{Faults, MachineId, World};

mod cold;
mod compaction;
mod confirm;
mod crash;
mod deceived;
mod flush;
mod foreign;
mod full;
mod journals;
mod known_faults;
mod life;
mod many;
mod memory;
mod policies;
mod removal;
mod retention;
mod seek;
mod settled;
mod space;
mod starts;
mod transactions;
mod unseen;
mod values;
mod verify;

const TAIL_BYTES: usize = 8 << 10;
const QUEUE_BYTES: usize = 1 << 30;

const ALL: Offset = Offset(i64::MAX);

const COLD: ColdLimits = ColdLimits {
    warm_bytes_max: 1_500,
    warm_shard_bytes: 1 << 20,
    chunk_bytes: 700,
    chunks_bytes_max: 2_100,
    answer_bytes_max: 1_400,
};

fn place() -> LogPlace {
    LogPlace {
        dir: "data".into(),
        topic: "flights".into(),
        topic_id: TopicId([7; 16]),
        partition: 3,
    }
}

/// Small segments and dense indexes, so that little data crosses many borders.
fn small() -> LogConfig {
    LogConfig { segment_bytes_max: 2_000, index_interval_bytes: 200, ..LogConfig::default() }
}

fn spec(producer: Option<(i64, i16, i32)>) -> BatchSpec {
    let producer = producer.map(|(id, epoch, seq)| (ProducerId(id), ProducerEpoch(epoch), seq));
    BatchSpec { producer, ..BatchSpec::default() }
}

fn batch_of(spec: &BatchSpec, time: i64, values: &[&str]) -> CheckedBatch {
    let mut builder = BatchBuilder::new(spec);
    for (at, value) in values.iter().enumerate() {
        let offset = Offset(at as i64);
        builder.push(offset, time + at as i64, Some(b"k"), Some(value.as_bytes()), []).unwrap();
    }
    builder.finish_checked().unwrap()
}

fn batch(time: i64, values: &[&str]) -> CheckedBatch {
    batch_of(&spec(None), time, values)
}

/// A host whose log directory is there, durably.
async fn new_host(env: &Env, journal_bytes: u64) -> LogHost {
    env.create_dir_all("data").await.unwrap();
    env.sync_dir("").await.unwrap();
    LogHost::new(env.clone(), LogMetrics::default(), TAIL_BYTES, QUEUE_BYTES, journal_bytes)
}

/// Opens the log of [`place`] with a new host that has no journal.
async fn open(env: &Env, config: LogConfig, epoch: i32, start: Start) -> Result<Rc<Log>, LogError> {
    open_beside(env, config, epoch, start, 0).await
}

/// Opens the log of [`place`] with a new host, after what the last one's journal holds.
async fn open_beside(
    env: &Env,
    config: LogConfig,
    epoch: i32,
    start: Start,
    journal_bytes: u64,
) -> Result<Rc<Log>, LogError> {
    let host = new_host(env, journal_bytes).await;
    // So little that most reads go around the page cache, in chunks of a batch or two.
    host.read_cold_within(COLD);
    // So few that files are closed and opened again all the time.
    host.keep_open_files(1);
    let mut found = replay(&host, "data", LastStop::Unknown, |_, _| Some(place())).await.unwrap();
    let stable = found.stable.values().next().copied();
    found.empty(&host.files(), 1).await.unwrap();
    let start = match start {
        Start::Unclean { recovery_point } => {
            Start::Unclean { recovery_point: recovery_point.max(stable) }
        }
        other => other,
    };
    Log::open(&host, place(), config, LeaderEpoch(epoch), start).await
}

/// Every batch that can be read, as whole bytes; checks checksums and order.
async fn read_all(log: &Log) -> Vec<(Header, Bytes)> {
    let ends = log.ends();
    let mut from = ends.log_start;
    let mut out = Vec::new();
    while from < ends.high_watermark {
        let found = log.read(from, 700, FirstBatch::Always, ends.high_watermark).await.unwrap();
        let bytes = Bytes::from(found.slices.concat());
        assert!(!bytes.is_empty(), "nothing at {from} of {ends:?}");
        let mut at = 0;
        while at < bytes.len() {
            let Scanned::Batch(header, total) = next_batch(&bytes[at..]) else {
                panic!("no batch at {from}")
            };
            assert!(from <= header.last_offset());
            assert!(crc_holds(&header, &bytes[at..at + total]));
            out.push((header, bytes.slice(at..at + total)));
            at += total;
            from = header.next_offset();
        }
    }
    out
}

/// All values with their offsets.
async fn values(log: &Log) -> Vec<(i64, String)> {
    let mut out = Vec::new();
    for (_, bytes) in read_all(log).await {
        let records = Records::decode(&bytes, 1 << 20).unwrap();
        for row in &records.rows {
            let value = String::from_utf8(records.value(row).unwrap().to_vec()).unwrap();
            out.push((row.offset.0, value));
        }
    }
    out
}

fn run<T: 'static, F: Future<Output = T> + 'static>(
    world: &World,
    test: impl FnOnce(Env) -> F,
) -> T {
    let mut shards: Vec<Shard> = world.boot(MachineId::FIRST, 1);
    world.block_on(&mut shards, test)
}

fn quiet_world() -> World {
    World::new(1, Faults::NONE)
}
