//! `logmill log dump`: the batches of a log, and their records, as they lie in the files.
//!
//! Owns: the text and the JSON, with the names of Kafka's own dump tool.
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Done, OfflineError, places, rehearse};
use crate::env::Env;
use crate::log::{DiskError, Walked, walk};
use crate::model::Offset;
use crate::record::{Header, Records, Row};
use crate::server::words;

/// One batch unpacked.
const BATCH_BYTES_MAX: usize = 256 << 20;

pub fn run(path: &Path, records: bool, json: bool) -> Done {
    let mut bad = 0;
    for file in files(path)? {
        let file = file.display().to_string();
        bad += rehearse(move |env| async move { dump(&env, &file, records, json).await })?;
    }
    match bad {
        0 => Ok(()),
        some => Err(OfflineError::Damaged(format!("{} damaged.", words::some(some, "file")))),
    }
}

/// The segments that a path names: one, those of a partition, or those of all.
fn files(path: &Path) -> Result<Vec<PathBuf>, OfflineError> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for place in places(path)?.partitions {
        let dir = PathBuf::from(place.dir());
        let read = |source| OfflineError::Read { path: dir.clone(), source };
        for entry in std::fs::read_dir(&dir).map_err(read)? {
            let file = entry.map_err(read)?.path();
            if file.extension().is_some_and(|ending| ending == "log") {
                files.push(file);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Prints one file; 1 when it is damaged.
async fn dump(env: &Env, path: &str, with_records: bool, json: bool) -> Result<u64, DiskError> {
    if !json {
        words::print_out(&format!("Dumping {path}"));
    }
    let mut batches = walk(env, path, Offset(0)).await?;
    loop {
        let (header, position, bytes) = match batches.next().await? {
            Walked::Batch { header, position, bytes } => (header, position, bytes),
            Walked::End => return Ok(0),
            Walked::Bad { position, why } => {
                words::print_out(&match json {
                    true => {
                        json!({ "file": path, "position": position, "damaged": why }).to_string()
                    }
                    false => format!("position: {position} is damaged: {why}"),
                });
                return Ok(1);
            }
        };
        let records = with_records.then(|| Records::decode(&bytes, BATCH_BYTES_MAX));
        let records = records.map(|records| records.map_err(|error| error.to_string()));
        if json {
            let mut row = batch_json(path, &header, position, bytes.len());
            row["records"] = match &records {
                Some(Ok(records)) => records.rows.iter().map(|r| record_json(records, r)).collect(),
                Some(Err(why)) => json!(why),
                None => Value::Null,
            };
            words::print_out(&row.to_string());
            continue;
        }
        words::print_out(&batch_text(&header, position, bytes.len()));
        match records {
            Some(Ok(records)) => {
                records.rows.iter().for_each(|row| words::print_out(&record_text(&records, row)));
            }
            Some(Err(why)) => words::print_out(&format!("| cannot be unpacked: {why}")),
            None => {}
        }
    }
}

fn codec(header: &Header) -> String {
    header.codec().map_or("unknown".to_owned(), |codec| format!("{codec:?}").to_lowercase())
}

fn batch_text(header: &Header, position: u64, bytes: usize) -> String {
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
         producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} \
         deleteHorizonMs: {:?} position: {position} {:?}: {} size: {bytes} magic: {} \
         compresscodec: {} crc: {} isvalid: true",
        header.base_offset,
        header.last_offset(),
        header.record_count,
        header.base_sequence,
        header.last_sequence(),
        header.producer_id,
        header.producer_epoch.0,
        header.leader_epoch,
        header.is_transactional(),
        header.is_control(),
        header.delete_horizon_ms(),
        header.timestamp_type(),
        header.max_timestamp,
        header.magic,
        codec(header),
        header.crc,
    )
}

fn batch_json(path: &str, header: &Header, position: u64, bytes: usize) -> Value {
    json!({
        "file": path,
        "position": position,
        "size": bytes,
        "baseOffset": header.base_offset.0,
        "lastOffset": header.last_offset().0,
        "count": header.record_count,
        "baseSequence": header.base_sequence,
        "producerId": header.producer_id.0,
        "producerEpoch": header.producer_epoch.0,
        "partitionLeaderEpoch": header.leader_epoch.0,
        "isTransactional": header.is_transactional(),
        "isControl": header.is_control(),
        "maxTimestamp": header.max_timestamp,
        "timestampType": format!("{:?}", header.timestamp_type()),
        "compression": codec(header),
        "crc": header.crc,
    })
}

fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn record_text(records: &Records, row: &Row) -> String {
    let show = |bytes| text(bytes).unwrap_or_else(|| "null".to_owned());
    format!(
        "| offset: {} timestamp: {} key: {} payload: {}",
        row.offset,
        row.timestamp,
        show(records.key(row)),
        show(records.value(row)),
    )
}

fn record_json(records: &Records, row: &Row) -> Value {
    let headers: Vec<Value> = records
        .headers(row)
        .map(|(name, value)| json!({ "name": text(Some(name)), "value": text(value) }))
        .collect();
    json!({
        "offset": row.offset.0,
        "timestamp": row.timestamp,
        "key": text(records.key(row)),
        "value": text(records.value(row)),
        "headers": headers,
    })
}
