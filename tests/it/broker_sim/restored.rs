//! A data directory that is put back as it was at an earlier stop.
//!
//! Owns: the copy, and that the node serves exactly what it held then.
//! Leaves to others: what a start promises (`audit`, `model`).
use logmill::sim::MachineId;

use super::canaries::small;
use super::{Plan, Run, seed_count, seeds};

/// Lives to the first stop in order, lives on, and starts on a copy of that stop; what is broken.
fn restore(seed: u64, forget: bool) -> Vec<String> {
    let plan = Plan { deaths_min: 0, dies_per_1000: 0, rests_per_1000: 1_000, ..small() };
    let mut run = Run::new(seed, &plan);
    let model = run.site.model.clone();
    let told = (|| {
        run.live()?;
        while run.last.is_some() || run.is_new {
            run.live()?;
        }
        let (disk, before) = (run.broker.world.copy_disk(MachineId::FIRST), model.borrow().clone());
        run.live()?;
        run.live()?;
        run.broker.world.restore_disk(MachineId::FIRST, &disk);
        if forget {
            *model.borrow_mut() = before;
        }
        run.last = None;
        for _ in 0..2 {
            run.start()?;
            run.stop()?;
        }
        Ok(())
    })();
    if let Err(sentence) = told {
        model.borrow_mut().fail(sentence);
    }
    model.borrow().broken.clone()
}

#[test]
fn an_older_copy_of_the_directory_is_served_as_it_was() {
    for seed in seeds(seed_count().div_ceil(25)) {
        let broken = restore(seed, true);
        assert!(broken.is_empty(), "SEED={seed}: {broken:#?}");
    }
}

/// Who expects what came after the copy finds it lost.
#[test]
fn an_older_copy_of_the_directory_is_noticed() {
    let noticed = |seed| restore(seed, false).iter().any(|sentence| sentence.contains("is lost"));
    assert!((0..4).all(noticed));
}
