//! What is to be told: warnings, deadlines and alarms, as they follow from the state and a moment.
//!
//! Pure: the same state and day give the same notices with the same ids, so that one is told once, whoever was restarted meanwhile.
//! Not here: to whom, or whether it has been told (`countersign::notices`).

use crate::ids::{ClauseId, PartyId, Timestamp};
use crate::investment::{chart, dues};
use crate::memorandum::{Clause, Condition, Kind, MinimumConsumption, Step};
use crate::state::State;
use crate::terms::{Terms, Withdrawn};
use jiff::civil::Date;
use ledger::{AccountId, Amount, AssetId};

/// How many days before an expiry it is told.
const EXPIRY_DAYS: [i32; 3] = [7, 30, 90];
/// From how many days before a deadline on it is told.
const DUE_DAYS: i32 = 7;
/// From which parts on it is told that a grant or budget is used up. Units: percent.
const USED_PERCENT: [i128; 3] = [100, 95, 80];
/// For how many days after it a breach is told of.
const BREACH_DAYS: i32 = 30;

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// A grant or a tranche comes to its last day.
    Expiry,
    /// Something falls due.
    Due,
    /// A grant or a budget is used up, or nearly.
    Used,
    /// Less of a minimum is consumed than its time would have.
    Pace,
    /// An act waits for a party's approval.
    Waiting,
    /// A clause was not kept.
    Breach,
    /// A model was suspended.
    Suspended,
    /// A party has withdrawn.
    Withdrawal,
    /// A key has not cosigned for too long.
    Cosignature,
}

impl About {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Expiry,
        Self::Due,
        Self::Used,
        Self::Pace,
        Self::Waiting,
        Self::Breach,
        Self::Suspended,
        Self::Withdrawal,
        Self::Cosignature,
    ];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expiry => "expiry",
            Self::Due => "due",
            Self::Used => "used",
            Self::Pace => "pace",
            Self::Waiting => "waiting",
            Self::Breach => "breach",
            Self::Suspended => "suspended",
            Self::Withdrawal => "withdrawal",
            Self::Cosignature => "cosignature",
        }
    }
}

/// One thing that is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The same for the same thing, always: `expiry/launch-credits/2026-12-01/30d`.
    pub id: String,
    /// What it is about.
    pub about: About,
    /// The clause, where there is one.
    pub clause: Option<ClauseId>,
    /// The parties that it concerns; all, if none is named.
    pub parties: Vec<PartyId>,
    /// In one sentence, without a line break.
    pub text: String,
}

impl State {
    /// What is to be told at a moment, in order of id. Nothing before the first entry. What it says of cosignatures is not here: whether one
    /// is missing stands in no entry.
    #[must_use]
    pub fn notices(&self, at: Timestamp) -> Vec<Notice> {
        let Some(terms) = self.terms() else { return Vec::new() };
        let today = at.date();
        let mut notices = Vec::new();
        for clause in terms.memorandum().clauses.iter().filter(|clause| !terms.has_ended(&clause.id, today)) {
            notices.extend(self.expiry(clause, today));
            notices.extend(self.deadline(clause, today));
            notices.extend(self.grant_used(terms, clause));
            notices.extend(self.pace(terms, clause, today));
            notices.extend(self.breaches(terms, clause, today));
        }
        notices.extend(self.budgets_used(terms));
        notices.extend(self.waits());
        notices.extend(self.suspensions());
        notices.extend(self.has_left(terms));
        notices.sort_by(|one, other| one.id.cmp(&other.id));
        notices
    }

    /// What is left of a grant, or a tranche that waits for its condition, comes to its last day.
    fn expiry(&self, clause: &Clause, today: Date) -> Option<Notice> {
        let (on, pool, parties, what) = match &clause.kind {
            Kind::ComputeCredit(grant) => {
                let pool = chart::grant(clause, "available");
                (grant.expires?, pool, vec![grant.from.clone(), grant.to.clone()], "the grant")
            }
            Kind::CashTranche(tranche) => {
                let pool = chart::commitment(clause, "undrawn");
                (tranche.lapses?, pool, vec![tranche.from.clone(), tranche.to.clone()], "the tranche")
            }
            _ => return None,
        };
        let left = self.book().balance(&pool).map_or(0, |balance| balance.available());
        let days = days_between(today, on).filter(|days| *days > 0)?;
        let told = EXPIRY_DAYS.into_iter().find(|within| days <= *within).filter(|_| left > 0)?;
        let (id, verb) = (&clause.id, if what == "the grant" { "expires" } else { "lapses" });
        Some(Notice {
            id: format!("expiry/{id}/{on}/{told}d"),
            about: About::Expiry,
            clause: Some(id.clone()),
            parties,
            text: format!("{what} `{id}` {verb} on {on}: what is left of it then can no longer be used"),
        })
    }

    /// A day of a clause is near on which something is paid, billed, counted or declared.
    fn deadline(&self, clause: &Clause, today: Date) -> Option<Notice> {
        let last = self.last_due(&clause.id);
        let (on, parties, what) = match &clause.kind {
            Kind::CashTranche(tranche) if self.booked(&clause.id).is_none() && !tranche.already_paid => {
                let Condition::Date(on) = tranche.condition else { return None };
                (on, [&tranche.from, &tranche.to], "the tranche falls due")
            }
            Kind::Capacity(capacity) => {
                let on = dues::next(clause, last)?;
                (on, [&capacity.from, &capacity.to], "the next period of capacity begins, and is billed")
            }
            Kind::MinimumConsumption(minimum) => {
                let on = dues::next(clause, last)?;
                (on, [&minimum.by, &minimum.to], "what was to be consumed by then is counted")
            }
            Kind::RevenueShare(share) => {
                let on = self.next_declared(&clause.id, share)?;
                (on, [&share.from, &share.to], "the revenue of the period before is to be declared")
            }
            _ => return None,
        };
        days_between(today, on).filter(|days| *days <= DUE_DAYS)?;
        let id = &clause.id;
        Some(Notice {
            id: format!("due/{id}/{on}"),
            about: About::Due,
            clause: Some(id.clone()),
            parties: parties.into_iter().cloned().collect(),
            text: format!("`{id}`: on {on} {what}"),
        })
    }

    fn grant_used(&self, terms: &Terms, clause: &Clause) -> Option<Notice> {
        let Kind::ComputeCredit(grant) = &clause.kind else { return None };
        let net = |stage: &str| self.net(&chart::grant(clause, stage));
        let of = (net("issued").saturating_neg(), net("spent"));
        let (id, asset) = (&clause.id, &grant.amount.asset);
        let percent = reached(of)?;
        Some(Notice {
            id: format!("used/{id}/{}/{percent}", of.0),
            about: About::Used,
            clause: Some(id.clone()),
            parties: vec![grant.from.clone(), grant.to.clone()],
            text: format!("of the grant `{id}` {} are spent, {percent} % and more", part(terms, asset, of)),
        })
    }

    fn budgets_used<'a>(&'a self, terms: &'a Terms) -> impl Iterator<Item = Notice> + 'a {
        self.registry().keys().filter_map(move |key| {
            let budget = key.budget.as_ref()?;
            let of = (budget.amount, self.net(&chart::budget(&key.id, "spent")));
            let percent = reached(of)?;
            let application = self.registry().application(&key.application)?;
            let sums = part(terms, &AssetId::from(budget.asset.as_str()), of);
            Some(Notice {
                id: format!("used/key:{}/{}/{percent}", key.id, of.0),
                about: About::Used,
                clause: None,
                parties: vec![application.party.clone()],
                text: format!(
                    "of the budget of key `{}` of `{}` {sums} are spent, {percent} % and more",
                    key.id, key.application
                ),
            })
        })
    }

    /// Less than nine tenths of what an even pace would have consumed by today; once a month, and not in the first tenth of the time.
    fn pace(&self, terms: &Terms, clause: &Clause, today: Date) -> Option<Notice> {
        let Kind::MinimumConsumption(minimum) = &clause.kind else { return None };
        let step = minimum.steps.iter().find(|step| today < step.by)?;
        let consumed = self.net(&chart::minimum(clause, "consumed"));
        is_behind(minimum, step, consumed, today).filter(|is_behind| *is_behind)?;
        let (id, month) = (&clause.id, today.strftime("%Y-%m"));
        let sums = part(terms, &minimum.amount.asset, (step.amount.minor(), consumed));
        Some(Notice {
            id: format!("pace/{id}/{month}"),
            about: About::Pace,
            clause: Some(id.clone()),
            parties: vec![minimum.by.clone(), minimum.to.clone()],
            text: format!(
                "of the minimum `{id}` {sums} are consumed, which is behind an even pace to {}",
                step.by
            ),
        })
    }

    /// What fell short of a minimum of late.
    fn breaches<'a>(
        &'a self,
        terms: &'a Terms,
        clause: &'a Clause,
        today: Date,
    ) -> impl Iterator<Item = Notice> + 'a {
        let minimum = match &clause.kind {
            Kind::MinimumConsumption(minimum) => Some(minimum),
            _ => None,
        };
        let booked = self.due_booked.get(&clause.id).into_iter().flatten();
        let late = booked.filter(move |(_, booked)| {
            !booked.amount.is_zero()
                && days_between(booked.at.date(), today).is_some_and(|days| days <= BREACH_DAYS)
        });
        late.filter_map(move |(on, booked)| {
            let minimum = minimum?;
            let id = &clause.id;
            Some(Notice {
                id: format!("breach/{id}/{on}"),
                about: About::Breach,
                clause: Some(id.clone()),
                parties: vec![minimum.by.clone(), minimum.to.clone()],
                text: format!(
                    "`{id}` was not kept: by {on} {} too little were consumed",
                    money(terms, &minimum.amount.asset, booked.amount.minor())
                ),
            })
        })
    }

    fn waits(&self) -> impl Iterator<Item = Notice> {
        self.waiting().flat_map(|(act, waiting)| {
            waiting.missing().into_iter().map(move |party| Notice {
                id: format!("waiting/{act}/{party}"),
                about: About::Waiting,
                clause: waiting.clause.clone(),
                text: format!(
                    "the act `{}` {act} waits for the approval of `{party}`",
                    waiting.act.deed.name()
                ),
                parties: vec![party],
            })
        })
    }

    fn suspensions(&self) -> impl Iterator<Item = Notice> {
        self.suspended_since.iter().map(|(model, since)| Notice {
            id: format!("suspended/{model}/{since}"),
            about: About::Suspended,
            clause: None,
            parties: Vec::new(),
            text: format!(
                "the model `{model}` is suspended since {since}, since its upstream reported more than was reserved; `countersign model resume` puts it back"
            ),
        })
    }

    fn has_left(&self, terms: &Terms) -> Option<Notice> {
        let Withdrawn { by, ends } = &self.withdrawal()?.withdrawn;
        let version = terms.version();
        Some(Notice {
            id: format!("withdrawal/{version}"),
            about: About::Withdrawal,
            clause: None,
            parties: Vec::new(),
            text: format!(
                "`{by}` has withdrawn from version {version} of the memorandum: what binds nobody ends on {ends}; `countersign memo status` says what goes on"
            ),
        })
    }

    fn net(&self, account: &AccountId) -> i128 {
        self.book().balance(account).map_or(0, |balance| balance.net())
    }
}

/// The highest part in [`USED_PERCENT`] that a sum has reached of another.
fn reached((whole, used): (i128, i128)) -> Option<i128> {
    let hundredfold = used.checked_mul(100).filter(|_| whole > 0)?;
    USED_PERCENT
        .into_iter()
        .find(|percent| whole.checked_mul(*percent).is_some_and(|threshold| hundredfold >= threshold))
}

fn is_behind(minimum: &MinimumConsumption, step: &Step, consumed: i128, today: Date) -> Option<bool> {
    let span = i128::from(days_between(minimum.starts, step.by)?);
    let lived = i128::from(days_between(minimum.starts, today)?);
    if lived.checked_mul(10)? < span {
        return Some(false);
    }
    let even = step.amount.minor().checked_mul(lived)?.checked_mul(9)?;
    Some(consumed.checked_mul(span)?.checked_mul(10)? < even)
}

/// The days from one to another; below zero where the other comes first.
fn days_between(from: Date, to: Date) -> Option<i32> {
    from.until(to).ok().map(|span| span.get_days())
}

fn part(terms: &Terms, asset: &AssetId, (whole, used): (i128, i128)) -> String {
    format!("{} of {}", money(terms, asset, used), money(terms, asset, whole))
}

fn money(terms: &Terms, asset: &AssetId, amount: i128) -> String {
    let scale = terms.memorandum().header.scale(asset).unwrap_or(0);
    format!("{} {asset}", Amount::new(amount).display(scale))
}
