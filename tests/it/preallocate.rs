//! `preallocate`: the room of a segment is there from its first record on, and given back.
//!
//! Owns: what the file system says of the files. Leaves to others: that nobody notices (`log`).
use std::os::unix::fs::MetadataExt;

use crate::client::{TYPE_TOPIC, batch};
use crate::harness::broker::Broker;
use crate::plugins_live::Stage;

const SEGMENT: u64 = 1 << 20;

/// Size and room of the segment of partition 0 that begins at `base`.
fn segment(broker: &Broker, topic: &str, base: usize) -> (u64, u64) {
    let path = broker.data().join(format!("{topic}-0/{base:020}.log"));
    let data = std::fs::metadata(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    (data.len(), data.blocks() * 512)
}

#[test]
fn a_segments_room_is_reserved_and_what_it_did_not_use_given_back() {
    let mut stage = Stage::start(1, &[("journal.bytes", "0")]);
    let mut kafka = stage.kafka("preallocate");
    let settings = [("segment.bytes", "1048576"), ("preallocate", "true")];
    kafka.create_topic("wide", 1, &settings);
    kafka.create_topic("plain", 1, &settings[..1]);
    let value = "v".repeat(600_000);
    let mut put = |topic: &str| {
        let told = kafka.produce(topic, -1, vec![(0, batch(&[(None, &value)]))]).remove(0);
        assert_eq!(told.error_code, 0, "{told:?}");
    };
    for topic in ["plain", "wide"] {
        put(topic);
    }
    let (size, room) = segment(&stage.broker, "plain", 0);
    assert!(size < room + 4096 && room < SEGMENT, "{room} bytes for {size}");
    let (size, room) = segment(&stage.broker, "wide", 0);
    assert!(size < SEGMENT && SEGMENT <= room, "{room} bytes for {size}");
    // The next record does not fit: this segment is closed, and the acks=all after it is stable.
    put("wide");
    put("wide");
    assert!(segment(&stage.broker, "wide", 0).1 < SEGMENT, "what it did not use is given back");
    assert!(SEGMENT <= segment(&stage.broker, "wide", 2).1);
    // At run time, from the next segment on.
    assert_eq!(stage.kafka("alter").alter(TYPE_TOPIC, "wide", &[("preallocate", None)]), (0, None));
    put("wide");
    assert!(segment(&stage.broker, "wide", 3).1 < SEGMENT);
    stage.broker.stop();
}
