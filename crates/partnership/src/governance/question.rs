//! Facts as Cedar wants them: a request and the two entities it speaks of.
//!
//! Not here: any policy.

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression as Value,
};

use super::policy::Facts;

/// Makes requests; holds what is the same in each.
#[derive(Debug)]
pub(super) struct Asker {
    application: EntityTypeName,
    model: EntityTypeName,
}

impl Asker {
    pub(super) fn new() -> Self {
        Self { application: type_name("Application"), model: type_name("Model") }
    }

    /// The question whether the act may be done, with all that its policies may look at.
    pub(super) fn ask(&self, action: EntityUid, facts: &Facts) -> Result<(Request, Entities), String> {
        let application =
            EntityUid::from_type_name_and_id(self.application.clone(), EntityId::new(&facts.application));
        let model = EntityUid::from_type_name_and_id(self.model.clone(), EntityId::new(&facts.model));
        let context = context(facts)?;
        let request = Request::new(application.clone(), action, model.clone(), context, None)
            .map_err(|e| e.to_string())?;
        let entities = [entity(application, application_facts(facts))?, entity(model, model_facts(facts))?];
        Ok((request, Entities::from_entities(entities, None).map_err(|e| e.to_string())?))
    }
}

fn type_name(name: &str) -> EntityTypeName {
    name.parse().unwrap_or_else(|_| unreachable!("`{name}` is a name in Cedar"))
}

fn entity<const N: usize>(uid: EntityUid, facts: [(String, Value); N]) -> Result<Entity, String> {
    Entity::new(uid, facts.into_iter().collect(), std::iter::empty().collect()).map_err(|e| e.to_string())
}

fn application_facts(facts: &Facts) -> [(String, Value); 4] {
    [
        text("party", facts.party.as_str()),
        text("audience", &facts.audience),
        text("purpose", &facts.purpose),
        text("market", &facts.market),
    ]
}

fn model_facts(facts: &Facts) -> [(String, Value); 2] {
    [text("id", &facts.model), text("stage", &facts.stage)]
}

fn context(facts: &Facts) -> Result<Context, String> {
    let findings = facts.findings.iter().map(|finding| Value::new_string(finding.clone()));
    Context::from_pairs([
        text("surface", &facts.surface),
        ("stream".to_owned(), Value::new_bool(facts.stream)),
        number("input_bytes", facts.input_bytes),
        number("max_output_tokens", facts.max_output_tokens),
        number("tools", facts.tools),
        number("images", facts.images),
        ("end_user".to_owned(), Value::new_bool(facts.end_user)),
        ("findings".to_owned(), Value::new_set(findings)),
        ("now".to_owned(), Value::new_long(facts.now)),
    ])
    .map_err(|e| e.to_string())
}

fn text(name: &str, value: &str) -> (String, Value) {
    (name.to_owned(), Value::new_string(value.to_owned()))
}

/// A count beyond 63 bits stands as the most that Cedar can hold.
fn number(name: &str, value: u64) -> (String, Value) {
    (name.to_owned(), Value::new_long(i64::try_from(value).unwrap_or(i64::MAX)))
}
