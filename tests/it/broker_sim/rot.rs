//! Bits that change on the disk of a node that is off, in every kind of file.
//!
//! Owns: the kinds of files; that nothing wrong passes for right, and nothing is missing in
//! silence: a start that is refused, an answer that is an error, or a wrong checksum tell it.
//! Leaves to others: what one log does about each kind of damage (`log::tests::verify`).
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use logmill::sim::{ADDRESS, KafkaClient, MachineId};

use super::audit::{Verdict, metadata, read};
use super::canaries::small;
use super::clients::Site;
use super::model::PARTITIONS;
use super::{HANGS_MS, Plan, Run, seed_count, seeds};

/// Ends of the names of our files. Those of text have no checksum in Kafka's format.
pub const KINDS: [&str; 9] = [
    ".log",
    ".index",
    ".timeindex",
    ".snapshot",
    ".journal",
    "partition.metadata",
    "leader-epoch-checkpoint",
    "-offset-checkpoint",
    "/metadata/",
];

/// What became of one bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// No such file, or nothing in it.
    Nothing,
    /// The start said no.
    Refused,
    /// A reader was told, or saw a wrong checksum.
    Told,
    /// Everything is there.
    Harmless,
}

pub fn is_of(kind: &'static str) -> impl Fn(&str) -> bool {
    move |path| match kind {
        "/metadata/" => path.contains(kind),
        kind => path.ends_with(kind) && !path.contains("/metadata/"),
    }
}

/// What readers find of each partition; `Err` when they are told that something is wrong.
async fn look(site: &Site) -> Verdict<Fate> {
    let mut client = KafkaClient::connect(&site.env, ADDRESS, "auditor").await?;
    match metadata(&mut client).await? {
        // A topic that nobody knows any more would be a loss in silence.
        Err(sentence) if sentence == "metadata: error 3" => return Ok(Err(sentence)),
        Err(_) => return Ok(Ok(Fate::Told)),
        Ok(_) => {}
    }
    let mut fate = Fate::Harmless;
    for partition in 0..PARTITIONS {
        match read(&mut client, site, partition).await? {
            Ok(log) => site.model.borrow_mut().check_log(partition, &log, None),
            Err(_) => fate = Fate::Told,
        }
    }
    Ok(Ok(fate))
}

/// What a client came to that looks at the node, again while its connection breaks.
pub fn watch<T: 'static, F: Future<Output = Verdict<T>> + 'static>(
    run: &mut Run,
    look: impl Fn() -> F + 'static,
) -> Result<T, String> {
    let (env, place) = (run.site.env.clone(), Rc::new(RefCell::new(None)));
    let done = place.clone();
    run.site.env.spawn(async move {
        let told = loop {
            match look().await {
                Err(error) if error.is_disconnect() => env.sleep_ms(1).await,
                told => break told,
            }
        };
        done.replace(Some(told));
    });
    assert!(run.broker.run_until(HANGS_MS, || place.borrow().is_some()), "a look hangs");
    place.take().expect("it is there").expect("answers that can be read")
}

/// One life and a stop in order; then one bit of one file of that kind is another.
fn rot(seed: u64, kind: &'static str) -> Fate {
    let plan = Plan { deaths_min: 0, dies_per_1000: 0, rests_per_1000: 1_000, ..small() };
    let mut run = Run::new(seed, &plan);
    run.live().unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
    let Some((path, at)) = run.broker.world.rot(MachineId::FIRST, is_of(kind)) else {
        return Fate::Nothing;
    };
    run.broker.start(2);
    if let Err(sentence) = run.broker.served(HANGS_MS) {
        assert!(sentence.contains('/'), "SEED={seed}: {sentence:?} names no file: {path} {at}");
        return Fate::Refused;
    }
    let site = run.site.clone();
    let told = watch(&mut run, move || {
        let site = site.clone();
        async move { look(&site).await }
    });
    let mut broken = run.site.model.borrow().broken.clone();
    let fate = told.unwrap_or_else(|sentence| {
        broken.push(sentence);
        Fate::Told
    });
    // Kafka's checksum of a batch does not cover its leader epoch.
    if kind == ".log" {
        broken.retain(|line| !line.contains(": epoch "));
    }
    assert!(broken.is_empty(), "SEED={seed}: byte {at} of {path}: {broken:#?}");
    fate
}

#[test]
fn a_bit_that_changes_never_makes_wrong_records_or_takes_any_in_silence() {
    let mut fates: BTreeMap<(&str, Fate), u64> = BTreeMap::new();
    for seed in seeds(seed_count().div_ceil(50)) {
        for kind in KINDS {
            *fates.entry((kind, rot(seed, kind))).or_default() += 1;
        }
    }
    println!("{fates:#?}");
}
