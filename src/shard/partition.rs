//! A partition on its shard: its log, the topic's settings, and the order of those who append.
//!
//! Owns: the turnstile that keeps batches in order while a partitioner thinks.
//! Leaves to others: offsets and files (`log`).
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::config::{self, BrokerConfig, Overrides, TopicSettings};
use crate::env::local::Notify;
use crate::log::{Log, LogConfig};
use crate::model::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId, TopicPartition};
use crate::shard::cleaner::Setback;

pub struct Partition {
    pub topic_id: TopicId,
    pub name: TopicPartition,
    /// Its log directory; `None`: that is not among those that this process has.
    pub dir: Option<Arc<str>>,
    pub leader_epoch: Cell<LeaderEpoch>,
    settings: RefCell<(Arc<Overrides>, Arc<TopicSettings>)>,
    pub turnstile: Turnstile,
    /// Where the last compaction ended; the next one begins there.
    pub cleaned_end: Cell<Offset>,
    /// The order of those who compact.
    pub passes: Turnstile,
    /// What compaction could not do here.
    pub setback: Setback,
    log: RefCell<Result<Rc<Log>, String>>,
}

impl Partition {
    /// `log`: open, or why it is offline.
    pub fn new(
        topic_id: TopicId,
        name: TopicPartition,
        dir: Option<Arc<str>>,
        leader_epoch: LeaderEpoch,
        (configs, settings): (Arc<Overrides>, Arc<TopicSettings>),
        log: Result<Rc<Log>, String>,
    ) -> Self {
        Self {
            topic_id,
            name,
            dir,
            leader_epoch: Cell::new(leader_epoch),
            settings: RefCell::new((configs, settings)),
            turnstile: Turnstile::default(),
            cleaned_end: Cell::new(Offset(0)),
            passes: Turnstile::default(),
            setback: Setback::default(),
            log: RefCell::new(log),
        }
    }

    pub fn index(&self) -> PartitionIndex {
        self.name.partition
    }

    /// Errors: `KafkaStorageError` while the partition is offline.
    pub fn log(&self) -> Result<Rc<Log>, ErrorCode> {
        self.log.borrow().clone().map_err(|_| ErrorCode::KafkaStorageError)
    }

    /// Opens a log that could not be opened before, or says why it still cannot.
    pub fn set_log(&self, log: Result<Rc<Log>, String>) {
        *self.log.borrow_mut() = log;
    }

    /// Why the log could not be opened.
    pub fn offline_reason(&self) -> Option<String> {
        self.log.borrow().as_ref().err().cloned()
    }

    pub fn settings(&self) -> Arc<TopicSettings> {
        self.settings.borrow().1.clone()
    }

    /// Whether the settings in force come from these of the topic.
    pub fn is_configured_by(&self, configs: &Arc<Overrides>) -> bool {
        Arc::ptr_eq(&self.settings.borrow().0, configs)
    }

    pub fn configure(&self, configs: Arc<Overrides>, settings: Arc<TopicSettings>) {
        self.settings.replace((configs, settings));
    }
}

/// Kafka's settings of a topic as its logs use them.
pub fn log_config(settings: &TopicSettings, config: &BrokerConfig) -> LogConfig {
    // What is to be compacted in time must be in a closed segment by then.
    let segment_ms_max = match settings.cleanup.compact {
        true => settings.segment_ms.min(settings.max_compaction_lag_ms),
        false => settings.segment_ms,
    };
    LogConfig {
        segment_bytes_max: u64::from(settings.segment_bytes),
        preallocate: settings.preallocate,
        segment_ms_max,
        segment_jitter_ms_max: settings.segment_jitter_ms,
        deletes: settings.cleanup.delete,
        retention_ms: settings.retention_ms,
        retention_bytes: settings.retention_bytes,
        file_delete_delay_ms: delete_delay_ms(settings),
        index_bytes_max: u64::from(settings.segment_index_bytes),
        index_interval_bytes: u64::from(settings.index_interval_bytes),
        timestamp_type: timestamp_type(settings),
        flush_on_acks_all: settings.flush_on_acks_all,
        flush_messages: settings.flush_messages,
        flush_ms: settings.flush_ms,
        producer_expiration_ms: config.producer_id_expiration_ms,
        delete_retention_ms: settings.delete_retention_ms,
        min_compaction_lag_ms: settings.min_compaction_lag_ms,
        ..LogConfig::default()
    }
}

/// `file.delete.delay.ms`; its range has no negatives.
pub fn delete_delay_ms(settings: &TopicSettings) -> u64 {
    settings.file_delete_delay_ms.unsigned_abs()
}

pub fn timestamp_type(settings: &TopicSettings) -> crate::record::TimestampType {
    match settings.timestamp_type {
        config::TimestampType::CreateTime => crate::record::TimestampType::CreateTime,
        config::TimestampType::LogAppendTime => crate::record::TimestampType::LogAppendTime,
    }
}

/// First come, first through, one at a time.
#[derive(Default)]
pub struct Turnstile(Rc<RefCell<Line>>);

#[derive(Default)]
struct Line {
    busy: bool,
    waiting: VecDeque<Weak<Place>>,
}

#[derive(Default)]
struct Place {
    called: Cell<bool>,
    notice: Notify,
}

/// A place in the line, taken when made and given up when dropped.
pub struct Turn {
    line: Rc<RefCell<Line>>,
    place: Rc<Place>,
}

impl Turnstile {
    /// Whether somebody is inside or waits.
    pub fn is_busy(&self) -> bool {
        self.0.borrow().busy
    }

    pub fn enter(&self) -> Turn {
        let place = Rc::<Place>::default();
        let mut line = self.0.borrow_mut();
        if std::mem::replace(&mut line.busy, true) {
            line.waiting.push_back(Rc::downgrade(&place));
        } else {
            place.called.set(true);
        }
        Turn { line: self.0.clone(), place }
    }
}

impl Turn {
    /// Waits until everybody before has left.
    pub async fn called(&self) {
        while !self.place.called.get() {
            self.place.notice.changed().await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.place.called.get() {
            return;
        }
        let mut line = self.line.borrow_mut();
        while let Some(next) = line.waiting.pop_front() {
            if let Some(place) = next.upgrade() {
                place.called.set(true);
                place.notice.notify_all();
                return;
            }
        }
        line.busy = false;
    }
}
