//! `logmill log topics`: what the metadata of a data directory names, without a broker.
//!
//! Owns: the list. Leaves to others: the metadata log (`shard`); it is opened as a rehearsal.
use std::path::Path;

use serde_json::{Value, json};

use super::{Done, OfflineError, rehearse};
use crate::cluster::TopicImage;
use crate::server::{meta, words};
use crate::shard::metadata_log::MetadataLog;

/// No snapshot is written by a look.
const NO_SNAPSHOT: u64 = u64::MAX;

pub fn run(path: &Path, as_json: bool) -> Done {
    let nothing = || OfflineError::Nothing { path: path.to_owned() };
    if !path.join("metadata").is_dir() {
        let meta = meta::read(path).ok().flatten();
        return Err(match meta.and_then(|meta| meta.metadata_directory) {
            Some(id) => OfflineError::Elsewhere { path: path.to_owned(), id },
            None => nothing(),
        });
    }
    let dir = path.to_str().ok_or_else(nothing)?.to_owned();
    let opened = rehearse(|env| async move {
        MetadataLog::open(&env, &dir, NO_SNAPSHOT).await.map(|(log, _)| log.image().clone())
    });
    let image = opened.map_err(|error| OfflineError::Metadata(error.to_string()))?;
    if as_json {
        let topics: Vec<Value> = image.topics().map(|topic| row(topic)).collect();
        let all = json!({ "topics": topics, "next_producer_id": image.next_producer_id().0 });
        words::print_out(&all.to_string());
        return Ok(());
    }
    let row = |topic: &std::sync::Arc<TopicImage>| {
        let settings: Vec<String> =
            topic.configs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let count = topic.partitions.len().to_string();
        vec![topic.name.to_string(), topic.id.to_string(), count, settings.join(",")]
    };
    let heads = ["TOPIC", "ID", "PARTITIONS", "SETTINGS"];
    words::print_out(&words::table(&heads, image.topics().map(row).collect()));
    Ok(())
}

fn row(topic: &TopicImage) -> Value {
    let epochs: Vec<i32> = topic.partitions.iter().map(|one| one.leader_epoch.0).collect();
    json!({
        "name": &*topic.name,
        "id": topic.id.to_string(),
        "leader_epochs": epochs,
        "settings": &*topic.configs,
    })
}
