//! DeleteRecords on a simulated node of several shards whose power fails right behind the answer.
//!
//! Owns: what was answered holds, namesakes of deleted topics keep their records.
//! Leaves to others: the answers themselves (`delete_records`), one log (`log`'s own tests).
//! Start reading at: [`what_was_answered_survives_power_cuts`].
use std::future::Future;

use logmill::base::Rng;
use logmill::env::Env;
use logmill::record::Codec;
use logmill::sim::{Death, Faults, SimBroker, World, each_seed};
use logmill::wire::Message;
use logmill::wire::generated::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use logmill::wire::generated::delete_records_response::DeleteRecordsResponse;
use logmill::wire::generated::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use logmill::wire::generated::list_offsets_response::ListOffsetsResponse;
use logmill::wire::generated::produce_response::ProduceResponse;

use crate::harness::sim::{
    TOPIC, ask, batch, create_topic, delete_topic, produce_request_to, run, serve,
};

const PARTITIONS: i32 = 3;
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

struct Node {
    broker: SimBroker,
}

impl Node {
    fn boot(&mut self, shards: u16) {
        serve(&mut self.broker, shards);
    }

    /// Runs a client's work to its end.
    fn run<T: 'static, F: Future<Output = T> + 'static>(
        &mut self,
        work: impl FnOnce(Env) -> F,
    ) -> T {
        let env = self.broker.clients();
        run(&mut self.broker, &env, work(env.clone()))
    }

    fn ask<Q: Message + 'static, A: Message + 'static>(&mut self, request: Q, version: i16) -> A {
        ask(&mut self.broker, request, version)
    }

    fn create(&mut self) {
        self.run(|env| async move { create_topic(&env, TOPIC, PARTITIONS, &[]).await });
    }

    fn remove(&mut self) {
        self.run(|env| async move { delete_topic(&env, TOPIC).await });
    }

    fn produce(&mut self, partition: i32, acks: i16) {
        let records = batch(Codec::None, &[(None, b"a record")]);
        let mut request = produce_request_to(partition, records);
        request.acks = acks;
        let told: ProduceResponse = self.ask(request, 9);
        let told = &told.responses[0].partition_responses[0];
        assert_eq!(told.error_code, 0, "{told:?}");
    }

    fn delete(&mut self, partition: i32, offset: i64) {
        let partitions = vec![DeleteRecordsPartition { partition_index: partition, offset }];
        let topics = vec![DeleteRecordsTopic { name: TOPIC.to_owned(), partitions }];
        let request = DeleteRecordsRequest { topics, timeout_ms: 5_000 };
        let told: DeleteRecordsResponse = self.ask(request, 2);
        let told = &told.topics[0].partitions[0];
        assert_eq!((told.error_code, told.low_watermark), (0, offset), "{told:?}");
    }

    fn offset(&mut self, partition: i32, timestamp: i64) -> i64 {
        let (partition_index, current_leader_epoch) = (partition, -1);
        let asked = ListOffsetsPartition { partition_index, current_leader_epoch, timestamp };
        let topics = vec![ListOffsetsTopic { name: TOPIC.to_owned(), partitions: vec![asked] }];
        let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
        let told: ListOffsetsResponse = self.ask(request, 6);
        let told = &told.topics[0].partitions[0];
        assert_eq!(told.error_code, 0, "{told:?}");
        told.offset
    }
}

#[test]
fn what_was_answered_survives_power_cuts() {
    each_seed(25, |seed| {
        let mut dice = Rng::new(seed ^ 0x5eed);
        let mut node = Node { broker: SimBroker::new(World::new(seed, Faults::LEGAL), &[]) };
        node.boot(3);
        node.create();
        let (mut starts, mut ends) = ([0; PARTITIONS as usize], [0; PARTITIONS as usize]);
        for life in 0..4 {
            for _ in 0..8 {
                let partition = dice.below(PARTITIONS as u64) as i32;
                let at = partition as usize;
                node.produce(partition, -1);
                ends[at] += 1;
                if dice.chance(500) {
                    let target = starts[at] + dice.below((ends[at] - starts[at]) as u64 + 1) as i64;
                    node.delete(partition, target);
                    starts[at] = target;
                }
            }
            if life == 2 {
                node.remove();
                node.create();
                (starts, ends) = (Default::default(), Default::default());
                for partition in 0..PARTITIONS {
                    node.produce(partition, -1);
                    ends[partition as usize] = 1;
                }
            }
            node.broker.die(if dice.chance(700) { Death::PowerCut } else { Death::Crash });
            node.boot(1 + dice.below(3) as u16);
            for partition in 0..PARTITIONS {
                let told = (node.offset(partition, EARLIEST), node.offset(partition, LATEST));
                let at = partition as usize;
                assert_eq!(told, (starts[at], ends[at]), "life {life}, partition {partition}");
            }
        }
    });
}

/// They came with acks=1: the log must not begin behind its end after the power cut.
#[test]
fn records_that_were_deleted_before_they_were_stable_are_not_given_out_again() {
    each_seed(25, |seed| {
        let mut node = Node { broker: SimBroker::new(World::new(seed, Faults::LEGAL), &[]) };
        node.boot(2);
        node.create();
        for _ in 0..5 {
            node.produce(1, 1);
        }
        node.delete(1, 5);
        node.broker.die(Death::PowerCut);
        node.boot(2);
        assert_eq!((node.offset(1, EARLIEST), node.offset(1, LATEST)), (5, 5));
        node.produce(1, -1);
        node.broker.die(Death::PowerCut);
        node.boot(2);
        assert_eq!((node.offset(1, EARLIEST), node.offset(1, LATEST)), (5, 6));
    });
}
