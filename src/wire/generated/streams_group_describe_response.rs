//! `StreamsGroupDescribeResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// StreamsGroupDescribeResponse, versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamsGroupDescribeResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// Each described group.
    pub groups: Vec<DescribedGroup>,
}

impl Wire for StreamsGroupDescribeResponse {
    const BYTES_MIN: usize = 6;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.throttle_time_ms = r.get(v)?;
        it.groups = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.throttle_time_ms, v)?;
        w.put(&self.groups, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// Each described group.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedGroup {
    /// The describe error, or 0 if there was no error.
    pub error_code: i16,
    /// The top-level error message, or null if there was no error.
    pub error_message: Option<String>,
    /// The group ID string.
    pub group_id: String,
    /// The group state string, or the empty string.
    pub group_state: String,
    /// The group epoch.
    pub group_epoch: i32,
    /// The assignment epoch.
    pub assignment_epoch: i32,
    /// The topology metadata currently initialized for the streams application. Can be null in case of a describe error.
    pub topology: Option<Topology>,
    /// The members.
    pub members: Vec<Member>,
    /// 32-bit bitfield to represent authorized operations for this group.
    pub authorized_operations: i32,
    /// The full topology description for this group. Non-null if and only if TopologyDescriptionStatus is AVAILABLE (3); null otherwise.
    pub topology_description: Option<TopologyDescription>,
    /// The status of the topology description for this group, paired with TopologyDescription: 0=NOT_REQUESTED (client did not set IncludeTopologyDescription; TopologyDescription is null); 1=NOT_STORED (no description recorded for this group; TopologyDescription is null); 2=ERROR (broker failed to fetch the description, see broker logs; TopologyDescription is null); 3=AVAILABLE (TopologyDescription is non-null and carries the description).
    pub topology_description_status: i8,
    /// The task assignor that the group coordinator will use for the next assignment computation. This may differ from the assignor that computed the current assignment, because changing the assignor configuration does not trigger a rebalance. Null in case of a describe error.
    pub assignor_name: Option<String>,
}

impl Default for DescribedGroup {
    fn default() -> Self {
        Self {
            error_code: Default::default(),
            error_message: Default::default(),
            group_id: Default::default(),
            group_state: Default::default(),
            group_epoch: Default::default(),
            assignment_epoch: Default::default(),
            topology: Default::default(),
            members: Default::default(),
            authorized_operations: -2147483648,
            topology_description: Default::default(),
            topology_description_status: Default::default(),
            assignor_name: Default::default(),
        }
    }
}

impl Wire for DescribedGroup {
    const BYTES_MIN: usize = 20;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.error_code = r.get(v)?;
        it.error_message = r.get(v)?;
        it.group_id = r.get(v)?;
        it.group_state = r.get(v)?;
        it.group_epoch = r.get(v)?;
        it.assignment_epoch = r.get(v)?;
        it.topology = r.get(v)?;
        it.members = r.get(v)?;
        it.authorized_operations = r.get(v)?;
        if v == 1 {
            it.topology_description = r.get(v)?;
        }
        if v == 1 {
            it.topology_description_status = r.get(v)?;
        }
        if v == 1 {
            it.assignor_name = r.get(v)?;
        }
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.error_code, v)?;
        w.put(&self.error_message, v)?;
        w.put(&self.group_id, v)?;
        w.put(&self.group_state, v)?;
        w.put(&self.group_epoch, v)?;
        w.put(&self.assignment_epoch, v)?;
        w.put(&self.topology, v)?;
        w.put(&self.members, v)?;
        w.put(&self.authorized_operations, v)?;
        if v == 1 {
            w.put(&self.topology_description, v)?;
        } else if !(self.topology_description.is_none()) {
            return Err(WireError::absent("topology_description", v));
        }
        if v == 1 {
            w.put(&self.topology_description_status, v)?;
        } else if !(self.topology_description_status == 0) {
            return Err(WireError::absent("topology_description_status", v));
        }
        if v == 1 {
            w.put(&self.assignor_name, v)?;
        }
        w.put_no_tagged();
        Ok(())
    }
}

/// The topology metadata currently initialized for the streams application. Can be null in case of a describe error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topology {
    /// The epoch of the currently initialized topology for this group.
    pub epoch: i32,
    /// The subtopologies of the streams application. This contains the configured subtopologies, where the number of partitions are set and any regular expressions are resolved to actual topics. Null if the group is uninitialized, source topics are missing or incorrectly partitioned.
    pub subtopologies: Option<Vec<Subtopology>>,
}

impl Wire for Topology {
    const BYTES_MIN: usize = 6;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.epoch = r.get(v)?;
        it.subtopologies = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.epoch, v)?;
        w.put(&self.subtopologies, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// The subtopologies of the streams application. This contains the configured subtopologies, where the number of partitions are set and any regular expressions are resolved to actual topics. Null if the group is uninitialized, source topics are missing or incorrectly partitioned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subtopology {
    /// String to uniquely identify the subtopology.
    pub subtopology_id: String,
    /// The topics the subtopology reads from.
    pub source_topics: Vec<String>,
    /// The repartition topics the subtopology writes to.
    pub repartition_sink_topics: Vec<String>,
    /// The set of state changelog topics associated with this subtopology. Created automatically.
    pub state_changelog_topics: Vec<TopicInfo>,
    /// The set of source topics that are internally created repartition topics. Created automatically.
    pub repartition_source_topics: Vec<TopicInfo>,
}

impl Wire for Subtopology {
    const BYTES_MIN: usize = 6;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.subtopology_id = r.get(v)?;
        it.source_topics = r.get(v)?;
        it.repartition_sink_topics = r.get(v)?;
        it.state_changelog_topics = r.get(v)?;
        it.repartition_source_topics = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.subtopology_id, v)?;
        w.put(&self.source_topics, v)?;
        w.put(&self.repartition_sink_topics, v)?;
        w.put(&self.state_changelog_topics, v)?;
        w.put(&self.repartition_source_topics, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

/// The members.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Member {
    /// The member ID.
    pub member_id: String,
    /// The member epoch.
    pub member_epoch: i32,
    /// The member instance ID for static membership.
    pub instance_id: Option<String>,
    /// The rack ID.
    pub rack_id: Option<String>,
    /// The client ID.
    pub client_id: String,
    /// The client host.
    pub client_host: String,
    /// The epoch of the topology on the client.
    pub topology_epoch: i32,
    /// Identity of the streams instance that may have multiple clients.
    pub process_id: String,
    /// User-defined endpoint for Interactive Queries. Null if not defined for this client.
    pub user_endpoint: Option<Endpoint>,
    /// Used for rack-aware assignment algorithm.
    pub client_tags: Vec<KeyValue>,
    /// Cumulative changelog offsets for tasks.
    pub task_offsets: Vec<TaskOffset>,
    /// Cumulative changelog end offsets for tasks.
    pub task_end_offsets: Vec<TaskOffset>,
    /// The current assignment.
    pub assignment: Assignment,
    /// The target assignment.
    pub target_assignment: Assignment,
    /// True for classic members that have not been upgraded yet.
    pub is_classic: bool,
}

impl Wire for Member {
    const BYTES_MIN: usize = 28;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.member_id = r.get(v)?;
        it.member_epoch = r.get(v)?;
        it.instance_id = r.get(v)?;
        it.rack_id = r.get(v)?;
        it.client_id = r.get(v)?;
        it.client_host = r.get(v)?;
        it.topology_epoch = r.get(v)?;
        it.process_id = r.get(v)?;
        it.user_endpoint = r.get(v)?;
        it.client_tags = r.get(v)?;
        it.task_offsets = r.get(v)?;
        it.task_end_offsets = r.get(v)?;
        it.assignment = r.get(v)?;
        it.target_assignment = r.get(v)?;
        it.is_classic = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.member_id, v)?;
        w.put(&self.member_epoch, v)?;
        w.put(&self.instance_id, v)?;
        w.put(&self.rack_id, v)?;
        w.put(&self.client_id, v)?;
        w.put(&self.client_host, v)?;
        w.put(&self.topology_epoch, v)?;
        w.put(&self.process_id, v)?;
        w.put(&self.user_endpoint, v)?;
        w.put(&self.client_tags, v)?;
        w.put(&self.task_offsets, v)?;
        w.put(&self.task_end_offsets, v)?;
        w.put(&self.assignment, v)?;
        w.put(&self.target_assignment, v)?;
        w.put(&self.is_classic, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoint {
    /// host of the endpoint
    pub host: String,
    /// port of the endpoint
    pub port: u16,
}

impl Wire for Endpoint {
    const BYTES_MIN: usize = 4;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.host = r.get(v)?;
        it.port = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.host, v)?;
        w.put(&self.port, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskOffset {
    /// The subtopology identifier.
    pub subtopology_id: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl Wire for TaskOffset {
    const BYTES_MIN: usize = 14;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.subtopology_id = r.get(v)?;
        it.partition = r.get(v)?;
        it.offset = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.subtopology_id, v)?;
        w.put(&self.partition, v)?;
        w.put(&self.offset, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// Active tasks for this client.
    pub active_tasks: Vec<TaskIds>,
    /// Standby tasks for this client.
    pub standby_tasks: Vec<TaskIds>,
    /// Warm-up tasks for this client.
    pub warmup_tasks: Vec<TaskIds>,
}

impl Wire for Assignment {
    const BYTES_MIN: usize = 4;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.active_tasks = r.get(v)?;
        it.standby_tasks = r.get(v)?;
        it.warmup_tasks = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.active_tasks, v)?;
        w.put(&self.standby_tasks, v)?;
        w.put(&self.warmup_tasks, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskIds {
    /// The subtopology identifier.
    pub subtopology_id: String,
    /// The partitions of the input topics processed by this member.
    pub partitions: Vec<i32>,
}

impl Wire for TaskIds {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.subtopology_id = r.get(v)?;
        it.partitions = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.subtopology_id, v)?;
        w.put(&self.partitions, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyValue {
    /// key of the config
    pub key: String,
    /// value of the config
    pub value: String,
}

impl Wire for KeyValue {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.key = r.get(v)?;
        it.value = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.key, v)?;
        w.put(&self.value, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicInfo {
    /// The name of the topic.
    pub name: String,
    /// The number of partitions in the topic. Can be 0 if no specific number of partitions is enforced. Always 0 for changelog topics.
    pub partitions: i32,
    /// The replication factor of the topic. Can be 0 if the default replication factor should be used.
    pub replication_factor: i16,
    /// Topic-level configurations as key-value pairs.
    pub topic_configs: Vec<KeyValue>,
}

impl Wire for TopicInfo {
    const BYTES_MIN: usize = 9;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.partitions = r.get(v)?;
        it.replication_factor = r.get(v)?;
        it.topic_configs = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.partitions, v)?;
        w.put(&self.replication_factor, v)?;
        w.put(&self.topic_configs, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopologyDescription {
    /// The subtopologies that make up this topology.
    pub subtopologies: Vec<TopologyDescriptionSubtopology>,
    /// Global state stores used by this topology.
    pub global_stores: Vec<TopologyDescriptionGlobalStore>,
}

impl Wire for TopologyDescription {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.subtopologies = r.get(v)?;
        it.global_stores = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.subtopologies, v)?;
        w.put(&self.global_stores, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopologyDescriptionSubtopology {
    /// The subtopology identifier, unique within the topology.
    pub subtopology_id: String,
    /// The processing nodes in this subtopology.
    pub nodes: Vec<TopologyDescriptionNode>,
}

impl Wire for TopologyDescriptionSubtopology {
    const BYTES_MIN: usize = 3;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.subtopology_id = r.get(v)?;
        it.nodes = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.subtopology_id, v)?;
        w.put(&self.nodes, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopologyDescriptionNode {
    /// The name of this node (e.g., KSTREAM-SOURCE-0000000000).
    pub name: String,
    /// The type of this node: 1=SOURCE, 2=PROCESSOR, 3=SINK.
    pub node_type: i8,
    /// The source topics this node reads from. Defined only for source nodes, may be empty if source topics are dynamically determined.
    pub source_topics: Vec<String>,
    /// The topic this node writes to. Defined only for sink nodes, may be null if sink topic is dynamically determined.
    pub sink_topic: Option<String>,
    /// The state store names accessed by this node. Defined only for processor nodes.
    pub stores: Vec<String>,
    /// The names of successor nodes in the processing graph. Predecessor relationships are reconstructed from this field.
    pub successors: Vec<String>,
}

impl Wire for TopologyDescriptionNode {
    const BYTES_MIN: usize = 7;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.name = r.get(v)?;
        it.node_type = r.get(v)?;
        it.source_topics = r.get(v)?;
        it.sink_topic = r.get(v)?;
        it.stores = r.get(v)?;
        it.successors = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.name, v)?;
        w.put(&self.node_type, v)?;
        w.put(&self.source_topics, v)?;
        w.put(&self.sink_topic, v)?;
        w.put(&self.stores, v)?;
        w.put(&self.successors, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopologyDescriptionGlobalStore {
    /// The source node providing data to the global store.
    pub source: TopologyDescriptionNode,
    /// The processor node that populates the global store.
    pub processor: TopologyDescriptionNode,
}

impl Wire for TopologyDescriptionGlobalStore {
    const BYTES_MIN: usize = 15;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.source = r.get(v)?;
        it.processor = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.source, v)?;
        w.put(&self.processor, v)?;
        w.put_no_tagged();
        Ok(())
    }
}

impl Message for StreamsGroupDescribeResponse {
    const KEY: i16 = 89;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
    const FLEXIBLE_FROM: i16 = 0;
}
