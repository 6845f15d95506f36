//! `StreamsGroupDescribeResponse`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// StreamsGroupDescribeResponse, versions 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamsGroupDescribeResponse {
    pub throttle_time_ms: i32,
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

#[derive(Clone, Debug, PartialEq)]
pub struct DescribedGroup {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub group_id: String,
    pub group_state: String,
    pub group_epoch: i32,
    pub assignment_epoch: i32,
    pub topology: Option<Topology>,
    pub members: Vec<Member>,
    pub authorized_operations: i32,
    pub topology_description: Option<TopologyDescription>,
    pub topology_description_status: i8,
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
        w.put_error(&self.error_code, v)?;
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

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topology {
    pub epoch: i32,
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

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subtopology {
    pub subtopology_id: String,
    pub source_topics: Vec<String>,
    pub repartition_sink_topics: Vec<String>,
    pub state_changelog_topics: Vec<TopicInfo>,
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

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Member {
    pub member_id: String,
    pub member_epoch: i32,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub topology_epoch: i32,
    pub process_id: String,
    pub user_endpoint: Option<Endpoint>,
    pub client_tags: Vec<KeyValue>,
    pub task_offsets: Vec<TaskOffset>,
    pub task_end_offsets: Vec<TaskOffset>,
    pub assignment: Assignment,
    pub target_assignment: Assignment,
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
    pub host: String,
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
    pub subtopology_id: String,
    pub partition: i32,
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
    pub active_tasks: Vec<TaskIds>,
    pub standby_tasks: Vec<TaskIds>,
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
    pub subtopology_id: String,
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
    pub key: String,
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
    pub name: String,
    pub partitions: i32,
    pub replication_factor: i16,
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
    pub subtopologies: Vec<TopologyDescriptionSubtopology>,
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
    pub subtopology_id: String,
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
    pub name: String,
    pub node_type: i8,
    pub source_topics: Vec<String>,
    pub sink_topic: Option<String>,
    pub stores: Vec<String>,
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
    pub source: TopologyDescriptionNode,
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
