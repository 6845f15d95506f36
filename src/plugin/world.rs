//! World: the engine, and the host functions that guests may import.
//!
//! Owns: engine settings, the linker, what a store holds, the memory limit.
//! Leaves to others: which component may import what (`inspect`), slices and budgets (`meter`).
//! Invariant: outside of a call a guest sees no rows; [`State`] is `Send`.
//! Start reading at: [`State`], then [`linker`].

use std::sync::{Arc, LazyLock};

use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, WasmStr};
use wasmtime::{Config, Engine, ResourceLimiter, Result, StoreContextMut, bail};

use crate::plugin::assign::AssignInput;
use crate::plugin::code::Label;
use crate::plugin::log_gate;
use crate::plugin::lower::{ByteColumn, Lengths, Longs, Number, Source};
use crate::plugin::policy::PassInfo;
use crate::plugin::ticker::monotonic_ns;
use crate::plugin::view::View;
use crate::record::Span;

/// Version of `wit/logmill.wit` that this broker serves.
pub const WIT_VERSION: &str = "0.1.0-dev";
/// Memory of one instance.
pub const MEMORY_BYTES_MAX: usize = 64 << 20;
/// What lifting a guest's arguments and answers may allocate in one call.
pub const HOSTCALL_FUEL: usize = 4 << 20;
/// The guest's own stack.
const STACK_BYTES: usize = 512 << 10;

/// In answers: nobody, or as the client chose.
pub const NOBODY: u32 = u32::MAX;

/// The engine of this process; its epoch moves only while a guest runs (`ticker`).
pub fn engine() -> &'static Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .concurrency_support(false)
            .cranelift_nan_canonicalization(true)
            .wasm_relaxed_simd(false)
            .wasm_memory64(false)
            .max_wasm_stack(STACK_BYTES)
            .async_stack_size(2 * STACK_BYTES);
        Engine::new(&config).expect("the settings fit together")
    });
    &ENGINE
}

/// Where a batch comes from, as interface `produced` shows it.
#[derive(Clone, Debug, Default)]
pub struct Produced {
    pub topic: Arc<str>,
    /// The partition that the client chose.
    pub chosen: u32,
    pub client_id: Arc<str>,
    /// Authenticated name; empty: anonymous.
    pub principal: Arc<str>,
}

/// What the host functions read and count; `T` of the store.
pub struct State {
    pub label: Arc<Label>,
    pub view: Option<View>,
    pub produced: Option<Arc<Produced>>,
    pub group: Option<Arc<AssignInput>>,
    pub pass: Option<Arc<PassInfo>>,
    /// For each row of the view 1: a tombstone past its horizon.
    pub expired: Vec<u8>,
    pub shown_bytes: usize,
    pub shown_bytes_max: usize,
    pub memory: MemoryLimit,
}

const _: fn() = || {
    fn travels_between_threads<T: Send>() {}
    travels_between_threads::<State>();
};

impl State {
    pub fn new(label: Arc<Label>) -> Self {
        Self {
            label,
            view: None,
            produced: None,
            group: None,
            pass: None,
            expired: Vec::new(),
            shown_bytes: 0,
            shown_bytes_max: 0,
            memory: MemoryLimit::default(),
        }
    }

    /// Shows `view` to the next call; outside of a call there is none.
    pub fn show(&mut self, view: View, shown_bytes_max: usize) {
        self.view = Some(view);
        self.shown_bytes = 0;
        self.shown_bytes_max = shown_bytes_max;
    }

    /// Takes everything back that belongs to a call, so that the batch can be freed.
    pub fn hide(&mut self) {
        self.view = None;
        self.produced = None;
        self.expired = Vec::new();
    }

    fn charge(&mut self, bytes: usize) -> Result<()> {
        self.shown_bytes += bytes;
        if self.shown_bytes_max < self.shown_bytes {
            bail!("the plugin asked for more than {} bytes of columns", self.shown_bytes_max);
        }
        Ok(())
    }

    fn column(&mut self, source: fn(&View) -> Source) -> Result<ByteColumn> {
        let view = self.view.clone().unwrap_or_else(empty_view);
        let source = source(&view);
        let column = ByteColumn::new(view, source);
        self.charge(column.bytes())?;
        Ok(column)
    }

    fn header(&mut self, name: &[u8]) -> Result<ByteColumn> {
        let view = self.view.clone().unwrap_or_else(empty_view);
        let spans: Arc<[Span]> = view.header_spans(name).into();
        let column = ByteColumn::new(view, Source::Headers(spans));
        self.charge(column.bytes())?;
        Ok(column)
    }

    fn longs(&mut self, number: Number) -> Result<Longs> {
        let view = self.view.clone().unwrap_or_else(empty_view);
        self.charge(8 * view.rows.len())?;
        Ok(Longs::new(view, number))
    }

    fn group(&self) -> Result<&AssignInput> {
        match &self.group {
            Some(group) => Ok(group),
            None => bail!("there is no group outside of an assignment"),
        }
    }

    fn pass(&self) -> Result<&PassInfo> {
        match &self.pass {
            Some(pass) => Ok(pass),
            None => bail!("there is no pass outside of a compaction"),
        }
    }
}

fn empty_view() -> View {
    static EMPTY: LazyLock<Arc<crate::record::Records>> = LazyLock::new(|| {
        let zeroes = [0; crate::record::HEADER_BYTES];
        let header = crate::record::Header::decode(&zeroes).expect("a header's length");
        let (buf, rows, headers) = (crate::base::Bytes::new(), Vec::new(), Vec::new());
        Arc::new(crate::record::Records { header, buf, rows, headers })
    });
    View { records: EMPTY.clone(), rows: 0..0 }
}

/// Stops growth at [`MEMORY_BYTES_MAX`], and remembers that it did.
#[derive(Debug, Default)]
pub struct MemoryLimit {
    pub was_hit: bool,
    pub bytes: usize,
}

const TABLE_ELEMENTS_MAX: usize = 100_000;

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        // Of all memories of the instance together.
        let bytes = self.bytes - current.min(self.bytes) + desired;
        if MEMORY_BYTES_MAX < bytes {
            self.was_hit = true;
            return Ok(false);
        }
        self.bytes = bytes;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}

#[derive(ComponentType, Lift, Clone, Copy, Debug)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "guests make the values")]
enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(record)]
pub struct SubscriptionSets {
    #[component(name = "set-of-member")]
    pub set_of_member: Vec<u32>,
    pub starts: Vec<u32>,
    pub topics: Vec<u32>,
}

#[derive(ComponentType, Lower, Clone, Debug)]
#[component(record)]
pub struct Replicas {
    pub starts: Vec<u32>,
    pub racks: Vec<u32>,
}

/// `byte-column`, already gathered; for what is small.
#[derive(ComponentType, Lower, Clone, Debug, Default)]
#[component(record)]
pub struct PackedColumn {
    pub lengths: Vec<i32>,
    pub data: Vec<u8>,
}

type Cx<'a> = StoreContextMut<'a, State>;

/// Host functions of all worlds; a component is linked to those that it imports.
pub fn linker() -> &'static Linker<State> {
    static LINKER: LazyLock<Linker<State>> =
        LazyLock::new(|| make_linker().expect("no name is defined twice"));
    &LINKER
}

fn make_linker() -> Result<Linker<State>> {
    let mut linker = Linker::new(engine());
    let name = |interface: &str| format!("logmill:plugin/{interface}@{WIT_VERSION}");
    linker.instance(&name("types"))?;
    linker.instance(&name("log"))?.func_wrap("log", write_line)?;
    records(&mut linker.instance(&name("records"))?)?;
    values(&mut linker.instance(&name("record-values"))?)?;
    produced(&mut linker.instance(&name("produced"))?)?;
    group(&mut linker.instance(&name("group"))?)?;
    members(&mut linker.instance(&name("group-members"))?)?;
    racks(&mut linker.instance(&name("group-racks"))?)?;
    pass(&mut linker.instance(&name("pass"))?)?;
    Ok(linker)
}

fn write_line(cx: Cx<'_>, (level, text): (Level, WasmStr)) -> Result<()> {
    let level = match level {
        Level::Debug => log_gate::Level::Debug,
        Level::Info => log_gate::Level::Info,
        Level::Warn => log_gate::Level::Warn,
        Level::Error => log_gate::Level::Error,
    };
    let label = cx.data().label.clone();
    let text = text.to_str(&cx)?;
    label.gate.line(&label.name, &label.version, level, &text, monotonic_ns());
    Ok(())
}

fn records(instance: &mut LinkerInstance<'_, State>) -> Result<()> {
    instance.func_wrap("count", |cx: Cx, (): ()| {
        Ok((cx.data().view.as_ref().map_or(0, |view| view.rows.len() as u32),))
    })?;
    instance
        .func_wrap("keys", |mut cx: Cx, (): ()| Ok((cx.data_mut().column(|_| Source::Keys)?,)))?;
    instance.func_wrap("header", |mut cx: Cx, (name,): (String,)| {
        Ok((cx.data_mut().header(name.as_bytes())?,))
    })?;
    instance.func_wrap("timestamps", |mut cx: Cx, (): ()| {
        Ok((cx.data_mut().longs(Number::Timestamp)?,))
    })
}

fn values(instance: &mut LinkerInstance<'_, State>) -> Result<()> {
    instance.func_wrap("values", |mut cx: Cx, (): ()| {
        Ok((cx.data_mut().column(|_| Source::Values)?,))
    })?;
    instance.func_wrap("lengths", |mut cx: Cx, (): ()| {
        let state = cx.data_mut();
        let view = state.view.clone().unwrap_or_else(empty_view);
        state.charge(4 * view.rows.len())?;
        Ok((Lengths::of_values(view),))
    })
}

fn produced(instance: &mut LinkerInstance<'_, State>) -> Result<()> {
    fn of<T>(cx: &Cx<'_>, read: fn(&Produced) -> T) -> Result<(T,)> {
        match &cx.data().produced {
            Some(produced) => Ok((read(produced),)),
            None => bail!("there is no producer outside of a call"),
        }
    }
    instance.func_wrap("topic", |cx: Cx, (): ()| of(&cx, |from| from.topic.clone()))?;
    instance.func_wrap("chosen", |cx: Cx, (): ()| of(&cx, |from| from.chosen))?;
    instance.func_wrap("client-id", |cx: Cx, (): ()| of(&cx, |from| from.client_id.clone()))?;
    instance.func_wrap("principal", |cx: Cx, (): ()| of(&cx, |from| from.principal.clone()))
}

fn group(instance: &mut LinkerInstance<'_, State>) -> Result<()> {
    instance.func_wrap("id", |cx: Cx, (): ()| Ok((cx.data().group()?.group.clone(),)))?;
    instance.func_wrap("seed", |cx: Cx, (): ()| Ok((cx.data().group()?.seed,)))?;
    instance.func_wrap("member-count", |cx: Cx, (): ()| {
        Ok((cx.data().group()?.members.len() as u32,))
    })?;
    instance.func_wrap("copies", |cx: Cx, (): ()| Ok((cx.data().group()?.copies,)))?;
    instance.func_wrap("topics", |cx: Cx, (): ()| {
        let names = cx.data().group()?.topics.iter().map(|topic| topic.name.clone());
        Ok((names.collect::<Vec<String>>(),))
    })?;
    instance.func_wrap("partition-counts", |cx: Cx, (): ()| {
        let counts = cx.data().group()?.topics.iter().map(|topic| topic.partitions);
        Ok((counts.collect::<Vec<u32>>(),))
    })?;
    instance.func_wrap("subscriptions", |cx: Cx, (): ()| {
        Ok((cx.data().group()?.subscription_sets(),))
    })?;
    instance.func_wrap("owners", |cx: Cx, (): ()| Ok((cx.data().group()?.owners.clone(),)))?;
    instance.func_wrap("held", |cx: Cx, (): ()| Ok((cx.data().group()?.held.clone(),)))
}

fn members(instance: &mut LinkerInstance<'_, State>) -> Result<()> {
    instance.func_wrap("ids", |cx: Cx, (): ()| {
        let ids = cx.data().group()?.members.iter().map(|member| member.id.clone());
        Ok((ids.collect::<Vec<String>>(),))
    })?;
    instance.func_wrap("instance-ids", |cx: Cx, (): ()| {
        let members = &cx.data().group()?.members;
        let ids = members.iter().map(|member| member.instance_id.clone().unwrap_or_default());
        Ok((ids.collect::<Vec<String>>(),))
    })?;
    instance.func_wrap("client-ids", |cx: Cx, (): ()| {
        let ids = cx.data().group()?.members.iter().map(|member| member.client_id.clone());
        Ok((ids.collect::<Vec<String>>(),))
    })?;
    instance.func_wrap("hosts", |cx: Cx, (): ()| {
        let hosts = cx.data().group()?.members.iter().map(|member| member.host.clone());
        Ok((hosts.collect::<Vec<String>>(),))
    })?;
    instance.func_wrap("user-data", |cx: Cx, (): ()| {
        let mut column = PackedColumn::default();
        for member in &cx.data().group()?.members {
            let bytes = member.user_data.as_deref();
            column.lengths.push(bytes.map_or(-1, |bytes| bytes.len() as i32));
            column.data.extend_from_slice(bytes.unwrap_or(&[]));
        }
        Ok((column,))
    })
}

fn racks(instance: &mut LinkerInstance<'_, State>) -> Result<()> {
    instance.func_wrap("names", |cx: Cx, (): ()| Ok((cx.data().group()?.rack_names(),)))?;
    instance
        .func_wrap("of-members", |cx: Cx, (): ()| Ok((cx.data().group()?.racks_of_members(),)))?;
    instance.func_wrap("of-slots", |cx: Cx, (): ()| Ok((cx.data().group()?.racks_of_slots(),)))
}

fn pass(instance: &mut LinkerInstance<'_, State>) -> Result<()> {
    instance.func_wrap("topic", |cx: Cx, (): ()| Ok((cx.data().pass()?.topic.clone(),)))?;
    instance.func_wrap("partition", |cx: Cx, (): ()| Ok((cx.data().pass()?.partition,)))?;
    instance.func_wrap("now", |cx: Cx, (): ()| Ok((cx.data().pass()?.now_ms,)))?;
    instance.func_wrap("first-offset", |cx: Cx, (): ()| Ok((cx.data().pass()?.first_offset.0,)))?;
    instance.func_wrap("first-dirty", |cx: Cx, (): ()| Ok((cx.data().pass()?.first_dirty.0,)))?;
    instance.func_wrap("end-offset", |cx: Cx, (): ()| Ok((cx.data().pass()?.end_offset.0,)))?;
    instance
        .func_wrap("offsets", |mut cx: Cx, (): ()| Ok((cx.data_mut().longs(Number::Offset)?,)))?;
    instance.func_wrap("expired-tombstones", |cx: Cx, (): ()| {
        let state = cx.data();
        let rows = state.view.as_ref().map_or(0, |view| view.rows.len());
        let mut expired = state.expired.clone();
        expired.resize(rows, 0);
        Ok((expired,))
    })
}
