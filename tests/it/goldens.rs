//! Apache Kafka's own classes read what our codecs read, and write the same.
//!
//! Owns: the second direction of the goldens; the first is in `src/wire/tests/goldens.rs`.
//! Needs: a JDK and Kafka's jars in the local Maven repository (`make setup`).
use std::collections::BTreeSet;
use std::process::Command;

use logmill::base::{Bytes, Rng};
use logmill::wire::Codec;
use logmill::wire::generated::CODECS;

#[path = "../goldens/file.rs"]
pub mod file;

use file::{Damage, Golden, load, save};

/// Damaged goldens that we try to read; about a third of them are still messages.
const TRIES: usize = 60_000;

#[test]
fn kafka_reads_what_we_read_and_writes_what_we_write() {
    let goldens = load(include_bytes!("../goldens/messages.bin.gz"));
    let pairs = messages_of_our_own(&goldens);
    let names: BTreeSet<_> = pairs.iter().map(|[damaged, _]| &damaged.name).collect();
    assert!(TRIES / 5 < pairs.len(), "only {} damaged goldens are messages", pairs.len());
    assert_eq!(names.len(), CODECS.len(), "some message was never read");

    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ours.bin.gz");
    std::fs::write(&path, save(pairs.as_flattened())).expect("the temporary folder takes a file");
    let done = Command::new("python3")
        .args(["tools/goldens.py", "--verify"])
        .arg(&path)
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&done.stdout);
    let complained = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}{complained}");
    assert!(said.contains(&format!("verified {}, refused 0", pairs.len())), "{said}");
}

/// Goldens with a few bits flipped that we can still read, each with what we write for it: values
/// that Kafka never wrote.
fn messages_of_our_own(goldens: &[Golden]) -> Vec<[Golden; 2]> {
    let mut rng = Rng::new(440);
    let mut damage = Damage { below: |count| rng.below(count) };
    let mut pairs = Vec::new();
    for round in 0..TRIES {
        let golden = &goldens[round * goldens.len() / TRIES];
        let codec = Codec::find(&golden.name).expect("every golden has a codec");
        let bytes = damage.value(&golden.bytes);
        if let Ok(written) = codec.recode(&Bytes::from(bytes.clone()), golden.version)
            && bytes != golden.bytes
        {
            let damaged = Golden { is_default: false, bytes, ..golden.clone() };
            let ours = Golden { bytes: written.to_vec(), ..damaged.clone() };
            pairs.push([damaged, ours]);
        }
    }
    pairs
}
