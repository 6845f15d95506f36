//! `logmill log repair`: recovery without a broker, and on request the cut that it refuses.
//!
//! Owns: the lock while it works, the recovery point of a log that was cut below it.
//! Leaves to others: recovery, the cut (`log`).
use std::path::{Path, PathBuf};

use super::journals::replay_and_empty;
use super::{Done, OfflineError, Place, places};
use crate::env::Env;
use crate::io::offline::{Run, block_on};
use crate::log::checkpoint::{RECOVERY_POINTS, read_offsets, write_offsets};
use crate::log::{Damage, Files, LogError, Recovered, Start, cut_away};
use crate::server::{data_dir, words};

pub fn run(path: &Path, save: Option<&Path>) -> Done {
    let mut found = places(path)?;
    found.look_into_journals()?;
    let _lock = data_dir::take_lock(&found.data_dir)?;
    let dir = found.data_dir.display().to_string();
    if found.is_whole {
        let places = found.partitions.clone();
        block_on(Run::Real, move |env| async move { replay_and_empty(&env, &dir, &places).await })?;
    } else if found.partitions.iter().any(|place| place.journaled.is_some()) {
        return Err(OfflineError::Damaged(format!(
            "The journal in {dir} holds batches of this partition; repair the whole of {dir}."
        )));
    }
    let mut refused = 0;
    for place in found.partitions {
        let (name, save) = (place.name(), save.map(|dir| dir.join(place.name())));
        let repaired =
            block_on(Run::Real, move |env| async move { repair(&env, &place, save).await });
        match repaired {
            Ok(recovered) => tell(&name, &recovered),
            Err(OfflineError::Log(error)) => {
                words::print_out(&format!("{name}: {error}"));
                refused += 1;
            }
            Err(error) => return Err(error),
        }
    }
    match refused {
        0 => Ok(()),
        count => Err(OfflineError::Damaged(format!(
            "{} cannot be repaired without loss; --cut-corruption DIRECTORY saves there what is \
             damaged and what follows it, and cuts.",
            words::some(count, "partition")
        ))),
    }
}

async fn repair(
    env: &Env,
    place: &Place,
    save: Option<PathBuf>,
) -> Result<Recovered, OfflineError> {
    let error = match place.open(env, place.start_behind_journal()).await {
        Ok(log) => return Ok(log.recovered().clone()),
        Err(error) => error,
    };
    let Some(save) = save else { return Err(error.into()) };
    // What lies before was durable once: nothing of it is taken for a torn tail.
    let whole_end = match &error {
        LogError::Corrupt { path, position, .. } => {
            let save = save.display().to_string();
            let (saved, base) = cut_away(env, &place.dir(), path, *position, &save).await?;
            let size = words::bytes(saved);
            words::print_out(&format!("{path} is cut at byte {position}; {size} are in {save}"));
            base
        }
        LogError::Short { path, end, recovery_point } => {
            words::print_out(&format!(
                "{path} ends at {end}; what lay between there and {recovery_point} is lost"
            ));
            *end
        }
        LogError::Disk(_) | LogError::ForeignTopic { .. } => return Err(error.into()),
    };
    forget_point(env, place).await?;
    let log = place.open(env, Start::Unclean { recovery_point: Some(whole_end) }).await?;
    Ok(log.recovered().clone())
}

/// The next start must not miss what was cut.
async fn forget_point(env: &Env, place: &Place) -> Result<(), OfflineError> {
    let dir = &place.log.dir;
    let Some(mut lines) = read_offsets(env, dir, RECOVERY_POINTS).await? else { return Ok(()) };
    lines.retain(|line| line.topic != place.log.topic || line.partition != place.log.partition);
    Ok(write_offsets(&Files::unwatched(env), dir, RECOVERY_POINTS, &lines).await?)
}

fn tell(name: &str, recovered: &Recovered) {
    for Damage { path, position, what, done } in &recovered.damage {
        let at = position.map_or(String::new(), |at| format!(" at byte {at}"));
        words::print_out(&format!("{path}{at}: {what}; {done}"));
    }
    let cut = words::bytes(recovered.bytes_cut);
    words::print_out(&match recovered.damage.len() {
        0 => format!("{name}: whole"),
        _ => format!("{name}: repaired, {cut} cut off"),
    });
}
