//! Apache Kafka's own classes read what our codecs write.
//!
//! Owns: the second direction of the goldens; the first is in `src/wire/tests/goldens.rs`.
//! Needs: a JDK and Kafka's jars in the local Maven repository (`make setup`).
use std::process::Command;

use logmill::base::{Bytes, Rng};
use logmill::wire::Codec;

#[path = "../goldens/file.rs"]
mod file;

use file::{Damage, Golden, load, save};

/// Damaged goldens that we try to read; about a third of them are still messages.
const TRIES: usize = 60_000;

#[test]
fn kafka_reads_what_we_write_and_writes_the_same_bytes() {
    let goldens = load(include_bytes!("../goldens/messages.bin.gz"));
    let ours = messages_of_our_own(&goldens);
    let names: std::collections::BTreeSet<_> = ours.iter().map(|golden| &golden.name).collect();
    assert!(TRIES / 5 < ours.len(), "only {} damaged goldens are messages", ours.len());
    assert!(200 < names.len(), "only {} kinds of messages", names.len());

    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ours.bin.gz");
    std::fs::write(&path, save(&ours)).expect("the temporary folder takes a file");
    let done = Command::new("python3")
        .args(["tools/goldens.py", "--verify"])
        .arg(&path)
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&done.stdout);
    let complained = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}{complained}");
    assert!(said.contains(&format!("verified {}, refused 0", ours.len())), "{said}");
}

/// What we write for values that Kafka never wrote: goldens with a few bytes changed that we can
/// still read, in our own encoding.
fn messages_of_our_own(goldens: &[Golden]) -> Vec<Golden> {
    let mut rng = Rng::new(440);
    let mut damage = Damage { below: |count| rng.below(count) };
    let mut ours = Vec::new();
    for round in 0..TRIES {
        let golden = &goldens[round * goldens.len() / TRIES];
        let codec = Codec::find(&golden.name).expect("every golden has a codec");
        let bytes = Bytes::from(damage.value(&golden.bytes));
        if let Ok(bytes) = (codec.recode)(&bytes, golden.version)
            && bytes != golden.bytes
        {
            let bytes = bytes.to_vec();
            ours.push(Golden { is_default: false, bytes, ..golden.clone() });
        }
    }
    ours
}
