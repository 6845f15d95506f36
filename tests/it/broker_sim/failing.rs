//! Disks that fail while the node works: EIO, and syncs that fail once and then say yes.
//!
//! Owns: how often they fail, and what a failing life may look like: clients may be told of errors,
//! and the node may come to a halt; what it promised before and meanwhile is kept.
//! Leaves to others: what that is (`model`), one log on such a disk (`log::tests::crash`).
use logmill::sim::{Death, Faults};

use super::canaries::{caught, small};
use super::{Plan, Run, check_seeds, seed_count};

/// Simulated time that clients spend with a node whose disk fails.
const FAILING_MS: u64 = 100;

impl Run {
    /// Lets the clients work on a disk that fails, and ends the node; then the disk is whole again.
    pub fn work_and_fail(&mut self, failing: Faults) -> Result<(), String> {
        let model = self.site.model.clone();
        model.borrow_mut().stopping = true;
        let goal = model.borrow().ops + 100 + self.dice.below(2 * self.plan.ops_min / 5);
        self.broker.world.set_faults(failing);
        self.broker.run_until(FAILING_MS, || {
            let model = model.borrow();
            goal <= model.ops || !model.broken.is_empty()
        });
        self.broker.world.set_faults(self.plan.faults);
        let ended = self.end(true);
        // What a failed sync did not write only the page cache has, and a start after a kill reads
        // from the disk: what nobody asked to be stable may go, as by a power cut.
        if 0 < failing.failed_sync_per_1000 {
            self.last = Some(Death::PowerCut);
        }
        model.borrow_mut().stopping = false;
        ended
    }
}

fn failing(faults: impl FnOnce(&mut Faults)) -> Plan {
    let mut plan = small();
    let mut failing = plan.faults;
    faults(&mut failing);
    plan.failing = Some(failing);
    plan
}

#[test]
fn errors_of_the_disk_cost_answers_and_nothing_that_was_promised() {
    let plan = failing(|faults| faults.io_error_per_1000 = 3);
    check_seeds(seed_count().div_ceil(5), &plan);
}

#[test]
fn syncs_that_fail_once_cost_answers_and_nothing_that_was_promised() {
    let plan = failing(|faults| faults.failed_sync_per_1000 = 30);
    check_seeds(seed_count().div_ceil(5), &plan);
}

#[test]
fn writes_that_are_lost_without_a_word_are_noticed() {
    let plan = failing(|faults| faults.lost_write_per_1000 = 20);
    caught(
        &plan,
        &["is lost", "and is None", "error 2", "start:", "epoch", "metadata", "checksum"],
    );
}

/// The journal's blocks are written over although partitions' files are not durable yet.
#[test]
fn a_checkpoint_that_lies_is_noticed() {
    let mut plan = small();
    plan.faults.lying_checkpoint_per_1000 = 1_000;
    plan.death = Some(Death::PowerCut);
    // 56: recovery finds less than was durable, and leaves the partition offline.
    caught(&plan, &["is lost", "and is None", "error 56", "start:", "epoch", "metadata"]);
}
