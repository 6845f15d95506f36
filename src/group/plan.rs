//! Plan: asking a bound assignor, and what follows when it answers, fails, or says nothing.
//!
//! Owns: runs, their failure policy, rounds that a new rule makes necessary.
//! Leaves to others: what an assignor sees and whether its answer is valid (`assign`).
//! Invariant: at most one run of a group counts; an answer to an older one is dropped.
//! Start reading at: [`Core::start_plan`], [`Coordinator::on_assigned`].
use std::sync::Arc;

use super::assign::{AssignFault, AssignInput, Phase, Plan, Provenance};
use super::coordinator::{Changed, Coordinator};
use super::core::Core;
use super::state::{Group, State};
use super::timers::Cause;
use super::{Binding, Effect, Event, FailurePolicy, RunId, Turn, uniform};

/// Longest pause before a failed assignor is asked again.
const RETRY_MS_MAX: u64 = 60_000;

/// Name under which the built-in assignor signs.
const UNIFORM: &str = "uniform";

/// What a plugin answered: a member for each slot, and which version of it ran.
#[derive(Clone, Debug)]
pub struct Answer {
    pub owners: Vec<u32>,
    pub version: Arc<str>,
    pub digest: Arc<str>,
}

impl Coordinator {
    /// The end of a run; one that the group no longer waits for changes nothing.
    pub fn on_assigned(
        &mut self,
        turn: &mut Turn<'_>,
        group: &str,
        run_id: RunId,
        result: Result<Answer, AssignFault>,
    ) {
        let Some(group) = self.groups.get_mut(group) else { return };
        let Some(plan) = &group.plan else { return };
        if plan.run_id != run_id || plan.phase != Phase::Running {
            return;
        }
        let input = plan.input.clone();
        let checked = result.and_then(|answer| input.check(&answer.owners).map(|()| answer));
        match checked {
            Ok(answer) => {
                group.plan_failures = 0;
                let plugin = input.binding.plugin.clone();
                let (generation, slots) = (group.generation, answer.owners.len());
                turn.event(&group.id, Event::Assigned { plugin, generation, slots });
                let provenance = Provenance {
                    assignor: input.binding.plugin.clone(),
                    version: answer.version,
                    digest: answer.digest,
                    binding: input.binding.clone(),
                };
                self.core.carry_out(group, turn, &input, &answer.owners, Some(provenance));
            }
            Err(fault) => self.core.plan_failed(group, turn, &input, &fault),
        }
    }

    /// Another rule applies from now on: groups that it concerns rejoin.
    ///
    /// [`Changed::Plugin`] may be said twice: groups whose assignment was made by the generation
    /// that is active stay as they are. [`Changed::Group`] always means another rule, as settings
    /// may have changed under the same version.
    pub fn on_assignor_changed(&mut self, turn: &mut Turn<'_>, changed: &Changed) {
        match changed {
            Changed::Group(id) => {
                let Some(group) = self.groups.get_mut(id) else { return };
                let current = turn.view.assignor(id);
                if current.is_some() || made_by(group).is_some() {
                    self.core.another_rule(group, turn, current.as_ref());
                }
            }
            Changed::Plugin(name) => {
                for group in self.groups.values_mut() {
                    let current = turn.view.assignor(&group.id);
                    let before = made_by(group);
                    let is_it = |binding: &Binding| binding.plugin == *name;
                    let concerned =
                        current.as_ref().is_some_and(is_it) || before.is_some_and(is_it);
                    if concerned && current.as_ref() != before {
                        self.core.another_rule(group, turn, current.as_ref());
                    }
                }
            }
        }
    }
}

/// The rule behind the assignment that a group has or waits for.
fn made_by(group: &Group) -> Option<&Binding> {
    match &group.plan {
        Some(plan) => Some(&plan.input.binding),
        None => group.provenance.as_ref().map(|made| &made.binding),
    }
}

impl Core {
    fn another_rule(&mut self, group: &mut Group, turn: &mut Turn<'_>, current: Option<&Binding>) {
        // In any other state, the round that is under way will ask for the rule at its end.
        let settled = matches!(group.state, State::CompletingRebalance | State::Stable);
        if settled && group.is_consumer() {
            let reason = match current {
                Some(Binding { plugin, generation, .. }) => {
                    format!("assignor {plugin} is at generation {generation}")
                }
                None => "no assignor is bound any more".to_owned(),
            };
            self.prepare_rebalance(group, turn, reason);
        }
    }

    /// Asks the bound assignor, if any, for the generation that has just joined.
    pub fn start_plan(&mut self, group: &mut Group, turn: &mut Turn<'_>) {
        assert!(group.plan.is_none());
        let bound = turn.view.assignor(&group.id).filter(|_| group.is_consumer());
        if bound.as_ref().is_none_or(|binding| binding.policy == FailurePolicy::Open) {
            group.plan_failures = 0;
        }
        let Some(binding) = bound else { return };
        let seed = turn.random as u64;
        let (input, unreadable) = AssignInput::new(group, binding, turn.view, seed);
        for member in unreadable {
            turn.event(&group.id, Event::SubscriptionUnreadable { member });
        }
        self.ask(group, turn, Arc::new(input), turn.now.ms);
    }

    fn ask(
        &mut self,
        group: &mut Group,
        turn: &mut Turn<'_>,
        input: Arc<AssignInput>,
        asked_ms: u64,
    ) {
        let run_id = self.run_id();
        let phase = Phase::Running;
        group.plan = Some(Plan { run_id, input: input.clone(), phase, asked_ms });
        let at = turn.now.ms + self.config.assign_timeout_ms;
        self.timers.set(Cause::Plan(group.id.clone()), at);
        turn.out.push(Effect::Assign { group: group.id.clone(), run_id, input });
    }

    pub fn drop_plan(&mut self, group: &mut Group) {
        group.plan = None;
        self.timers.cancel(&Cause::Plan(group.id.clone()));
    }

    /// The plan timer: no answer, time to ask again, or time for another round.
    pub fn plan_timer(&mut self, group: &mut Group, turn: &mut Turn<'_>) {
        let Some(plan) = &group.plan else {
            if group.state == State::Stable {
                let reason = "the assignor is asked again".to_owned();
                self.prepare_rebalance(group, turn, reason);
            }
            return;
        };
        let (input, asked_ms) = (plan.input.clone(), plan.asked_ms);
        match plan.phase {
            Phase::Running => {
                let after_ms = self.config.assign_timeout_ms;
                self.plan_failed(group, turn, &input, &AssignFault::TimedOut { after_ms });
            }
            Phase::Pausing if asked_ms + self.config.assign_wait_ms_max <= turn.now.ms => {
                // Clients give up on a SyncGroup after their request timeout: let them rejoin.
                self.prepare_rebalance(group, turn, "the assignor does not answer".to_owned());
            }
            Phase::Pausing => self.ask(group, turn, input, asked_ms),
            Phase::Written => (),
        }
    }

    fn plan_failed(
        &mut self,
        group: &mut Group,
        turn: &mut Turn<'_>,
        input: &Arc<AssignInput>,
        fault: &AssignFault,
    ) {
        let event = |instead| Event::AssignorFailed {
            plugin: input.binding.plugin.clone(),
            reason: fault.to_string(),
            instead,
        };
        match input.binding.policy {
            FailurePolicy::Open => {
                turn.event(&group.id, event("uniform assigns instead"));
                let provenance = Provenance {
                    assignor: Arc::from(UNIFORM),
                    version: Arc::from(""),
                    digest: Arc::from(""),
                    binding: input.binding.clone(),
                };
                self.carry_out(group, turn, input, &uniform(input), Some(provenance));
            }
            FailurePolicy::Closed => {
                group.plan_failures = group.plan_failures.saturating_add(1);
                if let Some(owners) = input.last_valid() {
                    turn.event(&group.id, event("the last assignment stays"));
                    let provenance = group.provenance.clone();
                    self.carry_out(group, turn, input, &owners, provenance);
                    return;
                }
                turn.event(&group.id, event("members wait until it is asked again"));
                let plan = group.plan.as_mut().expect("the caller has looked");
                plan.phase = Phase::Pausing;
                let at = turn.now.ms + self.retry_ms(group);
                self.timers.set(Cause::Plan(group.id.clone()), at);
            }
        }
    }

    /// Writes the assignment that follows from `owners`.
    fn carry_out(
        &mut self,
        group: &mut Group,
        turn: &mut Turn<'_>,
        input: &AssignInput,
        owners: &[u32],
        provenance: Option<Provenance>,
    ) {
        debug_assert!(input.check(owners).is_ok());
        let assignments = input.assignments(owners).expect("topic names came from the cluster");
        let plan = group.plan.as_mut().expect("the caller has looked");
        plan.phase = Phase::Written;
        self.timers.cancel(&Cause::Plan(group.id.clone()));
        let target = super::assign::Target::new(input, owners);
        self.store_assignments(group, turn, assignments, Some(target), provenance);
    }

    /// After a failure under policy `closed`, a stable group asks again by a round of its own.
    pub fn plan_again_later(&mut self, group: &Group, turn: &Turn<'_>) {
        if 0 < group.plan_failures {
            let at = turn.now.ms + self.retry_ms(group);
            self.timers.set(Cause::Plan(group.id.clone()), at);
        }
    }

    fn retry_ms(&self, group: &Group) -> u64 {
        let doublings = group.plan_failures.saturating_sub(1).min(10);
        (self.config.assign_retry_ms << doublings).min(RETRY_MS_MAX)
    }
}
