//! An image as bytes, and back: what replaces the metadata log up to its index.
//!
//! Owns: the stored form of an image. What follows from the rest is not stored but derived again.
//! Leaves to others: the frame with version and checksum (`format`), files (`shard`).
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::format::{FormatError, frame_snapshot, unframe_snapshot};
use super::image::{BrokerImage, Image, PluginImage, TopicImage};
use crate::base::Bytes;
use crate::config::Overrides;
use crate::model::{NodeId, TopicId};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    index: u64,
    term: u64,
    cluster_id: TopicId,
    features: BTreeMap<String, i16>,
    brokers: Vec<Arc<BrokerImage>>,
    topics: Vec<Arc<TopicImage>>,
    groups: Vec<(Arc<str>, Arc<Overrides>)>,
    cluster_configs: Arc<Overrides>,
    node_configs: Vec<(NodeId, Arc<Overrides>)>,
    next_producer_id: i64,
    shards: u16,
    plugins: Vec<Arc<PluginImage>>,
}

impl Image {
    /// The whole image as one checked block of bytes.
    pub fn to_snapshot(&self) -> Bytes {
        let stored = Stored {
            index: self.index,
            term: self.term,
            cluster_id: self.cluster_id,
            features: BTreeMap::clone(&self.features),
            brokers: self.brokers.values().cloned().collect(),
            topics: self.topics.values().cloned().collect(),
            groups: self.groups.iter().map(|(name, own)| (name.clone(), own.clone())).collect(),
            cluster_configs: self.cluster_configs.clone(),
            node_configs: self.node_configs.iter().map(|(id, own)| (*id, own.clone())).collect(),
            next_producer_id: self.next_producer_id,
            shards: self.shards,
            plugins: self.plugins.values().cloned().collect(),
        };
        let body = serde_json::to_vec(&stored).expect("the stored form has text keys only");
        frame_snapshot(&body)
    }

    /// Reads what [`Image::to_snapshot`] wrote.
    ///
    /// Errors: the bytes are damaged, or of a version that this one does not know.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, FormatError> {
        let body = unframe_snapshot(bytes)?;
        let stored: Stored = serde_json::from_slice(body)
            .map_err(|error| FormatError::Damaged { reason: error.to_string() })?;
        let mut image = Self {
            index: stored.index,
            term: stored.term,
            cluster_id: stored.cluster_id,
            features: Arc::new(stored.features),
            brokers: Arc::new(stored.brokers.into_iter().map(|b| (b.node, b)).collect()),
            cluster_configs: stored.cluster_configs,
            node_configs: Arc::new(stored.node_configs.into_iter().collect()),
            next_producer_id: stored.next_producer_id,
            shards: stored.shards,
            plugins: Arc::new(stored.plugins.into_iter().map(|p| (p.name.clone(), p)).collect()),
            ..Self::empty()
        };
        for topic in stored.topics {
            if image.topic(&topic.name).is_some() || image.topic_by_id(topic.id).is_some() {
                let reason = format!("topic {} stands twice", topic.name);
                return Err(FormatError::Damaged { reason });
            }
            image.put_topic(Arc::unwrap_or_clone(topic));
        }
        for (group, configs) in stored.groups {
            image.set_group_configs(&group, &configs);
        }
        Ok(image)
    }
}
