//! A bound partitioner's say about a batch, before it gets offsets.
//!
//! Owns: the table of what a client sees when the plugin is not live, fails or says no; counting
//! how often each client's choice differs.
//! Leaves to others: calling guests (`plugin`), the order of batches (`append`).
//! Invariant: a batch is decided by one generation, of the binding that is in force when the batch
//! gets its offsets, and in that binding's mode; a retry of what is in the log already is not
//! asked about again.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::PluginKind;
use crate::config::PartitionerMode;
use crate::model::{ErrorCode, PartitionIndex, TopicId};
use crate::plugin::{Batch, CallError, Decision, NOBODY, Produced};
use crate::record::{CheckedBatch, Records};
use crate::shard::Core;
use crate::shard::append::{AppendTold, HasKeys, RECORD_ERRORS_MAX, looks_inside};
use crate::shard::ask::{Ask, Work};
use crate::shard::desk::ClientDisagreement;
use crate::shard::partition::Partition;
use crate::shard::plugins::Bound;
use crate::shard::unpack::{RecordRules, Unpacked, check_plain, check_rows, unreadable};

/// Clients that are counted apart, per shard; all others count together.
const CLIENTS_MAX: usize = 1_000;
/// Characters of a client's name that are kept.
const CLIENT_ID_CHARS_MAX: usize = 64;
/// Under this name.
const OTHER_CLIENTS: &str = "(others)";

/// Records were looked at as they came; a topic may be compacted since.
const KEYS: RecordRules = RecordRules { needs_keys: true, times: None };

/// How often each client's choice of partition differs from the plugin's, on one shard.
#[derive(Default)]
pub struct Verdicts(RefCell<BTreeMap<(TopicId, Arc<str>), (u64, u64)>>);

impl Verdicts {
    fn count(&self, topic: TopicId, client_id: &Arc<str>, records: u64, disagreed: u64) {
        let cut: Arc<str> = client_id.chars().take(CLIENT_ID_CHARS_MAX).collect::<String>().into();
        let client_id = &cut;
        let mut counts = self.0.borrow_mut();
        let known = counts.contains_key(&(topic, client_id.clone()));
        let full = CLIENTS_MAX <= counts.len();
        let client = if full && !known { OTHER_CLIENTS.into() } else { client_id.clone() };
        let sums = counts.entry((topic, client)).or_default();
        *sums = (sums.0 + records, sums.1 + disagreed);
    }

    /// Drops what was counted for a topic that is deleted.
    pub fn forget(&self, topic: TopicId) {
        self.0.borrow_mut().retain(|(counted, _), _| *counted != topic);
    }
}

/// The counts of one topic on one shard.
#[derive(Clone)]
pub struct LookAtVerdicts(pub TopicId);

impl Ask for LookAtVerdicts {
    type Told = Vec<ClientDisagreement>;

    fn start(self, core: &Rc<Core>) -> Work<Self::Told> {
        let counts = core.verdicts.0.borrow();
        let of_topic = counts.iter().filter(|((topic, _), _)| *topic == self.0);
        let told = of_topic.map(|((_, client), (records, disagreed))| ClientDisagreement {
            client_id: client.to_string(),
            records: *records,
            disagreed: *disagreed,
        });
        Box::pin(std::future::ready(told.collect()))
    }
}

impl Core {
    /// Looks at keys that are compressed and asks the topic's partitioner; `Err` is what the client
    /// is told instead of an append.
    ///
    /// `unpacked`: its records, when somebody has unpacked them already.
    /// While this waits, the topic's settings may change. Then those judge the batch that are in
    /// force when it gets its offsets.
    pub async fn decide(
        self: &Rc<Self>,
        partition: &Partition,
        (batch, HasKeys(has_keys)): (&CheckedBatch, HasKeys),
        unpacked: Option<Unpacked>,
        client_id: &Arc<str>,
    ) -> Result<(), AppendTold> {
        if partition.log().is_ok_and(|log| log.is_duplicate(batch.header())) {
            return Ok(());
        }
        let settings = partition.settings();
        if !looks_inside(&settings, batch) {
            // It was checked as it came, and the topic may be compacted since.
            return match settings.cleanup.compact && !has_keys {
                true => check_plain(batch, &KEYS).map(drop),
                false => Ok(()),
            };
        }
        let unpacked = match unpacked {
            Some(unpacked) => Ok(unpacked),
            None => self.unpack(batch).await,
        };
        loop {
            let asked = self.decider(partition);
            let answer = match (&asked, &unpacked) {
                (Some(asked), Ok(Unpacked { records, .. })) => {
                    Some(self.ask_partitioner(partition, asked, records, client_id).await)
                }
                _ => None,
            };
            // From here on nothing waits. An answer counts while the one who gave it decides.
            let now = self.decider(partition);
            if now.as_ref().map(|now| &now.key) != asked.as_ref().map(|asked| &asked.key) {
                continue;
            }
            if partition.settings().cleanup.compact {
                check_rows(&unpacked.as_ref().map_err(unreadable)?.records, &KEYS)?;
            }
            return match (now, answer, &unpacked) {
                (None, ..) => Ok(()),
                (Some(bound), Some(answer), Ok(Unpacked { records, .. })) => {
                    self.judge(partition, &bound, answer, records.rows.len(), client_id)
                }
                (Some(bound), _, Err(error))
                    if error.is_too_large() && bound.mode == PartitionerMode::Advise =>
                {
                    self.count_fallback(&bound.plugin, PluginKind::Partitioner);
                    Ok(())
                }
                (_, _, Err(error)) => Err(unreadable(error)),
                (Some(_), None, Ok(_)) => unreachable!("who decides was asked"),
            };
        }
    }

    /// Who decides for this topic now.
    fn decider(&self, partition: &Partition) -> Option<Bound> {
        let settings = partition.settings();
        let binding = settings.partitioner.as_ref()?;
        Some(self.plugins.decider(&partition.name.topic, binding))
    }

    /// What follows from an answer, or from none, about a batch of `count` records.
    fn judge(
        &self,
        partition: &Partition,
        bound: &Bound,
        answer: Result<Decision, CallError>,
        count: usize,
        client_id: &Arc<str>,
    ) -> Result<(), AppendTold> {
        let advise = bound.mode == PartitionerMode::Advise;
        let texts_max = if advise { 0 } else { RECORD_ERRORS_MAX };
        let (disagreed, record_errors) = match answer {
            Ok(decision) => wrong_rows(&decision, partition.index(), texts_max),
            Err(CallError::Refused(fault)) if fault.rows.is_empty() => {
                (count, refused_rows(0..count, &fault.message, texts_max))
            }
            Err(CallError::Refused(fault)) => {
                let rows = fault.rows.iter().map(|row| *row as usize);
                (fault.rows.len(), refused_rows(rows, &fault.message, texts_max))
            }
            Err(error) => {
                self.count_fallback(&bound.plugin, PluginKind::Partitioner);
                return not_answered(partition, bound, &error);
            }
        };
        let disagreed = disagreed as u64;
        self.verdicts.count(partition.topic_id, client_id, count as u64, disagreed);
        let metrics = self.metrics.topic_verdicts(&partition.name.topic);
        metrics.checked_total.inc_by(count as u64);
        metrics.disagreed_total.inc_by(disagreed);
        if disagreed == 0 || advise {
            return Ok(());
        }
        let text = format!(
            "{disagreed} of {count} records do not belong in partition {} by partitioner {}",
            partition.index(),
            bound.plugin
        );
        Err(AppendTold { record_errors, ..AppendTold::failed(ErrorCode::InvalidRecord, text) })
    }

    async fn ask_partitioner(
        &self,
        partition: &Partition,
        bound: &Bound,
        records: &Arc<Records>,
        client_id: &Arc<str>,
    ) -> Result<Decision, CallError> {
        let produced = Produced {
            topic: partition.name.topic.clone(),
            chosen: partition.index() as u32,
            client_id: client_id.clone(),
            principal: "".into(),
        };
        let partitions = |core: &Self| {
            let image = core.image();
            image.topic_by_id(partition.topic_id).map_or(0, |topic| topic.partitions.len() as u32)
        };
        let mut batch =
            Batch { records: records.clone(), produced: Arc::new(produced), partitions: 0 };
        loop {
            batch.partitions = partitions(self);
            let decision = self.plugins.residents().partition(&bound.key, &batch).await?;
            // The topic may have grown while the plugin thought: then it thinks again.
            if batch.partitions == partitions(self) {
                return Ok(decision);
            }
        }
    }
}

type RowErrors = Vec<(i32, String)>;

/// How many rows belong elsewhere, and where the first `texts_max` of them do.
fn wrong_rows(decision: &Decision, chosen: PartitionIndex, texts_max: usize) -> (usize, RowErrors) {
    let rows = decision.targets.iter().enumerate();
    let wrong = rows.filter(|(_, target)| **target != NOBODY && **target != chosen as u32);
    let count = wrong.clone().count();
    let label = &decision.label;
    let text = |(row, target): (usize, &u32)| {
        (row as i32, format!("belongs in partition {target} by {label}"))
    };
    (count, wrong.take(texts_max).map(text).collect())
}

/// The first `texts_max` rows with the plugin's own words.
fn refused_rows(rows: impl Iterator<Item = usize>, message: &str, texts_max: usize) -> RowErrors {
    rows.take(texts_max).map(|row| (row as i32, message.to_owned())).collect()
}

/// The plugin is not live, or broke its promise: `advise` lets the batch pass, `verify` with
/// failure policy `closed` asks the client to come again.
fn not_answered(partition: &Partition, bound: &Bound, error: &CallError) -> Result<(), AppendTold> {
    if bound.mode == PartitionerMode::Advise {
        return Ok(());
    }
    tracing::debug!(partition = %partition.name, plugin = %bound.plugin, %error, "not decided");
    let text = format!("partitioner {} gave no answer: {error}", bound.plugin);
    Err(AppendTold::failed(ErrorCode::NotEnoughReplicas, text))
}
