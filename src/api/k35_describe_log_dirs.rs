//! DescribeLogDirs (key 35): what lies in each log directory, and how much room there is.
//!
//! Owns: the shape of the response. Leaves to others: sizes (`log`), room (`env`).
//! Invariant: answered for every directory, also for one that holds nothing that was asked for.
//! Source: ReplicaManager#describeLogDirs; KIP-113, KIP-827 (room), KIP-1066 (cordoned).
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::api::{Close, Request};
use crate::base::Bytes;
use crate::config::cordoned;
use crate::env::Rests;
use crate::model::{ErrorCode, PartitionIndex, TopicId};
use crate::shard::Core;
use crate::shard::ask::{Ask, Work};
use crate::shard::dirs::LogDirectory;
use crate::shard::partition::Partition;
use crate::wire::generated::describe_log_dirs_request::DescribeLogDirsRequest;
use crate::wire::generated::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};

/// Logs that are looked at before other tasks of the shard run.
const LOGS_PER_TURN: usize = 256;

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
    let values = core.image().broker_values(&core.config.values, core.identity.node_id);
    let shut = cordoned(&values);
    for dir in core.identity.log_dirs.iter() {
        let mut result = describe(core, dir, &wanted, &sizes).await;
        result.is_cordoned = shut.iter().any(|name| name == "*" || *name == dir.name);
        results.push(result);
    }
    request.respond(&DescribeLogDirsResponse { results, ..Default::default() })
}

async fn describe(
    core: &Core,
    dir: &LogDirectory,
    wanted: &Wanted,
    sizes: &[LogSize],
) -> DescribeLogDirsResult {
    let path = &dir.path;
    let mut result = DescribeLogDirsResult { log_dir: path.to_string(), ..Default::default() };
    if core.dir_fault(dir).is_some() {
        result.error_code = ErrorCode::KafkaStorageError.code();
        return result;
    }
    let space = match core.env.space(path).await {
        Ok(space) => space,
        Err(error) => {
            tracing::error!(%path, %error, "the log directory does not say how much room it has");
            result.error_code = ErrorCode::KafkaStorageError.code();
            return result;
        }
    };
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    result.total_bytes = signed(space.total_bytes);
    result.usable_bytes = signed(space.usable_bytes);
    let image = core.image();
    let sizes: Vec<&LogSize> = sizes.iter().filter(|size| size.dir == *path).collect();
    let mut rests = Rests::every(LOGS_PER_TURN);
    for of_topic in sizes.chunk_by(|left, right| left.topic_id == right.topic_id) {
        let Some(topic) = image.topic_by_id(of_topic[0].topic_id) else { continue };
        let is_wanted = |size: &&&LogSize| {
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
        rests.after(of_topic.len()).await;
    }
    result
}

struct LogSize {
    dir: Arc<str>,
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
        let size = |partition: &Partition| {
            let log = partition.log().ok()?;
            let (dir, bytes) = (partition.dir.clone()?, log.bytes());
            Some(LogSize { dir, topic_id: partition.topic_id, partition: partition.index(), bytes })
        };
        let core = core.clone();
        Box::pin(async move {
            let mut sizes = Vec::new();
            let mut rests = Rests::every(LOGS_PER_TURN);
            for partition in core.partitions() {
                sizes.extend(size(&partition));
                rests.after(1).await;
            }
            sizes
        })
    }
}
