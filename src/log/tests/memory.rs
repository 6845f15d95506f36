//! What batches keep in memory beside themselves, and what is asked of the device for them.
use super::*;
use crate::record::{Limits, Zstd};

const LIMITS: Limits = Limits { batch_bytes_max: 1 << 20, zstd: Zstd::Allowed };

/// Memory that a batch was received in; who has the other `held` sees whether it is still there.
struct Frame {
    memory: Vec<u8>,
    _held: Arc<()>,
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

#[test]
fn a_small_batch_is_copied_out_of_a_large_frame_before_it_waits() {
    // For its file alone, and for the journal.
    for journal_bytes in [0, 1 << 20] {
        run(&quiet_world(), async move |env| {
            let config = LogConfig::default();
            let log = open_beside(&env, config, 0, Start::New, journal_bytes).await.unwrap();
            // The journal is made beside the first.
            log.append(&batch(1, &["first"]), Acks::All, 5).unwrap().ack.await.unwrap();
            env.sleep_ms(1_000).await;
            let whole = batch(1, &["a value"]).bytes().to_vec();
            let bytes = whole.len();
            // One that fills more than half of its frame costs more to copy than it keeps.
            for (frame_bytes, stays) in [(100 * bytes, false), (bytes + bytes / 2, true)] {
                let mut memory = whole.clone();
                memory.resize(frame_bytes, 0);
                let held = Arc::new(());
                let frame = Bytes::from_owner(Frame { memory, _held: held.clone() });
                let sent = CheckedBatch::parse(frame.slice(..bytes), &LIMITS).unwrap();
                let sent = sent.within_frame_of(frame_bytes);
                let told = log.append(&sent, Acks::All, 5).unwrap();
                drop((frame, sent));
                assert_eq!(Arc::strong_count(&held) == 2, stays, "{frame_bytes} for {bytes}");
                told.ack.await.unwrap();
                let found = log.read(told.base_offset, 1, FirstBatch::Always, ALL).await.unwrap();
                assert_eq!(found.slices.concat().len(), bytes);
            }
        });
    }
}

#[test]
fn a_log_hints_at_one_write_at_a_time() {
    const BATCHES: usize = 60;
    // A hint takes as long as a write does: without a bound they would pile up.
    let world = World::new(1, Faults { delay_ns_max: 20_000_000, ..Faults::NONE });
    let mut shards = world.boot(MachineId::FIRST, 1);
    let (env, done) = (shards[0].env(), Rc::new(Cell::new(false)));
    let ended = done.clone();
    env.clone().spawn(async move {
        let config = LogConfig::default();
        let log = open_beside(&env, config, 0, Start::New, 16 << 20).await.unwrap();
        log.append(&batch(1, &["first"]), Acks::All, 5).unwrap().ack.await.unwrap();
        env.sleep_ms(1_000).await;
        let value = "x".repeat(200_000);
        for _ in 0..BATCHES {
            log.append(&batch(1, &[&value]), Acks::All, 5).unwrap().ack.await.unwrap();
        }
        ended.set(true);
    });
    let (most, hints, before) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let looked = world.run(&mut shards, || {
        let now = world.write_backs_under_way();
        most.set(most.get().max(now));
        hints.set(hints.get() + now.saturating_sub(before.replace(now)));
        done.get()
    });
    assert!(looked, "it hangs");
    assert!(2 < hints.get(), "{} hints", hints.get());
    assert_eq!(most.get(), 1, "at one moment");
}
