//! One plain sentence for each clause, from its block alone, so that a lawyer can lay it beside the prose.
//!
//! Not here: the prose itself, which these sentences never look at.

use ledger::Price;

use super::clause::{
    Accountable, Amendment, CashTranche, Clause, ComputeCredit, ExpiryApplies, Force, Kind, Money, Policy,
    Requirement, Retention, Service, Term, Undisclosed,
};
use super::condition::{Condition, Milestone};
use super::header::Header;
use super::rates::{ListPrices, RateCard};
use crate::ids::{ApplicationId, ClauseId, PartyId};

/// What the block of a clause says, as one sentence.
#[must_use]
pub fn explain(header: &Header, clause: &Clause) -> String {
    let Voice { must, will } = Voice::of(clause.force);
    let teller = Teller { header, must, will };
    let said = match &clause.kind {
        Kind::ComputeCredit(grant) => teller.compute_credit(grant),
        Kind::CashTranche(tranche) => teller.cash_tranche(tranche),
        Kind::RateCard(card) => teller.rate_card(card),
        Kind::MinimumConsumption(minimum) => teller.minimum_consumption(minimum),
        Kind::Capacity(capacity) => teller.capacity(capacity),
        Kind::RevenueShare(share) => teller.revenue_share(share),
        Kind::Undisclosed(matter) => teller.undisclosed(matter),
        Kind::Policy(policy) => teller.policy(policy),
        Kind::Requirement(requirement) => teller.requirement(requirement),
        Kind::Retention(retention) => teller.retention(retention),
        Kind::Service(service) => teller.service(service),
        Kind::Accountable(person) => teller.accountable(person),
        Kind::Amendment(amendment) => teller.amendment(amendment),
        Kind::Term(term) => teller.term(term),
        Kind::Vesting(vesting) => teller.vesting(vesting),
        Kind::FirstRefusal(right) => teller.first_refusal(right),
        Kind::Exclusivity(promise) => teller.exclusivity(promise),
        Kind::Licence(licence) => teller.licence(licence),
        Kind::EarlyAccess(promise) => teller.early_access(promise),
        Kind::Consultation(consultation) => teller.consultation(consultation),
        Kind::Termination(end) => teller.termination(end),
        Kind::Survival(survival) => teller.survival(survival),
    };
    let force = if clause.force.is_binding() { "Binding" } else { "Not binding" };
    let source = clause.source.as_str();
    if clause.amount_source == clause.source {
        return format!("{force}, {source}: {said}.");
    }
    format!("{force}, {source}, its amount {}: {said}.", clause.amount_source.as_str())
}

/// A condition as part of a sentence: what has come about when it holds.
#[must_use]
pub fn explain_condition(header: &Header, condition: &Condition) -> String {
    Teller { header, must: "", will: "" }.condition(condition)
}

/// A price for so many units, as a file spells it.
pub(super) fn priced(header: &Header, price: Price, units: u64, card: &RateCard) -> String {
    Teller { header, must: "", will: "" }.price(price, units, card)
}

/// What the header says of lost keys: one sentence for each party, and none at all where no party has a recovery key.
#[must_use]
pub fn explain_keys(header: &Header) -> Vec<String> {
    if header.recovery.is_empty() {
        return Vec::new();
    }
    let sentence = |party: &super::Party| {
        let name = &party.name;
        if !header.recovery.contains_key(&party.id) {
            return format!(
                "{name} has no recovery key: if its own key is lost, nothing here can replace it."
            );
        }
        let others: Vec<&str> = header
            .parties
            .iter()
            .filter(|other| other.id != party.id)
            .map(|other| other.name.as_str())
            .collect();
        format!("{name} can replace its own key by its recovery key, if {} approves.", others.join(" and "))
    };
    header.parties.iter().map(sentence).collect()
}

/// A binding clause says what happens; another says what is intended.
struct Voice {
    must: &'static str,
    will: &'static str,
}

impl Voice {
    const fn of(force: Force) -> Self {
        match force {
            Force::Binding => Self { must: "must", will: "" },
            Force::NonBinding => Self { must: "should", will: "intends to " },
        }
    }
}

/// Whoever tells what a block says, in the voice of its force.
pub(super) struct Teller<'a> {
    header: &'a Header,
    pub(super) must: &'static str,
    will: &'static str,
}

impl Teller<'_> {
    fn compute_credit(&self, grant: &ComputeCredit) -> String {
        let until = grant.expires.map_or_else(String::new, |date| format!(" and before {date}"));
        let counted = match grant.expiry_applies {
            ExpiryApplies::Reserve => "when a call starts",
            ExpiryApplies::Settle => "when a call ends",
        };
        format!(
            "{} {} {} {} to spend on {} from {}{until}, measured {counted}, in burn order {}",
            self.name(&grant.from),
            self.does("grants", "grant"),
            self.name(&grant.to),
            self.money(&grant.amount),
            models(&grant.models),
            grant.starts,
            grant.burn_order,
        )
    }

    fn cash_tranche(&self, tranche: &CashTranche) -> String {
        let (from, to, amount) =
            (self.name(&tranche.from), self.name(&tranche.to), self.money(&tranche.amount));
        let condition = match &tranche.condition {
            Condition::Date(date) => format!("on {date}"),
            Condition::Milestone(Milestone { text, attested_by, .. }) => {
                format!("once attested by {}: {text}", self.each(attested_by))
            }
            condition => format!("once {}", self.condition(condition)),
        };
        if tranche.already_paid {
            return format!("{from} has already paid {to} {amount} ({condition}); nothing is paid from here");
        }
        let lapses = tranche.lapses.map_or_else(String::new, |date| format!("; it lapses on {date}"));
        format!("{from} {} {to} {amount} {condition}{lapses}", self.does("pays", "pay"))
    }

    fn rate_card(&self, card: &RateCard) -> String {
        let cost = if self.must == "must" { "cost" } else { "should cost" };
        let mut said: Vec<String> = Vec::new();
        if !card.models.is_empty() {
            said.push(format!("calls to {} {cost} {}", models(&card.models), self.prices(card)));
        }
        let units = card.units.iter();
        let units: Vec<String> =
            units.map(|(unit, price)| format!("{} for one `{unit}`", self.price(*price, 1, card))).collect();
        if !units.is_empty() {
            said.push(format!("units beside calls {cost} {}", units.join(", ")));
        }
        format!("from {} {}", card.from, said.join("; "))
    }

    fn prices(&self, card: &RateCard) -> String {
        let tokens = format!("{} tokens", card.per);
        let price = |price: Price| self.price(price, card.per, card);
        let cached = card.cached_input.map_or_else(String::new, |cached| {
            format!(", {} for {tokens} of input that was cached", price(cached))
        });
        let request = if card.request.numerator() == 0 {
            String::new()
        } else {
            format!(" and {} for each request", self.price(card.request, 1, card))
        };
        let (input, output) = (price(card.input), price(card.output));
        let list = self.list(card);
        format!("{input} for {tokens} of input{cached}, {output} for {tokens} of output{request}{list}")
    }

    fn list(&self, card: &RateCard) -> String {
        let ListPrices { input, cached_input, output, request } = &card.list;
        let of = [("input", input), ("cached input", cached_input), ("output", output)];
        let of = of.into_iter().map(|(what, price)| (what, card.per, price));
        let lines: Vec<String> = of
            .chain([("each request", 1, request)])
            .filter_map(|(what, per, price)| Some(format!("{} for {what}", self.price((*price)?, per, card))))
            .collect();
        if lines.is_empty() { String::new() } else { format!(" (by the list {})", lines.join(", ")) }
    }

    fn undisclosed(&self, matter: &Undisclosed) -> String {
        let announced =
            matter.announced.as_deref().map_or_else(String::new, |when| format!(", announced {when}"));
        let by = matter.reported_by.as_deref().unwrap_or("others");
        let secret = match &matter.sealed {
            Some(sealed) => format!(
                "its amount in {} is sealed here, to be opened to whom the parties choose",
                sealed.asset()
            ),
            None => "its amount is not disclosed".to_owned(),
        };
        let reported = match &matter.reported {
            Some(money) if matter.sealed.is_some() => {
                format!("{secret}; {} is the amount reported by {by}", self.money(money))
            }
            Some(money) => format!("{} is the amount reported by {by}", self.money(money)),
            None => secret,
        };
        format!("{}{announced}: {reported}, and nothing moves", matter.about)
    }

    fn policy(&self, policy: &Policy) -> String {
        let text = policy.cedar.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = text.trim_end_matches(';').to_owned();
        let effect = if self.must == "must" {
            "a call is refused where it is forbidden by"
        } else {
            "a call is noted where it is forbidden by"
        };
        format!("{effect} `{text}`")
    }

    fn requirement(&self, requirement: &Requirement) -> String {
        let acts = requirement.acts.join(", ");
        format!(
            "{} {} approve before any of these takes effect: {acts}",
            self.each(&requirement.approved_by),
            self.must
        )
    }

    fn retention(&self, retention: &Retention) -> String {
        let Retention { applications, audiences, keeps_content, erase_after, at_least } = retention;
        let whose = match (applications.as_slice(), audiences.as_slice()) {
            ([], []) => "every application".to_owned(),
            ([], [audience]) => format!("every {audience} application"),
            (names, []) => ticked(names.iter().map(ApplicationId::as_str)),
            ([], _) => "every consumer and business application".to_owned(),
            (names, audiences) => {
                let names = ticked(names.iter().map(ApplicationId::as_str));
                format!("{names} where it is {}", audiences.join(" or "))
            }
        };
        let erased = if self.will.is_empty() { "is erased" } else { "is meant to be erased" };
        let least = at_least.as_deref().map_or_else(
            || "may be erased at any time".to_owned(),
            |least| format!("{} not be erased within {least} after its month", self.must),
        );
        let after = erase_after.as_deref().map_or_else(
            || "is never erased by itself".to_owned(),
            |after| format!("{erased} by itself {after} after its month"),
        );
        if !keeps_content {
            return format!("what proves request and answer of a call by {whose} {least}, and {after}");
        }
        let kept = if self.will.is_empty() { "are kept" } else { "are meant to be kept" };
        format!(
            "request and answer of a call by {whose} {kept}, with what proves them; all of it {least}, and {after}"
        )
    }

    fn service(&self, service: &Service) -> String {
        let images = service.image_tokens.map_or_else(
            || "images are refused".to_owned(),
            |tokens| format!("an image counts for at most {tokens} tokens"),
        );
        let priced = if service.priced { "each call needs a price" } else { "a call needs no price" };
        format!(
            "{} {} {} to {}, with at most {} tokens in all and {} of output where the caller sets none; {images}; {priced}",
            self.name(&service.by),
            self.does("serves", "serve"),
            models(&service.models),
            self.each(&service.to),
            service.context_tokens,
            service.max_output_tokens,
        )
    }

    fn accountable(&self, person: &Accountable) -> String {
        let about =
            if person.clauses.is_empty() { "every clause".to_owned() } else { clauses(&person.clauses) };
        let until = person.until.map_or_else(String::new, |date| format!(" until {date}"));
        let Accountable { person: name, role, since, .. } = person;
        format!(
            "{name}, {role}, answers for {about} on the side of {} from {since}{until}",
            self.name(&person.party)
        )
    }

    fn amendment(&self, amendment: &Amendment) -> String {
        let notice = amendment
            .notice
            .as_deref()
            .map_or_else(String::new, |notice| format!(", with notice of {notice}"));
        format!(
            "{} {} sign a new version before it takes effect{notice}",
            self.each(&amendment.approved_by),
            self.must
        )
    }

    fn term(&self, term: &Term) -> String {
        let ends =
            term.ends.map_or_else(|| "without an end".to_owned(), |date| format!("and ends before {date}"));
        let notice = term
            .notice
            .as_deref()
            .map_or_else(String::new, |notice| format!("; it may be ended with notice of {notice}"));
        let survives = if term.survives.is_empty() {
            String::new()
        } else {
            format!("; what outlives it: {}", clauses(&term.survives))
        };
        format!("the memorandum runs from {} {ends}{notice}{survives}", term.starts)
    }

    /// A condition as part of a sentence: what has come about when it holds.
    pub(super) fn condition(&self, condition: &Condition) -> String {
        let joined = |parts: &[Condition], word: &str| -> String {
            let parts: Vec<String> = parts.iter().map(|part| self.condition(part)).collect();
            format!("({})", parts.join(word))
        };
        match condition {
            Condition::Date(date) => format!("{date} has come"),
            Condition::Milestone(Milestone { text, attested_by, .. }) => {
                let have = if attested_by.len() == 1 { "has" } else { "have" };
                format!("{} {have} attested “{text}”", self.each(attested_by))
            }
            Condition::EarlierOf(parts) => joined(parts, " or "),
            Condition::AllOf(parts) => joined(parts, " and "),
        }
    }

    pub(super) fn does(&self, does: &str, to_do: &str) -> String {
        if self.will.is_empty() { does.to_owned() } else { format!("{}{to_do}", self.will) }
    }

    pub(super) fn name(&self, id: &PartyId) -> String {
        self.header.party(id).map_or_else(|| id.to_string(), |party| party.name.clone())
    }

    pub(super) fn each(&self, ids: &[PartyId]) -> String {
        let names: Vec<String> = ids.iter().map(|id| self.name(id)).collect();
        match names.as_slice() {
            [first, second] => format!("both {first} and {second}"),
            names => names.join(", "),
        }
    }

    /// The parties of whom any one may do it.
    pub(super) fn any(&self, ids: &[PartyId]) -> String {
        let names: Vec<String> = ids.iter().map(|id| self.name(id)).collect();
        match names.as_slice() {
            [first, second] => format!("either {first} or {second}"),
            [only] => only.clone(),
            names => format!("any of {}", names.join(", ")),
        }
    }

    pub(super) fn money(&self, money: &Money) -> String {
        let scale = self.header.scale(&money.asset).unwrap_or(0);
        format!("{} {}", money.amount.display(scale), money.asset)
    }

    /// The price for `units`, back in the decimals of the file: what the asset cannot hold is written out.
    fn price(&self, price: Price, units: u64, card: &RateCard) -> String {
        let scale = self.header.scale(&card.asset).unwrap_or(0);
        let finer = price.per().checked_div(units).unwrap_or(1);
        let decimals = u8::try_from(finer.checked_ilog10().unwrap_or(0)).unwrap_or(u8::MAX);
        let amount = ledger::Amount::new(price.numerator()).display(scale.saturating_add(decimals));
        let amount = amount.trim_end_matches('0').trim_end_matches('.');
        format!("{amount} {}", card.asset)
    }
}

pub(super) fn models(models: &[String]) -> String {
    if models.iter().any(|model| model == "*") {
        "every model".to_owned()
    } else {
        ticked(models.iter().map(String::as_str))
    }
}

pub(super) fn clauses(clauses: &[ClauseId]) -> String {
    ticked(clauses.iter().map(ClauseId::as_str))
}

pub(super) fn ticked<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
