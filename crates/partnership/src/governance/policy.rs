//! Policies: Cedar over a closed vocabulary, one set per clause, judged without any state but the terms.
//!
//! Not here: funds, approvals and duplicates (they are admitted later, one act at a time), or what a refusal looks like.
//!
//! What is permitted comes from `service` clauses (one permit each) and from `permit`s in binding `policy` clauses. What is
//! forbidden comes from `policy` clauses. The full set is evaluated once; only where non-binding clauses alone stood in the
//! way are the binding ones evaluated again by themselves.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Effect, Entities, Policy, PolicyId, PolicySet, Request,
};

use super::attention::Attention;
use super::index::{Index, Indexed, base_permit, numbered};
use super::question::Asker;
use super::vocabulary;
use crate::ids::{ClauseId, PartyId};
use crate::memorandum::{Clause, Diagnostic, Force, Kind, Memorandum, Service};

/// What is known about an act when it is assessed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Facts {
    /// The application that asks.
    pub application: String,
    /// The party the application belongs to.
    pub party: PartyId,
    /// Whom the application serves: `consumer` or `business`.
    pub audience: String,
    /// What it is for.
    pub purpose: String,
    /// The market it is offered in.
    pub market: String,
    /// The action: `infer`.
    pub action: String,
    /// The model's public id.
    pub model: String,
    /// How far the model is released: `internal`, `early-access` or `general`.
    pub stage: String,
    /// The interface used: `chat`, `embeddings` and so on.
    pub surface: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Size of the input. Units: bytes.
    pub input_bytes: u64,
    /// Most output the call may make. Units: tokens.
    pub max_output_tokens: u64,
    /// How many tools the model may call.
    pub tools: u64,
    /// How many images are in the input.
    pub images: u64,
    /// Whether the caller names an end user. The name itself is content, and no policy sees it.
    pub end_user: bool,
    /// What guards have found in the content.
    pub findings: Vec<String>,
    /// The record's time. Units: milliseconds since 1970.
    pub now: i64,
}

/// What the policies say about an act.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Whether the binding clauses allow it.
    pub allowed: bool,
    /// The clauses that decided, sorted: those that permit if allowed, else those that forbid or could not be evaluated.
    /// Empty if no service covers the model.
    pub determining: Vec<ClauseId>,
    /// The non-binding clauses that speak against it, sorted.
    pub deviations: Vec<ClauseId>,
    /// What could not be evaluated, each naming its policy, sorted.
    pub errors: Vec<String>,
}

/// The policies of one memorandum, ready to judge. Shared between threads as it is.
#[derive(Debug)]
pub struct Policies {
    index: Index,
    /// Which clause a policy belongs to. A clause of one policy gives it its own id, one of several adds `#1`, `#2`, ….
    clauses: BTreeMap<PolicyId, (ClauseId, Force)>,
    services: Vec<(ClauseId, Force, Service)>,
    asker: Asker,
    authorizer: Authorizer,
    attention: Attention,
}

impl Policies {
    /// The policies of a memorandum: one permit per `service` clause and what its `policy` clauses say.
    ///
    /// # Errors
    /// Cedar text that does not parse or does not fit the vocabulary; none for a memorandum that was read by
    /// [`Memorandum::parse`].
    pub fn of(memorandum: &Memorandum) -> Result<Self, Vec<Diagnostic>> {
        let mut policies = Self {
            index: Index::new(),
            clauses: BTreeMap::new(),
            services: Vec::new(),
            asker: Asker::new(),
            authorizer: Authorizer::new(),
            attention: Attention::default(),
        };
        let faults = memorandum.clauses.iter().flat_map(|clause| policies.admit(clause)).collect::<Vec<_>>();
        if faults.is_empty() { Ok(policies) } else { Err(faults) }
    }

    fn admit(&mut self, clause: &Clause) -> Vec<Diagnostic> {
        let (cedar, force) = match &clause.kind {
            Kind::Policy(policy) => (policy.cedar.clone(), clause.force),
            Kind::Service(service) => {
                self.services.push((clause.id.clone(), clause.force, service.clone()));
                (base_permit(service), Force::Binding)
            }
            _ => return Vec::new(),
        };
        match vocabulary::read(&cedar) {
            Ok(policies) => {
                self.insert(clause, &policies, force);
                Vec::new()
            }
            Err(faults) => faults.into_iter().map(|fault| fault.at(clause.span.clone())).collect(),
        }
    }

    /// A non-binding permit is read and left out: it could give nothing that a binding clause withholds.
    fn insert(&mut self, clause: &Clause, policies: &PolicySet, force: Force) {
        let mut policies: Vec<&Policy> = policies.policies().collect();
        policies.sort_by_key(|policy| numbered(policy.id()));
        let several = policies.len() > 1;
        for (at, policy) in (1_usize..).zip(policies) {
            let id = if several {
                PolicyId::new(format!("{}#{at}", clause.id))
            } else {
                PolicyId::new(clause.id.as_str())
            };
            if policy.effect() == Effect::Forbid || force.is_binding() {
                self.attention.pay(policy);
                self.index.insert(&policy.new_id(id.clone()), force);
                self.clauses.insert(id, (clause.id.clone(), clause.force));
            }
        }
    }

    /// Judges an act. Facts that no policy looks at do not matter, and what was said of the same facts before is not worked out again.
    #[must_use]
    pub fn assess(&self, facts: &Facts) -> Assessment {
        self.attention.recall(facts, |facts| self.assess_afresh(facts))
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.attention.remembered()
    }

    /// The same, with all facts and from nothing.
    pub(super) fn assess_afresh(&self, facts: &Facts) -> Assessment {
        let Some(indexed) = self.index.of(&facts.action) else {
            return refusal(format!("`{}` is no action of the vocabulary", facts.action));
        };
        match self.asker.ask(indexed.action.clone(), facts) {
            Ok((request, entities)) => self.judge(indexed, facts, &request, &entities),
            Err(error) => refusal(error),
        }
    }

    fn judge(&self, indexed: &Indexed, facts: &Facts, request: &Request, entities: &Entities) -> Assessment {
        let full = self.answer(request, &indexed.all, entities);
        if full.is_permitted() {
            return full.allow();
        }
        if full.is_forbidden() {
            return full.deny();
        }
        // Only non-binding clauses forbid, or nothing permits: what do the binding ones say by themselves?
        let alone = self.answer(request, &indexed.binding, entities);
        if alone.is_permitted() {
            let Answer { non_binding, failed_non_binding, errors, .. } = full;
            return Assessment {
                deviations: union(non_binding, failed_non_binding),
                errors,
                ..alone.allow()
            };
        }
        self.unserved(facts, full)
    }

    /// No clause permits the act: a binding service that covers the model but not the party refuses it, a non-binding one
    /// only speaks against it.
    fn unserved(&self, facts: &Facts, full: Answer) -> Assessment {
        let covering = self.services.iter().filter(|(_, _, service)| service.covers(&facts.model));
        let (binding, intended): (Vec<_>, Vec<_>) = covering.partition(|(_, force, _)| force.is_binding());
        let ids = |services: &[&(ClauseId, Force, Service)]| {
            services.iter().map(|(id, _, _)| id.clone()).collect::<BTreeSet<_>>()
        };
        let allowed = binding.is_empty() && !intended.is_empty();
        let mut deviations = full.non_binding;
        deviations.extend(full.failed_non_binding);
        Assessment {
            allowed,
            determining: ids(&binding).into_iter().collect(),
            deviations: union(deviations, ids(&intended)),
            errors: full.errors,
        }
    }

    fn answer(&self, request: &Request, policies: &PolicySet, entities: &Entities) -> Answer {
        let response = self.authorizer.is_authorized(request, policies, entities);
        let mut answer = Answer { permits: response.decision() == Decision::Allow, ..Answer::default() };
        for id in response.diagnostics().reason() {
            let (clause, force) = self.clause(id);
            let reasons = if force.is_binding() { &mut answer.binding } else { &mut answer.non_binding };
            reasons.insert(clause);
        }
        for error in response.diagnostics().errors() {
            let AuthorizationError::PolicyEvaluationError(failure) = error;
            let (clause, force) = self.clause(failure.policy_id());
            let failed =
                if force.is_binding() { &mut answer.failed_binding } else { &mut answer.failed_non_binding };
            failed.insert(clause);
            answer.errors.push(error.to_string());
        }
        answer.errors.sort();
        answer
    }

    fn clause(&self, id: &PolicyId) -> (ClauseId, Force) {
        let known = self.clauses.get(id).cloned();
        known.unwrap_or_else(|| unreachable!("every policy was put in under a clause, `{id}` too"))
    }
}

/// What one evaluation said, by the force of the clauses.
#[derive(Debug, Default)]
struct Answer {
    /// Cedar's decision. If it allows, the reasons are permits, else they are forbids.
    permits: bool,
    binding: BTreeSet<ClauseId>,
    non_binding: BTreeSet<ClauseId>,
    failed_binding: BTreeSet<ClauseId>,
    failed_non_binding: BTreeSet<ClauseId>,
    errors: Vec<String>,
}

impl Answer {
    fn is_permitted(&self) -> bool {
        self.permits && self.failed_binding.is_empty()
    }

    /// Cedar skips a policy that it cannot evaluate; here a binding one then counts as forbidding.
    fn is_forbidden(&self) -> bool {
        !self.failed_binding.is_empty() || (!self.permits && !self.binding.is_empty())
    }

    fn allow(self) -> Assessment {
        Assessment {
            allowed: true,
            determining: union(self.binding, self.non_binding),
            deviations: union(self.failed_non_binding, BTreeSet::new()),
            errors: self.errors,
        }
    }

    fn deny(self) -> Assessment {
        let forbids = |reasons: BTreeSet<ClauseId>| if self.permits { BTreeSet::new() } else { reasons };
        Assessment {
            allowed: false,
            determining: union(forbids(self.binding), self.failed_binding),
            deviations: union(forbids(self.non_binding), self.failed_non_binding),
            errors: self.errors,
        }
    }
}

fn union(mut left: BTreeSet<ClauseId>, right: BTreeSet<ClauseId>) -> Vec<ClauseId> {
    left.extend(right);
    left.into_iter().collect()
}

fn refusal(error: String) -> Assessment {
    Assessment { errors: vec![error], ..Assessment::default() }
}
