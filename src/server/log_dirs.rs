//! The log directories of a start: which can be used, which holds the metadata, whose they are.
//!
//! Owns: opening all of them, what they must have in common, where the metadata log lies.
//! Leaves to others: one directory's lock and marker (`data_dir`), its identity file (`meta`).
//! Invariant: what contradicts itself is refused before anything is written; a directory that
//! cannot be opened stays out of use and the others serve, unless the metadata may lie in it.
//! Start reading at: [`LogDirs::open`].
//! Source: KIP-858; Kafka `MetaPropertiesEnsemble`, `LogManager#createAndValidateLogDirs`.
use std::path::{Path, PathBuf};

use crate::model::{DirectoryId, NodeId};
use crate::server::data_dir::{DataDir, DataDirError, LockedDir};
use crate::server::meta::{self, Meta};

/// Where our metadata log lies within its log directory.
const METADATA: &str = "metadata";
/// And Apache Kafka's.
const KAFKAS_METADATA: &str = "__cluster_metadata-0";

/// All log directories of this process, as far as they can be used locked.
#[derive(Debug)]
pub struct LogDirs {
    dirs: Vec<OneDir>,
    home: usize,
}

/// One log directory.
#[derive(Debug)]
pub struct OneDir {
    /// As the settings name it.
    pub name: String,
    /// False: it is for the metadata only.
    pub holds_logs: bool,
    /// In use, or why not.
    pub opened: Result<DataDir, DataDirError>,
}

/// A directory before it is known whose it is.
struct Candidate {
    name: String,
    holds_logs: bool,
    found: Result<Locked, DataDirError>,
}

struct Locked {
    dir: LockedDir,
    meta: Option<Meta>,
}

impl Candidate {
    fn locked(&self) -> Option<&Locked> {
        self.found.as_ref().ok()
    }

    fn path(&self) -> Option<&Path> {
        self.locked().map(|locked| locked.dir.path())
    }
}

impl LogDirs {
    /// Opens directories, makes those that are missing, and says who they belong to.
    ///
    /// `names` is `log.dirs`, `metadata` is `metadata.log.dir`.
    pub fn open(
        names: &[String],
        metadata: Option<&str>,
        node_id: NodeId,
    ) -> Result<Self, DataDirError> {
        let mut all = candidates(names, metadata)?;
        check_owners(&all, node_id)?;
        let home = find_home(&mut all, metadata)?;
        let known = all.iter().filter_map(Candidate::locked).find_map(|one| one.meta.as_ref());
        let cluster_id = match known {
            Some(meta) => meta.cluster_id.clone(),
            None => meta::fresh_id()?,
        };
        // The home first: the others name its id.
        let mut dirs: Vec<Option<OneDir>> = all.iter().map(|_| None).collect();
        let mut home_id = None;
        let order = std::iter::once(home).chain((0..all.len()).filter(|at| *at != home));
        let mut waiting: Vec<Option<Candidate>> = all.into_iter().map(Some).collect();
        for at in order {
            let Candidate { name, holds_logs, found } = waiting[at].take().expect("once each");
            let wanted = Wanted { cluster_id: &cluster_id, node_id, home: home_id };
            let opened = found.and_then(|locked| wanted.open(locked));
            match (&opened, at == home) {
                (Ok(dir), true) => home_id = Some(dir.meta.directory_id),
                (Err(_), true) => return Err(opened.expect_err("just seen")),
                (Ok(_), false) => (),
                (Err(error), false) => {
                    tracing::error!(dir = name, "{error} The log directory is offline.");
                }
            }
            dirs[at] = Some(OneDir { name, holds_logs, opened });
        }
        let dirs = dirs.into_iter().map(|dir| dir.expect("all were opened")).collect();
        Ok(Self { dirs, home })
    }

    /// The directory with the metadata log.
    pub fn home(&self) -> &DataDir {
        self.dirs[self.home].opened.as_ref().expect("without it there is no start")
    }

    /// All of them, in the order of `log.dirs`.
    pub fn all(&self) -> impl Iterator<Item = &OneDir> {
        self.dirs.iter()
    }

    /// Those that are in use.
    pub fn in_use(&self) -> impl Iterator<Item = &DataDir> {
        self.dirs.iter().filter_map(|dir| dir.opened.as_ref().ok())
    }
}

/// Makes and locks every directory. What two brokers or one name twice would do is refused.
fn candidates(names: &[String], metadata: Option<&str>) -> Result<Vec<Candidate>, DataDirError> {
    let mut all: Vec<Candidate> = Vec::new();
    let alone = metadata.filter(|name| names.iter().all(|known| known != name));
    let wanted = names.iter().map(|name| (name.as_str(), true));
    for (name, holds_logs) in wanted.chain(alone.map(|name| (name, false))) {
        let path = LockedDir::make(Path::new(name));
        let is_same = |other: &&Candidate| {
            path.as_deref().ok().is_some_and(|path| other.path() == Some(path))
        };
        if let Some(other) = all.iter().find(is_same) {
            if !holds_logs {
                continue;
            }
            let (one, other) = (other.name.clone(), name.to_owned());
            return Err(DataDirError::Twice { one, other });
        }
        let found = path.and_then(LockedDir::lock).and_then(|dir| {
            let meta = meta::read(dir.path())?;
            dir.check_one_disk()?;
            Ok(Locked { dir, meta })
        });
        // A disk may fail; a second broker, or data of another format, is a mistake.
        if let Err(DataDirError::InUse { .. } | DataDirError::Meta(_)) = found {
            return Err(found.err().expect("just seen"));
        }
        all.push(Candidate { name: name.to_owned(), holds_logs, found });
    }
    Ok(all)
}

/// One cluster, this node, and no id twice.
fn check_owners(all: &[Candidate], node_id: NodeId) -> Result<(), DataDirError> {
    let mut known: Vec<(&Path, &Meta)> = Vec::new();
    for locked in all.iter().filter_map(Candidate::locked) {
        let (path, Some(meta)) = (locked.dir.path(), &locked.meta) else { continue };
        if meta.node_id != node_id {
            let (dir, found, wanted) = (path.to_owned(), meta.node_id, node_id);
            return Err(meta::MetaError::OtherNode { dir, found, wanted }.into());
        }
        for (other, before) in &known {
            let (one, other) = (other.join(meta::META_FILE), path.join(meta::META_FILE));
            if before.cluster_id != meta.cluster_id {
                let ids = (before.cluster_id.clone(), meta.cluster_id.clone());
                return Err(DataDirError::Clusters { one, other, ids });
            }
            if before.directory_id == meta.directory_id {
                let id = meta.directory_id;
                return Err(DataDirError::SameId { one, other, id });
            }
        }
        known.push((path, meta));
    }
    Ok(())
}

/// The directory where the metadata log lies, or will lie.
fn find_home(all: &mut [Candidate], wanted: Option<&str>) -> Result<usize, DataDirError> {
    let configured = wanted.and_then(|name| place_of(all, name)).unwrap_or(0);
    let holds = |folder: &str| {
        let has = |one: &Candidate| one.path().is_some_and(|path| path.join(folder).is_dir());
        (0..all.len()).filter(|at| has(&all[*at])).collect::<Vec<usize>>()
    };
    for folder in [METADATA, KAFKAS_METADATA] {
        let path = |at: usize| all[at].path().expect("it was looked into").join(folder);
        match *holds(folder).as_slice() {
            [] => (),
            [at] if wanted.is_some() && at != configured => {
                let (found, wanted) = (path(at), all[configured].name.clone());
                return Err(DataDirError::MetadataElsewhere { found, wanted });
            }
            [at] => return Ok(at),
            [one, other, ..] => {
                let (one, other) = (path(one), path(other));
                return Err(DataDirError::TwoMetadata { one, other });
            }
        }
    }
    // It may lie where nobody can look; a new one would be the beginning of another cluster.
    if let Some(unknown) = all.iter_mut().find(|one| one.found.is_err()) {
        let found = std::mem::replace(&mut unknown.found, Err(DataDirError::Taken));
        return Err(found.err().expect("just seen"));
    }
    let told = |locked: &Locked| locked.meta.as_ref().and_then(|meta| meta.metadata_directory);
    let mut locked = all.iter().filter_map(Candidate::locked);
    let Some((dir, id)) = locked.find_map(|one| Some((one.dir.path(), told(one)?))) else {
        return Ok(configured);
    };
    let is_it = |one: &Candidate| {
        let meta = one.locked().and_then(|locked| locked.meta.as_ref());
        meta.is_some_and(|meta| meta.directory_id == id)
    };
    let missing = || DataDirError::MetadataMissing { dir: dir.to_owned(), id };
    all.iter().position(is_it).ok_or_else(missing)
}

/// The candidate of that name, or that it is another name of.
fn place_of(all: &[Candidate], name: &str) -> Option<usize> {
    let path = Path::new(name).canonicalize().ok();
    all.iter().position(|one| one.name == name || (path.is_some() && one.path() == path.as_deref()))
}

/// What every directory says from now on.
struct Wanted<'a> {
    cluster_id: &'a str,
    node_id: NodeId,
    /// `None`: this one is the home of the metadata.
    home: Option<DirectoryId>,
}

impl Wanted<'_> {
    fn open(&self, locked: Locked) -> Result<DataDir, DataDirError> {
        let (is_new, mut meta) = match &locked.meta {
            Some(meta) => (false, meta.clone()),
            None => (true, Meta::fresh(self.cluster_id, self.node_id)?),
        };
        meta.metadata_directory = self.home;
        if locked.meta.as_ref() != Some(&meta) || !meta.whole {
            meta::write(locked.dir.path(), &meta)?;
        }
        locked.dir.open(meta, is_new)
    }
}

/// The path of a directory that may not be there.
pub fn absolute(name: &str) -> PathBuf {
    std::path::absolute(name).unwrap_or_else(|_| PathBuf::from(name))
}
