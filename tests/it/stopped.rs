//! A broker that the kernel stops for seconds (SIGSTOP), and a second one on its directory.
//!
//! Owns: stops under load, one of them inside a checkpoint; members of a group over a stop.
//! Leaves to others: ends of a process (`crash`, `kills`).
//! Start reading at: [`a_broker_that_stands_still_for_seconds_loses_nothing`].
use std::process::Command;
use std::time::{Duration, Instant};

use crate::crash::{Topic, WAYS};
use crate::harness::broker::{Broker, Peer};
use crate::harness::client::python;
use crate::harness::script::Script;
use crate::harness::wait::let_pass;
use crate::harness::{Tier, free_port, run_any, skipped_below};
use crate::kills::is_in_syncfs;
use crate::members::Members;

/// What librdkafka says when an answer is late.
const LATE: [&str; 3] = ["_MSG_TIMED_OUT", "_TIMED_OUT", "REQUEST_TIMED_OUT"];
/// Shorter than the session of the members, longer than any timer of the journal.
const STOPS: [Duration; 3] =
    [Duration::from_millis(700), Duration::from_secs(2), Duration::from_secs(4)];
const SIGN_WITHIN: Duration = Duration::from_secs(2);

/// `LOGMILL_PEER=kafka` shows that Kafka's members do the same.
#[test]
fn a_broker_that_stands_still_for_seconds_loses_nothing() {
    if skipped_below(Tier::Test, "SIGSTOP") {
        return;
    }
    let mut broker = Broker::under_test(&[("shards", "2"), ("journal.bytes", "524288")]);
    let bootstrap = broker.bootstrap();
    let mut topics = WAYS.map(|way| Topic::start(&bootstrap, way));
    let mut reader = Script::start(python("load.py").args(["read", &bootstrap, "stopped"]));
    topics.iter_mut().for_each(|topic| topic.await_acknowledgements(200));
    let members = Members::start(broker.port, "still", WAYS[0].topic(), &["one", "two"]);
    let (generation, owned) = members.settled(0);
    let mut inside = 0;
    for (round, stop) in STOPS.into_iter().enumerate() {
        topics.iter_mut().for_each(|topic| topic.await_acknowledgements(300));
        let wait = Instant::now();
        while broker.peer == Peer::Logmill
            && !is_in_syncfs(broker.pid())
            && wait.elapsed() < SIGN_WITHIN
        {}
        broker.signal("-STOP");
        inside += usize::from(wait.elapsed() < SIGN_WITHIN);
        let_pass(stop);
        broker.signal("-CONT");
        topics.iter_mut().for_each(|topic| topic.await_acknowledgements(300));
        topics.iter_mut().for_each(|topic| topic.check(&mut reader, round, 1_000));
        let after = members.settled(0);
        assert_eq!(after, (generation, owned.clone()), "nobody was away for a session");
    }
    members.stop();
    for topic in &mut topics {
        topic.finish(&mut reader, STOPS.len());
        let others = topic.refusals.iter().find(|why| !LATE.contains(&why.as_str()));
        assert!(others.is_none(), "{others:?}");
    }
    if broker.peer == Peer::Logmill {
        println!("{inside} of {} stops fell in a syncfs", STOPS.len());
        assert!(!broker.log().contains("ERROR"), "it has nothing to complain about");
    }
    broker.stop();
}

#[test]
fn a_second_broker_on_the_directory_ends_with_a_sentence_and_the_first_goes_on() {
    if skipped_below(Tier::Test, "a second broker on a directory") {
        return;
    }
    let mut broker = Broker::logmill(&[("shards", "2")]);
    let bootstrap = broker.bootstrap();
    let mut topics = WAYS.map(|way| Topic::start(&bootstrap, way));
    let mut reader = Script::start(python("load.py").args(["read", &bootstrap, "second"]));
    let data = broker.data().display().to_string();
    let other = broker.folder().join("other");
    let both = format!("{},{data}", other.display());
    for dirs in [&data, &both] {
        topics.iter_mut().for_each(|topic| topic.await_acknowledgements(200));
        let mut second = Command::new(env!("CARGO_BIN_EXE_logmill"));
        second.arg("serve");
        for setting in [
            format!("listeners=PLAINTEXT://127.0.0.1:{}", free_port()),
            format!("admin.listener=127.0.0.1:{}", free_port()),
            format!("log.dirs={dirs}"),
        ] {
            second.args(["--set", &setting]);
        }
        let said = run_any(&mut second, 20);
        let sentence = String::from_utf8_lossy(&said.stderr).into_owned();
        let last = sentence.trim_end().lines().next_back().unwrap_or_default();
        let holder = format!("is in use by process {}", broker.pid());
        assert!(last.contains(&data) && last.contains(&holder), "{sentence}");
        assert_eq!(said.status.code(), Some(1), "{sentence}");
    }
    topics.iter_mut().for_each(|topic| topic.await_acknowledgements(200));
    broker.kill();
    broker.start();
    topics.iter_mut().for_each(|topic| topic.check(&mut reader, 0, i64::MAX));
    topics.iter_mut().for_each(|topic| topic.finish(&mut reader, 1));
    assert!(!broker.log().contains("ERROR"), "it has nothing to complain about");
    broker.stop();
}
