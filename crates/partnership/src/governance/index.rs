//! Policies by action, so that an act is judged by those alone that can speak about it.
//!
//! Not here: what the clauses mean, or any judging (`policy`).

use cedar_policy::{ActionConstraint, EntityUid, Policy, PolicyId, PolicySet};

use crate::memorandum::{Force, Service};

/// The actions of the vocabulary.
const ACTIONS: &[&str] = &["infer"];

/// All policies, by action.
#[derive(Debug)]
pub(super) struct Index {
    actions: Vec<(&'static str, Indexed)>,
}

/// The policies that can speak about one action.
#[derive(Debug)]
pub(super) struct Indexed {
    pub(super) action: EntityUid,
    /// Those of every force.
    pub(super) all: PolicySet,
    /// Those of binding clauses, and every service's permit.
    pub(super) binding: PolicySet,
}

impl Index {
    pub(super) fn new() -> Self {
        Self { actions: ACTIONS.iter().map(|name| (*name, Indexed::of(name))).collect() }
    }

    pub(super) fn of(&self, action: &str) -> Option<&Indexed> {
        self.actions.iter().find(|(name, _)| *name == action).map(|(_, indexed)| indexed)
    }

    pub(super) fn insert(&mut self, policy: &Policy, force: Force) {
        for (_, indexed) in &mut self.actions {
            if speaks(policy, &indexed.action) {
                indexed.insert(policy, force);
            }
        }
    }
}

impl Indexed {
    fn of(name: &str) -> Self {
        let action = format!("Action::\"{name}\"").parse();
        let action =
            action.unwrap_or_else(|_| unreachable!("the actions are constants, and a test reads them"));
        Self { action, all: PolicySet::new(), binding: PolicySet::new() }
    }

    fn insert(&mut self, policy: &Policy, force: Force) {
        let mut added = self.all.add(policy.clone()).is_ok();
        if force.is_binding() {
            added &= self.binding.add(policy.clone()).is_ok();
        }
        assert!(added, "ids of clauses are unique in a memorandum, `{}` is not", policy.id());
    }
}

fn speaks(policy: &Policy, action: &EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::In(actions) => actions.contains(action),
        ActionConstraint::Eq(only) => only == *action,
    }
}

/// The permit that a service gives: these parties' applications may call these models.
pub(super) fn base_permit(service: &Service) -> String {
    let parties: Vec<&str> = service.to.iter().map(crate::ids::PartyId::as_str).collect();
    let mut terms = vec![format!("{}.contains(principal.party)", set(&parties))];
    if !service.models.iter().any(|model| model == "*") {
        let models: Vec<&str> = service.models.iter().map(String::as_str).collect();
        terms.push(format!("{}.contains(resource.id)", set(&models)));
    }
    format!("permit (principal, action == Action::\"infer\", resource) when {{ {} }};", terms.join(" && "))
}

fn set(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.escape_debug())).collect();
    format!("[{}]", quoted.join(", "))
}

/// The number that Cedar gave a policy by its place in the text: `policy12` is 12.
pub(super) fn numbered(id: &PolicyId) -> usize {
    let id: &str = id.as_ref();
    id.trim_start_matches("policy").parse().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{ACTIONS, Index, set};

    #[test]
    fn every_action_is_an_entity() {
        assert_eq!(Index::new().actions.len(), ACTIONS.len());
    }

    #[test]
    fn set_escapes_what_would_end_a_string() {
        assert_eq!(set(&["a\"b", "c\\"]), r#"["a\"b", "c\\"]"#);
    }
}
