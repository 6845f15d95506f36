//! The controller: on shard 0, the one place where metadata changes.
//!
//! Owns: the order of commands. A command is checked against the newest image, made durable,
//! applied, and answered when every shard has applied the new image.
//! Leaves to others: what commands mean (`cluster`), the file (`metadata_log`).
//! Invariant: one command at a time; an image reaches the shards in the order of its version.
//! Start reading at: [`Controller::commit`].
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::cluster::{Command, Draft, Image, NewTopic, Planner, Refusal, TopicSeed};
use crate::env::local::oneshot;
use crate::model::{ErrorCode, ProducerId, TopicId};
use crate::shard::Core;
use crate::shard::images::{Apply, Opened};
use crate::shard::metadata_log::MetadataLog;
use crate::shard::partition::{Turn, Turnstile};
use crate::shard::trial::try_bindings;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommitError<E: std::fmt::Display> {
    /// The check against the image said no; nothing changed.
    #[error("{0}")]
    Refused(E),
    /// What must be written first was not; nothing changed.
    #[error("{0}")]
    Storage(String),
}

pub struct Controller {
    /// It has this controller, and is gone only when its tasks are.
    core: Weak<Core>,
    log: RefCell<Option<MetadataLog>>,
    line: Turnstile,
    /// Activations wait for each other: between its two phases nobody else prepares.
    pub activations: Turnstile,
    /// New producer ids begin here at least: above every id found in a log at the start.
    producer_ids_from: Cell<i64>,
}

impl Controller {
    pub fn new(core: &Rc<Core>, log: MetadataLog) -> Rc<Self> {
        let log = RefCell::new(Some(log));
        let (line, activations) = (Turnstile::default(), Turnstile::default());
        let producer_ids_from = Cell::new(0);
        Rc::new(Self { core: Rc::downgrade(core), log, line, activations, producer_ids_from })
    }

    fn core(&self) -> Rc<Core> {
        self.core.upgrade().expect("what runs on a shard ends before its core")
    }

    /// Producer ids up to this one are in use.
    pub fn reserve_producer_ids(&self, largest: i64) {
        self.producer_ids_from.set(largest.saturating_add(1).max(0));
    }

    /// Waits for the change that is under way; none begins while this is held.
    pub async fn still(&self) -> Turn {
        let turn = self.line.enter();
        turn.called().await;
        turn
    }

    /// Makes a command out of the newest image and carries it out; gives the new image.
    /// `None` is no change.
    ///
    /// Answers after all shards have applied it, so what follows on any connection sees it.
    pub async fn commit<E: std::fmt::Display>(
        self: &Rc<Self>,
        make: impl FnOnce(&Planner<'_>) -> Result<Option<Command>, E>,
    ) -> Result<Arc<Image>, CommitError<E>> {
        let turn = self.still().await;
        let image = self.core().image();
        let command = make(&Planner::new(&image, &self.core().config));
        let Some(command) = command.map_err(CommitError::Refused)? else { return Ok(image) };
        // Who asked may go away at any moment, with the task of its connection. What has begun is
        // carried out all the same: half of it would leave the log in nobody's hands.
        let (sender, answer) = oneshot();
        let controller = self.clone();
        self.core().env.spawn(async move {
            sender.send(controller.carry_out(&image, command).await);
            drop(turn);
        });
        let carried = answer.await.unwrap_or_else(|| Err("the shard stops".into()));
        carried.map_err(CommitError::Storage)
    }

    /// Durable, applied and published.
    async fn carry_out(&self, image: &Image, command: Command) -> Result<Arc<Image>, String> {
        if let Command::CreateTopic(seed) = &command {
            self.core().free_recovery_points(&seed.name).await?;
            self.core().free_starts(&seed.name).await?;
            self.core().free_boundaries(&seed.name).await?;
        }
        let image = self.write(image, command).await;
        let image = image.map_err(|error| format!("The metadata log failed: {error}"))?;
        self.publish(&image, Opened::New).await;
        self.shorten().await;
        Ok(image)
    }

    /// Creates a topic under a new id, after a trial of the plugins that its settings name.
    pub async fn create_topic(
        self: &Rc<Self>,
        new: &NewTopic,
        id: TopicId,
    ) -> Result<Arc<Image>, CommitError<Refusal>> {
        self.try_topic(new, id).await.map_err(CommitError::Refused)?;
        self.commit(|planner| planner.create_topic(new, id).map(Command::CreateTopic).map(Some))
            .await
    }

    /// What [`Controller::create_topic`] would make now; its plugins are tried, nothing changes.
    pub async fn try_topic(&self, new: &NewTopic, id: TopicId) -> Result<TopicSeed, Refusal> {
        let seed = self.planned(|planner| planner.create_topic(new, id))?;
        try_bindings(&self.core(), &Command::CreateTopic(seed.clone())).await?;
        Ok(seed)
    }

    /// What a plan for the newest image says; nothing changes.
    pub fn planned<T>(&self, plan: impl FnOnce(&Planner<'_>) -> T) -> T {
        plan(&Planner::new(&self.core().image(), &self.core().config))
    }

    /// Durable and applied, not yet published.
    async fn write(&self, image: &Image, command: Command) -> Result<Arc<Image>, String> {
        let mut draft = Draft::new(image, 1);
        draft.push(command, self.core().env.wall_ms()).map_err(|error| error.to_string())?;
        let mut log = self.log.borrow_mut().take().ok_or("it failed before")?;
        let written = log.commit(&self.core().env, draft).await;
        if log.has_failed() {
            let why = written.as_ref().err().map(ToString::to_string).unwrap_or_default();
            self.core().lose_storage(format!("The metadata log failed: {why}"));
        }
        let next = Arc::new(log.image().clone());
        self.log.borrow_mut().replace(log);
        written.map(|()| next).map_err(|error| error.to_string())
    }

    /// Puts a snapshot in the place of a long log.
    async fn shorten(&self) {
        let Some(mut log) = self.log.borrow_mut().take() else { return };
        if log.snapshot_is_due()
            && let Err(error) = log.snapshot(&self.core().env).await
        {
            tracing::error!(%error, "no snapshot of the metadata");
            if log.has_failed() {
                self.core().lose_storage(format!("The metadata log failed: {error}"));
            }
        }
        self.log.borrow_mut().replace(log);
    }

    /// Every shard applies the image; `opened` says how the logs of its partitions are opened.
    pub async fn publish(&self, image: &Arc<Image>, opened: Opened) {
        let apply = Apply { image: image.clone(), opened };
        if self.core().ask_all(&apply).await.is_err() {
            tracing::warn!(version = image.version(), "a shard stopped before it applied an image");
        }
    }

    /// The first id of a block that nobody had before.
    pub async fn take_producer_ids(self: &Rc<Self>) -> Result<i64, ErrorCode> {
        let mut first = 0;
        let image = self.commit(|planner| {
            let command = planner.allocate_producer_ids(ProducerId(self.producer_ids_from.get()));
            if let Command::AllocateProducerIds { first: begins, .. } = &command {
                first = *begins;
            }
            Ok::<_, Refusal>(Some(command))
        });
        match image.await {
            Ok(_) => Ok(first),
            Err(error) => {
                tracing::error!(%error, "no producer ids");
                Err(ErrorCode::CoordinatorNotAvailable)
            }
        }
    }
}
