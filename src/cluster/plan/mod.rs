//! From requests to commands: what may be changed, and in Kafka's words why not.
//!
//! Owns: [`Planner`], which reads one image and proposes commands; it changes nothing.
//! Leaves to others: doing it (`apply`), logging it (`shard`), duplicates within one request and
//! the response (`api`).
//! Start reading at: [`Planner`]; its methods are in the files of their subject.
mod adopt;
mod configs;
mod directories;
mod plugins;
mod start;
mod topics;

pub use adopt::{AdoptError, adopt};
pub use configs::{Change, ConfigTarget};
pub use plugins::BindRequest;
pub use start::{PRODUCER_ID_BLOCK, ProducerIdBlock, new_id};
pub use topics::{NewTopic, PARTITIONS_PER_REQUEST_MAX, TopicRef, topic_name_fault};

use super::apply::ApplyError;
use super::image::Image;
use crate::config::{BrokerConfig, BrokerValues, ConfigError};
use crate::model::ErrorCode;

/// Why a request changes nothing, as the client gets it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub code: ErrorCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self::new(ErrorCode::InvalidConfig, error.0)
    }
}

impl From<&ApplyError> for Refusal {
    fn from(error: &ApplyError) -> Self {
        Self::new(ErrorCode::from(error), error.to_string())
    }
}

/// Reads one image and the broker's settings, and says which command a request becomes.
///
/// A command was planned for one image; apply it to that one, or plan anew.
pub struct Planner<'a> {
    image: &'a Image,
    config: &'a BrokerConfig,
    values: BrokerValues,
}

impl<'a> Planner<'a> {
    pub fn new(image: &'a Image, config: &'a BrokerConfig) -> Self {
        Self { image, config, values: image.broker_values(&config.values, config.node_id) }
    }

    /// The broker's settings with what was changed at run time.
    pub fn values(&self) -> &BrokerValues {
        &self.values
    }
}
