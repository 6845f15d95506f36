//! `meta.properties`: whose data a directory holds, in Kafka's own format.
//!
//! Owns: reading, checking, writing. Leaves to others: where the directory is (`data_dir`).
//! Invariant: ids are made once and never change; a file that was written by a newer format, or
//! that belongs to another node, is refused and left as it is.
//! Source: `MetaProperties` of Apache Kafka 4.4, version 1.
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::model::{DirectoryId, NodeId, TopicId};
use crate::server::data_dir::{self, DataDirError};

pub const META_FILE: &str = "meta.properties";
const VERSION: &str = "1";
/// Ours: so that no start without that directory begins another cluster.
const METADATA_DIRECTORY: &str = "metadata.directory.id";
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Who a directory says that we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    pub cluster_id: String,
    pub node_id: NodeId,
    pub directory_id: DirectoryId,
    /// The log directory where the metadata log lies; `None`: this one. Kafka passes over it.
    pub metadata_directory: Option<DirectoryId>,
    /// Every id stands in the file.
    pub whole: bool,
}

/// Why a directory cannot be ours.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    #[error(
        "The data in {} belongs to node {found}, but node.id is {wanted}; set node.id={found}, or \
         name another directory with log.dirs.", dir.display()
    )]
    OtherNode { dir: PathBuf, found: NodeId, wanted: NodeId },
    #[error(
        "{} has version {version:?}; this broker knows version 1 only, so a newer one wrote it (or \
         a Kafka before 3.0); start that one, or name another directory with log.dirs.",
        path.display()
    )]
    Version { path: PathBuf, version: String },
    #[error("{} is damaged: {what}; restore it from a copy.", path.display())]
    Damaged { path: PathBuf, what: String },
}

impl Meta {
    /// Of a directory that nobody has used before.
    pub fn fresh(cluster_id: &str, node_id: NodeId) -> Result<Self, DataDirError> {
        let (cluster_id, directory_id) = (cluster_id.to_owned(), fresh_directory()?);
        Ok(Self { cluster_id, node_id, directory_id, metadata_directory: None, whole: true })
    }
}

/// What the file of a directory says; `None`: there is none.
pub fn read(dir: &Path) -> Result<Option<Meta>, DataDirError> {
    let path = dir.join(META_FILE);
    let io = |source| DataDirError::Io { what: "read", path: path.clone(), source };
    let mut text = String::new();
    match std::fs::File::open(&path) {
        Ok(file) => file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(io)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    Ok(Some(parse(&text, &path, fresh_directory()?)?))
}

/// The ids in the text; `fresh` where it has no directory id yet (Kafka before 3.7 wrote none).
fn parse(text: &str, path: &Path, fresh: TopicId) -> Result<Meta, MetaError> {
    let damaged = |what: &str| MetaError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let fields = properties(text);
    let field = |name: &str| fields.get(name).map(String::as_str);
    let version = field("version").unwrap_or("none");
    if version != VERSION {
        return Err(MetaError::Version { path: path.to_owned(), version: version.to_owned() });
    }
    let cluster_id = field("cluster.id").filter(|id| !id.is_empty());
    let cluster_id = cluster_id.ok_or_else(|| damaged("it has no cluster.id"))?.to_owned();
    let node_id = field("node.id").and_then(|id| id.parse().ok()).map(NodeId);
    let node_id = node_id.ok_or_else(|| damaged("it has no node.id"))?;
    let (directory_id, whole) = match field("directory.id") {
        Some(id) => (id.parse().map_err(|_| damaged("its directory.id is no id"))?, true),
        None => (fresh, false),
    };
    let metadata_directory = match field(METADATA_DIRECTORY) {
        Some(id) => Some(id.parse().map_err(|_| damaged("its metadata.directory.id is no id"))?),
        None => None,
    };
    Ok(Meta { cluster_id, node_id, directory_id, metadata_directory, whole })
}

/// Java's properties as far as Kafka writes them: `key=value` lines, `\` before special characters.
fn properties(text: &str) -> BTreeMap<String, String> {
    let plain = |part: &str| part.trim().replace('\\', "");
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with(['#', '!']));
    lines.filter_map(|line| line.split_once('=')).map(|(k, v)| (plain(k), plain(v))).collect()
}

/// Replaces the file, durably.
pub fn write(dir: &Path, meta: &Meta) -> Result<(), DataDirError> {
    let Meta { cluster_id, node_id, directory_id, metadata_directory, .. } = meta;
    let mut text = format!(
        "#\nnode.id={node_id}\ndirectory.id={directory_id}\nversion={VERSION}\n\
         cluster.id={cluster_id}\n"
    );
    if let Some(id) = metadata_directory {
        text.push_str(&format!("{METADATA_DIRECTORY}={id}\n"));
    }
    data_dir::write_durably(&dir.join(META_FILE), text.as_bytes())
}

/// A random id in Kafka's form; none begins with `-`, which command lines take for an option.
pub fn fresh_id() -> Result<String, DataDirError> {
    Ok(fresh_directory()?.to_string())
}

fn fresh_directory() -> Result<TopicId, DataDirError> {
    loop {
        let mut bytes = [0; 16];
        let path = Path::new("/dev/urandom");
        let io = |source| DataDirError::Io { what: "read", path: path.to_owned(), source };
        let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
        read.map_err(io)?;
        // The marks of a random UUID (RFC 9562, version 4).
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = TopicId(bytes);
        if !id.to_string().starts_with('-') {
            return Ok(id);
        }
    }
}
