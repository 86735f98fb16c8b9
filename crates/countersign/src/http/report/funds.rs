//! Commitments of money and credits: what was agreed, what became of it, and where it leads.
//!
//! Not here: rates and ranges (`forecast`), or any sum that the books do not have.

use super::forecast::{Range, days_between};
use super::money::Money;
use jiff::civil::Date;
use ledger::{AccountId, Amount, AssetId};
use partnership::State;
use partnership::investment::{chart, dues};
use partnership::judge::dues::sides;
use partnership::memorandum::{Clause, Kind};
use serde::Serialize;

/// One commitment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fund {
    /// The clause's id.
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) force: &'static str,
    /// `active`, `met`, `lapsed`, `breached`, `superseded` or `terminated`.
    pub(crate) state: &'static str,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) agreed: Option<Money>,
    /// What has fallen due.
    pub(crate) drawn: Option<Money>,
    pub(crate) reserved: Option<Money>,
    /// What was spent or consumed.
    pub(crate) spent: Option<Money>,
    /// What lapsed or expired unused.
    pub(crate) expired: Option<Money>,
    pub(crate) left: Option<Money>,
    /// What is owed and not paid.
    pub(crate) owed: Option<Money>,
    /// What the party that is paid attests.
    pub(crate) paid: Option<Money>,
    pub(crate) pace: Option<Pace>,
    pub(crate) forecast: Option<Forecast>,
    /// The next day on which something falls due or is to be declared.
    pub(crate) next_due: Option<String>,
    /// Pace, forecast and next day in a few words.
    pub(crate) outlook: String,
    pub(crate) dues: Vec<DueLine>,
    pub(crate) payments: Vec<PaymentLine>,
}

/// How much of the time and how much of the amount is gone. Units: per cent, rounded down.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pace {
    pub(crate) time: u64,
    pub(crate) spent: u64,
}

/// Where the rate of the last days leads. A range, from windows of 7, 28, 91 and 365 days.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Forecast {
    /// What is spent in a day, at the slowest and the fastest.
    pub(crate) per_day: [Money; 2],
    /// The first and last day on which nothing may be left; none where that is never.
    pub(crate) used_up: [Option<String>; 2],
    /// The day on which what is left expires or falls short.
    pub(crate) ends: Option<String>,
    /// How much may be left on that day, at the least and at the most: breakage of a grant, shortfall of a minimum.
    pub(crate) left_then: Option<[Money; 2]>,
}

/// What fell due on a day.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DueLine {
    pub(crate) on: String,
    pub(crate) booked: String,
    pub(crate) amount: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revenue: Option<Money>,
}

/// A party's word on a payment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PaymentLine {
    pub(crate) attested_by: String,
    /// How much of the debt.
    pub(crate) amount: Money,
    /// What was paid, where that is another asset, and where the rate is from.
    pub(crate) paid_in: Option<Money>,
    pub(crate) rate_source: Option<String>,
    pub(crate) reference: String,
    pub(crate) at: String,
    /// Whether it is the word of the party that is paid, which settles the debt.
    pub(crate) settles: bool,
}

/// What the books say of a clause, before it is text.
#[derive(Debug, Default)]
struct Sums {
    agreed: Option<Amount>,
    drawn: Option<Amount>,
    reserved: Option<Amount>,
    spent: Option<Amount>,
    expired: Option<Amount>,
    left: Option<Amount>,
    owed: Option<Amount>,
    paid: Option<Amount>,
    /// The account whose days a forecast is made of.
    days: Option<AccountId>,
    starts: Option<Date>,
    ends: Option<Date>,
}

impl Fund {
    /// Every commitment of the version in force, in its order, and after them those of earlier versions that it no longer has.
    pub(crate) fn all(state: &State) -> Vec<Self> {
        let Some(terms) = state.terms() else { return Vec::new() };
        let now = terms.memorandum().clauses.iter().filter_map(|clause| Self::of(state, clause));
        let mut funds: Vec<Self> = now.collect();
        let before = state.versions().iter().rev().filter_map(|version| state.document(&version.digest));
        for clause in before.flat_map(|terms| &terms.memorandum().clauses) {
            let is_known = funds.iter().any(|fund| fund.name == clause.id.as_str());
            if !is_known && terms.memorandum().clause(&clause.id).is_none() {
                funds.extend(Self::of(state, clause));
            }
        }
        funds
    }

    /// The commitment of one clause; none for kinds that commit to no money.
    pub(crate) fn of(state: &State, clause: &Clause) -> Option<Self> {
        let (asset, parties) = agreed_of(clause)?;
        let sums = sums(state, clause);
        let money = |amount: Option<Amount>| amount.map(|amount| Money::of(state, amount, &asset));
        let today = state.at().date();
        let last = state.due_booked(&clause.id).last().map(|(on, _)| *on);
        let next = match &clause.kind {
            Kind::RevenueShare(share) => state.next_declared(&clause.id, share),
            _ => dues::next(clause, last),
        };
        // Nothing comes any more of what was given up.
        let is_over = state.terms().is_some_and(|terms| terms.is_given_up(&clause.id, today));
        let next_due = next.filter(|_| !is_over).map(|day| day.to_string());
        let pace = if is_over { None } else { pace(&sums, today) };
        let forecast = if is_over { None } else { forecast(state, &sums, &asset, today) };
        Some(Self {
            name: clause.id.to_string(),
            kind: clause.kind.name(),
            force: clause.force.as_str(),
            state: standing(state, clause),
            from: parties.0,
            to: parties.1,
            outlook: outlook(pace.as_ref(), forecast.as_ref(), next_due.as_deref()),
            pace,
            forecast,
            agreed: money(sums.agreed),
            drawn: money(sums.drawn),
            reserved: money(sums.reserved),
            spent: money(sums.spent),
            expired: money(sums.expired),
            left: money(sums.left),
            owed: money(sums.owed),
            paid: money(sums.paid),
            next_due,
            dues: state.due_booked(&clause.id).map(|due| due_line(state, due, &asset)).collect(),
            payments: state.payments(&clause.id).iter().map(|paid| payment_line(state, paid)).collect(),
        })
    }

    /// It in a few words, for the overview.
    pub(crate) fn line(&self) -> String {
        let amount =
            |money: &Option<Money>| money.as_ref().map_or_else(|| "nothing".to_owned(), Money::to_string);
        let owed =
            self.owed.as_ref().filter(|owed| owed.amount.bytes().any(|digit| (b'1'..=b'9').contains(&digit)));
        let owed = owed.map_or_else(String::new, |owed| format!(", {owed} owed"));
        match self.kind {
            "minimum-consumption" => {
                format!("{}: {} of {} consumed{owed}", self.name, amount(&self.spent), amount(&self.agreed))
            }
            "capacity" => format!("{}: {} billed so far{owed}", self.name, amount(&self.drawn)),
            _ => format!("{}: {} shared so far{owed}", self.name, amount(&self.drawn)),
        }
    }
}

/// What comes next, in a few words.
fn outlook(pace: Option<&Pace>, forecast: Option<&Forecast>, next_due: Option<&str>) -> String {
    let mut said = Vec::new();
    if let Some(Pace { time, spent }) = pace {
        said.push(format!("{spent} % spent in {time} % of the time"));
    }
    if let Some(forecast) = forecast {
        match &forecast.used_up {
            [Some(first), Some(last)] if first == last => said.push(format!("used up on {first}")),
            [Some(first), Some(last)] => said.push(format!("used up from {first} to {last}")),
            [Some(first), None] => said.push(format!("used up on {first} at the earliest")),
            [None, _] => {}
        }
        let is_certain = forecast.used_up.iter().all(Option::is_some);
        if let (Some([least, most]), Some(ends), false) = (&forecast.left_then, &forecast.ends, is_certain) {
            said.push(format!("{} to {} left on {ends}", least.amount, most.amount));
        }
    }
    said.extend(next_due.map(|day| format!("next due on {day}")));
    said.join("; ")
}

fn due_line(state: &State, (on, due): (&Date, &partnership::state::DueBooked), asset: &AssetId) -> DueLine {
    DueLine {
        on: on.to_string(),
        booked: due.at.to_string(),
        amount: Money::of(state, due.amount, asset),
        revenue: due.revenue.map(|revenue| Money::of(state, revenue, asset)),
    }
}

fn payment_line(state: &State, paid: &partnership::state::Paid) -> PaymentLine {
    PaymentLine {
        attested_by: paid.party.to_string(),
        amount: Money::of(state, paid.amount, &paid.asset),
        paid_in: paid
            .paid_in
            .as_ref()
            .map(|given| Money::of(state, Amount::new(given.amount), &AssetId::from(given.asset.as_str()))),
        rate_source: paid.paid_in.as_ref().map(|given| given.source.clone()),
        reference: paid.reference.clone(),
        at: paid.at.to_string(),
        settles: paid.settles,
    }
}

/// What a clause counts in, and between whom.
fn agreed_of(clause: &Clause) -> Option<(AssetId, (String, String))> {
    let asset = match &clause.kind {
        Kind::ComputeCredit(grant) => &grant.amount.asset,
        Kind::CashTranche(tranche) => &tranche.amount.asset,
        Kind::MinimumConsumption(minimum) => &minimum.amount.asset,
        Kind::Capacity(capacity) => &capacity.price.asset,
        Kind::RevenueShare(share) => &share.asset,
        _ => return None,
    };
    let between = match (&clause.kind, sides(clause)) {
        (Kind::ComputeCredit(grant), _) => (&grant.from, &grant.to),
        (_, Some(sides)) => sides,
        _ => return None,
    };
    Some((asset.clone(), (between.0.to_string(), between.1.to_string())))
}

fn sums(state: &State, clause: &Clause) -> Sums {
    let net =
        |account: AccountId| Amount::new(state.book().balance(&account).map_or(0, |balance| balance.net()));
    let settled = chart::debt(clause).map(|(owed, paid)| {
        let converted = net(chart::converted(&paid));
        (net(owed), Amount::new(net(paid).minor().saturating_add(converted.minor())))
    });
    let drawn = settled.and_then(|(owed, paid)| owed.checked_add(paid));
    // What does not bind is counted on the same stages, and nothing of it is owed.
    let (owed, paid) = settled.filter(|_| clause.force.is_binding()).unzip();
    match &clause.kind {
        Kind::ComputeCredit(grant) => {
            let pool = state.book().balance(&chart::grant(clause, "available")).unwrap_or_default();
            Sums {
                agreed: Some(grant.amount.amount),
                reserved: Some(pool.debits_pending),
                spent: Some(net(chart::grant(clause, "spent"))),
                expired: Some(net(chart::grant(clause, "breakage"))),
                left: Some(Amount::new(pool.available())),
                days: Some(chart::grant(clause, "spent")),
                starts: Some(grant.starts),
                ends: grant.expires,
                ..Sums::default()
            }
        }
        Kind::CashTranche(tranche) => Sums {
            agreed: Some(tranche.amount.amount),
            drawn,
            expired: Some(net(chart::commitment(clause, "lapsed"))),
            left: Some(net(chart::commitment(clause, "undrawn"))),
            owed,
            paid,
            ..Sums::default()
        },
        Kind::MinimumConsumption(minimum) => Sums {
            agreed: Some(minimum.amount.amount),
            drawn,
            spent: Some(net(chart::minimum(clause, "consumed"))),
            left: Some(net(chart::minimum(clause, "open"))),
            owed,
            paid,
            days: Some(chart::minimum(clause, "consumed")),
            starts: Some(minimum.starts),
            ends: minimum.steps.last().map(|step| step.by),
            ..Sums::default()
        },
        Kind::Capacity(_) => Sums { drawn, owed, paid, ..Sums::default() },
        Kind::RevenueShare(share) => Sums {
            agreed: share.cap,
            drawn,
            left: share.cap.map(|_| net(chart::revenue(clause, "open"))),
            owed,
            paid,
            ..Sums::default()
        },
        _ => Sums::default(),
    }
}

fn pace(sums: &Sums, today: Date) -> Option<Pace> {
    let (starts, ends) = (sums.starts?, sums.ends?);
    let whole = u64::try_from(days_between(starts, ends)?).ok().filter(|whole| *whole > 0)?;
    let gone = u64::try_from(days_between(starts, today)?).unwrap_or(0).min(whole);
    let agreed = sums.agreed?.minor();
    let spent = sums.spent?.minor().checked_mul(100)?.checked_div(agreed)?;
    Some(Pace { time: gone.checked_mul(100)?.checked_div(whole)?, spent: u64::try_from(spent).ok()? })
}

fn forecast(state: &State, sums: &Sums, asset: &AssetId, today: Date) -> Option<Forecast> {
    let (days, left) = (sums.days.as_ref()?, sums.left?);
    let range = Range::of(state.days_of(days)?, today)?;
    let money = |amount: Amount| Money::of(state, amount, asset);
    let (slow, fast) = range.per_day();
    let (first, last) = range.used_up(left, today);
    let ends = sums.ends.filter(|ends| *ends > today);
    let before =
        |day: Option<Date>| day.filter(|day| ends.is_none_or(|ends| *day <= ends)).map(|day| day.to_string());
    Some(Forecast {
        per_day: [money(slow), money(fast)],
        used_up: [before(first), before(last)],
        ends: ends.map(|ends| ends.to_string()),
        left_then: ends.map(|ends| {
            let (least, most) = range.left_on(left, today, ends);
            [money(least), money(most)]
        }),
    })
}

/// The state of a clause.
pub(super) fn standing(state: &State, clause: &Clause) -> &'static str {
    let Some(terms) = state.terms() else { return "proposed" };
    let today = state.at().date();
    if terms.memorandum().clause(&clause.id).is_none() {
        return "superseded";
    }
    let given_up = terms.withdrawn().filter(|_| terms.is_given_up(&clause.id, today));
    let last = given_up.map_or(today, |gone| gone.ends.yesterday().unwrap_or(gone.ends));
    by_the_calendar(state, clause, last).unwrap_or_else(|| state.clause_state(clause, today).as_str())
}

/// What became of a clause that makes something due by the calendar, once that is settled.
fn by_the_calendar(state: &State, clause: &Clause, today: Date) -> Option<&'static str> {
    match &clause.kind {
        Kind::MinimumConsumption(_) => {
            let fell_short = state.due_booked(&clause.id).any(|(_, due)| !due.amount.is_zero());
            let open =
                state.book().balance(&chart::minimum(clause, "open")).map_or(0, |balance| balance.net());
            if fell_short { Some("breached") } else { (open == 0).then_some("met") }
        }
        Kind::Capacity(capacity) => capacity.periods.ends.filter(|ends| *ends <= today).map(|_| "met"),
        Kind::RevenueShare(share) => {
            let is_declared = state.due_booked(&clause.id).next().is_some();
            (is_declared && state.next_declared(&clause.id, share).is_none()).then_some("met")
        }
        _ => None,
    }
}
