//! `bench policy`: an act assessed under more and more policy clauses, beside Cedar asked the same with the same policies.
//!
//! Bare Cedar says yes or no. An assessment also says which clauses spoke and with what force, and makes the question first.

use crate::memorandum;
use crate::options::Rounds;
use crate::process::thread_cpu;
use crate::scene;
use crate::table::Table;
use anyhow::{Context as _, ensure};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet, Request,
    RestrictedExpression as Value,
};
use clap::Args;
use partnership::Terms;
use partnership::governance::policy::Facts;
use partnership::ids::PartyId;
use std::cell::Cell;
use std::hint::black_box;

const CLAUSES: [usize; 3] = [1, 50, 500];

/// How policies are measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    rounds: Rounds,
    /// How much CPU each may take. Units: milliseconds.
    #[arg(long, default_value_t = 1000)]
    millis: u32,
}

/// Measures, and gives the report.
///
/// Errors: where an act is not allowed that should be.
pub(crate) fn run(options: &Options) -> anyhow::Result<String> {
    let mut table = Table::with_ratio("assess", "Cedar, asked the same");
    for round in options.rounds.numbers() {
        for clauses in CLAUSES {
            options.rounds.progress(round, &format!("{clauses} clauses"));
            let figure = format!("{clauses} clauses, µs");
            let terms = Terms::read(&memorandum::text(clauses));
            let terms = terms.map_err(|faults| anyhow::anyhow!("the memorandum: {faults:?}"))?;
            let (facts, bare) = (facts(), Bare::of(clauses)?);
            let seconds = f64::from(options.millis) / 1e3;
            table.note(&figure, "Cedar, is_authorized alone", each(seconds, || bare.decides())?);
            table.note(&figure, "Cedar, asked the same", each(seconds, || bare.asks_and_decides(&facts))?);
            table.note(
                &figure,
                "assess, facts seen before",
                each(seconds, || Ok(terms.policies().assess(&facts).allowed))?,
            );
            let asked = Cell::new(0_u64);
            let other = || {
                asked.set(asked.get().saturating_add(1));
                Facts { application: format!("bench-{}", asked.get()), ..facts.clone() }
            };
            table.note(&figure, "assess", each(seconds, || Ok(terms.policies().assess(&other()).allowed))?);
        }
    }
    table.remark(
        "CPU of one thread. The policies and the facts are those of `bench gateway`; none of them forbids. `assess` is asked of other facts each time, and what it said before is no use to it.",
    );
    Ok(options.rounds.report(&[("one act assessed", table)]))
}

/// How much CPU one takes that has to allow. Units: microseconds.
fn each(seconds: f64, decides: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<f64> {
    let begun = thread_cpu()?;
    let mut count = 0_u32;
    loop {
        for _ in 0..64 {
            ensure!(black_box(decides()?), "an act is not allowed");
            count = count.saturating_add(1);
        }
        let used = thread_cpu()? - begun;
        if used >= seconds {
            return Ok(used / f64::from(count) * 1e6);
        }
    }
}

/// Cedar alone, with the policies of the memorandum and the permit of its service.
struct Bare {
    authorizer: Authorizer,
    policies: PolicySet,
    request: Request,
    entities: Entities,
}

impl Bare {
    fn of(clauses: usize) -> anyhow::Result<Self> {
        let permit = format!(
            "permit (principal, action == Action::\"infer\", resource) when {{ [\"northwind\", \"halcyon\"].contains(principal.party) && [\"{}\"].contains(resource.id) }};",
            memorandum::MODEL
        );
        let mut policies = PolicySet::new();
        let texts = std::iter::once(permit).chain((1..=clauses).map(memorandum::policy));
        for (number, text) in texts.enumerate() {
            policies.add(Policy::parse(Some(PolicyId::new(format!("policy-{number}"))), text)?)?;
        }
        let (request, entities) = question(&facts())?;
        Ok(Self { authorizer: Authorizer::new(), policies, request, entities })
    }

    fn decides(&self) -> anyhow::Result<bool> {
        let response = self.authorizer.is_authorized(&self.request, &self.policies, &self.entities);
        Ok(response.decision() == Decision::Allow)
    }

    fn asks_and_decides(&self, facts: &Facts) -> anyhow::Result<bool> {
        let (request, entities) = question(facts)?;
        let response = self.authorizer.is_authorized(&request, &self.policies, &entities);
        Ok(response.decision() == Decision::Allow)
    }
}

/// The question as Cedar takes it.
fn question(facts: &Facts) -> anyhow::Result<(Request, Entities)> {
    let uid =
        |kind: &str, id: &str| -> anyhow::Result<EntityUid> { Ok(format!("{kind}::\"{id}\"").parse()?) };
    let text = |name: &str, value: &str| (name.to_owned(), Value::new_string(value.to_owned()));
    let number = |name: &str, value: u64| -> anyhow::Result<(String, Value)> {
        Ok((name.to_owned(), Value::new_long(i64::try_from(value)?)))
    };
    let flag = |name: &str, value| (name.to_owned(), Value::new_bool(value));
    let application = uid("Application", &facts.application)?;
    let model = uid("Model", &facts.model)?;
    let context = Context::from_pairs([
        text("surface", &facts.surface),
        flag("stream", facts.stream),
        number("input_bytes", facts.input_bytes)?,
        number("max_output_tokens", facts.max_output_tokens)?,
        number("tools", facts.tools)?,
        number("images", facts.images)?,
        flag("end_user", facts.end_user),
        ("findings".to_owned(), Value::new_set(Vec::new())),
        ("now".to_owned(), Value::new_long(facts.now)),
    ])?;
    let action = uid("Action", &facts.action).context("the action")?;
    let request = Request::new(application.clone(), action, model.clone(), context, None)?;
    let entity = |uid, pairs: Vec<(String, Value)>| -> anyhow::Result<Entity> {
        Ok(Entity::new(uid, pairs.into_iter().collect(), std::iter::empty().collect())?)
    };
    let standing = vec![
        text("party", facts.party.as_str()),
        text("audience", &facts.audience),
        text("purpose", &facts.purpose),
        text("market", &facts.market),
    ];
    let offered = vec![text("id", &facts.model), text("stage", &facts.stage)];
    let entities = [entity(application, standing)?, entity(model, offered)?];
    Ok((request, Entities::from_entities(entities, None)?))
}

/// What is known of the call.
fn facts() -> Facts {
    let infer = scene::infer();
    Facts {
        application: "bench".to_owned(),
        party: PartyId::from("halcyon"),
        audience: "business".to_owned(),
        purpose: "measuring".to_owned(),
        market: "eu".to_owned(),
        action: "infer".to_owned(),
        model: infer.model.to_string(),
        stage: "general".to_owned(),
        surface: infer.surface,
        stream: infer.stream,
        input_bytes: infer.input_bytes,
        max_output_tokens: infer.output_tokens_max,
        tools: infer.tools,
        images: infer.images,
        end_user: infer.end_user,
        findings: Vec::new(),
        now: 1_796_083_200_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cedar_and_the_core_answer_the_same_with_and_without_a_service() {
        let terms = Terms::read(&memorandum::text(5)).unwrap();
        let bare = Bare::of(5).unwrap();
        let unserved = Facts { party: PartyId::from("stranger"), ..facts() };
        for (facts, allowed) in [(facts(), true), (unserved, false)] {
            assert_eq!(terms.policies().assess(&facts).allowed, allowed);
            assert_eq!(bare.asks_and_decides(&facts).unwrap(), allowed);
        }
    }
}
