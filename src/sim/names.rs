//! The directory tree of a simulated disk, with the changes that no sync has made durable.
//!
//! Owns: names, live and durable, and the order of changes.
//! Invariant: a power cut keeps, of each directory, a prefix of its changes; one change (a rename
//! too) is kept whole or not at all.
use std::collections::{BTreeMap, BTreeSet};

use crate::base::Rng;
use crate::env::op::{DirEntry, IoError, OpenHow};
use crate::sim::disk::Ino;

const ROOT: Ino = Ino(0);

#[derive(Clone, Default)]
struct Dir {
    live: BTreeMap<String, Ino>,
    durable: BTreeMap<String, Ino>,
}

/// One step of a change: this name of this directory now means that, or nothing.
type Step = (Ino, String, Option<Ino>);

#[derive(Clone)]
pub struct Names {
    dirs: BTreeMap<Ino, Dir>,
    /// Changes that are not durable, oldest first.
    changes: Vec<Vec<Step>>,
    /// The file or folder right below the root that each lies in.
    tops: BTreeMap<Ino, Ino>,
    inos_total: u64,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            dirs: BTreeMap::from([(ROOT, Dir::default())]),
            changes: Vec::new(),
            tops: BTreeMap::new(),
            inos_total: 0,
        }
    }
}

const NOT_A_DIRECTORY: IoError = IoError::Errno(libc::ENOTDIR);
const IS_A_DIRECTORY: IoError = IoError::Errno(libc::EISDIR);

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

impl Names {
    fn new_ino(&mut self) -> Ino {
        self.inos_total += 1;
        Ino(self.inos_total)
    }

    fn find(&self, path: &str) -> Result<Ino, IoError> {
        let mut at = ROOT;
        for part in parts(path) {
            let dir = self.dirs.get(&at).ok_or(NOT_A_DIRECTORY)?;
            at = *dir.live.get(part).ok_or(IoError::NotFound)?;
        }
        Ok(at)
    }

    /// The directory of that path.
    pub fn dir(&self, path: &str) -> Result<Ino, IoError> {
        let found = self.find(path)?;
        if self.dirs.contains_key(&found) { Ok(found) } else { Err(NOT_A_DIRECTORY) }
    }

    /// The file of that path.
    pub fn file(&self, path: &str) -> Result<Ino, IoError> {
        let found = self.find(path)?;
        if self.dirs.contains_key(&found) { Err(IS_A_DIRECTORY) } else { Ok(found) }
    }

    fn parent<'a>(&self, path: &'a str) -> Result<(Ino, &'a str), IoError> {
        let all: Vec<&str> = parts(path).collect();
        let (name, above) = all.split_last().ok_or(IoError::Errno(libc::EINVAL))?;
        let dir = self.dir(&above.join("/"))?;
        Ok((dir, name))
    }

    /// The file system that holds a file or folder: the name right below the root, or, for the
    /// root itself, `None`.
    pub fn top(&self, ino: Ino) -> Option<Ino> {
        self.tops.get(&ino).copied()
    }

    fn set_top(&mut self, ino: Ino, top: Ino) {
        if self.tops.insert(ino, top) == Some(top) {
            return;
        }
        let within = self.dirs.get(&ino).into_iter().flat_map(|dir| dir.live.values());
        for ino in within.copied().collect::<Vec<Ino>>() {
            self.set_top(ino, top);
        }
    }

    fn apply(&mut self, change: Vec<Step>) {
        for (dir, _, target) in &change {
            if let Some(ino) = target {
                self.set_top(*ino, self.top(*dir).unwrap_or(*ino));
            }
        }
        for (dir, name, target) in &change {
            let live = &mut self.dirs.get_mut(dir).expect("a directory").live;
            match target {
                Some(ino) => drop(live.insert(name.clone(), *ino)),
                None => drop(live.remove(name)),
            }
        }
        self.changes.push(change);
    }

    pub fn exists(&self, path: &str) -> bool {
        self.find(path).is_ok()
    }

    /// Finds or makes a file; says whether it is new.
    pub fn open(&mut self, path: &str, how: OpenHow) -> Result<(Ino, bool), IoError> {
        match self.find(path) {
            Ok(_) if how == OpenHow::CreateNew => Err(IoError::AlreadyExists),
            // A directory can be opened to read; it is good for a sync only.
            Ok(found) if self.dirs.contains_key(&found) && how != OpenHow::Read => {
                Err(IS_A_DIRECTORY)
            }
            Ok(found) => Ok((found, false)),
            Err(IoError::NotFound) if !matches!(how, OpenHow::Read | OpenHow::ReadWrite) => {
                let (dir, name) = self.parent(path)?;
                let file = self.new_ino();
                self.apply(vec![(dir, name.to_owned(), Some(file))]);
                Ok((file, true))
            }
            Err(error) => Err(error),
        }
    }

    pub fn create_dir_all(&mut self, path: &str) -> Result<(), IoError> {
        let mut at = ROOT;
        for part in parts(path) {
            let dir = self.dirs.get(&at).ok_or(NOT_A_DIRECTORY)?;
            at = match dir.live.get(part) {
                Some(found) => *found,
                None => {
                    let made = self.new_ino();
                    self.dirs.insert(made, Dir::default());
                    self.apply(vec![(at, part.to_owned(), Some(made))]);
                    made
                }
            };
        }
        if self.dirs.contains_key(&at) { Ok(()) } else { Err(IoError::AlreadyExists) }
    }

    /// Gives the file that lost its name to the new one.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<Option<Ino>, IoError> {
        let moved = self.find(from)?;
        let ((from_dir, from_name), (to_dir, to_name)) = (self.parent(from)?, self.parent(to)?);
        let replaced = self.dirs[&to_dir].live.get(to_name).copied();
        if replaced == Some(moved) {
            return Ok(None);
        }
        match (self.dirs.contains_key(&moved), replaced.map(|ino| self.dirs.get(&ino))) {
            (_, None) | (false, Some(None)) => {}
            (true, Some(None)) => return Err(NOT_A_DIRECTORY),
            (false, Some(Some(_))) => return Err(IS_A_DIRECTORY),
            (true, Some(Some(dir))) if !dir.live.is_empty() => {
                return Err(IoError::Errno(libc::ENOTEMPTY));
            }
            (true, Some(Some(_))) => {}
        }
        self.apply(vec![
            (from_dir, from_name.to_owned(), None),
            (to_dir, to_name.to_owned(), Some(moved)),
        ]);
        Ok(replaced.filter(|ino| !self.dirs.contains_key(ino)))
    }

    pub fn remove_file(&mut self, path: &str) -> Result<Ino, IoError> {
        let found = self.find(path)?;
        if self.dirs.contains_key(&found) {
            return Err(IS_A_DIRECTORY);
        }
        let (dir, name) = self.parent(path)?;
        self.apply(vec![(dir, name.to_owned(), None)]);
        Ok(found)
    }

    /// Removes from the leaves up, one change per name; gives the files.
    pub fn remove_dir_all(&mut self, path: &str) -> Result<Vec<Ino>, IoError> {
        let found = self.dir(path)?;
        let (dir, name) = self.parent(path)?;
        let mut files = Vec::new();
        self.empty(found, &mut files);
        self.apply(vec![(dir, name.to_owned(), None)]);
        Ok(files)
    }

    fn empty(&mut self, dir: Ino, files: &mut Vec<Ino>) {
        let names: Vec<(String, Ino)> =
            self.dirs[&dir].live.iter().map(|(name, ino)| (name.clone(), *ino)).collect();
        for (name, ino) in names {
            if self.dirs.contains_key(&ino) {
                self.empty(ino, files);
            } else {
                files.push(ino);
            }
            self.apply(vec![(dir, name, None)]);
        }
    }

    pub fn list(&self, path: &str) -> Result<Vec<DirEntry>, IoError> {
        let dir = &self.dirs[&self.dir(path)?];
        let entry = |(name, ino): (&String, &Ino)| DirEntry {
            name: name.clone(),
            is_dir: self.dirs.contains_key(ino),
        };
        Ok(dir.live.iter().map(entry).collect())
    }

    fn make_durable(&mut self, change: &[Step]) {
        for (dir, name, target) in change {
            let durable = &mut self.dirs.get_mut(dir).expect("a directory").durable;
            match target {
                Some(ino) => drop(durable.insert(name.clone(), *ino)),
                None => drop(durable.remove(name)),
            }
        }
    }

    /// Makes the changes of one directory durable, and of others what they need for it.
    pub fn sync(&mut self, dir: Ino) {
        self.sync_dirs(BTreeSet::from([dir]));
    }

    fn sync_dirs(&mut self, mut needed: BTreeSet<Ino>) {
        let mut keep = vec![false; self.changes.len()];
        for (at, change) in self.changes.iter().enumerate().rev() {
            keep[at] = change.iter().any(|step| needed.contains(&step.0));
            if keep[at] {
                needed.extend(change.iter().map(|step| step.0));
            }
        }
        let changes = std::mem::take(&mut self.changes);
        for (change, keep) in changes.into_iter().zip(keep) {
            if keep {
                self.make_durable(&change);
            } else {
                self.changes.push(change);
            }
        }
    }

    /// Makes all changes in one file system durable.
    pub fn sync_all(&mut self, top: Option<Ino>) {
        let dirs = self.dirs.keys().copied();
        self.sync_dirs(dirs.filter(|dir| top.is_none() || self.top(*dir) == top).collect());
    }

    /// Keeps what is durable and, of each directory, a random prefix of the rest; counts losses.
    pub fn power_cut(&mut self, rng: &mut Rng, lost_per_1000: u64) -> u64 {
        let mut blocked = BTreeSet::new();
        let mut lost = 0;
        for change in std::mem::take(&mut self.changes) {
            let cut = change.iter().any(|step| blocked.contains(&step.0));
            if cut || rng.chance(lost_per_1000) {
                lost += 1;
                blocked.extend(change.iter().map(|step| step.0));
            } else {
                self.make_durable(&change);
            }
        }
        for dir in self.dirs.values_mut() {
            dir.live = dir.durable.clone();
        }
        let reachable = self.reachable();
        self.dirs.retain(|ino, _| reachable.contains(ino));
        lost
    }

    fn reachable(&self) -> BTreeSet<Ino> {
        let (mut found, mut open) = (BTreeSet::from([ROOT]), vec![ROOT]);
        while let Some(dir) = open.pop() {
            for ino in self.dirs.get(&dir).into_iter().flat_map(|dir| dir.live.values()) {
                if found.insert(*ino) {
                    open.push(*ino);
                }
            }
        }
        found
    }

    /// The path of every file.
    pub fn paths(&self) -> Vec<(String, Ino)> {
        let (mut found, mut open) = (Vec::new(), vec![(String::new(), ROOT)]);
        while let Some((path, dir)) = open.pop() {
            for (name, ino) in &self.dirs[&dir].live {
                let path = format!("{path}/{name}");
                match self.dirs.contains_key(ino) {
                    true => open.push((path, *ino)),
                    false => found.push((path, *ino)),
                }
            }
        }
        found
    }

    /// Everything that has a name.
    pub fn files(&self) -> BTreeSet<Ino> {
        self.reachable()
    }

    /// Everything that a power cut could give its name back.
    pub fn durable_files(&self) -> BTreeSet<Ino> {
        let durable = self.dirs.values().flat_map(|dir| dir.durable.values().copied());
        let pending = self.changes.iter().flatten().filter_map(|step| step.2);
        durable.chain(pending).collect()
    }
}
