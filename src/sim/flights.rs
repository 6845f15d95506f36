//! Operations in flight in a simulated world, in the order in which they are due.
//!
//! Owns: the queue, and finding an operation again to cancel it.
//! Invariant: equal times keep the order of arrival, so that one seed gives one run.
use std::collections::BTreeMap;

use crate::env::Instant;
use crate::env::op::{Op, Token};
use crate::sim::world::Object;

pub struct Flight {
    pub due: Instant,
    pub process: usize,
    pub shard: usize,
    pub token: Token,
    pub op: Op,
    pub object: Option<Object>,
    pub canceled: bool,
}

type Key = (Instant, u64);
type Place = (usize, usize, u32);

#[derive(Default)]
pub struct Flights {
    queue: BTreeMap<Key, Flight>,
    places: BTreeMap<Place, Key>,
    total: u64,
}

fn place(flight: &Flight) -> Place {
    (flight.process, flight.shard, flight.token.index)
}

impl Flights {
    pub fn push(&mut self, flight: Flight) {
        self.total += 1;
        let key = (flight.due, self.total);
        let old = self.places.insert(place(&flight), key);
        assert!(old.is_none(), "one flight per slot");
        self.queue.insert(key, flight);
    }

    /// When the first operation that can happen is due, and its key.
    pub fn first(&self, can_happen: impl Fn(&Flight) -> bool) -> Option<Key> {
        self.queue.iter().find(|(_, flight)| can_happen(flight)).map(|(key, _)| *key)
    }

    pub fn count(&self, is_meant: impl Fn(&Flight) -> bool) -> usize {
        self.queue.values().filter(|flight| is_meant(flight)).count()
    }

    pub fn take(&mut self, key: Key) -> Flight {
        let flight = self.queue.remove(&key).expect("found just now");
        self.places.remove(&place(&flight));
        flight
    }

    /// Cancels an operation by `due` at the latest; one that is not here lost the race.
    pub fn cancel(&mut self, process: usize, shard: usize, token: Token, due: Instant) {
        let Some(key) = self.places.get(&(process, shard, token.index)).copied() else { return };
        if self.queue[&key].token != token {
            return;
        }
        let mut flight = self.take(key);
        flight.canceled = true;
        flight.due = flight.due.min(due);
        self.push(flight);
    }

    /// Takes out those that `gone` names, in the order in which they are due.
    pub fn extract(&mut self, gone: impl Fn(&Flight) -> bool) -> Vec<Flight> {
        let keys: Vec<Key> =
            self.queue.iter().filter(|(_, flight)| gone(flight)).map(|(key, _)| *key).collect();
        keys.into_iter().map(|key| self.take(key)).collect()
    }
}
