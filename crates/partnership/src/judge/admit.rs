//! Admitting a model call: term, register, policy, price and funds, in this order.
//!
//! Not here: the policies themselves (`governance::policy`), or accounts (`investment::funds`).

use super::withdrawing::given_up;
use super::{Assessed, Judgement};
use crate::act::{Act, Application, Infer, Key, Of, Principal, is_pseudonym};
use crate::decision::{Deviation, RefusalCode};
use crate::entry::{Decided, Verdict};
use crate::governance::policy::{Assessment, Facts};
use crate::ids::{ActId, ApplicationId, ClauseId, KeyId, PartyId, Timestamp};
use crate::investment::budgets::Spent;
use crate::investment::funds::{Need, Short};
use crate::memorandum::{Clause, Service};
use crate::registry::{Budget, Registry};
use crate::state::State;
use crate::terms::Terms;
use ledger::Amount;

/// How long a warrant to call a model lasts. Units: milliseconds. Longer than any performer's own deadline of ten minutes.
pub const CALL_LASTS_MS: i64 = 15 * 60 * 1000;

/// The facts that policies see of a model call; none where the application is not registered. Each stands in the record, so that
/// whoever replays it can ask the policies again; the moment is the one at which the act's id was made.
#[must_use]
pub fn facts(registry: &Registry, application: &ApplicationId, infer: &Infer, act: ActId) -> Option<Facts> {
    let application = registry.application(application)?;
    Some(Facts {
        application: application.name.to_string(),
        party: application.party.clone(),
        audience: application.audience.clone(),
        purpose: application.purpose.clone(),
        market: application.market.clone(),
        action: "infer".to_owned(),
        model: infer.model.to_string(),
        stage: "general".to_owned(),
        surface: infer.surface.clone(),
        stream: infer.stream,
        input_bytes: infer.input_bytes,
        max_output_tokens: infer.output_tokens_max,
        tools: infer.tools,
        images: infer.images,
        end_user: infer.end_user,
        findings: Vec::new(),
        now: act.made_at().as_millis(),
    })
}

/// A call that asks to be admitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asks<'a> {
    pub(super) act: &'a Act,
    pub(super) infer: &'a Infer,
    /// The party whose application calls.
    pub(super) party: &'a PartyId,
    /// The key it calls with.
    pub(super) key: &'a KeyId,
    /// What the policies said of it beforehand.
    pub(super) assessed: Option<&'a Assessed>,
    pub(super) at: Timestamp,
}

impl Asks<'_> {
    /// When its warrant would end by itself.
    fn lapses(&self) -> Timestamp {
        self.at.plus_millis(CALL_LASTS_MS)
    }
}

/// What an admitted call rests on: the clauses that allow it, those that speak against it, and its reservations.
type Weighed = Result<(Vec<ClauseId>, Vec<Deviation>, Vec<ledger::Transfer>), Box<Judgement>>;

/// What a step of admission found: go on with these deviations, or stop with this judgement.
type Step = Result<Vec<Deviation>, Judgement>;

impl State {
    pub(super) fn admit(&self, asks: Asks<'_>) -> Decided {
        match self.weigh(asks) {
            Ok((clauses, deviations, transfers)) => {
                let mut decided = self.decided(asks.act, Judgement::allow(clauses));
                decided.deviations = deviations;
                decided.lapses = Some(asks.lapses());
                decided.transfers = transfers;
                decided
            }
            Err(judgement) => self.decided(asks.act, *judgement),
        }
    }

    fn weigh(&self, asks: Asks<'_>) -> Weighed {
        let Asks { infer, party, at, .. } = asks;
        let terms = self.in_force();
        let mut deviations = within_term(terms, at)?;
        let (key, application) = self.registry.standing(asks.key, at).ok_or_else(|| {
            Judgement::invalid("the key was revoked or has expired; ask the operator for a new one")
        })?;
        if !is_of(asks.act, application) {
            return Err(Box::new(Judgement::invalid("the key belongs to another application")));
        }
        // The door keeps a request before it proposes the call, by the terms that it knew then.
        if terms.keeps_content(&application.name, &application.audience) != infer.kept.is_some() {
            return Err(Box::new(Judgement::invalid(
                "whether requests are kept has changed while this one was on its way; send it again",
            )));
        }
        let (service, _) = offered(terms, party, infer.model.as_str(), at)?;
        if self.registry.is_suspended(&infer.model) {
            let remedy = "the model is out of service, since its upstream reported more than was reserved; `countersign model resume` puts it back";
            return Err(Box::new(Judgement::deny(RefusalCode::Suspended, Some(service.id.clone()), remedy)));
        }
        let assessment = self.assessment(&application.name, asks);
        let clauses = clauses_of(&assessment);
        let against = permitted(assessment)?.into_iter();
        deviations.extend(against.filter(|one| !terms.is_given_up(&one.clause, at.date())));
        let (paid, transfers) = self.fund(asks, key, service)?;
        deviations.extend(paid);
        Ok((clauses, deviations, transfers))
    }

    /// The assessment that came with the act, or a fresh one where the terms have changed since it was made.
    fn assessment(&self, name: &ApplicationId, asks: Asks<'_>) -> Assessment {
        let terms = self.in_force();
        if let Some(assessed) = asks.assessed.filter(|assessed| assessed.epoch == self.epoch) {
            return assessed.assessment.clone();
        }
        let facts = facts(&self.registry, name, asks.infer, asks.act.id)
            .unwrap_or_else(|| unreachable!("a key in standing has an application"));
        terms.policies().assess(&facts)
    }

    fn fund(
        &self,
        asks: Asks<'_>,
        key: &Key,
        service: &Clause,
    ) -> Result<(Vec<Deviation>, Vec<ledger::Transfer>), Box<Judgement>> {
        let Asks { act, infer, party, at, .. } = asks;
        let terms = self.in_force();
        let tariff = terms.tariff(infer.model.as_str(), at.date());
        let insists = service.force.is_binding() && asks_price(service);
        let Some(tariff) = tariff.filter(|tariff| tariff.force.is_binding() || !insists) else {
            return unpriced(service, insists, infer);
        };
        let bound = tariff.reserve(infer.input_tokens_max, infer.output_tokens_max).map_err(|_| {
            Judgement::deny(
                RefusalCode::Unbounded,
                Some(tariff.clause.clone()),
                "ask for fewer tokens: the bound is beyond all amounts",
            )
        })?;
        let budgets = match &act.principal {
            Principal::Application { application, key, .. } => {
                self.registry.budgets_over(party, application, key)
            }
            Principal::Party { .. } | Principal::Clerk => Vec::new(),
        };
        if tariff.force.is_binding() {
            is_named(act, infer, &budgets, at)?;
        }
        let need = Need {
            terms,
            book: &self.book,
            party,
            model: infer.model.as_str(),
            key,
            budgets: &budgets,
            pseudonyms: &infer.pseudonyms,
            tariff: &tariff,
            bound,
            lowering: self.lowering(at),
            at,
            lapses: asks.lapses(),
        };
        let (transfers, deviations) = need
            .reserve(act.id.as_u128())
            .map_err(|short| insufficient(terms, &tariff.asset, bound, short))?;
        Ok((deviations, transfers))
    }
}

/// Whether an act is proposed for the application that its key belongs to.
fn is_of(act: &Act, owner: &Application) -> bool {
    match &act.principal {
        Principal::Application { party, application, .. } => {
            *application == owner.name && *party == owner.party
        }
        Principal::Party { .. } | Principal::Clerk => false,
    }
}

/// The service that offers a model to a party.
fn offered<'a>(
    terms: &'a Terms,
    party: &PartyId,
    model: &str,
    at: Timestamp,
) -> Result<(&'a Clause, &'a Service), Judgement> {
    terms.service_on(party, model, at.date()).ok_or_else(|| match terms.service(party, model) {
        Some((service, _)) => given_up(terms, service, model),
        None => Judgement::invalid(format!("no service clause offers `{model}` to `{party}`")),
    })
}

fn within_term(terms: &Terms, at: Timestamp) -> Step {
    let today = at.date();
    let mut deviations = Vec::new();
    for (clause, term) in terms.durations() {
        let holds = term.starts <= today && term.ends.is_none_or(|ends| today < ends);
        if holds || terms.is_given_up(&clause.id, today) {
            continue;
        }
        if clause.force.is_binding() {
            let remedy = "an amendment that extends the term";
            return Err(Judgement::deny(RefusalCode::OutOfTerm, Some(clause.id.clone()), remedy));
        }
        deviations.push(Deviation {
            clause: clause.id.clone(),
            code: RefusalCode::OutOfTerm,
            why: "would have been refused, because the day lies outside the intended term".to_owned(),
        });
    }
    Ok(deviations)
}

fn permitted(assessment: Assessment) -> Step {
    if !assessment.allowed {
        let clause = assessment.determining.first().cloned();
        let remedy = match assessment.errors.first() {
            Some(error) => format!("the policy could not be evaluated, which counts as a refusal: {error}"),
            None => {
                "a request that the clause does not speak against, or an amendment of the clause".to_owned()
            }
        };
        let mut judgement = Judgement::deny(RefusalCode::Forbidden, clause, remedy);
        judgement.clauses = assessment.determining;
        return Err(judgement);
    }
    let against = assessment.deviations.into_iter().map(|clause| Deviation {
        clause,
        code: RefusalCode::Forbidden,
        why: "would have been refused, because the clause speaks against it".to_owned(),
    });
    Ok(against.collect())
}

fn clauses_of(assessment: &Assessment) -> Vec<ClauseId> {
    assessment.determining.clone()
}

fn asks_price(service: &Clause) -> bool {
    matches!(&service.kind, crate::memorandum::Kind::Service(service) if service.priced)
}

fn unpriced(
    service: &Clause,
    insists: bool,
    infer: &Infer,
) -> Result<(Vec<Deviation>, Vec<ledger::Transfer>), Box<Judgement>> {
    if insists {
        let remedy = format!("a binding rate-card clause that covers `{}`", infer.model);
        return Err(Box::new(Judgement::deny(RefusalCode::Unpriced, Some(service.id.clone()), remedy)));
    }
    let deviation = Deviation {
        clause: service.id.clone(),
        code: RefusalCode::Unpriced,
        why: "would have been refused, because no price is agreed for the model".to_owned(),
    };
    Ok((if asks_price(service) { vec![deviation] } else { Vec::new() }, Vec::new()))
}

/// Whether a call says by pseudonym whose it is, where a budget limits each end user: under the key of the month in which it is decided.
fn is_named(act: &Act, infer: &Infer, budgets: &[&Budget], at: Timestamp) -> Result<(), Judgement> {
    if !budgets.iter().any(|budget| budget.set.of == Of::EndUsers) {
        return Ok(());
    }
    let month = |at: Timestamp| at.date().first_of_month();
    let names = &infer.pseudonyms;
    let is_sound = names.len() <= 2 && names.iter().all(|name| is_pseudonym(name));
    let is_of_now = month(act.id.made_at()) == month(at);
    let holds = if infer.end_user { !names.is_empty() && is_sound && is_of_now } else { names.is_empty() };
    if holds {
        return Ok(());
    }
    let remedy =
        "a budget of each end user was set, or a month began, while the call was on its way; send it again";
    Err(Judgement::invalid(remedy))
}

fn insufficient(terms: &Terms, asset: &ledger::AssetId, bound: Amount, short: Short) -> Judgement {
    let scale = terms.memorandum().header.scale(asset).unwrap_or(0);
    if let Some(spent) = short.budget {
        return over_budget(asset, scale, bound, &spent);
    }
    let (bound, by) = (bound.display(scale), short.by.display(scale));
    let whose = if short.clause.is_some() { "the grant" } else { "what the key or the party may spend" };
    let remedy = format!(
        "the call reserves up to {bound} {asset}, which is {by} more than {whose} has left; ask for fewer tokens, or have the limit raised"
    );
    Judgement::deny(RefusalCode::InsufficientQuota, short.clause, remedy)
}

/// A refusal by a budget: which, of whom, what is left, and when it fills up again.
fn over_budget(asset: &ledger::AssetId, scale: u8, bound: Amount, spent: &Spent) -> Judgement {
    let Spent { id, of, whose, left, refills } = spent;
    let (bound, left) = (bound.display(scale), left.display(scale));
    let whose = match of {
        Of::EndUsers => format!("each end user of application `{whose}`"),
        of => format!("{} `{whose}`", of.name()),
    };
    let when = match refills {
        Some(refills) => format!("ask for fewer tokens, wait until {refills}, or have it raised"),
        None => {
            "it will not fill up to as much by itself; ask for fewer tokens, or have it raised".to_owned()
        }
    };
    let remedy = format!(
        "budget `{id}` of {whose} has {left} {asset} left, and the call reserves up to {bound} {asset}; {when}"
    );
    let mut judgement = Judgement::deny(RefusalCode::InsufficientQuota, None, remedy.clone());
    judgement.verdict = Verdict::Deny { code: RefusalCode::InsufficientQuota, remedy, refills: *refills };
    judgement
}
