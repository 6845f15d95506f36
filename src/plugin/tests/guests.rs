//! The example plugins do what their descriptions say.

use std::sync::Arc;

use super::{Bench, Cell, batch, call, group, keys, none, records};
use crate::model::Offset;
use crate::plugin::assign::ASSIGN_BUDGET_NS;
use crate::plugin::{
    CallError, Fault, Instance, NOBODY, PassInfo, PolicyRun, Scope, dry_run, run_assignor, settings,
};

/// Kafka's own hash, written once more: the guest's comes from the SDK.
fn murmur2(data: &[u8]) -> u32 {
    let mut h: u32 = 0x9747_b28c ^ data.len() as u32;
    for chunk in data.chunks(4) {
        if let Ok(word) = <[u8; 4]>::try_from(chunk) {
            let mut k = u32::from_le_bytes(word).wrapping_mul(0x5bd1_e995);
            k = (k ^ (k >> 24)).wrapping_mul(0x5bd1_e995);
            h = h.wrapping_mul(0x5bd1_e995) ^ k;
            continue;
        }
        for (at, byte) in chunk.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * at);
        }
        h = h.wrapping_mul(0x5bd1_e995);
    }
    h = (h ^ (h >> 13)).wrapping_mul(0x5bd1_e995);
    h ^ (h >> 15)
}

#[test]
fn keys_scattered_in_the_buffer_arrive_packed_and_null_stays_null() {
    let bench = Bench::new();
    let live = bench.live("murmur2");
    let mut instance = Instance::make(&live, &none()).expect("made");
    let cells: [Cell<'_>; 5] = [
        (Some("alpha"), Some("1"), &[]),
        (Some("beta"), None, &[]),
        (None, Some("3"), &[]),
        (Some("gamma"), Some("4"), &[("h", "x")]),
        (Some(""), Some("5"), &[]),
    ];
    let records = records(&cells);
    let want = |key: &str| (murmur2(key.as_bytes()) & 0x7fff_ffff) % 12;
    let answer = call(&mut instance, &batch(records.clone(), 12)).expect("an answer");
    assert_eq!(answer, [want("alpha"), want("beta"), NOBODY, want("gamma"), want("")]);
    assert_eq!(Arc::strong_count(&records), 1, "the host lets go of the batch after the call");
    let calls = live.label.metrics.calls_total.get();
    assert_eq!(calls, 0, "the shard counts, not the instance");
}

#[test]
fn by_airport_takes_its_map_from_the_settings() {
    let bench = Bench::new();
    let live = bench.live("by-airport");
    let map = settings([("EWR", "0"), ("JFK", "1"), ("LGA", "2")]);
    let mut instance = Instance::make(&live, &map).expect("made");
    let good = batch(keys(&["JFK", "EWR", "JFK", "LGA"]), 3);
    assert_eq!(call(&mut instance, &good), Ok(vec![1, 0, 1, 2]));
    let bad = batch(keys(&["JFK", "TXL", "EWR", "???"]), 3);
    let Err(CallError::Refused(Fault { message, rows })) = call(&mut instance, &bad) else {
        panic!("unknown airports")
    };
    assert_eq!((message.as_str(), &rows[..]), ("key \"TXL\" has no partition", &[1, 3][..]));
    assert_eq!(call(&mut instance, &good), Ok(vec![1, 0, 1, 2]), "a no is no failure");
    let few = call(&mut instance, &batch(keys(&["LGA"]), 2));
    assert!(matches!(few, Err(CallError::Refused(_))), "{few:?}");
}

#[test]
fn bad_settings_are_refused_with_the_plugins_own_sentence() {
    let bench = Bench::new();
    let live = bench.live("by-airport");
    let error = Instance::make(&live, &settings([("EWR", "first")])).err().expect("refused");
    let want = "it refused its settings: setting `EWR` is \"first\": a partition number is needed";
    assert_eq!(error.to_string(), want);
    let live = bench.live("identity");
    let error = Instance::make(&live, &settings([("x", "1")])).err().expect("refused");
    assert!(error.to_string().contains("setting `x` is unknown"), "{error}");
    assert_eq!(dry_run(&live, &none()), Ok("ok".into()));
}

#[test]
fn weighted_gives_by_weight_and_its_versions_differ() {
    let bench = Bench::new();
    let weights = settings([("big-", "2"), ("small-", "1")]);
    let input = Arc::new(group(&["big-1", "small-1", "small-2"], &[("flights", 8)]));
    let run = |name: &str| {
        let live = bench.live(name);
        let done = run_assignor(&live, &weights, input.clone(), ASSIGN_BUDGET_NS);
        done.expect("an assignment").owners
    };
    let (first, second) = (run("weighted-1"), run("weighted-2"));
    assert_eq!(first, [0, 0, 1, 2, 0, 0, 1, 2], "interleaved");
    assert_eq!(second, [0, 0, 0, 0, 1, 1, 2, 2], "contiguous");
}

#[test]
fn weighted_respects_subscriptions_and_copies() {
    let bench = Bench::new();
    let mut input = group(&["a", "b", "c"], &[("x", 5), ("y", 4)]);
    input.members[2].topics = vec![1];
    input.members[0].topics = vec![0];
    for copies in [1, 2, 3] {
        input.copies = copies;
        (input.owners, input.held) = (input.nobody(), input.nobody());
        for name in ["weighted-1", "weighted-2"] {
            let (live, input) = (bench.live(name), Arc::new(input.clone()));
            let done = run_assignor(&live, &none(), input.clone(), ASSIGN_BUDGET_NS);
            let owners = done.expect("checked by the host").owners;
            let served = owners.iter().filter(|&&owner| owner != NOBODY).count();
            assert_eq!(served, 9 * copies.min(2) as usize, "{name}, {copies} copies");
        }
    }
    let empty = Arc::new(group(&["a"], &[]));
    let live = bench.live("weighted-2");
    assert!(run_assignor(&live, &none(), empty, ASSIGN_BUDGET_NS).is_ok());
}

#[test]
fn weight_zero_gets_nothing_while_others_subscribe() {
    let bench = Bench::new();
    let weights = settings([("idle-", "0")]);
    for name in ["weighted-1", "weighted-2"] {
        let live = bench.live(name);
        let run = |ids: &[&str]| {
            let input = Arc::new(group(ids, &[("x", 4)]));
            run_assignor(&live, &weights, input, ASSIGN_BUDGET_NS).expect("assigned").owners
        };
        assert_eq!(run(&["idle-1", "busy"]), [1, 1, 1, 1], "{name}");
        let alone = run(&["idle-1", "idle-2"]);
        assert!(alone.contains(&0) && alone.contains(&1), "{name}: {alone:?}");
    }
}

pub fn pass(end: i64) -> Arc<PassInfo> {
    Arc::new(PassInfo {
        topic: "last-flight".into(),
        partition: 0,
        now_ms: 1,
        first_offset: Offset(0),
        first_dirty: Offset(0),
        end_offset: Offset(end),
    })
}

#[test]
fn newest_by_header_keeps_the_highest_version_of_each_key() {
    let bench = Bench::new();
    let live = bench.live("newest-by-header");
    let cells: [Cell<'_>; 9] = [
        (Some("a"), Some("0"), &[("version", "10")]),
        (Some("a"), Some("1"), &[("version", "9")]),
        (Some("b"), Some("2"), &[]),
        (Some("b"), Some("3"), &[("version", "no number")]),
        (Some("c"), Some("4"), &[("version", "1.5")]),
        (Some("c"), Some("5"), &[("version", "1.25")]),
        (None, Some("6"), &[("version", "1")]),
        (Some("d"), None, &[("version", "7")]),
        (Some("d"), Some("8"), &[("version", "-7")]),
    ];
    let records = records(&cells);
    let mut run = PolicyRun::open(live, &none(), pass(9)).expect("opened");
    assert_eq!(run.scope(), Scope::All);
    assert_eq!(run.observe(&records), Ok(true));
    run.finish(Offset(9)).expect("finished");
    assert_eq!(run.drops(&records, |_| false), Ok(vec![1, 2, 5, 8]));
    assert_eq!(run.drops(&records, |row| row == 7), Ok(vec![1, 2, 5, 7, 8]), "expired tombstone");
}

#[test]
fn newest_by_header_keeps_what_it_has_not_observed() {
    let bench = Bench::new();
    let live = bench.live("newest-by-header");
    let setting = settings([("header", "v")]);
    let mut run = PolicyRun::open(live.clone(), &setting, pass(2)).expect("opened");
    let cells: [Cell<'_>; 2] =
        [(Some("a"), Some("0"), &[("v", "2")]), (Some("a"), Some("1"), &[("v", "1")])];
    assert_eq!(run.observe(&records(&cells)), Ok(true));
    run.finish(Offset(1)).expect("finished");
    assert_eq!(run.drops(&records(&cells), |_| false), Ok(vec![]));
    assert!(PolicyRun::open(live, &settings([("format", "roman")]), pass(2)).is_err());
}

#[test]
fn a_batch_of_many_tiny_records_and_a_group_of_many_slots_are_no_failure() {
    let bench = Bench::new();
    let live = bench.live("identity");
    let mut instance = Instance::make(&live, &none()).expect("made");
    let tiny = records(&vec![(None, None, &[][..]); 1_200_000]);
    assert_eq!(call(&mut instance, &batch(tiny, 3)).expect("an answer").len(), 1_200_000);
    let live = bench.live("weighted-2");
    let input = Arc::new(group(&["a", "b"], &[("x", 1_200_000)]));
    let done = run_assignor(&live, &none(), input, ASSIGN_BUDGET_NS).expect("assigned");
    assert_eq!((done.owners[0], done.owners[1_199_999]), (0, 1));
}
