//! One core at work: what a shard holds, and what may be asked of it.
//!
//! Owns: performing commands on partitions, groups and plugins of one thread.
//! Leaves to others: what Kafka's requests mean (`api`), HTTP (`admin`).
//! Start reading at: [`desk`].

pub mod desk;
