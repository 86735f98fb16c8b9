//! Which facts of a call a set of policies looks at, so that two calls that differ in others only are judged once.
//!
//! Not here: any judging. Whatever is not understood counts as looked at.

use cedar_policy::Policy;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::policy::{Assessment, Facts};

/// How many assessments are kept; then all are dropped, and made anew as they are asked for.
const KEPT_MAX: usize = 4096;

/// What a set of policies looks at, and what it has said of it. It says the same of the same facts for ever.
#[derive(Debug, Default)]
pub(super) struct Attention {
    /// The attributes of `context` that a policy names.
    seen: BTreeSet<String>,
    /// Whether a policy uses `context` in another way than by an attribute.
    sees_all: bool,
    said: Mutex<BTreeMap<Facts, Assessment>>,
}

impl Attention {
    /// Takes in what one more policy looks at.
    pub(super) fn pay(&mut self, policy: &Policy) {
        match policy.to_json() {
            Ok(json) => self.walk(&json),
            Err(_) => self.sees_all = true,
        }
    }

    /// What was said of these facts before, or what `judge` says of them now.
    pub(super) fn recall(&self, facts: &Facts, judge: impl FnOnce(&Facts) -> Assessment) -> Assessment {
        let facts = self.relevant(facts.clone());
        if let Some(said) = self.said().get(&facts) {
            return said.clone();
        }
        let said = judge(&facts);
        let mut kept = self.said();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(facts, said.clone());
        said
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.said().len()
    }

    /// The facts without those that no policy looks at. Who asks, and for which model, always stays.
    fn relevant(&self, facts: Facts) -> Facts {
        let sees = |name: &str| self.sees_all || self.seen.contains(name);
        let count = |name: &str, value: u64| if sees(name) { value } else { 0 };
        Facts {
            surface: if sees("surface") { facts.surface } else { String::new() },
            stream: facts.stream && sees("stream"),
            input_bytes: count("input_bytes", facts.input_bytes),
            max_output_tokens: count("max_output_tokens", facts.max_output_tokens),
            tools: count("tools", facts.tools),
            images: count("images", facts.images),
            end_user: facts.end_user && sees("end_user"),
            findings: if sees("findings") { facts.findings } else { Vec::new() },
            now: if sees("now") { facts.now } else { 0 },
            ..facts
        }
    }

    fn said(&self) -> std::sync::MutexGuard<'_, BTreeMap<Facts, Assessment>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for `context` in a policy's syntax tree: below `.` and `has` it stands beside the name of an attribute.
    fn walk(&mut self, json: &Value) {
        match json {
            Value::Object(members) => {
                for (name, value) in members {
                    match attribute(value).filter(|_| matches!(name.as_str(), "." | "has")) {
                        Some(attribute) => drop(self.seen.insert(attribute.to_owned())),
                        None if name == "Var" && value == "context" => self.sees_all = true,
                        None => self.walk(value),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.walk(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// The attribute, where these are the operands of `context.attribute` or `context has attribute`.
fn attribute(operands: &Value) -> Option<&str> {
    let is_context = operands.get("left")?.get("Var")? == "context";
    operands.get("attr").filter(|_| is_context)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::Policies;
    use crate::memorandum::Memorandum;

    const MEMORANDUM: &str = include_str!("../../../../examples/northwind-halcyon/memorandum.md");

    /// The example's memorandum with a policy more.
    fn policies(when: &str) -> Policies {
        let clause = format!(
            "\n```toml clause more\nkind = \"policy\"\nforce = \"binding\"\nsource = \"signed\"\ncedar = '''\nforbid (principal, action, resource) when {{ {when} }};\n'''\n```\n"
        );
        Policies::of(&Memorandum::parse(&format!("{MEMORANDUM}{clause}")).unwrap()).unwrap()
    }

    /// Facts in which each bit of `bits` makes one of them another.
    fn facts(bits: u64) -> Facts {
        let bit = |at: u32| bits & (1 << at) != 0;
        Facts {
            application: "assistant".to_owned(),
            party: "halcyon".into(),
            audience: if bit(0) { "consumer" } else { "business" }.to_owned(),
            purpose: "letters".to_owned(),
            market: if bit(1) { "us" } else { "eu" }.to_owned(),
            action: "infer".to_owned(),
            model: if bit(2) { "other" } else { "smollm2-135m-instruct" }.to_owned(),
            stage: "general".to_owned(),
            surface: if bit(3) { "embeddings" } else { "chat" }.to_owned(),
            stream: bit(4),
            input_bytes: if bit(5) { u64::MAX } else { 7 },
            max_output_tokens: if bit(6) { 500 } else { 5 },
            tools: u64::from(bit(7)),
            images: u64::from(bit(8)),
            end_user: bit(9),
            findings: if bit(10) { vec!["injection".to_owned()] } else { Vec::new() },
            now: if bit(11) { 1_800_000_000_000 } else { 1_700_000_000_000 },
        }
    }

    #[test]
    fn what_is_remembered_is_what_would_be_said_from_nothing() {
        for when in [
            "principal.audience == \"consumer\" && context.tools > 0",
            "context.now > 1750000000000 || context has findings && context.findings.contains(\"injection\")",
            "context.input_bytes + 1 > 100",
            "context.surface == \"embeddings\" && !context.end_user",
            "context.stream && context.images == 1",
        ] {
            let policies = policies(when);
            for _twice in 0..2 {
                for bits in 0..1 << 12 {
                    let facts = facts(bits);
                    assert_eq!(policies.assess(&facts), policies.assess_afresh(&facts), "{when}: {facts:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let policies = policies("context.input_bytes > 10");
        for bytes in 0..2 * KEPT_MAX as u64 {
            drop(policies.assess(&Facts { input_bytes: bytes, ..facts(0) }));
            assert!(policies.remembered() <= KEPT_MAX);
        }
        assert!(policies.remembered() > 0);
    }

    #[test]
    fn what_policies_look_at_is_found_however_it_is_written() {
        for (when, seen, sees_all) in [
            ("context.max_output_tokens > 5", &["max_output_tokens"][..], false),
            ("context has findings && context.findings.contains(\"x\")", &["findings"], false),
            ("context[\"stream\"] && !(context.tools == 0)", &["stream", "tools"], false),
            (
                "if context.end_user then context.now > 3 else context.images == 1",
                &["end_user", "images", "now"],
                false,
            ),
            ("principal.market == \"eu\" && \"context\" == resource.id", &[], false),
            ("context == {surface: \"chat\"}", &[], true),
            ("[context].contains({a: 1}) || context.tools == 1", &["tools"], true),
        ] {
            let policy = format!("forbid (principal, action, resource) when {{ {when} }};");
            let mut attention = Attention::default();
            attention.pay(&policy.parse().unwrap());
            let found: Vec<&str> = attention.seen.iter().map(String::as_str).collect();
            assert_eq!((found.as_slice(), attention.sees_all), (seen, sees_all), "{when}");
        }
    }
}
