//! hostile-assignor, for tests: an assignor that does everything it must not (setting `mode`).
//!
//! Modes: those of `modes.rs`; `wrong-length`, `out-of-range`, `unsubscribed` (malformed answers),
//! `fail`; any other gives everything to the first subscriber.

use logmill_sdk::{Assignor, Group, Settings, export_assignor};

#[path = "../../hostile/src/modes.rs"]
mod modes;

struct Hostile {
    mode: String,
}

impl Assignor for Hostile {
    fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self { mode: modes::start(settings)? })
    }

    fn assign(&mut self, group: &Group) -> Result<Vec<u32>, String> {
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
