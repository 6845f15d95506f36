//! Native stand-ins decide in the simulator, where no wasm runs.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use logmill::observe::Metrics;
use logmill::plugin::{
    CallError, Digest, Fault, Label, Limits, Live, Native, NativePartitioner, PluginCode,
    PluginKind, RunGuards, ShardPlugins, View, settings,
};
use logmill::sim;

use super::{batch, key_with};

/// Everything belongs to the partition that the setting `to` names.
fn constant(metrics: &Arc<Metrics>, version: &str, generation: u64) -> Live {
    let make = |settings: &logmill::plugin::Settings| {
        let to = settings.iter().find(|(name, _)| name == "to").ok_or("setting `to` is missing")?;
        let to: u32 = to.1.parse().map_err(|_| "setting `to` is no number")?;
        let decide = move |view: &View, _: &_, _: u32| -> Result<Vec<u32>, Fault> {
            Ok(vec![to; view.rows.len()])
        };
        Ok(Box::new(decide) as Box<dyn NativePartitioner>)
    };
    let digest = Digest::of(version.as_bytes());
    let label = Label::new("p", version, PluginKind::Partitioner, digest, metrics);
    Live { generation, label, code: PluginCode::Native(Native::Partitioner(Arc::new(make))) }
}

#[test]
fn a_native_partitioner_is_bound_asked_and_replaced_in_every_world() {
    sim::each_seed(20, |seed| {
        let metrics = Metrics::new();
        let world = sim::World::new(seed, sim::Faults::LEGAL);
        let machine = sim::MachineId::FIRST;
        let mut shards = world.boot(machine, 1);
        let env = shards[0].env();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let ours = seen.clone();
        let world_env = env.clone();
        env.spawn(async move {
            let plugins = ShardPlugins::new(&world_env, Limits::default());
            let to = settings([("to", "3")]);
            let key = key_with(to);
            plugins.bind(key.clone(), Ok(constant(&metrics, "1", 1)));
            let first = plugins.partition(&key, &batch(2, 0)).await.expect("an answer");
            plugins.prepare(constant(&metrics, "2", 2)).await.expect("prepared");
            let between = plugins.partition(&key, &batch(2, 0)).await.expect("an answer");
            assert!(plugins.commit("p", 2));
            let second = plugins.partition(&key, &batch(2, 0)).await.expect("an answer");
            let wrong = key_with(settings([("to", "99")]));
            plugins.bind(wrong.clone(), Ok(constant(&metrics, "2", 2)));
            plugins.warm(&wrong).await.expect("made ahead of its first call");
            let error = plugins.partition(&wrong, &batch(2, 0)).await.expect_err("out of range");
            assert_eq!(error.word(), "malformed");
            for decision in [first, between, second] {
                assert_eq!(decision.targets, [3, 3]);
                ours.borrow_mut().push(decision.generation);
            }
        });
        let done = seen.clone();
        assert!(world.run(&mut shards, || done.borrow().len() == 3));
        assert_eq!(*seen.borrow(), [1, 1, 2]);
    });
}

/// Runs of assignors and policies, as `plugin ps` counts them.
#[test]
fn runs_are_counted_when_they_end_and_leave_no_code_behind() {
    let metrics = Metrics::new();
    let world = sim::World::new(1, sim::Faults::NONE);
    let shards = world.boot(sim::MachineId::FIRST, 1);
    let guards = RunGuards::new(&shards[0].env());
    let (bound, gone) = (key_with(settings([("to", "1")])), key_with(settings([("to", "2")])));
    guards.follow([bound.clone()].into());
    let live = constant(&metrics, "1", 1);
    let (label, failure) = (live.label.clone(), CallError::Trap("as asked".into()));
    guards.enter(&bound, &live).expect("let through").end(&label, 7, None);
    for _ in 0..3 {
        guards.enter(&bound, &live).expect("let through").end(&label, 5, Some(&failure));
    }
    assert!(guards.enter(&bound, &live).is_err_and(|error| error.word() == "breaker_open"));
    // It was loading when it was unbound.
    guards.enter(&gone, &live).expect("let through").end(&label, 9, None);
    let states = guards.states();
    let [state] = &states[..] else { panic!("{states:?}") };
    assert_eq!(state.key, bound);
    assert_eq!((state.calls_total, state.failed_total, state.spent_ns), (4, 3, 22));
    let PluginCode::Native(Native::Partitioner(code)) = &live.code else { panic!("native") };
    let code = Arc::downgrade(code);
    drop(live);
    assert!(code.upgrade().is_none(), "the code outlives its runs");
    guards.follow(Default::default());
    assert!(guards.states().is_empty());
}
