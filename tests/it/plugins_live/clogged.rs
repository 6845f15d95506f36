//! Plugins whose code takes long to come: nobody else waits for it.
use std::fs::OpenOptions;
use std::process::Command;

use super::Stage;
use crate::client::{batch, packed_batch};
use crate::harness::run_any;

/// As many as load the plugin at the same time, one a shard, and as there are workers of a kind.
const SHARDS: u16 = 4;

/// Native code that does not come holds up all that load it, and not a look at keys.
#[test]
fn loads_that_hang_hold_up_no_look_into_packed_batches() {
    let mut stage = Stage::start(SHARDS, &[]);
    stage.live("clog@1", "identity");
    let mut kafka = stage.kafka("setup");
    kafka.create_topic("bound", 4, &[]);
    kafka.create_topic("compacted", 4, &[("cleanup.policy", "compact")]);
    stage.bind("clog", &["--topic", "bound"], &[]);
    let native = stage.broker.data().join("plugins/native");
    let mut files = std::fs::read_dir(native).expect("a folder");
    let code = files.next().expect("native code").expect("readable").path();
    stage.broker.stop();
    // A pipe that says nothing, until this end of it closes.
    std::fs::remove_file(&code).expect("our file");
    let made = run_any(Command::new("mkfifo").args(["-m", "666"]).arg(&code), 10);
    assert!(made.status.success(), "{made:?}");
    let hold = OpenOptions::new().read(true).write(true).open(&code).expect("a pipe");
    stage.broker.start();

    let mut kafka = stage.kafka("user");
    for partition in 0..4 {
        let told = kafka.put("bound", partition, batch(&[(None, "x")]));
        assert_eq!(told.error_code, 19, "its plugin is being loaded: {told:?}");
        let told = kafka.put("compacted", partition, packed_batch(Some("a"), b"x"));
        assert_eq!(told.error_code, 0, "{told:?}");
    }
    std::fs::remove_file(&code).expect("our pipe");
    drop(hold);
    stage.wait_binding("bound", |state| state == "live");
    for partition in 0..4 {
        assert_eq!(kafka.put("bound", partition, batch(&[(None, "x")])).error_code, 0);
    }
}
