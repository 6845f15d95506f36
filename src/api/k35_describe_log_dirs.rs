//! DescribeLogDirs (key 35): what lies in each data directory, and how much room there is.
//!
//! Owns: the shape of the response. Leaves to others: sizes (`log`), room (`env`).
//! Invariant: answered for every directory, also for one that holds nothing that was asked for.
//! Source: ReplicaManager#describeLogDirs; KIP-113, KIP-827 (room), KIP-1066 (cordoned).
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::model::{ErrorCode, PartitionIndex, TopicId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::wire::generated::describe_log_dirs_request::DescribeLogDirsRequest;
use crate::wire::generated::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};

/// Partitions by topic; `None` is all.
type Wanted = Option<BTreeMap<String, BTreeSet<PartitionIndex>>>;

pub async fn handle(mut request: Request) -> Result<Option<Vec<Bytes>>, Close> {
    let body: DescribeLogDirsRequest = request.body()?;
    let wanted: Wanted = body.topics.map(|topics| {
        let mut all = BTreeMap::<String, BTreeSet<PartitionIndex>>::new();
        for topic in topics {
            all.entry(topic.topic).or_default().extend(topic.partitions);
        }
        all
    });
    let core = &request.core;
    let sizes = core.ask_all(&LogSizes).await.map_err(|_| Close::Shard)?;
    let mut sizes: Vec<LogSize> = sizes.into_iter().flatten().collect();
    sizes.sort_by_key(|size| (size.topic_id, size.partition));
    let mut results = Vec::new();
    for dir in [&*core.identity.data_dir] {
        results.push(describe(core, dir, &wanted, &sizes).await);
    }
    request.respond(&DescribeLogDirsResponse { results, ..Default::default() })
}

async fn describe(
    core: &Core,
    dir: &str,
    wanted: &Wanted,
    sizes: &[LogSize],
) -> DescribeLogDirsResult {
    let mut result = DescribeLogDirsResult { log_dir: dir.to_owned(), ..Default::default() };
    let space = match core.env.space(dir).await {
        Ok(space) => space,
        Err(error) => {
            tracing::error!(dir, %error, "the data directory does not say how much room it has");
            result.error_code = ErrorCode::KafkaStorageError.code();
            return result;
        }
    };
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    result.total_bytes = signed(space.total_bytes);
    result.usable_bytes = signed(space.usable_bytes);
    let image = core.image();
    for of_topic in sizes.chunk_by(|left, right| left.topic_id == right.topic_id) {
        let Some(topic) = image.topic_by_id(of_topic[0].topic_id) else { continue };
        let is_wanted = |size: &&LogSize| {
            let of = |all: &BTreeMap<String, BTreeSet<PartitionIndex>>| {
                all.get(&*topic.name).is_some_and(|some| some.contains(&size.partition))
            };
            wanted.as_ref().is_none_or(of)
        };
        let partitions: Vec<_> = of_topic
            .iter()
            .filter(is_wanted)
            .map(|size| DescribeLogDirsPartition {
                partition_index: size.partition,
                partition_size: signed(size.bytes),
                offset_lag: 0, // a leader is never behind itself
                is_future_key: false,
            })
            .collect();
        if !partitions.is_empty() {
            result.topics.push(DescribeLogDirsTopic { name: topic.name.to_string(), partitions });
        }
    }
    result
}

struct LogSize {
    topic_id: TopicId,
    partition: PartitionIndex,
    bytes: u64,
}

/// Sizes of the logs of one shard that are online.
#[derive(Clone)]
struct LogSizes;

impl Ask for LogSizes {
    type Told = Vec<LogSize>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let all = core.partitions();
        let sizes = all.iter().filter_map(|partition| {
            let log = partition.log().ok()?;
            let (topic_id, partition) = (partition.topic_id, partition.index());
            Some(LogSize { topic_id, partition, bytes: log.bytes() })
        });
        Box::pin(std::future::ready(sizes.collect()))
    }
}
