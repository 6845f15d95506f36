//! A connection follows its data: one whose records all lie on another shard is served there, so
//! that its requests need no mail.
//!
//! Owns: when a connection moves. Leaves to others: moving it (`connection`, `node`).
//! Invariant: a connection moves only while nothing that it asked is unanswered.
use std::cell::Cell;

use crate::model::ShardId;

/// Requests in a row for data of one shard before a connection goes there: far more work than the
/// move itself.
pub const REQUESTS_MIN: u32 = 64;

/// Where the data of one connection's last requests lies.
#[derive(Default)]
pub struct Pull {
    shard: Cell<Option<ShardId>>,
    requests: Cell<u32>,
}

impl Pull {
    /// Notes the shards of one request's data; one without any says nothing.
    pub fn note(&self, mut shards: impl Iterator<Item = ShardId>) {
        let Some(first) = shards.next() else { return };
        let shard = shards.all(|shard| shard == first).then_some(first);
        let alike = shard.is_some() && shard == self.shard.replace(shard);
        self.requests.set(if alike { self.requests.get().saturating_add(1) } else { 1 });
    }

    /// The other shard that the connection should be served on.
    pub fn target(&self, here: ShardId) -> Option<ShardId> {
        let shard = self.shard.get().filter(|shard| *shard != here)?;
        (REQUESTS_MIN <= self.requests.get()).then_some(shard)
    }
}

#[test]
fn only_a_run_of_requests_for_one_other_shard_pulls() {
    let (pull, here, there) = (Pull::default(), ShardId(0), ShardId(1));
    let last = |requests: &[&[ShardId]], times| {
        for _ in 0..times {
            requests.iter().for_each(|shards| pull.note(shards.iter().copied()));
        }
        pull.target(here)
    };
    assert_eq!(last(&[&[there]], REQUESTS_MIN - 1), None);
    assert_eq!(last(&[&[]], 1), None);
    assert_eq!(last(&[&[there, there]], 1), Some(there));
    assert_eq!(pull.target(there), None);
    assert_eq!(last(&[&[here, there]], 2 * REQUESTS_MIN), None);
    assert_eq!(last(&[&[here], &[there]], 2 * REQUESTS_MIN), None);
    assert_eq!(last(&[&[here]], 2 * REQUESTS_MIN), None);
    assert_eq!(last(&[&[there]], REQUESTS_MIN), Some(there));
}
