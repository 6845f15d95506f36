//! The look through a shard's logs for segments that go, every `log.retention.check.interval.ms`.
//!
//! Owns: when, and what is told about it.
//! Leaves to others: which segments go and how (`log`).
//! Invariant: a partition with nothing to remove costs one look at memory per interval, no task
//! and no timer of its own.
//! Start reading at: [`retain_from_time_to_time`].
//! Source: Kafka `LogManager#cleanupLogs`.
use std::rc::Rc;

use crate::env::Rests;
use crate::shard::Core;
use crate::shard::partition::Partition;

/// As Kafka does: a broker that is restarted often gets to it all the same.
const FIRST_AFTER_MS: u64 = 30_000;
/// Logs looked at before other tasks of the shard run.
const LOGS_PER_TURN: usize = 256;

/// Looks again and again, for ever.
pub async fn retain_from_time_to_time(core: Rc<Core>) {
    let interval_ms = core.config.retention_check_ms;
    core.env.sleep_ms(interval_ms.min(FIRST_AFTER_MS)).await;
    loop {
        look(&core).await;
        core.env.sleep_ms(interval_ms).await;
    }
}

async fn look(core: &Rc<Core>) {
    let mut rests = Rests::every(LOGS_PER_TURN);
    for partition in core.partitions() {
        retain(core, &partition).await;
        rests.after(1).await;
    }
}

async fn retain(core: &Core, partition: &Partition) {
    let Ok(log) = partition.log() else { return };
    let now_ms = core.env.wall_ms();
    if !log.has_expired(now_ms) {
        return;
    }
    let removed = match log.retain(now_ms).await {
        Ok(removed) => removed,
        Err(error) => {
            tracing::error!(partition = %partition.name, %error, "segments were not removed");
            return;
        }
    };
    let metrics = &core.metrics.log;
    for (reason, segments) in &removed.segments {
        metrics.count_removed(*reason, *segments);
        tracing::info!(
            partition = %partition.name,
            ?reason,
            segments,
            log_start = removed.log_start.0,
            "removed segments"
        );
    }
}
