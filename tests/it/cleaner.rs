//! Compaction that runs by itself, in simulated nodes: when it runs, and what it remembers.
//!
//! Owns: dirty ratio, lags, clean boundaries over restarts, turns of several shards.
//! Leaves to others: what a pass keeps (`log`), the same against Apache Kafka (`compaction`).
//! Start reading at: [`Node`].
use std::cell::RefCell;
use std::rc::Rc;

use logmill::model::Offset;
use logmill::record::Codec;
use logmill::shard::partition::Partition;
use logmill::sim::{DATA_DIR, Death, Faults, SimBroker, World};
use logmill::wire::generated::produce_response::ProduceResponse;

use crate::harness::sim::{
    TOPIC, batch, connect, create, create_topic, delete_topic, produce, produce_request,
};

/// Small segments, so that little data closes some.
const SEGMENTS: (&str, &str) = ("internal.segment.bytes", "4000");
const COMPACT: (&str, &str) = ("cleanup.policy", "compact");

/// A node with one compacted topic of one partition.
struct Node(SimBroker);

impl Node {
    fn new(settings: &[(&str, &str)], configs: &[(&'static str, &'static str)]) -> Self {
        let settings = [settings, &[("log.cleaner.backoff.ms", "1000")]].concat();
        let mut broker = SimBroker::new(World::new(1, Faults::NONE), &settings);
        broker.start(2);
        broker.served(60_000).unwrap();
        let mut node = Self(broker);
        let env = node.0.clients();
        let configs = configs.to_vec();
        node.wait(async move { create(&env, &configs).await });
        node
    }

    fn wait(&mut self, work: impl Future<Output = ()> + 'static) {
        let done = Rc::new(RefCell::new(false));
        let ended = done.clone();
        self.0.clients().spawn(async move {
            work.await;
            ended.replace(true);
        });
        assert!(self.0.run_until(600_000, || *done.borrow()), "it does not end");
    }

    /// Produces so many batches of one record each, under three keys.
    fn produce(&mut self, batches: usize) {
        let env = self.0.clients();
        self.wait(async move {
            let mut client = connect(&env).await;
            for n in 0..batches {
                let records = batch(Codec::None, &[(Some(["a", "b", "c"][n % 3]), &[7; 200])]);
                assert_eq!(produce(&mut client, records).await.error_code, 0);
            }
        });
    }

    fn partition(&self) -> Rc<Partition> {
        self.partition_of(TOPIC)
    }

    fn partition_of(&self, topic: &str) -> Rc<Partition> {
        let cores = self.0.cores();
        let all = cores.borrow().iter().flat_map(|core| core.partitions()).collect::<Vec<_>>();
        all.into_iter().find(|partition| &*partition.name.topic == topic).unwrap()
    }

    /// Where compaction has come to, and how many closed segments there are.
    fn state(&self) -> (Offset, usize) {
        let partition = self.partition();
        (partition.cleaned_end.get(), partition.log().unwrap().segment_count() - 1)
    }

    fn rest(&mut self, seconds: u64) {
        self.0.run_for(seconds * 1_000_000_000);
    }

    fn checkpoint(&mut self) -> String {
        let text = Rc::new(RefCell::new(String::new()));
        let (found, core) = (text.clone(), self.0.cores().borrow()[0].clone());
        self.wait(async move {
            let path = format!("{DATA_DIR}/cleaner-offset-checkpoint");
            let file = core.env.open(&path, logmill::env::OpenHow::Read).await.unwrap();
            let bytes = core.env.read_at(&file, 0, 10_000).await.unwrap();
            *found.borrow_mut() = String::from_utf8(bytes.to_vec()).unwrap();
        });
        let text = text.borrow();
        text.clone()
    }
}

#[test]
fn a_dirty_log_is_compacted_and_the_boundary_survives_a_crash() {
    let mut node = Node::new(&[], &[COMPACT, SEGMENTS]);
    node.produce(100);
    assert_eq!(node.state().0, Offset(0), "not at once: first comes the rest");
    node.rest(3);
    let (cleaned, segments) = node.state();
    assert!(Offset(60) < cleaned && segments == 1, "{cleaned} {segments}");
    assert_eq!(node.checkpoint(), format!("0\n1\n{TOPIC} 0 {cleaned}\n"));
    node.produce(60);
    node.rest(3);
    let end = node.state().0;
    assert!(cleaned < end);
    node.0.die(Death::PowerCut);
    node.0.start(1);
    node.0.served(60_000).unwrap();
    assert_eq!(node.state().0, end, "the next life goes on where this one was");
}

#[test]
fn a_deleted_topic_leaves_no_boundary_to_its_namesake() {
    let mut node = Node::new(&[], &[COMPACT, SEGMENTS]);
    node.produce(100);
    node.rest(3);
    assert!(node.checkpoint().contains(TOPIC));
    let env = node.0.clients();
    node.wait(async move {
        delete_topic(&env, TOPIC).await;
        create(&env, &[COMPACT, SEGMENTS]).await;
    });
    node.rest(1);
    assert_eq!(node.checkpoint(), "0\n0\n");
    assert_eq!(node.state(), (Offset(0), 0));
}

#[test]
fn what_is_too_old_is_compacted_whatever_the_ratio() {
    // The records are of 1970. A ratio of 1 is never exceeded.
    let lazy = ("min.cleanable.dirty.ratio", "1.0");
    let mut node = Node::new(&[], &[COMPACT, SEGMENTS, lazy]);
    node.produce(100);
    node.rest(30);
    assert_eq!(node.state().0, Offset(0));
    let lag = ("max.compaction.lag.ms", "60000");
    let mut node = Node::new(&[], &[COMPACT, SEGMENTS, lazy, lag]);
    node.produce(100);
    node.rest(3);
    let cleaned = node.state().0;
    assert!(Offset(60) < cleaned);
    // Also when nobody remembers how old the segments are: a start reads that from them.
    node.produce(100);
    node.0.die(Death::Crash);
    node.0.start(1);
    node.0.served(60_000).unwrap();
    node.rest(3);
    assert!(cleaned < node.state().0);
}

#[test]
fn records_of_a_segment_that_nobody_writes_to_are_compacted_in_time_too() {
    let lag = ("max.compaction.lag.ms", "60000");
    let mut node = Node::new(&[], &[COMPACT, SEGMENTS, lag]);
    node.produce(5);
    node.rest(50);
    assert_eq!(node.state(), (Offset(0), 0));
    node.rest(15);
    assert_eq!(node.state().0, Offset(5), "three keys of five records");
    // Once a lag, not all the time.
    node.produce(1);
    node.rest(50);
    assert_eq!(node.state().0, Offset(5));
    node.rest(15);
    assert_eq!(node.state().0, Offset(6));
}

#[test]
fn a_damaged_partition_holds_up_no_other() {
    let mut node = Node::new(&[("log.cleaner.threads", "1")], &[COMPACT, SEGMENTS]);
    node.produce(100);
    let (env, core) = (node.0.clients(), node.0.cores().borrow()[0].clone());
    node.wait(async move {
        let path = format!("{DATA_DIR}/{TOPIC}-0/{:020}.log", 0);
        let file = core.env.open(&path, logmill::env::OpenHow::Create).await.unwrap();
        core.env.write_all_at(&file, 100, vec![vec![0x55_u8; 9].into()]).await.unwrap();
        create_topic(&env, "other", 1, &[COMPACT, SEGMENTS]).await;
        let mut client = connect(&env).await;
        for _ in 0..100 {
            let records = batch(Codec::None, &[(Some("k"), &[7; 200])]);
            let mut request = produce_request(records);
            request.topic_data[0].name = "other".to_owned();
            let told: ProduceResponse = client.ask(&request, 9).await.unwrap();
            assert_eq!(told.responses[0].partition_responses[0].error_code, 0);
        }
    });
    node.rest(5);
    let failure = node.partition().setback.failure();
    assert!(failure.is_some_and(|failure| failure.is_lasting()), "it is damaged");
    assert_eq!(node.state().0, Offset(0));
    assert!(Offset(60) < node.partition_of("other").cleaned_end.get());
}

#[test]
fn what_is_too_young_is_left_alone() {
    // In a simulated world it is never later than this after 1970.
    let lag = ("min.compaction.lag.ms", "9000000000000");
    let mut node = Node::new(&[], &[COMPACT, SEGMENTS, lag, ("min.cleanable.dirty.ratio", "0.0")]);
    node.produce(100);
    node.rest(30);
    assert_eq!(node.state().0, Offset(0));
}

#[test]
fn a_cleaner_that_is_switched_off_does_nothing() {
    for off in [("log.cleaner.enable", "false"), ("log.cleaner.threads", "0")] {
        let mut node = Node::new(&[off], &[COMPACT, SEGMENTS]);
        node.produce(100);
        node.rest(30);
        assert_eq!(node.state().0, Offset(0), "{off:?}");
    }
}
