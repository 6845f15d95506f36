//! Reads far behind the end: each byte once, chunks shared, memory within its bound.
use super::*;
use crate::log::ColdLimits;
use crate::observe::Metrics;

const VALUE_BYTES: usize = 100_000;
const BATCHES: i64 = 40;
const END: Offset = Offset(2 * BATCHES);

const LIMITS: ColdLimits = ColdLimits {
    warm_bytes_max: 0,
    chunk_bytes: 64 << 10,
    chunks_bytes_max: 1 << 20,
    answer_bytes_max: 300_000,
    ..ColdLimits::DEFAULT
};

/// A log of large batches whose tail keeps none of them, within these limits.
async fn filled(env: &Env, config: LogConfig, limits: ColdLimits) -> (Rc<Log>, LogMetrics) {
    env.create_dir_all("data").await.unwrap();
    let metrics = Metrics::new().log.clone();
    let host = LogHost::new(env.clone(), metrics.clone(), TAIL_BYTES, QUEUE_BYTES, 0);
    host.read_cold_within(limits);
    let log = Log::open(&host, place(), config, LeaderEpoch(0), Start::New).await.unwrap();
    for n in 0..BATCHES {
        // Two records: the index leads a reader of the first to the batch before.
        let value = format!("{n:04}").repeat(VALUE_BYTES / 8);
        log.append(&batch(n, &[&value, &value]), Acks::Leader, 5).unwrap().ack.await.unwrap();
    }
    log.flush().await.unwrap();
    (log, metrics)
}

/// Reads on from `from`; gives the slices and where to go on.
async fn step(log: &Log, from: Offset, bytes_max: usize) -> (Vec<Bytes>, Offset) {
    let found = log.read(from, bytes_max, FirstBatch::Always, ALL).await.unwrap();
    let bytes = Bytes::from(found.slices.concat());
    let (mut at, mut next) = (0, from);
    while at < bytes.len() {
        let Scanned::Batch(header, total) = next_batch(&bytes[at..]) else { panic!("no batch") };
        assert!(header.base_offset == next && crc_holds(&header, &bytes[at..at + total]));
        (at, next) = (at + total, header.next_offset());
    }
    assert_eq!(found.next, next);
    (found.slices, next)
}

async fn read_to_end(log: &Log, bytes_max: usize) {
    let mut from = Offset(0);
    while from < END {
        (_, from) = step(log, from, bytes_max).await;
    }
}

#[test]
fn a_reader_behind_another_reads_each_byte_once_whatever_its_limit() {
    run(&quiet_world(), async |env| {
        let (log, metrics) = filled(&env, LogConfig::default(), ColdLimits::DEFAULT).await;
        // One batch at a time, larger than the limit; and three, with a part of a fourth.
        for (bytes_max, times) in [(1, 1.0), (64 << 10, 1.0), (301_000, 1.01), (400_000, 1.34)] {
            let before = metrics.cached_read_bytes_total.get();
            read_to_end(&log, bytes_max).await;
            let read = metrics.cached_read_bytes_total.get() - before;
            let most = (log.bytes() as f64 * times) as u64;
            assert!(log.bytes() <= read && read <= most, "{read} bytes for {most}: {bytes_max}");
        }
        assert_eq!(metrics.uncached_read_bytes_total.get(), 0, "all of it is near the end");
    });
}

#[test]
fn readers_at_one_place_share_chunks_and_the_next_is_read_before_they_ask() {
    // With uncached reads, and without.
    for seed in [2, 3] {
        let world = World::new(seed, Faults::NONE);
        run(&world, async |env| {
            let config = LogConfig { segment_bytes_max: 1_000_000, ..LogConfig::default() };
            let (log, metrics) = filled(&env, config, LIMITS).await;
            assert!(3 < log.segment_count());
            let uncached = &metrics.uncached_read_bytes_total;
            let (_, mut one) = step(&log, Offset(0), 1).await;
            env.sleep_ms(100).await;
            // The batch lies in two; the third comes while nobody asks.
            assert_eq!(uncached.get(), 3 * LIMITS.chunk_bytes);
            let mut two = Offset(0);
            while two < END {
                (_, one) = step(&log, one, 150_000).await;
                (_, two) = step(&log, two, 150_000).await;
            }
            let read = uncached.get();
            assert!(log.bytes() <= read && read < log.bytes() / 10 * 11, "{read} bytes");
            assert_eq!(metrics.cached_read_bytes_total.get(), 0);
        });
    }
}

#[test]
fn chunks_that_responses_hold_count_and_readers_go_on_without_them() {
    let metrics = run(&quiet_world(), async |env| {
        let limits = ColdLimits { chunks_bytes_max: 5 * (64 << 10), ..LIMITS };
        let (log, metrics) = filled(&env, LogConfig::default(), limits).await;
        let used = || usize::try_from(metrics.readahead.used_bytes.get()).unwrap();
        assert_eq!(metrics.readahead.bound_bytes.get() as usize, limits.chunks_bytes_max);
        let (mut held, mut from) = (Vec::new(), Offset(0));
        while from < END {
            let slices;
            (slices, from) = step(&log, from, 150_000).await;
            held.push(slices);
            assert!(used() <= limits.chunks_bytes_max, "{} bytes", used());
        }
        let refused = metrics.readahead.refusals_total.get();
        assert!(0 < refused && limits.chunks_bytes_max / 2 < used());
        held.clear();
        read_to_end(&log, 150_000).await;
        assert_eq!(metrics.readahead.refusals_total.get(), refused, "there is room again");
        assert!(used() <= limits.chunks_bytes_max);
        metrics
    });
    assert_eq!(metrics.readahead.used_bytes.get(), 0, "with the logs all of it goes");
}
