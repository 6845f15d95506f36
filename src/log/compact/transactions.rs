//! What a pass must know of transactions: whose data was aborted, which marks have outlived theirs.
//!
//! Owns: matching batches with the mark that ends them, in the order of the log.
//! Leaves to others: reading marks (`steps`), the rows of `.txnindex` (`abort_rows`).
//! Invariant: data of an aborted transaction goes; a mark goes only after a pass that found no
//! batch of its transaction has given it a horizon, and that horizon is over.
//! Start reading at: [`Transactions::note_mark`].
//! Source: Kafka `CleanedTransactionMetadata`, KIP-534.
use std::collections::BTreeMap;

use crate::model::{Offset, ProducerId};
use crate::record::{ControlKind, Header};

/// What becomes of a mark that has no data any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkFate {
    /// It gets its delete horizon.
    Stamp,
    /// Its horizon is over.
    Drop,
}

/// All that the batches and marks of a log say, as far as it matters to a pass.
#[derive(Debug, Default)]
pub struct Transactions {
    /// First batch that was seen of each producer's transaction without a mark yet.
    open: BTreeMap<ProducerId, Offset>,
    /// First batch of each aborted transaction → offset of its mark.
    aborted: BTreeMap<(ProducerId, Offset), Offset>,
}

/// Memory of one entry, with its share of the maps.
const ENTRY_BYTES: usize = 64;

impl Transactions {
    /// Memory that they take, about.
    pub fn bytes(&self) -> usize {
        (self.open.len() + self.aborted.len()) * ENTRY_BYTES
    }

    /// Notes a batch of data of a transaction, also one without records.
    pub fn note_data(&mut self, header: &Header) {
        self.open.entry(header.producer_id).or_insert(header.base_offset);
    }

    /// Notes the mark that ends a producer's transaction; says what becomes of the mark.
    pub fn note_mark(
        &mut self,
        header: &Header,
        kind: ControlKind,
        now_ms: i64,
    ) -> Option<MarkFate> {
        if matches!(kind, ControlKind::Other(_)) {
            return None;
        }
        if let Some(first) = self.open.remove(&header.producer_id) {
            if kind == ControlKind::Abort {
                self.aborted.insert((header.producer_id, first), header.base_offset);
            }
            return None;
        }
        match header.delete_horizon_ms() {
            None => Some(MarkFate::Stamp),
            Some(horizon) if horizon <= now_ms => Some(MarkFate::Drop),
            Some(_) => None,
        }
    }

    /// Notes a mark behind the pass: it may end transactions that began within.
    pub fn note_later_mark(&mut self, header: &Header, kind: ControlKind) {
        if matches!(kind, ControlKind::Other(_)) {
            return;
        }
        if let Some(first) = self.open.remove(&header.producer_id)
            && kind == ControlKind::Abort
        {
            self.aborted.insert((header.producer_id, first), header.base_offset);
        }
    }

    /// Whether batches wait for a mark that was not seen yet.
    pub fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether a batch of data belongs to an aborted transaction.
    pub fn is_aborted(&self, header: &Header) -> bool {
        let key = (header.producer_id, header.base_offset);
        header.is_transactional()
            && self.aborted.range(..=key).next_back().is_some_and(|((producer, _), mark)| {
                *producer == header.producer_id && header.base_offset < *mark
            })
    }

    /// Whether data was found of the aborted transaction that this mark ends: readers below the
    /// mark may still need to know of it.
    pub fn has_data_of(&self, producer: ProducerId, mark: Offset) -> bool {
        let of_producer = (producer, Offset(i64::MIN))..=(producer, mark);
        self.aborted.range(of_producer).any(|(_, found)| *found == mark)
    }
}
