//! Guest: one store with one instance of a component, made and dropped on workers.
//!
//! Owns: making and initialising, each call, telling failures apart.
//! Leaves to others: when a guest is made (`slot`), what its failure means.
//! Invariant: one call at a time (calls take `&mut self`); after a failure the guest is fit for
//! nothing but dropping.
//! Start reading at: [`Guest::start`], then [`Guest::partition`].

use std::pin::pin;
use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, ComponentType, Instance, Lift, Lower, TypedFunc,
};

use crate::plugin::assign::{AssignInput, refused};
use crate::plugin::code::{Compiled, Exports, Label, Settings, one_line};
use crate::plugin::error::{CallError, Fault};
use crate::plugin::log_gate::escaped;
use crate::plugin::meter::{Around, BudgetSpent, Meter, Metered, block_on};
use crate::plugin::policy::{PassInfo, Scope, ascending};
use crate::plugin::view::View;
use crate::plugin::world::{HOSTCALL_FUEL, NOBODY, Produced, State};

/// Run time of making and initialising an instance.
pub const INIT_BUDGET_NS: u64 = 1_000_000_000;

type Pairs = Vec<(String, String)>;
type Partition = TypedFunc<(u32,), (Result<Vec<u32>, WitFault>,)>;

#[derive(ComponentType, Lift, Clone, Debug, PartialEq, Eq)]
#[component(record)]
struct WitFault {
    message: String,
    rows: Vec<u32>,
}

#[derive(ComponentType, Lift, Clone, Copy, Debug)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "guests make the values")]
enum WitScope {
    #[component(name = "nothing")]
    Nothing,
    #[component(name = "dirty")]
    Dirty,
    #[component(name = "all")]
    All,
}

/// One batch, or a part of it, as one call of a partitioner gets it.
pub struct PartitionCall<'a> {
    pub view: View,
    pub shown_bytes_max: usize,
    pub produced: &'a Arc<Produced>,
    pub partitions: u32,
    pub budget_ns: u64,
}

/// An instance with its store.
pub struct Guest {
    store: Store<State>,
    instance: Instance,
    compiled: Arc<Compiled>,
    /// Looked up and checked at the first call.
    partition: Option<Partition>,
    meter: Arc<Meter>,
    label: Arc<Label>,
}

const _: fn() = || {
    fn travels_between_threads<T: Send>() {}
    travels_between_threads::<Guest>();
};

impl Drop for Guest {
    fn drop(&mut self) {
        self.label.metrics.instances.dec();
    }
}

impl Guest {
    /// Makes and initialises an instance of a partitioner or an assignor. Blocks: only for workers.
    pub fn start(
        label: Arc<Label>,
        compiled: Arc<Compiled>,
        settings: &Settings,
        budget_ns: u64,
    ) -> Result<Self, CallError> {
        let init = match compiled.exports {
            Exports::Partitioner { init, .. } | Exports::Assignor { init, .. } => init,
            Exports::Policy { .. } => {
                return Err(CallError::NotReady("a compaction policy serves passes only".into()));
            }
        };
        let mut guest = Self::make(label, compiled, budget_ns)?;
        let pairs: Pairs = settings.to_vec();
        type Answer = (Result<(), String>,);
        let (answer,): Answer = block_on(guest.call(init, (pairs,), &Around::Worker))?;
        answer.map_err(|message| CallError::init(&message))?;
        Ok(guest)
    }

    /// The same for a compaction policy: an instance serves one round of a pass.
    pub fn start_policy(
        label: Arc<Label>,
        compiled: Arc<Compiled>,
        settings: &Settings,
        pass: Arc<PassInfo>,
    ) -> Result<(Self, Scope), CallError> {
        let Exports::Policy { init, .. } = compiled.exports else {
            return Err(CallError::NotReady("it is no compaction policy".into()));
        };
        let mut guest = Self::make(label, compiled, INIT_BUDGET_NS)?;
        guest.store.data_mut().pass = Some(pass);
        let pairs: Pairs = settings.to_vec();
        type Answer = (Result<WitScope, String>,);
        let (answer,): Answer = block_on(guest.call(init, (pairs,), &Around::Worker))?;
        let scope = match answer.map_err(|message| CallError::init(&message))? {
            WitScope::Nothing => Scope::Nothing,
            WitScope::Dirty => Scope::Dirty,
            WitScope::All => Scope::All,
        };
        Ok((guest, scope))
    }

    fn make(label: Arc<Label>, compiled: Arc<Compiled>, budget_ns: u64) -> Result<Self, CallError> {
        let engine = super::world::engine();
        let mut store = Store::new(engine, State::new(label.clone()));
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(HOSTCALL_FUEL);
        let meter = Arc::new(Meter::default());
        let ours = meter.clone();
        store.epoch_deadline_callback(move |_| ours.on_epoch());
        store.set_epoch_deadline(1);
        meter.begin_call(budget_ns);
        let made = {
            let making = pin!(compiled.pre.instantiate_async(&mut store));
            block_on(Metered::new(making, &meter, &Around::Worker)).expect("no wall limit")
        };
        let instance = made.map_err(|error| failure(&store, &meter, &error))?;
        label.metrics.instances.inc();
        Ok(Self { store, instance, compiled, partition: None, meter, label })
    }

    /// Run time of the last call.
    pub fn used_ns(&self) -> u64 {
        self.meter.used_ns()
    }

    /// Slices and their length. For tests.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Looks an exported function up and calls it. The budget was set by the caller.
    async fn call<Params, Answer>(
        &mut self,
        function: ComponentExportIndex,
        arguments: Params,
        around: &Around<'_>,
    ) -> Result<Answer, CallError>
    where
        Params: ComponentNamedList + Lower + Send + Sync + 'static,
        Answer: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let function = self.function(function)?;
        self.run(function, arguments, around).await
    }

    fn function<Params, Answer>(
        &mut self,
        function: ComponentExportIndex,
    ) -> Result<TypedFunc<Params, Answer>, CallError>
    where
        Params: ComponentNamedList + Lower,
        Answer: ComponentNamedList + Lift,
    {
        let found = self.instance.get_typed_func(&mut self.store, function);
        found.map_err(|error| CallError::Trap(one_line(&error)))
    }

    async fn run<Params, Answer>(
        &mut self,
        function: TypedFunc<Params, Answer>,
        arguments: Params,
        around: &Around<'_>,
    ) -> Result<Answer, CallError>
    where
        Params: ComponentNamedList + Lower + Send + Sync + 'static,
        Answer: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        self.store.set_epoch_deadline(1);
        self.store.data_mut().memory.was_hit = false;
        let answer = {
            let call = pin!(function.call_async(&mut self.store, arguments));
            Metered::new(call, &self.meter, around).await
        };
        self.store.data_mut().hide();
        match answer {
            None => Err(CallError::Wall),
            Some(Err(error)) => Err(failure(&self.store, &self.meter, &error)),
            Some(Ok(answer)) => Ok(answer),
        }
    }

    /// Asks for one partition a row, and checks the answer.
    ///
    /// The run time adds up over the parts of one batch: the caller says when a batch begins.
    pub async fn partition(
        &mut self,
        call: PartitionCall<'_>,
        is_first_part: bool,
        around: &Around<'_>,
    ) -> Result<Vec<u32>, CallError> {
        let Exports::Partitioner { partition, .. } = self.compiled.exports else {
            return Err(CallError::NotReady("it is no partitioner".into()));
        };
        let function = match self.partition {
            Some(function) => function,
            None => {
                let function = self.function(partition)?;
                *self.partition.insert(function)
            }
        };
        let (count, partitions) = (call.view.rows.len(), call.partitions);
        let state = self.store.data_mut();
        state.show(call.view, call.shown_bytes_max);
        state.produced = Some(call.produced.clone());
        if is_first_part {
            self.meter.begin_call(call.budget_ns);
        }
        let (answer,) = self.run(function, (partitions,), around).await?;
        match answer {
            Ok(targets) => check_targets(&targets, count, partitions).map(|()| targets),
            Err(fault) => {
                let rows = ascending(fault.rows, count)?;
                Err(CallError::Refused(Fault { message: escaped(&fault.message), rows }))
            }
        }
    }

    /// Asks for an assignment; the answer is not checked yet.
    pub fn assign(
        &mut self,
        input: Arc<AssignInput>,
        budget_ns: u64,
    ) -> Result<Vec<u32>, CallError> {
        let Exports::Assignor { assign, .. } = self.compiled.exports else {
            return Err(CallError::NotReady("it is no assignor".into()));
        };
        let answer_bytes = size_of::<u32>() * input.slot_count() * input.copies as usize;
        self.store.set_hostcall_fuel(HOSTCALL_FUEL + 2 * answer_bytes);
        self.store.data_mut().group = Some(input);
        self.meter.begin_call(budget_ns);
        type Answer = (Result<Vec<u32>, String>,);
        let (answer,): Answer = block_on(self.call(assign, (), &Around::Worker))?;
        answer.map_err(|message| refused(&message))
    }

    /// Shows a batch to a policy.
    pub fn observe(
        &mut self,
        view: View,
        shown_bytes_max: usize,
        budget_ns: u64,
    ) -> Result<bool, CallError> {
        let Exports::Policy { observe, .. } = self.compiled.exports else {
            return Err(CallError::NotReady("it is no compaction policy".into()));
        };
        self.store.data_mut().show(view, shown_bytes_max);
        self.meter.begin_call(budget_ns);
        type Answer = (Result<bool, String>,);
        let (answer,): Answer = block_on(self.call(observe, (), &Around::Worker))?;
        answer.map_err(|message| refused(&message))
    }

    /// Ends the first part of a policy's round.
    pub fn finish(&mut self, end: i64, budget_ns: u64) -> Result<(), CallError> {
        let Exports::Policy { finish, .. } = self.compiled.exports else {
            return Err(CallError::NotReady("it is no compaction policy".into()));
        };
        self.meter.begin_call(budget_ns);
        type Answer = (Result<(), String>,);
        let (answer,): Answer = block_on(self.call(finish, (end,), &Around::Worker))?;
        answer.map_err(|message| refused(&message))
    }

    /// Asks a policy which rows may go; the answer is not checked yet.
    pub fn drops(
        &mut self,
        view: View,
        expired: Vec<u8>,
        shown_bytes_max: usize,
        budget_ns: u64,
    ) -> Result<Vec<u32>, CallError> {
        let Exports::Policy { drops, .. } = self.compiled.exports else {
            return Err(CallError::NotReady("it is no compaction policy".into()));
        };
        let state = self.store.data_mut();
        state.show(view, shown_bytes_max);
        state.expired = expired;
        self.meter.begin_call(budget_ns);
        type Answer = (Result<Vec<u32>, String>,);
        let (answer,): Answer = block_on(self.call(drops, (), &Around::Worker))?;
        answer.map_err(|message| refused(&message))
    }
}

/// One target a row, each a partition or [`NOBODY`].
pub(super) fn check_targets(
    targets: &[u32],
    count: usize,
    partitions: u32,
) -> Result<(), CallError> {
    if targets.len() != count {
        return Err(CallError::Malformed(format!("{} answers for {count} records", targets.len())));
    }
    let is_bad = |target: &&u32| **target != NOBODY && partitions <= **target;
    match targets.iter().find(is_bad) {
        None => Ok(()),
        Some(target) => Err(CallError::Malformed(format!("partition {target} of {partitions}"))),
    }
}

fn failure(store: &Store<State>, meter: &Meter, error: &wasmtime::Error) -> CallError {
    if error.downcast_ref::<BudgetSpent>().is_some() {
        return CallError::Budget { used_ms: meter.used_ns() / 1_000_000 };
    }
    // The guest's allocator gives up after a refused growth, in whatever way its language does.
    if store.data().memory.was_hit {
        return CallError::Memory;
    }
    CallError::Trap(one_line(error))
}
