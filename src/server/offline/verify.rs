//! `logmill log verify`: what is damaged, and what the next start would do about it.
//!
//! Owns: the report. Leaves to others: finding damage (`log`).
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::journals::rehearsed;
use super::{Done, OfflineError, Place, places, rehearse, summary};
use crate::env::Env;
use crate::log::{Damage, LogError, Start, unnoticed_damage};
use crate::server::words;

/// What is said of one partition.
struct Verdict {
    damage: Vec<Damage>,
    /// Why it would be offline.
    refused: Option<LogError>,
    end: i64,
    segments: usize,
}

pub fn run(paths: &[PathBuf], json: bool) -> Done {
    let mut found = Vec::new();
    for path in paths {
        found.extend(places(path)?.partitions);
    }
    let (mut segments, mut bad) = (0, 0);
    let count = found.len();
    let mut rows = Vec::new();
    let twice = twice(&found);
    for (place, mut verdict) in judge_all(found)? {
        let (name, start, dir) = (place.name(), place.start_behind_journal(), place.dir());
        if twice.contains(&dir) {
            let (what, done) = ("it lies in another log directory, too", "a start serves neither");
            verdict.damage.insert(0, Damage { path: dir.clone(), position: None, what, done });
        }
        segments += verdict.segments;
        bad += usize::from(!verdict.damage.is_empty() || verdict.refused.is_some());
        if json {
            rows.push(row(&name, start, &verdict));
        } else {
            print(&name, &dir, &verdict);
        }
    }
    if json {
        let text = serde_json::to_string_pretty(&json!({ "partitions": rows }));
        words::print_out(&text.expect("plain values"));
    } else {
        words::print_out(&format!("{} looked at, {bad} damaged", summary(count, segments)));
    }
    match bad {
        0 => Ok(()),
        1 => Err(OfflineError::Damaged("One partition is damaged.".to_owned())),
        some => Err(OfflineError::Damaged(format!("{some} partitions are damaged."))),
    }
}

/// Folders of partitions that lie in two of the directories.
fn twice(found: &[Place]) -> BTreeSet<String> {
    let mut seen = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for place in found.iter().filter(|place| !place.log.topic_id.is_zero()) {
        let key = (place.log.topic_id, place.log.partition);
        let other = seen.insert(key, place.dir());
        if let Some(other) = other.filter(|other| *other != place.dir()) {
            twice.extend([other, place.dir()]);
        }
    }
    twice
}

/// Judges partitions, those of one data directory behind one walk through its journals.
fn judge_all(places: Vec<Place>) -> Result<Vec<(Place, Verdict)>, OfflineError> {
    let mut by_dir = BTreeMap::<String, Vec<Place>>::new();
    for place in places {
        by_dir.entry(place.log.dir.clone()).or_default().push(place);
    }
    let mut judged = Vec::new();
    for (dir, places) in by_dir {
        judged.extend(rehearse(move |env| async move {
            let mut judged = Vec::with_capacity(places.len());
            for place in rehearsed(&env, &dir, places).await? {
                let verdict = judge(&env, &place).await?;
                judged.push((place, verdict));
            }
            Ok::<_, OfflineError>(judged)
        })?);
    }
    Ok(judged)
}

async fn judge(env: &Env, place: &Place) -> Result<Verdict, OfflineError> {
    let unknown_owner = place.log.topic_id.is_zero();
    let (mut damage, refused, end, segments) =
        match place.open(env, place.start_behind_journal()).await {
            Ok(log) => {
                let ends = log.ends();
                (log.recovered().damage.clone(), None, ends.log_end.0, log.segment_count())
            }
            Err(error) => (Vec::new(), Some(error), -1, 0),
        };
    if unknown_owner && damage.iter().all(|one| !one.path.ends_with("partition.metadata")) {
        let path = format!("{}/partition.metadata", place.dir());
        let done = "a start writes it again";
        damage.insert(0, Damage { path, position: None, what: "it is missing or damaged", done });
    }
    let refused_at = match &refused {
        Some(LogError::Corrupt { path, position, .. }) => Some((path.clone(), *position)),
        _ => None,
    };
    let known =
        |one: &Damage| one.position.is_some_and(|at| refused_at == Some((one.path.clone(), at)));
    damage.extend(unnoticed_damage(env, &place.dir()).await?.into_iter().filter(|one| !known(one)));
    Ok(Verdict { damage, refused, end, segments })
}

fn print(name: &str, dir: &str, verdict: &Verdict) {
    for Damage { path, position, what, done } in &verdict.damage {
        let at = position.map_or(String::new(), |at| format!(" at byte {at}"));
        words::print_out(&format!("{path}{at}: {what}; {done}"));
    }
    match &verdict.refused {
        Some(error) => words::print_out(&format!("{error}; {name} would be offline")),
        None if verdict.damage.is_empty() => {}
        None => words::print_out(&format!("{dir}: would end at offset {}", verdict.end)),
    }
}

fn row(name: &str, start: Start, verdict: &Verdict) -> Value {
    let damage: Vec<Value> = verdict
        .damage
        .iter()
        .map(|one| {
            json!({ "path": one.path, "position": one.position, "what": one.what,
                    "then": one.done })
        })
        .collect();
    json!({
        "partition": name,
        "after": match start { Start::Clean | Start::New => "stop", _ => "crash" },
        "log_end": verdict.end,
        "segments": verdict.segments,
        "damage": damage,
        "offline": verdict.refused.as_ref().map(ToString::to_string),
    })
}
