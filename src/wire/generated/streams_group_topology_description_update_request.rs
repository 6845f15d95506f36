//! `StreamsGroupTopologyDescriptionUpdateRequest`.
//!
//! Written by `tools/wiregen.py` from Apache Kafka's published message definitions
//! (kafka-clients 4.4.0, Apache-2.0). Do not edit: change the generator and run it again.
use crate::wire::{Message, Reader, Wire, WireError, Writer};

/// StreamsGroupTopologyDescriptionUpdateRequest, versions 0 to 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamsGroupTopologyDescriptionUpdateRequest {
    /// The streams group identifier.
    pub group_id: String,
    /// The ID of the streams group member sending the push. The broker validates that this member is still in the group; mismatches (including when the group itself has been deleted) are rejected with UNKNOWN_MEMBER_ID so the client treats itself as fenced and rejoins.
    pub member_id: String,
    /// The epoch of the topology being described.
    pub topology_epoch: i32,
    /// The topology description.
    pub topology_description: TopologyDescription,
}

impl Wire for StreamsGroupTopologyDescriptionUpdateRequest {
    const BYTES_MIN: usize = 10;

    fn read(r: &mut Reader, v: i16) -> Result<Self, WireError> {
        let mut it = Self::default();
        it.group_id = r.get(v)?;
        it.member_id = r.get(v)?;
        it.topology_epoch = r.get(v)?;
        it.topology_description = r.get(v)?;
        r.skip_tagged()?;
        Ok(it)
    }

    fn write(&self, w: &mut Writer, v: i16) -> Result<(), WireError> {
        w.put(&self.group_id, v)?;
        w.put(&self.member_id, v)?;
        w.put(&self.topology_epoch, v)?;
        w.put(&self.topology_description, v)?;
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

impl Message for StreamsGroupTopologyDescriptionUpdateRequest {
    const KEY: i16 = 93;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;
}
