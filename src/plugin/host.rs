//! Host: what all shards and workers of a node share: artefacts, native code, loaded versions.
//!
//! Owns: install, load, dry run, removal of components.
//! Leaves to others: names, versions and bindings (`cluster`), instances on shards (`residents`).
//! Invariant: everything here blocks and belongs on a worker; a refused install changed nothing.
//! Start reading at: [`Host::install`], then [`Host::live`].

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use crate::base::Bytes;
use crate::model::Offset;
use crate::observe::Metrics;
use crate::plugin::assign::{
    ASSIGN_BUDGET_NS, AssignInput, AssignMember, AssignTopic, run_assignor,
};
use crate::plugin::cache::{Cache, Compiler};
use crate::plugin::code::{Compiled, Label, Live, PluginCode, Settings};
use crate::plugin::error::CallError;
use crate::plugin::inspect::{Digest, InstallError, PluginInfo, PluginKind, inspect};
use crate::plugin::instance::{Batch, Instance};
use crate::plugin::meter::{Around, block_on};
use crate::plugin::policy::{PassInfo, PolicyRun};
use crate::plugin::store::{Store, StoreError};
use crate::plugin::world::Produced;
use crate::record::{HEADER_BYTES, Header, Records, Row, Span};

/// How the remark of a dry run begins when the plugin wants settings, which its bindings give.
pub const DRY_RUN_NEEDS: &str = "needs settings: ";

/// Components kept compiled beyond those in use, by their size before compilation.
const RECENT_BYTES_MAX: u64 = 8 << 20;

/// Why the host could not start.
#[derive(Debug, thiserror::Error)]
#[error("the plugin directory {directory}")]
pub struct HostError {
    directory: String,
    source: std::io::Error,
}

/// Why a registered version cannot decide: its state is `unready`, with this reason.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Install(#[from] InstallError),
}

/// What an install found out.
#[derive(Debug)]
pub struct Installed {
    pub info: PluginInfo,
    pub compile_ms: u64,
    /// `ok`, or what the plugin said without settings.
    pub dry_run: String,
}

/// What an installed component is, as far as its file and the cache tell.
#[derive(Debug)]
pub struct Look {
    pub info: PluginInfo,
    /// Its native code lies ready; else the first use compiles it.
    pub is_compiled: bool,
}

/// One per node.
#[derive(Debug)]
pub struct Host {
    store: Store,
    cache: Cache,
    metrics: Arc<Metrics>,
    loaded: Mutex<Loaded>,
}

/// Compiled components of this process.
#[derive(Debug, Default)]
struct Loaded {
    all: BTreeMap<Digest, Weak<Compiled>>,
    /// The newest last; kept although nobody may use them, so that a rollback finds them.
    recent: VecDeque<Arc<Compiled>>,
}

impl Loaded {
    fn find(&mut self, digest: Digest) -> Option<Arc<Compiled>> {
        let found = self.all.get(&digest).and_then(Weak::upgrade)?;
        self.keep(&found);
        Some(found)
    }

    fn keep(&mut self, compiled: &Arc<Compiled>) {
        self.forget_recent(compiled.info.digest);
        self.recent.push_back(compiled.clone());
        let bytes = |recent: &VecDeque<Arc<Compiled>>| -> u64 {
            recent.iter().map(|compiled| compiled.info.bytes).sum()
        };
        while 1 < self.recent.len() && RECENT_BYTES_MAX < bytes(&self.recent) {
            self.recent.pop_front();
        }
        self.all.retain(|_, compiled| 0 < compiled.strong_count());
        self.all.insert(compiled.info.digest, Arc::downgrade(compiled));
    }

    fn forget_recent(&mut self, digest: Digest) {
        self.recent.retain(|compiled| compiled.info.digest != digest);
    }
}

impl Host {
    /// Keeps components in `directory` (`<data>/plugins`), native code in `native` below it.
    pub fn open(
        directory: &Path,
        compiler: Compiler,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, HostError> {
        let failed = |source| HostError { directory: directory.display().to_string(), source };
        let store = Store::open(directory.to_owned()).map_err(failed)?;
        let cache = Cache::open(directory.join("native"), compiler).map_err(failed)?;
        Ok(Arc::new(Self { store, cache, metrics, loaded: Mutex::default() }))
    }

    /// Inspects, compiles, tries and keeps a component. It is durable when this returns; whether it
    /// is registered under a name is the caller's business, who removes it again otherwise.
    pub fn install(
        &self,
        name: &str,
        version: &str,
        bytes: &[u8],
    ) -> Result<Installed, InstallError> {
        let info = inspect(bytes)?;
        let start = Instant::now();
        let compiled = self.compile(&info, bytes)?;
        let compile_ms = start.elapsed().as_millis() as u64;
        // Its calls are not counted: a version that is refused must leave no labels behind.
        let label = Label::for_trial(name, version, info.kind, info.digest);
        let live = Live { generation: 0, label, code: PluginCode::Wasm(compiled) };
        let tried = dry_run(&live, &Settings::default());
        let dry_run = match tried {
            Ok(remark) => remark,
            // Most plugins need settings; those come with a binding and are tried then.
            Err(CallError::Init(text)) => format!("{DRY_RUN_NEEDS}{text}"),
            Err(error) => return Err(InstallError::DryRun(error.to_string())),
        };
        let kept = self.store.put(info.digest, bytes);
        kept.map_err(|error| InstallError::Store(error.to_string()))?;
        Ok(Installed { info, compile_ms, dry_run })
    }

    /// A registered version, ready to decide. Compiles when the cache has lost it.
    pub fn live(
        &self,
        name: &str,
        version: &str,
        digest: Digest,
        generation: u64,
    ) -> Result<Live, LoadError> {
        let compiled = self.load(digest)?;
        let label = Label::new(name, version, compiled.info.kind, digest, &self.metrics);
        Ok(Live { generation, label, code: PluginCode::Wasm(compiled) })
    }

    /// Native code of an installed component.
    pub fn load(&self, digest: Digest) -> Result<Arc<Compiled>, LoadError> {
        if let Some(compiled) = self.loaded().find(digest) {
            return Ok(compiled);
        }
        let bytes = self.store.get(digest)?;
        let info = inspect(&bytes)?;
        Ok(self.compile(&info, &bytes)?)
    }

    /// What an installed component is; compiles and loads nothing.
    pub fn look(&self, digest: Digest) -> Result<Look, LoadError> {
        let loaded = self.loaded().all.get(&digest).and_then(Weak::upgrade);
        if let Some(compiled) = loaded {
            return Ok(Look { info: compiled.info.clone(), is_compiled: true });
        }
        let bytes = self.store.get(digest)?;
        Ok(Look { info: inspect(&bytes)?, is_compiled: self.cache.holds(&bytes) })
    }

    /// Forgets a component that no registered version names any more.
    pub fn remove(&self, digest: Digest) -> Result<(), StoreError> {
        if let Ok(bytes) = self.store.get(digest) {
            self.cache.remove(&bytes);
        }
        let mut loaded = self.loaded();
        loaded.forget_recent(digest);
        loaded.all.remove(&digest);
        drop(loaded);
        self.store.remove(digest)
    }

    fn compile(&self, info: &PluginInfo, bytes: &[u8]) -> Result<Arc<Compiled>, InstallError> {
        if let Some(compiled) = self.loaded().find(info.digest) {
            return Ok(compiled);
        }
        let (component, _found) = self.cache.load(bytes)?;
        let compiled = Compiled::new(info.clone(), &component)?;
        self.loaded().keep(&compiled);
        Ok(compiled)
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries a version with settings: instance, initialisation, a call with a small sample, for
/// assignors and policies twice with equal answers. Blocks: only for workers.
///
/// A considered no to the sample is fine; the answer is `ok` or a remark for the operator.
pub fn dry_run(live: &Live, settings: &Settings) -> Result<String, CallError> {
    let outcome = match live.label.kind {
        PluginKind::Partitioner => {
            let mut instance = Instance::make(live, settings)?;
            let produced = Produced { topic: "dry-run".into(), ..Produced::default() };
            let batch = Batch { records: sample(), produced: Arc::new(produced), partitions: 12 };
            let budget_ns = super::residents::CALL_BUDGET_NS;
            block_on(instance.partition(&batch, budget_ns, &Around::Worker)).map(drop)
        }
        PluginKind::Assignor => {
            let run = || run_assignor(live, settings, sample_group(), ASSIGN_BUDGET_NS);
            run().and_then(|first| {
                let second = run()?;
                if first.owners != second.owners {
                    let text = "two runs over the same group differ";
                    return Err(CallError::Malformed(text.into()));
                }
                Ok(())
            })
        }
        PluginKind::CompactionPolicy => sample_pass(live, settings),
    };
    match outcome {
        Ok(()) => Ok("ok".into()),
        Err(CallError::Refused(fault)) => Ok(format!("refuses the sample: {}", fault.message)),
        Err(error) => Err(error),
    }
}

/// Three records: two with keys, values and a header, one with nothing.
fn sample() -> Arc<Records> {
    let header = Header::decode(&[0; HEADER_BYTES]).expect("a header's length");
    let span = |start, length| Span { start, length };
    let row = |offset, key, value| Row {
        offset: Offset(offset),
        timestamp: 1_700_000_000_000 + offset,
        key,
        value,
        headers_start: 0,
        headers_count: 0,
    };
    let rows = vec![
        row(0, span(0, 5), span(5, 5)),
        row(1, span(10, 4), span(14, 4)),
        row(2, Span::NULL, Span::NULL),
    ];
    let buf = Bytes::from_static(b"alphafirstbetalast");
    Arc::new(Records { header, buf, rows, headers: Vec::new() })
}

fn sample_group() -> Arc<AssignInput> {
    let member = |id: &str| AssignMember {
        id: id.into(),
        client_id: id.into(),
        host: "/127.0.0.1".into(),
        topics: vec![0],
        ..AssignMember::default()
    };
    let topic = AssignTopic { name: "dry-run".into(), partitions: 3, racks: Vec::new() };
    let mut input = AssignInput {
        group: "dry-run".into(),
        seed: 1,
        copies: 1,
        members: vec![member("a"), member("b")],
        topics: vec![topic],
        owners: Vec::new(),
        held: Vec::new(),
    };
    input.owners = input.nobody();
    input.held = input.nobody();
    Arc::new(input)
}

fn sample_pass(live: &Live, settings: &Settings) -> Result<(), CallError> {
    let pass = PassInfo {
        topic: "dry-run".into(),
        partition: 0,
        now_ms: 1_700_000_000_000,
        first_offset: Offset(0),
        first_dirty: Offset(0),
        end_offset: Offset(3),
    };
    let pass = Arc::new(pass);
    let run = || {
        let mut run = PolicyRun::open(live.clone(), settings, pass.clone())?;
        let records = sample();
        run.observe(&records)?;
        run.finish(Offset(3))?;
        run.drops(&records, |_| false)
    };
    let first = run()?;
    if first != run()? {
        return Err(CallError::Malformed("two runs over the same pass differ".into()));
    }
    Ok(())
}
