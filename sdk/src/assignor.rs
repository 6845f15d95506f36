//! Assignors: which member of a group reads which partition.

use crate::bindings::assignor::logmill::plugin::{group, group_members, group_racks};
use crate::{NOBODY, Settings};

/// Says who reads what. An instance serves one run; give the same answer for the same input.
pub trait Assignor: Sized {
    /// Errors: the sentence that the operator reads when these settings cannot work.
    fn new(settings: &Settings) -> Result<Self, String>;

    /// A member for each slot (× copy), [`NOBODY`] for none; see [`Group::empty`].
    ///
    /// Errors: why there is no assignment; the group then gets what its failure policy says.
    fn assign(&mut self, group: &Group) -> Result<Vec<u32>, String>;
}

/// The group: members and topics by index, the partitions of all topics numbered through (slots).
#[derive(Clone, Debug)]
pub struct Group {
    pub member_count: u32,
    /// Owners of each slot; 1 unless the group asks for redundant consumption.
    pub copies: u32,
    /// Partitions of each topic; the sum is the number of slots.
    pub partition_counts: Vec<u32>,
    /// Bit per (set, topic).
    subscribed: Vec<u64>,
    words: usize,
    set_of_member: Vec<u32>,
}

impl Group {
    /// Reads the group of the run in progress; [`export_assignor!`](crate::export_assignor) does.
    pub fn read() -> Self {
        let partition_counts = group::partition_counts();
        let sets = group::subscriptions();
        let words = partition_counts.len().div_ceil(64);
        let mut subscribed = vec![0_u64; words * sets.starts.len().saturating_sub(1)];
        for (set, range) in sets.starts.windows(2).enumerate() {
            for &topic in &sets.topics[range[0] as usize..range[1] as usize] {
                subscribed[set * words + topic as usize / 64] |= 1 << (topic % 64);
            }
        }
        Self {
            member_count: group::member_count(),
            copies: group::copies(),
            partition_counts,
            subscribed,
            words,
            set_of_member: sets.set_of_member,
        }
    }

    pub fn is_subscribed(&self, member: u32, topic: usize) -> bool {
        let set = self.set_of_member[member as usize] as usize;
        let word = self.subscribed[set * self.words + topic / 64];
        word >> (topic % 64) & 1 == 1
    }

    /// Members that subscribe to this topic, ascending.
    pub fn subscribers(&self, topic: usize) -> Vec<u32> {
        (0..self.member_count).filter(|&member| self.is_subscribed(member, topic)).collect()
    }

    pub fn slot_count(&self) -> usize {
        self.partition_counts.iter().map(|&count| count as usize).sum()
    }

    /// An answer in which nobody reads anything: slots × copies, the copies of a slot side by side.
    pub fn empty(&self) -> Vec<u32> {
        vec![NOBODY; self.slot_count() * self.copies as usize]
    }

    /// Each topic with the range of its slots.
    pub fn topics(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
        let mut start = 0;
        self.partition_counts.iter().enumerate().map(move |(topic, &count)| {
            let range = start..start + count as usize;
            start = range.end;
            (topic, range)
        })
    }
}

/// The group's name.
pub fn group_id() -> String {
    group::id()
}

/// The only randomness; the same for every run of one rebalance.
pub fn seed() -> u64 {
    group::seed()
}

/// Names of the topics.
pub fn topic_names() -> Vec<String> {
    group::topics()
}

/// Last assignment: a member for each slot × copy, or [`NOBODY`].
pub fn owners() -> Vec<u32> {
    group::owners()
}

/// What members have not yet given up; the same shape.
pub fn held() -> Vec<u32> {
    group::held()
}

/// Ids that the coordinator gave to the members.
pub fn member_ids() -> Vec<String> {
    group_members::ids()
}

/// Static names of the members; empty: none.
pub fn instance_ids() -> Vec<String> {
    group_members::instance_ids()
}

/// What the members' clients call themselves.
pub fn client_ids() -> Vec<String> {
    group_members::client_ids()
}

/// Network addresses of the members.
pub fn hosts() -> Vec<String> {
    group_members::hosts()
}

/// Names of the racks, and for each member an index into them or [`NOBODY`].
pub fn racks() -> (Vec<String>, Vec<u32>) {
    (group_racks::names(), group_racks::of_members())
}

/// Makes the named type, which implements [`Assignor`], the component's assignor.
#[macro_export]
macro_rules! export_assignor {
    ($plugin:ty) => {
        const _: () = {
            use $crate::bindings::assignor::exports::logmill::plugin::assigning;

            std::thread_local! {
                static PLUGIN: std::cell::RefCell<Option<$plugin>> =
                    const { std::cell::RefCell::new(None) };
            }

            struct Glue;

            impl assigning::Guest for Glue {
                fn init(settings: Vec<(String, String)>) -> Result<(), String> {
                    let settings = $crate::Settings::new(settings);
                    let plugin = <$plugin as $crate::Assignor>::new(&settings)?;
                    PLUGIN.set(Some(plugin));
                    Ok(())
                }

                fn assign() -> Result<Vec<u32>, String> {
                    PLUGIN.with_borrow_mut(|plugin| {
                        let plugin = plugin.as_mut().expect("`init` comes first");
                        $crate::Assignor::assign(plugin, &$crate::Group::read())
                    })
                }
            }

            $crate::bindings::assignor::export_assignor_world!(
                Glue with_types_in $crate::bindings::assignor
            );
        };
    };
}
