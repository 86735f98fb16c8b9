//! Clauses: the units of the agreement that a machine can read, each with its prose beside it.
//!
//! Not here: how a clause is read from its block (`read`), or what it does to accounts, policies and gates
//! (`investment`, `governance`, `cloud`).

use std::ops::Range;

use jiff::civil::Date;
use ledger::{Amount, AssetId, Price};

use super::condition::Condition;
use super::observed::{
    Consultation, EarlyAccess, Exclusivity, FirstRefusal, Licence, Survival, Termination, Vesting,
};
use super::periods::Periods;
use super::rates::RateCard;
use crate::ids::{ApplicationId, ClauseId, PartyId};
use crate::sealed::Sealed;

/// One clause of a memorandum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// Its id: kebab-case, unique in the memorandum, the same in every later version.
    pub id: ClauseId,
    /// Whether it is enforced or only observed.
    pub force: Force,
    /// Where the terms come from.
    pub source: Source,
    /// Where its amount comes from, for the kinds that have one; as the terms, if nothing else is said.
    pub amount_source: Source,
    /// The typed terms.
    pub kind: Kind,
    /// The nearest heading above the block, as plain text; empty if there is none.
    pub title: String,
    /// The paragraphs of that heading's section outside any block: plain text, joined by blank lines.
    pub prose: String,
    /// The block in the file, fences included. Units: bytes.
    pub span: Range<usize>,
}

/// Whether a clause is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Force {
    /// Enforced: what it forbids is refused, what it grants moves accounts.
    Binding,
    /// Observed: the same evaluation, but it never refuses and moves memo accounts only.
    NonBinding,
}

impl Force {
    /// The word used in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Binding => "binding",
            Self::NonBinding => "non-binding",
        }
    }

    /// Whether it is [`Force::Binding`].
    #[must_use]
    pub const fn is_binding(self) -> bool {
        matches!(self, Self::Binding)
    }
}

/// Where the terms of a clause come from, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The parties signed these terms.
    Signed,
    /// A party has made them public.
    Disclosed,
    /// Somebody else has reported them.
    Reported,
    /// Nobody has said so; they are concluded from the rest.
    Inferred,
}

impl Source {
    /// The word used in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Disclosed => "disclosed",
            Self::Reported => "reported",
            Self::Inferred => "inferred",
        }
    }
}

/// Which part of the partnership a kind belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Money and credits.
    Investment,
    /// Policies, approvals and people.
    Governance,
    /// Models and where they are served.
    Cloud,
    /// The agreement itself.
    General,
}

impl Area {
    /// The word used on pages and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Investment => "investment",
            Self::Governance => "governance",
            Self::Cloud => "cloud",
            Self::General => "general",
        }
    }
}

/// The terms of a clause. The set is closed for this version of the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `compute-credit`
    ComputeCredit(ComputeCredit),
    /// `cash-tranche`
    CashTranche(CashTranche),
    /// `rate-card`
    RateCard(RateCard),
    /// `minimum-consumption`
    MinimumConsumption(MinimumConsumption),
    /// `capacity`
    Capacity(Capacity),
    /// `revenue-share`
    RevenueShare(RevenueShare),
    /// `undisclosed`
    Undisclosed(Undisclosed),
    /// `policy`
    Policy(Policy),
    /// `requirement`
    Requirement(Requirement),
    /// `retention`
    Retention(Retention),
    /// `service`
    Service(Service),
    /// `accountable`
    Accountable(Accountable),
    /// `amendment`
    Amendment(Amendment),
    /// `term`
    Term(Term),
    /// `vesting`
    Vesting(Vesting),
    /// `first-refusal`
    FirstRefusal(FirstRefusal),
    /// `exclusivity`
    Exclusivity(Exclusivity),
    /// `licence`
    Licence(Licence),
    /// `early-access`
    EarlyAccess(EarlyAccess),
    /// `consultation`
    Consultation(Consultation),
    /// `termination`
    Termination(Termination),
    /// `survival`
    Survival(Survival),
}

impl Kind {
    /// The kind's name, as the field `kind` spells it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ComputeCredit(_) => "compute-credit",
            Self::CashTranche(_) => "cash-tranche",
            Self::RateCard(_) => "rate-card",
            Self::MinimumConsumption(_) => "minimum-consumption",
            Self::Capacity(_) => "capacity",
            Self::RevenueShare(_) => "revenue-share",
            Self::Undisclosed(_) => "undisclosed",
            Self::Policy(_) => "policy",
            Self::Requirement(_) => "requirement",
            Self::Retention(_) => "retention",
            Self::Service(_) => "service",
            Self::Accountable(_) => "accountable",
            Self::Amendment(_) => "amendment",
            Self::Term(_) => "term",
            Self::Vesting(_) => "vesting",
            Self::FirstRefusal(_) => "first-refusal",
            Self::Exclusivity(_) => "exclusivity",
            Self::Licence(_) => "licence",
            Self::EarlyAccess(_) => "early-access",
            Self::Consultation(_) => "consultation",
            Self::Termination(_) => "termination",
            Self::Survival(_) => "survival",
        }
    }

    /// The area it belongs to.
    #[must_use]
    pub const fn area(&self) -> Area {
        match self {
            Self::ComputeCredit(_)
            | Self::CashTranche(_)
            | Self::RateCard(_)
            | Self::MinimumConsumption(_)
            | Self::Capacity(_)
            | Self::RevenueShare(_)
            | Self::Undisclosed(_)
            | Self::Vesting(_) => Area::Investment,
            Self::Policy(_)
            | Self::Requirement(_)
            | Self::Retention(_)
            | Self::Accountable(_)
            | Self::Consultation(_) => Area::Governance,
            Self::Service(_)
            | Self::FirstRefusal(_)
            | Self::Exclusivity(_)
            | Self::Licence(_)
            | Self::EarlyAccess(_) => Area::Cloud,
            Self::Amendment(_) | Self::Term(_) | Self::Termination(_) | Self::Survival(_) => Area::General,
        }
    }
}

/// An amount and what it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// How much. Units: the asset's minor unit.
    pub amount: Amount,
    /// Of what.
    pub asset: AssetId,
}

/// A grant that pays for calls: one party gives the other an amount to spend on named models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComputeCredit {
    /// The party that grants.
    pub from: PartyId,
    /// The party whose applications spend.
    pub to: PartyId,
    /// The whole grant.
    pub amount: Money,
    /// The models it may be spent on; `*` is every model.
    pub models: Vec<String>,
    /// First day (UTC) on which it may be spent.
    pub starts: Date,
    /// First day (UTC) on which it may no longer be spent; never, if none.
    pub expires: Option<Date>,
    /// Grants with a lower number are spent first.
    pub burn_order: u32,
    /// Which moment is measured against `expires`.
    pub expiry_applies: ExpiryApplies,
}

impl ComputeCredit {
    /// Whether the grant may be spent on `model`.
    #[must_use]
    pub fn covers(&self, model: &str) -> bool {
        covers(&self.models, model)
    }
}

/// The moment of a call that is measured against a grant's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryApplies {
    /// When the amount is reserved: a call under way at the expiry is still paid for by the grant.
    Reserve,
    /// When the call is settled: a call under way at the expiry is not.
    Settle,
}

/// A payment in money, due on a date or on a milestone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CashTranche {
    /// The party that pays.
    pub from: PartyId,
    /// The party that is paid.
    pub to: PartyId,
    /// How much.
    pub amount: Money,
    /// What must have happened first.
    pub condition: Condition,
    /// First day (UTC) on which it can no longer fall due; never, if none.
    pub lapses: Option<Date>,
    /// Paid before this memorandum: shown, and never paid from here.
    pub already_paid: bool,
}

/// What one party is to consume by days agreed; what falls short of it is owed to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinimumConsumption {
    /// The party whose applications consume.
    pub by: PartyId,
    /// The party that a shortfall is owed to.
    pub to: PartyId,
    /// How much in all, in the asset in which calls are charged.
    pub amount: Money,
    /// The models whose calls count; `*` is every model.
    pub models: Vec<String>,
    /// First day (UTC) on which calls count.
    pub starts: Date,
    /// How much is to be consumed by when, since the start. Shape: in order of day and amount; the last is the whole amount on the
    /// first day that no longer counts.
    pub steps: Vec<Step>,
}

impl MinimumConsumption {
    /// Whether a call of `party` to `model` that is charged in `asset` on this day counts.
    #[must_use]
    pub fn counts(&self, party: &PartyId, model: &str, asset: &AssetId, day: Date) -> bool {
        let within = self.starts <= day && self.steps.last().is_some_and(|last| day < last.by);
        within && self.by == *party && self.amount.asset == *asset && covers(&self.models, model)
    }
}

/// How much is to be consumed by a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The first day (UTC) that comes too late.
    pub by: Date,
    /// How much since the start. Units: the asset's minor unit.
    pub amount: Amount,
}

/// Capacity that is rented, and paid for whether it is used or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// The party that provides it.
    pub from: PartyId,
    /// The party that pays.
    pub to: PartyId,
    /// What its units are, in words.
    pub what: String,
    /// How many units.
    pub quantity: u64,
    /// The price of one unit for one period.
    pub price: Money,
    /// What it costs in one period: price and quantity.
    pub total: Amount,
    /// When it is paid for.
    pub periods: Periods,
}

/// A part of what one party earns, which it owes to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevenueShare {
    /// The party that earns and shares.
    pub from: PartyId,
    /// The party it shares with.
    pub to: PartyId,
    /// The part, exact: `20%` is 20 for each 100.
    pub rate: Price,
    /// What revenue is counted in.
    pub asset: AssetId,
    /// The most that is shared in all; no bound, if none. Units: the asset's minor unit.
    pub cap: Option<Amount>,
    /// When revenue is declared.
    pub periods: Periods,
    /// What ends it beside the end of the periods: none is shared that begins when this holds already.
    pub until: Option<Condition>,
}

/// Something agreed whose terms are not public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undisclosed {
    /// What it is about, in words.
    pub about: String,
    /// The amount that others have reported, if any.
    pub reported: Option<Money>,
    /// Who reported it.
    pub reported_by: Option<String>,
    /// When it was announced: a year, a month or a day (`2023`, `2023-01`, `2023-01-23`).
    pub announced: Option<String>,
    /// The amount agreed, sealed.
    pub sealed: Option<Sealed>,
}

/// Rules over acts, in Cedar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The Cedar text, valid against the vocabulary.
    pub cedar: String,
}

/// Approvals that acts of the named sorts need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The sorts of act, each one of [`REQUIREMENT_ACTS`].
    pub acts: Vec<String>,
    /// Who must approve each of them; never empty.
    pub approved_by: Vec<PartyId>,
}

/// The acts that a `requirement` may name.
pub const REQUIREMENT_ACTS: &[&str] = &[
    "application-add",
    "application-remove",
    "key-new",
    "key-revoke",
    "amend",
    "model-resume",
    "witness-key-add",
    "witness-key-revoke",
    "party-key-change",
    "log-key-change",
    "erase",
    "budget-set",
    "budget-raise",
    "budget-remove",
];

/// For how long at least the keys of calls are kept, and when they are erased. It goes on when the memorandum has ended: what is kept is there still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// The applications whose calls it is about; empty is all of them.
    pub applications: Vec<ApplicationId>,
    /// The audiences of the applications whose calls it is about, `consumer` and `business`; empty is both.
    pub audiences: Vec<String>,
    /// Whether request and answer are kept themselves, and not only the keys that prove what they were.
    pub keeps_content: bool,
    /// How long after the end of its month it is erased by itself: an ISO 8601 duration; never, if none.
    pub erase_after: Option<String>,
    /// How long after the end of its month nobody erases it: an ISO 8601 duration; no time, if none.
    pub at_least: Option<String>,
}

/// Models that one party serves to others, and the bounds their calls are reserved by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The party that serves.
    pub by: PartyId,
    /// The parties whose applications may call; never empty.
    pub to: Vec<PartyId>,
    /// The models served; `*` is every model.
    pub models: Vec<String>,
    /// Most tokens of output where the caller sets none.
    pub max_output_tokens: u32,
    /// Most tokens of input and output together.
    pub context_tokens: u32,
    /// Tokens that the model's template adds to any input, at most.
    pub input_overhead_tokens: u32,
    /// Tokens that the template adds to each message, at most.
    pub per_message_tokens: u32,
    /// Most tokens of input that one image counts for; images are refused without it.
    pub image_tokens: Option<u32>,
    /// Whether a call needs a rate card.
    pub priced: bool,
}

impl Service {
    /// Whether the service covers `model`.
    #[must_use]
    pub fn covers(&self, model: &str) -> bool {
        covers(&self.models, model)
    }
}

/// The person who answers for clauses on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accountable {
    /// The side.
    pub party: PartyId,
    /// The person's name.
    pub person: String,
    /// The person's office.
    pub role: String,
    /// The clauses; empty is all of them.
    pub clauses: Vec<ClauseId>,
    /// First day (UTC).
    pub since: Date,
    /// First day (UTC) no longer; open, if none.
    pub until: Option<Date>,
}

/// How the memorandum itself is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// Who must sign a new version; never empty.
    pub approved_by: Vec<PartyId>,
    /// Notice before it takes effect: an ISO 8601 duration (`P30D`).
    pub notice: Option<String>,
}

/// How long the memorandum runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// First day (UTC).
    pub starts: Date,
    /// First day (UTC) no longer; open, if none.
    pub ends: Option<Date>,
    /// Notice to end it earlier: an ISO 8601 duration.
    pub notice: Option<String>,
    /// Clauses that go on after it.
    pub survives: Vec<ClauseId>,
}

fn covers(models: &[String], model: &str) -> bool {
    models.iter().any(|name| name == "*" || name == model)
}
