//! Code: what decides, a compiled component or a native stand-in, and the name under which it does.
//!
//! Owns: [`Compiled`] (linked once, instantiated often), [`Live`] (a version that may decide), the
//! traits of native stand-ins, by which the simulator runs plugins without wasm.
//! Start reading at: [`Live`].

use std::sync::Arc;

use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use crate::observe::{Metrics, PluginMetrics};
use crate::plugin::assign::AssignInput;
use crate::plugin::error::{CallError, Fault};
use crate::plugin::inspect::{Digest, InstallError, PluginInfo, PluginKind};
use crate::plugin::log_gate::LogGate;
use crate::plugin::policy::{NativePolicy, PassInfo};
use crate::plugin::view::View;
use crate::plugin::world::{Produced, State, WIT_VERSION, linker};

/// What the operator wrote with a binding; names ascend.
pub type Settings = Arc<[(String, String)]>;

/// Settings from pairs in any order.
pub fn settings<N: Into<String>, V: Into<String>>(
    pairs: impl IntoIterator<Item = (N, V)>,
) -> Settings {
    let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
    let mut pairs: Vec<(String, String)> = pairs.collect();
    pairs.sort();
    pairs.into()
}

/// The registered version in whose name code runs: in logs, metrics and errors.
#[derive(Debug)]
pub struct Label {
    pub name: Arc<str>,
    pub version: Arc<str>,
    pub kind: PluginKind,
    pub digest: Digest,
    pub metrics: PluginMetrics,
    pub gate: LogGate,
    all_metrics: Arc<Metrics>,
    /// A failure is an answer that somebody waits for, and no news.
    is_trial: bool,
}

impl Label {
    pub fn new(
        name: &str,
        version: &str,
        kind: PluginKind,
        digest: Digest,
        metrics: &Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self::with(name, version, kind, digest, metrics))
    }

    /// For the dry run of an install: its failures are told to who installs, not to the log.
    pub fn for_trial(name: &str, version: &str, kind: PluginKind, digest: Digest) -> Arc<Self> {
        let label = Self::with(name, version, kind, digest, &Metrics::new());
        Arc::new(Self { is_trial: true, ..label })
    }

    fn with(
        name: &str,
        version: &str,
        kind: PluginKind,
        digest: Digest,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let handles = metrics.plugin(name, version, kind.name());
        Self {
            name: name.into(),
            version: version.into(),
            kind,
            digest,
            metrics: handles,
            gate: LogGate::default(),
            all_metrics: metrics.clone(),
            is_trial: false,
        }
    }

    /// Counts one call of the plugin and its outcome.
    pub fn count(&self, records: usize, used_ns: u64, error: Option<&CallError>) {
        self.metrics.calls_total.inc();
        self.metrics.records_total.inc_by(records as u64);
        self.metrics.call_seconds.observe_ns(used_ns);
        if let Some(error) = error.filter(|error| error.is_failure()) {
            let (name, version) = (&*self.name, &*self.version);
            self.all_metrics.count_plugin_failure(name, version, self.kind.name(), error.word());
            if !self.is_trial {
                tracing::warn!(plugin = name, version, reason = %error, "plugin call failed");
            }
        }
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// A version that decides, with the generation of its activation.
#[derive(Clone, Debug)]
pub struct Live {
    /// Of the plugin's active pointer; grows with each activation and rollback.
    pub generation: u64,
    pub label: Arc<Label>,
    pub code: PluginCode,
}

impl Live {
    /// Whether the two are one version of one activation.
    pub fn is_same(&self, other: &Self) -> bool {
        self.generation == other.generation && self.label.digest == other.label.digest
    }
}

/// What decides.
#[derive(Clone)]
pub enum PluginCode {
    Wasm(Arc<Compiled>),
    /// In the simulator and in tests.
    Native(Native),
}

impl std::fmt::Debug for PluginCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Wasm(_) => "Wasm",
            Self::Native(_) => "Native",
        })
    }
}

type Made<T> = Result<Box<T>, String>;

type MakePartitioner = dyn Fn(&Settings) -> Made<dyn NativePartitioner> + Send + Sync;
type Assign = dyn Fn(&Settings, &AssignInput) -> Result<Vec<u32>, String> + Send + Sync;
type MakePolicy = dyn Fn(&Settings, &PassInfo) -> Made<dyn NativePolicy> + Send + Sync;

/// Native stand-ins; each makes an instance from settings, the error refuses the settings.
#[derive(Clone)]
pub enum Native {
    Partitioner(Arc<MakePartitioner>),
    Assignor(Arc<Assign>),
    Policy(Arc<MakePolicy>),
}

/// A partitioner without wasm.
pub trait NativePartitioner: Send {
    fn partition(
        &mut self,
        view: &View,
        produced: &Produced,
        partitions: u32,
    ) -> Result<Vec<u32>, Fault>;
}

impl<F> NativePartitioner for F
where
    F: FnMut(&View, &Produced, u32) -> Result<Vec<u32>, Fault> + Send,
{
    fn partition(
        &mut self,
        view: &View,
        produced: &Produced,
        partitions: u32,
    ) -> Result<Vec<u32>, Fault> {
        self(view, produced, partitions)
    }
}

/// A component, compiled and linked: an instance is made of it without a look-up by name.
pub struct Compiled {
    pub info: PluginInfo,
    pub(super) pre: InstancePre<State>,
    pub(super) exports: Exports,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.info.fmt(f)
    }
}

/// The functions of a plugin's duty.
#[derive(Clone, Copy, Debug)]
pub(super) enum Exports {
    Partitioner {
        init: ComponentExportIndex,
        partition: ComponentExportIndex,
    },
    Assignor {
        init: ComponentExportIndex,
        assign: ComponentExportIndex,
    },
    Policy {
        init: ComponentExportIndex,
        observe: ComponentExportIndex,
        finish: ComponentExportIndex,
        drops: ComponentExportIndex,
    },
}

impl Compiled {
    /// Links `component`, which `info` describes.
    pub fn new(info: PluginInfo, component: &Component) -> Result<Arc<Self>, InstallError> {
        let link = |error: wasmtime::Error| InstallError::Link(one_line(&error));
        let pre = linker().instantiate_pre(component).map_err(link)?;
        let name = format!("logmill:plugin/{}@{WIT_VERSION}", info.kind.interface());
        let export = |inside: Option<&ComponentExportIndex>, name: &str| {
            let found = component.get_export_index(inside, name);
            found.ok_or_else(|| InstallError::Link(format!("there is no {name}")))
        };
        let interface = export(None, &name)?;
        let function = |name: &str| export(Some(&interface), name);
        let init = function("init")?;
        let exports = match info.kind {
            PluginKind::Partitioner => {
                Exports::Partitioner { init, partition: function("partition")? }
            }
            PluginKind::Assignor => Exports::Assignor { init, assign: function("assign")? },
            PluginKind::CompactionPolicy => Exports::Policy {
                init,
                observe: function("observe")?,
                finish: function("finish")?,
                drops: function("drops")?,
            },
        };
        Ok(Arc::new(Self { info, pre, exports }))
    }
}

/// An error of wasmtime as one line: the trap or the deepest cause, without the backtrace.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    let line = match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    crate::plugin::log_gate::escaped(line.trim())
}
