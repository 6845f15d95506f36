//! Cutting at damage that recovery refuses to cut, on somebody's explicit word.
//!
//! Owns: saving what goes, and the order in which it goes.
//! Leaves to others: deciding that (a tool), what is left (`recovery` runs again).
//! Invariant: every byte is durable elsewhere before it is removed here.
//! Start reading at: [`cut_away`].
use crate::base::Bytes;
use crate::env::{Env, File, OpenHow};
use crate::log::DiskError;
use crate::log::disk::Files;
use crate::log::names::{LOG, parse};
use crate::model::Offset;

const COPY_BYTES: usize = 4 << 20;

/// Saves a segment from `position` on, and all files of later offsets, under `save`; then removes
/// them from `dir`. Gives the number of bytes saved, and the segment's first offset: what lies
/// below is as it was.
///
/// `segment` is the path of the damaged `.log` file.
pub async fn cut_away(
    env: &Env,
    dir: &str,
    segment: &str,
    position: u64,
    save: &str,
) -> Result<(u64, Offset), DiskError> {
    let files = Files::unwatched(env);
    files.create_dir_all(save).await?;
    let name = segment.rsplit('/').next().unwrap_or(segment);
    let base = parse(name).map_or(Offset(0), |(base, _)| base);
    let file = files.open(segment, OpenHow::ReadWrite).await?;
    let mut saved =
        copy(&files, &file, segment, position, &format!("{save}/{name}.from-{position}")).await?;
    let mut later = Vec::new();
    for other in files.names(dir).await? {
        if parse(&other).is_some_and(|(offset, _)| base < offset) {
            let path = format!("{dir}/{other}");
            let whole = files.open(&path, OpenHow::Read).await?;
            saved += copy(&files, &whole, &path, 0, &format!("{save}/{other}")).await?;
            later.push(path);
        }
    }
    files.sync_dir(save).await?;
    // Later segments first, as recovery does it: were the tail cut first and the power failed,
    // they would be taken for its continuation.
    later.sort_by_key(|path| !path.ends_with(LOG));
    for path in later.iter().rev() {
        files.remove(path).await?;
    }
    files.sync_dir(dir).await?;
    files.truncate(&file, segment, position).await?;
    files.sync(&file, segment).await?;
    Ok((saved, base))
}

async fn copy(
    files: &Files,
    from: &File,
    path: &str,
    start: u64,
    to: &str,
) -> Result<u64, DiskError> {
    let end = files.bytes(from, path).await?;
    let out = files.open(to, OpenHow::Create).await?;
    let mut at = start;
    while at < end {
        let want = (end - at).min(COPY_BYTES as u64) as usize;
        let piece: Bytes = files.read(from, path, at, want).await?;
        if piece.is_empty() {
            break;
        }
        let bytes = piece.len() as u64;
        files.write(&out, to, at - start, vec![piece]).await?;
        at += bytes;
    }
    files.truncate(&out, to, at - start).await?;
    files.sync(&out, to).await?;
    Ok(at - start)
}
