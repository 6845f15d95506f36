//! Inspect: what a component is, read from its bytes before anything of it runs or is compiled.
//!
//! Owns: the refusals of an install, each one sentence that says what to do.
//! Invariant: bytes from outside give an `Err`, never a panic.
//! Start reading at: [`inspect`].

use sha2::{Digest as _, Sha256};

use crate::plugin::log_gate::escaped;
use crate::plugin::view::Columns;
use crate::plugin::world::WIT_VERSION;

/// Largest component that is taken.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;

const PACKAGE: &str = "logmill:plugin/";

/// What a plugin decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PluginKind {
    Partitioner,
    Assignor,
    CompactionPolicy,
}

impl PluginKind {
    pub const ALL: [Self; 3] = [Self::Partitioner, Self::Assignor, Self::CompactionPolicy];

    pub fn name(self) -> &'static str {
        match self {
            Self::Partitioner => "partitioner",
            Self::Assignor => "assignor",
            Self::CompactionPolicy => "compaction-policy",
        }
    }

    /// The interface that a plugin of this kind exports.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Partitioner => "partitioning",
            Self::Assignor => "assigning",
            Self::CompactionPolicy => "compacting",
        }
    }

    /// Functions that it may import, by interface.
    fn imports(self) -> &'static [(&'static str, &'static [&'static str])] {
        const LOG: (&str, &[&str]) = ("log", &["log"]);
        const TYPES: (&str, &[&str]) = ("types", &[]);
        const RECORDS: (&str, &[&str]) = ("records", &["count", "keys", "header", "timestamps"]);
        const VALUES: (&str, &[&str]) = ("record-values", &["values", "lengths"]);
        match self {
            Self::Partitioner => &[
                LOG,
                TYPES,
                RECORDS,
                VALUES,
                ("produced", &["topic", "chosen", "client-id", "principal"]),
            ],
            Self::Assignor => &[
                LOG,
                TYPES,
                (
                    "group",
                    &[
                        "id",
                        "seed",
                        "member-count",
                        "copies",
                        "topics",
                        "partition-counts",
                        "subscriptions",
                        "owners",
                        "held",
                    ],
                ),
                ("group-members", &["ids", "instance-ids", "client-ids", "hosts", "user-data"]),
                ("group-racks", &["names", "of-members", "of-slots"]),
            ],
            Self::CompactionPolicy => &[
                LOG,
                TYPES,
                RECORDS,
                VALUES,
                (
                    "pass",
                    &[
                        "topic",
                        "partition",
                        "now",
                        "first-offset",
                        "first-dirty",
                        "end-offset",
                        "offsets",
                        "expired-tombstones",
                    ],
                ),
            ],
        }
    }
}

impl std::fmt::Display for PluginKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for PluginKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| {
            format!("{text:?} is no kind of plugin: partitioner, assignor or compaction-policy")
        })
    }
}

/// SHA-256 of a component; its name in the artefact store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no SHA-256: 64 hexadecimal digits are needed");
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(digest))
    }
}

/// What a component says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginInfo {
    pub kind: PluginKind,
    pub wit_version: String,
    /// Functions that it imports, `records.keys`, ascending: what it can see.
    pub imports: Vec<String>,
    pub digest: Digest,
    pub bytes: u64,
}

impl PluginInfo {
    /// Columns that it can see.
    pub fn columns(&self) -> Columns {
        let has = |name: &str| self.imports.iter().any(|import| import == name);
        Columns {
            keys: has("records.keys"),
            values: has("record-values.values"),
            headers: has("records.header"),
            timestamps: has("records.timestamps") || has("pass.offsets"),
        }
    }
}

/// Why a component is not installed; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    #[error(
        "the file has {bytes} bytes and at most {max} are taken: build it with optimisation and \
         without debug information"
    )]
    TooLarge { bytes: usize, max: usize },
    #[error("the file is empty: give the .wasm file of a component")]
    Empty,
    #[error(
        "the file is no WebAssembly component: give the .wasm file that `logmill plugin \
         componentize` or your language's component tool wrote"
    )]
    NotWasm,
    #[error(
        "the file is a WebAssembly core module: make a component of it with `logmill plugin \
         componentize MODULE -o COMPONENT`"
    )]
    CoreModule,
    #[error("the component cannot be read, build it again: {0}")]
    Damaged(String),
    #[error(
        "the component imports {}: plugins get no WASI; stub it in the build (`--stub-wasi` of \
         componentize-py and componentize-qjs; wasm32-unknown-unknown for Rust)",
        .0.join(", ")
    )]
    Wasi(Vec<String>),
    #[error(
        "the component imports {import}, which a {kind} does not get: remove that call from the \
         plugin"
    )]
    ForeignImport { import: String, kind: PluginKind },
    #[error(
        "the component imports {import}, which this broker (logmill:plugin@{WIT_VERSION}) does \
         not have: build it against that version's wit/logmill.wit"
    )]
    UnknownImport { import: String },
    #[error(
        "the component was built for logmill:plugin@{found}, this broker serves @{WIT_VERSION}: \
         build it against this broker's wit/logmill.wit"
    )]
    WitVersion { found: String },
    #[error(
        "the component exports no duty of logmill:plugin@{WIT_VERSION}: it must export \
         partitioning, assigning or compacting"
    )]
    NoDuty,
    #[error("the component exports {0}: a plugin has exactly one duty, split it")]
    ManyDuties(String),
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    #[error("compiling the component took more than is allowed ({0}): make it smaller")]
    CompileLimit(String),
    #[error("the component's exports are not those of wit/logmill.wit, build it again: {0}")]
    Link(String),
    #[error("the plugin failed its dry run: {0}")]
    DryRun(String),
    #[error("the broker could not store the plugin, see its log: {0}")]
    Store(String),
}

/// Reads what the component is, and refuses what this broker cannot run.
pub fn inspect(bytes: &[u8]) -> Result<PluginInfo, InstallError> {
    if COMPONENT_BYTES_MAX < bytes.len() {
        return Err(InstallError::TooLarge { bytes: bytes.len(), max: COMPONENT_BYTES_MAX });
    }
    match bytes.get(..8) {
        _ if bytes.is_empty() => return Err(InstallError::Empty),
        Some(b"\0asm\x01\0\0\0") => return Err(InstallError::CoreModule),
        Some(b"\0asm\x0d\0\x01\0") => {}
        _ => return Err(InstallError::NotWasm),
    }
    // The decoder is a library for tools: a panic in it must not reach the broker.
    let decoded = std::panic::catch_unwind(|| interfaces(bytes));
    let world = decoded.unwrap_or_else(|_| Err("the decoder gave up".into()));
    let world = world.map_err(InstallError::Damaged)?;
    let (kind, wit_version) = duty(&world)?;
    let imports = check_imports(&world, kind)?;
    let (digest, bytes) = (Digest::of(bytes), bytes.len() as u64);
    Ok(PluginInfo { kind, wit_version, imports, digest, bytes })
}

/// Names of what a component imports and exports.
struct World {
    /// Interface or function, with the functions that it uses of it.
    imports: Vec<(String, Vec<String>)>,
    exports: Vec<String>,
}

fn interfaces(bytes: &[u8]) -> Result<World, String> {
    let decoded = wit_component::decode(bytes);
    let decoded = decoded.map_err(|error| escaped(&format!("{error:#}").replace('\n', " ")))?;
    let wit_component::DecodedWasm::Component(resolve, world) = decoded else {
        return Err("it holds an interface description and no code".into());
    };
    let world = &resolve.worlds[world];
    let functions = |name: &str| {
        let mut functions = Vec::new();
        for (id, interface) in resolve.interfaces.iter() {
            if resolve.id_of(id).is_some_and(|full| full == name) {
                functions.extend(interface.functions.keys().cloned());
            }
        }
        functions
    };
    let imports = world.imports.keys().map(|key| resolve.name_world_key(key));
    let imports = imports.map(|name| (name.clone(), functions(&name))).collect();
    let exports = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    Ok(World { imports, exports })
}

/// Interface and version of a name in our package.
fn ours(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(PACKAGE)?.split_once('@')
}

fn duty(world: &World) -> Result<(PluginKind, String), InstallError> {
    let mut found = Vec::new();
    for (interface, version) in world.exports.iter().filter_map(|name| ours(name)) {
        let kind = PluginKind::ALL.into_iter().find(|kind| kind.interface() == interface);
        found.extend(kind.map(|kind| (kind, version)));
    }
    match found[..] {
        [] => Err(InstallError::NoDuty),
        [(_, version)] if version != WIT_VERSION => {
            Err(InstallError::WitVersion { found: version.into() })
        }
        [(kind, version)] => Ok((kind, version.into())),
        _ => {
            let names: Vec<&str> = found.iter().map(|(kind, _)| kind.interface()).collect();
            Err(InstallError::ManyDuties(names.join(" and ")))
        }
    }
}

fn check_imports(world: &World, kind: PluginKind) -> Result<Vec<String>, InstallError> {
    let names = world.imports.iter().map(|(name, _)| name);
    let wasi: Vec<String> = names.filter(|name| name.starts_with("wasi:")).cloned().collect();
    if !wasi.is_empty() {
        return Err(InstallError::Wasi(wasi));
    }
    let mut imports = Vec::new();
    for (name, functions) in &world.imports {
        let Some((interface, version)) = ours(name) else {
            return Err(InstallError::UnknownImport { import: name.clone() });
        };
        if version != WIT_VERSION {
            return Err(InstallError::WitVersion { found: version.into() });
        }
        let known = |kind: PluginKind| {
            let found = kind.imports().iter().find(|(known, _)| *known == interface);
            found.map(|(_, functions)| *functions)
        };
        let Some(known_functions) = known(kind) else {
            let import = name.clone();
            let exists = PluginKind::ALL.into_iter().any(|other| known(other).is_some());
            return Err(if exists {
                InstallError::ForeignImport { import, kind }
            } else {
                InstallError::UnknownImport { import }
            });
        };
        for function in functions {
            let import = format!("{interface}.{function}");
            if !known_functions.contains(&function.as_str()) {
                return Err(InstallError::UnknownImport { import });
            }
            imports.push(import);
        }
    }
    imports.sort();
    Ok(imports)
}
