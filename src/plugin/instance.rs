//! Instance: what answers for one partitioner on one shard, a guest or a native stand-in.
//!
//! Owns: showing a batch in parts, putting the answers together.
//! Invariant: an answer has one target a record, each a partition of the topic or "as chosen".
//! Start reading at: [`Instance::partition`].

use std::sync::Arc;

use crate::plugin::code::{Live, Native, NativePartitioner, PluginCode, Settings};
use crate::plugin::error::{CallError, Fault};
use crate::plugin::guest::{Guest, INIT_BUDGET_NS, PartitionCall, check_targets};
use crate::plugin::log_gate::escaped;
use crate::plugin::meter::Around;
use crate::plugin::policy::ascending;
use crate::plugin::view::{Columns, View};
use crate::plugin::world::{NOBODY, Produced};
use crate::record::Records;

/// A batch on its way to a partition.
#[derive(Clone, Debug)]
pub struct Batch {
    pub records: Arc<Records>,
    pub produced: Arc<Produced>,
    /// Partitions of the topic.
    pub partitions: u32,
}

/// Made and dropped on workers, called on a shard.
pub enum Instance {
    Wasm { guest: Box<Guest>, columns: Columns },
    Native(Box<dyn NativePartitioner>),
}

impl Instance {
    /// Makes and initialises an instance. Blocks: only for workers.
    pub fn make(live: &Live, settings: &Settings) -> Result<Self, CallError> {
        match &live.code {
            PluginCode::Wasm(compiled) => {
                let (label, code) = (live.label.clone(), compiled.clone());
                let guest = Guest::start(label, code, settings, INIT_BUDGET_NS)?;
                Ok(Self::Wasm { guest: Box::new(guest), columns: compiled.info.columns() })
            }
            PluginCode::Native(Native::Partitioner(make)) => {
                make(settings).map(Self::Native).map_err(|message| CallError::init(&message))
            }
            PluginCode::Native(_) => Err(CallError::NotReady("it is no partitioner".into())),
        }
    }

    /// Run time of the last batch in the guest.
    pub fn used_ns(&self) -> u64 {
        match self {
            Self::Wasm { guest, .. } => guest.used_ns(),
            Self::Native(_) => 0,
        }
    }

    /// One target a record.
    ///
    /// Errors: [`CallError::Refused`] leaves the instance usable, no other does.
    pub async fn partition(
        &mut self,
        batch: &Batch,
        budget_ns: u64,
        around: &Around<'_>,
    ) -> Result<Vec<u32>, CallError> {
        let columns = match self {
            Self::Wasm { columns, .. } => *columns,
            Self::Native(_) => Columns::default(),
        };
        let mut targets = Vec::with_capacity(batch.records.rows.len());
        let mut fault: Option<Fault> = None;
        for view in View::parts(&batch.records, columns) {
            let start = view.rows.start as u32;
            let count = view.rows.len();
            let answer = self.part(batch, view, columns, budget_ns, around).await;
            match answer {
                Ok(answer) => targets.extend(answer),
                // No rows: the whole batch is at fault, whatever the other parts are.
                Err(CallError::Refused(whole)) if whole.rows.is_empty() => {
                    return Err(CallError::Refused(whole));
                }
                Err(CallError::Refused(part)) => {
                    let rows = part.rows.into_iter().map(|row| row + start);
                    let all = fault
                        .get_or_insert_with(|| Fault { message: part.message, rows: Vec::new() });
                    all.rows.extend(rows);
                    targets.resize(targets.len() + count, NOBODY);
                }
                Err(error) => return Err(error),
            }
        }
        match fault {
            None => Ok(targets),
            Some(fault) => Err(CallError::Refused(fault)),
        }
    }

    async fn part(
        &mut self,
        batch: &Batch,
        view: View,
        columns: Columns,
        budget_ns: u64,
        around: &Around<'_>,
    ) -> Result<Vec<u32>, CallError> {
        let (count, partitions) = (view.rows.len(), batch.partitions);
        match self {
            Self::Wasm { guest, .. } => {
                let is_first_part = view.rows.start == 0;
                let shown_bytes_max = view.shown_bytes_max(columns);
                let produced = &batch.produced;
                let call = PartitionCall { view, shown_bytes_max, produced, partitions, budget_ns };
                guest.partition(call, is_first_part, around).await
            }
            Self::Native(native) => match native.partition(&view, &batch.produced, partitions) {
                Ok(targets) => check_targets(&targets, count, partitions).map(|()| targets),
                Err(fault) => {
                    let rows = ascending(fault.rows, count)?;
                    Err(CallError::Refused(Fault { message: escaped(&fault.message), rows }))
                }
            },
        }
    }
}
