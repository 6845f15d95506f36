//! Partitioners: which partition each record belongs to.

use crate::bindings::partitioner::logmill::plugin::produced;
use crate::{Settings, rows};

pub use crate::bindings::partitioner::exports::logmill::plugin::partitioning::Fault;

/// In an answer: this record stays on the partition that the client chose.
pub const KEEP: u32 = u32::MAX;

/// Says where records belong; every shard of the broker has its own instance.
///
/// The answer must depend on the settings and the records alone, else shards disagree.
pub trait Partitioner: Sized {
    /// Errors: the sentence that the operator reads when these settings cannot work.
    fn new(settings: &Settings) -> Result<Self, String>;

    /// One number for each record of the call: a partition below `partitions`, or [`KEEP`].
    ///
    /// Errors: records that belong nowhere; their producer gets the message.
    fn partition(&mut self, partitions: u32) -> Result<Vec<u32>, Fault>;
}

/// Asks `place` for each key of the call; an answer out of range counts as an error.
///
/// Errors: the records for which `place` gave an error, with the message of the first one.
pub fn by_key(
    partitions: u32,
    mut place: impl FnMut(Option<&[u8]>) -> Result<u32, String>,
) -> Result<Vec<u32>, Fault> {
    let keys = rows::keys();
    let mut answers = Vec::with_capacity(keys.iter().len());
    let mut fault = Fault { message: String::new(), rows: Vec::new() };
    for (row, key) in keys.iter().enumerate() {
        let answer = place(key).and_then(|answer| match answer {
            answer if answer == KEEP || answer < partitions => Ok(answer),
            answer => Err(format!("partition {answer} is asked for, the topic has {partitions}")),
        });
        answers.push(answer.unwrap_or_else(|message| {
            if fault.rows.is_empty() {
                fault.message = message;
            }
            fault.rows.push(row as u32);
            KEEP
        }));
    }
    if fault.rows.is_empty() { Ok(answers) } else { Err(fault) }
}

/// Name of the topic that the records were sent to.
pub fn topic() -> String {
    produced::topic()
}

/// The partition that the client chose.
pub fn chosen() -> u32 {
    produced::chosen()
}

/// What the client calls itself; not authenticated.
pub fn client_id() -> String {
    produced::client_id()
}

/// Authenticated name of the producer; `None`: anonymous.
pub fn principal() -> Option<String> {
    Some(produced::principal()).filter(|name| !name.is_empty())
}

/// Makes the named type, which implements [`Partitioner`], the component's partitioner.
#[macro_export]
macro_rules! export_partitioner {
    ($plugin:ty) => {
        const _: () = {
            use $crate::bindings::partitioner::exports::logmill::plugin::partitioning;

            std::thread_local! {
                static PLUGIN: std::cell::RefCell<Option<$plugin>> =
                    const { std::cell::RefCell::new(None) };
            }

            struct Glue;

            impl partitioning::Guest for Glue {
                fn init(settings: Vec<(String, String)>) -> Result<(), String> {
                    let settings = $crate::Settings::new(settings);
                    let plugin = <$plugin as $crate::Partitioner>::new(&settings)?;
                    PLUGIN.set(Some(plugin));
                    Ok(())
                }

                fn partition(partitions: u32) -> Result<Vec<u32>, partitioning::Fault> {
                    PLUGIN.with_borrow_mut(|plugin| {
                        let plugin = plugin.as_mut().expect("`init` comes first");
                        $crate::Partitioner::partition(plugin, partitions)
                    })
                }
            }

            $crate::bindings::partitioner::export_partitioner_world!(
                Glue with_types_in $crate::bindings::partitioner
            );
        };
    };
}
