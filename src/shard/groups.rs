//! Group coordinators at work: each drives one partition of `__consumer_offsets` on its shard.
//!
//! Owns: carrying out a coordinator's effects (answers, appends, assignor runs, timers), replaying
//! the partition when it opens.
//! Leaves to others: every decision (`group`), the log (`log`), running assignors (`assignors`).
//! Invariant: effects are carried out in the order in which they were given; a coordinator that is
//! not loaded answers 14 by itself.
//! Start reading at: [`Groups::ask`], then [`GroupShard::perform`].
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::base::Bytes;
use crate::cluster::{Image, PluginKind};
use crate::config::AssignorFailure;
use crate::env::local::{Notify, Sender, oneshot};
use crate::group::{
    Binding, Coordinator, Effect, FailurePolicy, GroupConfig, Now, Record, Response, Token,
    TopicInfo, Turn, View, WriteId,
};
use crate::log::{Ack, Acks, FirstBatch, ReadError};
use crate::model::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId};
use crate::record::{BatchBuilder, BatchSpec, CheckedBatch, RecordError, Records};
use crate::shard::Core;
use crate::shard::partition::Partition;

/// The topic whose partitions are coordinators.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// Bytes that a replay reads at once.
const REPLAY_BYTES: usize = 1024 * 1024;
/// Pauses between two tries to load a coordinator.
const RELOAD_MS_MIN: u64 = 1_000;
const RELOAD_MS_MAX: u64 = 30_000;
/// One batch of a coordinator unpacked.
const REPLAY_BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The coordinators of one shard, by partition.
#[derive(Default)]
pub struct Groups {
    shards: RefCell<BTreeMap<PartitionIndex, Rc<GroupShard>>>,
}

/// One coordinator with what waits for it.
pub struct GroupShard {
    /// It has this coordinator, and is gone only when its tasks are.
    core: Weak<Core>,
    partition: Rc<Partition>,
    coordinator: RefCell<Coordinator>,
    waiting: RefCell<BTreeMap<Token, Sender<Response>>>,
    tokens_next: Cell<u64>,
    /// Appends whose end the coordinator has not been told, in order.
    writes: RefCell<VecDeque<(WriteId, Result<Ack, ErrorCode>)>>,
    /// Woken when the next deadline may have changed.
    rearm: Notify,
}

/// Why a coordinator has not its state.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("the partition is offline")]
    Offline,
    #[error("no batch at offset {at}")]
    Gap { at: Offset },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl LoadError {
    /// Whether the next try may fare better.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Read(ReadError::Disk(_)))
    }
}

/// The image, as a coordinator may ask it.
struct ImageView<'a> {
    image: &'a Image,
    core: &'a Core,
}

impl View for ImageView<'_> {
    fn topic(&self, name: &str) -> Option<TopicInfo> {
        let topic = self.image.topic(name)?;
        Some(TopicInfo { id: topic.id, partitions: topic.partitions.len() as u32 })
    }

    fn topic_name(&self, id: TopicId) -> Option<Arc<str>> {
        Some(self.image.topic_by_id(id)?.name.clone())
    }

    fn assignor(&self, group: &str) -> Option<Binding> {
        let binding = self.core.assignor_of(group)?;
        let policy = match binding.failure {
            AssignorFailure::Open => FailurePolicy::Open,
            AssignorFailure::Closed => FailurePolicy::Closed,
        };
        let generation =
            self.image.plugin(&binding.plugin.name).map_or(0, |plugin| plugin.generation);
        Some(Binding { plugin: binding.plugin.name.as_str().into(), generation, policy })
    }
}

impl Groups {
    pub fn get(&self, partition: PartitionIndex) -> Option<Rc<GroupShard>> {
        self.shards.borrow().get(&partition).cloned()
    }

    pub fn all(&self) -> Vec<Rc<GroupShard>> {
        self.shards.borrow().values().cloned().collect()
    }

    /// Opens the coordinator of a partition that was just opened, and loads it in the background.
    ///
    /// Until it is loaded it answers 14, so that clients come again. A load that the disk failed is
    /// tried again from the start; one that no further try can help leaves no coordinator.
    pub fn open(&self, core: &Rc<Core>, partition: &Rc<Partition>) {
        let mut shard = self.begin(core, partition);
        let (core, partition) = (core.clone(), partition.clone());
        core.env.clone().spawn(async move {
            let mut pause_ms = RELOAD_MS_MIN;
            while let Err(error) = shard.load().await {
                tracing::error!(partition = %partition.name, %error, "groups not loaded");
                if !error.may_pass() {
                    return core.groups.give_up(&shard);
                }
                core.env.sleep_ms(pause_ms).await;
                pause_ms = (2 * pause_ms).min(RELOAD_MS_MAX);
                if !core.groups.has(&shard) {
                    return;
                }
                shard.feed(|groups, turn| groups.unload(turn, ErrorCode::NotCoordinator));
                shard = core.groups.begin(&core, &partition);
            }
            shard.run_timers().await;
        });
    }

    /// An empty coordinator takes its place.
    fn begin(&self, core: &Rc<Core>, partition: &Rc<Partition>) -> Rc<GroupShard> {
        let coordinator = Coordinator::new(GroupConfig::new(&core.config));
        let shard = Rc::new(GroupShard {
            core: Rc::downgrade(core),
            partition: partition.clone(),
            coordinator: RefCell::new(coordinator),
            waiting: RefCell::default(),
            tokens_next: Cell::new(0),
            writes: RefCell::default(),
            rearm: Notify::default(),
        });
        self.shards.borrow_mut().insert(partition.index(), shard.clone());
        shard
    }

    /// Ends a coordinator for which there is no hope before the next start.
    fn give_up(&self, shard: &Rc<GroupShard>) {
        if self.has(shard) {
            self.close_one(shard.partition.index());
        }
    }

    fn has(&self, shard: &Rc<GroupShard>) -> bool {
        let shards = self.shards.borrow();
        shards.get(&shard.partition.index()).is_some_and(|known| Rc::ptr_eq(known, shard))
    }

    /// Ends the coordinator of a partition that is gone.
    pub fn close_one(&self, partition: PartitionIndex) {
        if let Some(shard) = self.shards.borrow_mut().remove(&partition) {
            shard.feed(|groups, turn| groups.unload(turn, ErrorCode::NotCoordinator));
        }
    }

    /// Ends every coordinator: who waits is told to look for another one.
    pub fn close(&self) {
        for shard in std::mem::take(&mut *self.shards.borrow_mut()).into_values() {
            shard.feed(|groups, turn| groups.unload(turn, ErrorCode::NotCoordinator));
        }
    }
}

impl GroupShard {
    /// Feeds a request to the coordinator and waits for its answer.
    pub async fn ask(
        self: &Rc<Self>,
        feed: impl FnOnce(&mut Coordinator, &mut Turn<'_>, Token),
    ) -> Option<Response> {
        let token = Token(self.tokens_next.get());
        self.tokens_next.set(token.0 + 1);
        let (sender, receiver) = oneshot();
        self.waiting.borrow_mut().insert(token, sender);
        self.feed(|coordinator, turn| feed(coordinator, turn, token));
        receiver.await
    }

    fn core(&self) -> Rc<Core> {
        self.core.upgrade().expect("what runs on a shard ends before its core")
    }

    /// Looks at the coordinator.
    pub fn look<T>(&self, look: impl FnOnce(&Coordinator) -> T) -> T {
        look(&self.coordinator.borrow())
    }

    /// Feeds any input and carries out what follows.
    pub fn feed(self: &Rc<Self>, feed: impl FnOnce(&mut Coordinator, &mut Turn<'_>)) {
        let mut out = Vec::new();
        let core = self.core();
        let image = core.image();
        {
            let env = &core.env;
            let now = Now { ms: env.now().0 / 1_000_000, wall_ms: env.wall_ms() };
            let random = u128::from(env.random()) << 64 | u128::from(env.random());
            let view = ImageView { image: &image, core: &core };
            let mut turn = Turn { now, view: &view, random, out: &mut out };
            feed(&mut self.coordinator.borrow_mut(), &mut turn);
        }
        for effect in out {
            self.perform(effect);
        }
        self.rearm.notify_all();
    }

    fn perform(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Reply { token, response } => {
                if let Some(sender) = self.waiting.borrow_mut().remove(&token) {
                    sender.send(response);
                }
            }
            Effect::Append { write_id, records } => self.append(write_id, records),
            Effect::Assign { group, run_id, input } => {
                let shard = self.clone();
                self.core().env.spawn(async move {
                    let answer = shard.core().run_assignor(&group, &input).await;
                    shard.feed(|groups, turn| groups.on_assigned(turn, &group, run_id, answer));
                });
            }
            Effect::Event { group, event } => {
                if matches!(event, crate::group::Event::Rebalancing { .. }) {
                    self.core().metrics.group_rebalances_total.inc();
                }
                if matches!(event, crate::group::Event::AssignorFailed { .. }) {
                    if let Some(binding) = self.core().assignor_of(&group) {
                        self.core().count_fallback(&binding.plugin, PluginKind::Assignor);
                    }
                    tracing::warn!(group = %group, "{event}");
                    return;
                }
                tracing::info!(group = %group, "{event}");
            }
        }
    }

    /// Queues one batch; its acknowledgement is fed back when it is durable, in order.
    fn append(self: &Rc<Self>, write_id: WriteId, records: Vec<Record>) {
        let put = self.put(&records);
        let mut writes = self.writes.borrow_mut();
        writes.push_back((write_id, put));
        if 1 < writes.len() {
            return;
        }
        let shard = self.clone();
        self.core().env.spawn(async move { shard.await_writes().await });
    }

    /// Waits for the writes, first to last; ends when none is left.
    async fn await_writes(self: &Rc<Self>) {
        loop {
            let ack = match self.writes.borrow_mut().front_mut() {
                None => return,
                Some((_, put)) => std::mem::replace(put, Err(ErrorCode::None)),
            };
            let result = match ack {
                Ok(ack) => ack.await.map_err(|_| ErrorCode::KafkaStorageError),
                Err(error) => Err(error),
            };
            let write = self.writes.borrow_mut().pop_front();
            let (write_id, _) = write.expect("only this task takes writes out");
            self.feed(|coordinator, turn| coordinator.on_written(turn, write_id, result));
        }
    }

    fn put(&self, records: &[Record]) -> Result<Ack, ErrorCode> {
        let log = self.partition.log()?;
        let wall_ms = self.core().env.wall_ms();
        let batch = batch_of(records, wall_ms).map_err(|error| {
            tracing::error!(partition = %self.partition.name, %error, "batch cannot be built");
            ErrorCode::MessageTooLarge
        })?;
        let appended = log.append(&batch, Acks::All, wall_ms);
        Ok(appended.map_err(|error| ErrorCode::from(&error))?.ack)
    }

    /// Replays the partition from its start.
    async fn load(self: &Rc<Self>) -> Result<(), LoadError> {
        let log = self.partition.log().map_err(|_| LoadError::Offline)?;
        let ends = log.ends();
        let (mut at, end) = (ends.log_start, ends.log_end);
        while at < end {
            let batches = log.read(at, REPLAY_BYTES, FirstBatch::Always, end).await;
            let next = self.replay(&batches?.slices)?;
            if next <= at {
                return Err(LoadError::Gap { at });
            }
            at = next;
            crate::env::yield_now().await;
        }
        self.feed(|coordinator, turn| coordinator.on_loaded(turn));
        Ok(())
    }

    /// Replays whole batches; says which offset comes next.
    fn replay(&self, slices: &[Bytes]) -> Result<Offset, LoadError> {
        let bytes: Bytes = match slices {
            [one] => one.clone(),
            many => many.concat().into(),
        };
        let (mut at, mut next) = (0, Offset(-1));
        while let crate::record::Scanned::Batch(header, total) =
            crate::record::next_batch(&bytes[at..])
        {
            next = header.next_offset();
            if !header.is_control() {
                let batch = bytes.slice(at..at + total);
                let records = Records::decode(&batch, REPLAY_BATCH_BYTES_MAX);
                let records = records?;
                let mut coordinator = self.coordinator.borrow_mut();
                for row in &records.rows {
                    let Some(key) = records.key(row) else { continue };
                    let key = Bytes::copy_from_slice(key);
                    let value = records.value(row).map(Bytes::copy_from_slice);
                    if let Err(error) = coordinator.replay(&key, value.as_ref()) {
                        let (partition, offset) = (&self.partition.name, row.offset);
                        tracing::warn!(%partition, %offset, %error, "record passed over");
                    }
                }
            }
            at += total;
        }
        Ok(next)
    }

    /// Ticks the coordinator at each of its deadlines, for ever.
    async fn run_timers(self: &Rc<Self>) {
        loop {
            let changed = self.rearm.changed();
            let deadline = self.coordinator.borrow().deadline();
            let env = self.core().env.clone();
            match deadline {
                None => changed.await,
                Some(ms) => {
                    let at = crate::env::Instant(ms.saturating_mul(1_000_000));
                    if env.until(at, changed).await.is_none() {
                        self.feed(|coordinator, turn| coordinator.tick(turn));
                    }
                }
            }
        }
    }
}

/// One uncompressed batch, as Kafka's coordinator writes it.
fn batch_of(records: &[Record], wall_ms: i64) -> Result<CheckedBatch, crate::record::BuildError> {
    let mut builder =
        BatchBuilder::new(&BatchSpec { leader_epoch: LeaderEpoch(-1), ..BatchSpec::default() });
    for (at, record) in records.iter().enumerate() {
        let (key, value) = (Some(&record.key[..]), record.value.as_deref());
        builder.push(Offset(at as i64), wall_ms, key, value, std::iter::empty())?;
    }
    builder.finish_checked()
}
