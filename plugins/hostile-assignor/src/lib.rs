//! hostile-assignor, for tests: an assignor that does everything it must not (setting `mode`).
//!
//! Modes: those of `modes.rs`; `wrong-length`, `out-of-range`, `unsubscribed` (malformed answers),
//! `fail`; any other gives everything to the first subscriber. With the setting `spare` the group
//! of that name is left alone: `spare = dry-run` behaves until it is bound.

use logmill_sdk::{Assignor, Group, Settings, assignor, export_assignor};

#[path = "../../hostile/src/modes.rs"]
mod modes;

struct Hostile {
    mode: String,
    spare: Option<String>,
}

impl Assignor for Hostile {
    fn new(settings: &Settings) -> Result<Self, String> {
        let spare = settings.get("spare").map(str::to_owned);
        Ok(Self { mode: modes::start(settings)?, spare })
    }

    fn assign(&mut self, group: &Group) -> Result<Vec<u32>, String> {
        if self.spare.as_ref().is_some_and(|group| *group == assignor::group_id()) {
            return Ok(group.empty());
        }
        modes::run(&self.mode);
        let mut answer = group.empty();
        match self.mode.as_str() {
            "wrong-length" => answer.push(0),
            "out-of-range" => answer.fill(group.member_count),
            "fail" => return Err("refused as asked".into()),
            mode => {
                let subscribed = mode != "unsubscribed";
                for (topic, slots) in group.topics() {
                    let mut members = 0..group.member_count;
                    let first =
                        members.find(|&member| group.is_subscribed(member, topic) == subscribed);
                    for slot in slots {
                        answer[slot * group.copies as usize] = first.unwrap_or(u32::MAX);
                    }
                }
            }
        }
        Ok(answer)
    }
}

export_assignor!(Hostile);
