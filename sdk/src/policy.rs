//! Compaction policies: which records of a compacted topic may go.
//!
//! A pass goes over the keys in rounds, as many of them at once as fit into memory, each with an
//! instance of its own. In the first part of a round the broker shows the records that the policy
//! asked for ([`Scope`]) and the policy remembers what it needs; in the second it names those that
//! may go. An instance sees all of a key's records that it asked for, or none. Whatever it says,
//! the broker keeps Kafka's own invariants, and any failure keeps everything.

use crate::Settings;
use crate::bindings::policy::logmill::plugin::pass;

pub use crate::bindings::policy::exports::logmill::plugin::compacting::Scope;

/// Serves one round of a pass over one partition; give the same answer for the same input.
pub trait Policy: Sized {
    /// The policy, and what the first part of a round must show it.
    ///
    /// Errors: the sentence that the operator reads when these settings cannot work.
    fn new(settings: &Settings) -> Result<(Self, Scope), String>;

    /// Looks at records of one batch. `false`: memory is full; another instance is shown half of
    /// the keys.
    fn observe(&mut self) -> Result<bool, String> {
        Ok(true)
    }

    /// Between the parts; `end`: where the pass ends, below which all was shown. That is
    /// [`end_offset`], unless the broker's memory ended first.
    fn finish(&mut self, end: i64) -> Result<(), String> {
        let _ = end;
        Ok(())
    }

    /// Rows of this call that may go, ascending. Batches may be cut otherwise than in `observe`.
    fn drops(&mut self) -> Result<Vec<u32>, String>;
}

/// Name of the topic.
pub fn topic() -> String {
    pass::topic()
}

pub fn partition() -> u32 {
    pass::partition()
}

/// Wall clock of the pass in milliseconds, frozen.
pub fn now() -> i64 {
    pass::now()
}

/// First offset of the log.
pub fn first_offset() -> i64 {
    pass::first_offset()
}

/// Below it an earlier pass has cleaned.
pub fn first_dirty() -> i64 {
    pass::first_dirty()
}

/// End of what this pass looks at.
pub fn end_offset() -> i64 {
    pass::end_offset()
}

/// Offsets of the records of the call.
pub fn offsets() -> Vec<i64> {
    pass::offsets()
}

/// For each record of the call whether it is a tombstone past its delete horizon. Such a tombstone
/// goes only if the policy names it.
pub fn expired_tombstones() -> Vec<bool> {
    pass::expired_tombstones().into_iter().map(|byte| byte == 1).collect()
}

/// Makes the named type, which implements [`Policy`], the component's compaction policy.
#[macro_export]
macro_rules! export_policy {
    ($plugin:ty) => {
        const _: () = {
            use $crate::bindings::policy::exports::logmill::plugin::compacting;

            std::thread_local! {
                static PLUGIN: std::cell::RefCell<Option<$plugin>> =
                    const { std::cell::RefCell::new(None) };
            }

            fn with<R>(body: impl FnOnce(&mut $plugin) -> R) -> R {
                PLUGIN.with_borrow_mut(|plugin| body(plugin.as_mut().expect("`init` comes first")))
            }

            struct Glue;

            impl compacting::Guest for Glue {
                fn init(settings: Vec<(String, String)>) -> Result<compacting::Scope, String> {
                    let settings = $crate::Settings::new(settings);
                    let (plugin, scope) = <$plugin as $crate::Policy>::new(&settings)?;
                    PLUGIN.set(Some(plugin));
                    Ok(scope)
                }

                fn observe() -> Result<bool, String> {
                    with($crate::Policy::observe)
                }

                fn finish(end: i64) -> Result<(), String> {
                    with(|plugin| $crate::Policy::finish(plugin, end))
                }

                fn drops() -> Result<Vec<u32>, String> {
                    with($crate::Policy::drops)
                }
            }

            $crate::bindings::policy::export_policy_world!(
                Glue with_types_in $crate::bindings::policy
            );
        };
    };
}
