//! A statement of one party's month on one page of HTML: what was committed and spent, on what, what was refused, and what the books held.
//!
//! Not here: any number that is not also in the other forms. It has no script and loads nothing.

use super::owners::between;
use super::rows::{Books, Format, Row, Seal, View};
use ledger::{AccountId, AssetId};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use partnership::ids::ClauseId;
use partnership::investment::chart;
use partnership::memorandum::{CashTranche, Clause, ComputeCredit, Kind, explain_condition};
use partnership::state::Booked;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// A statement that is being gathered. Memory grows with applications, models, clauses and accounts.
pub(super) struct Statement<W> {
    to: W,
    opening: Books,
    spends: BTreeMap<(String, String, AssetId), Spend>,
    clauses: BTreeMap<ClauseId, Count>,
    acts: u64,
    page: Option<Page>,
}

/// What the calls of one application to one model came to.
#[derive(Debug, Default)]
struct Spend {
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    minor: i128,
}

/// How often a clause refused something, and how often it only spoke against it.
#[derive(Debug, Default)]
struct Count {
    refused: u64,
    deviated: u64,
}

/// All of the page but what is known only at the record's end.
struct Page {
    title: String,
    body: Markup,
}

impl<W: Write> Statement<W> {
    pub(super) fn new(to: W) -> Self {
        let (spends, clauses) = (BTreeMap::new(), BTreeMap::new());
        Self { to, opening: Books::default(), spends, clauses, acts: 0, page: None }
    }
}

impl<W: Write> Format for Statement<W> {
    fn opening(&mut self, view: &View<'_>) -> io::Result<()> {
        self.opening = view.books.clone();
        Ok(())
    }

    fn row(&mut self, row: &Row, _: &View<'_>) -> io::Result<()> {
        self.acts = self.acts.saturating_add(1);
        if let (Some(application), Some(model), Some(asset)) = (&row.application, &row.model, &row.cost.asset)
        {
            let of = (application.to_string(), model.to_string(), asset.clone());
            let spend = self.spends.entry(of).or_default();
            let usage = row.usage.unwrap_or_default();
            spend.calls = spend.calls.saturating_add(1);
            spend.input_tokens = spend.input_tokens.saturating_add(usage.input_tokens);
            spend.output_tokens = spend.output_tokens.saturating_add(usage.output_tokens);
            spend.minor = spend.minor.saturating_add(row.cost.minor());
        }
        if row.refusal.is_some() {
            let of = row.clauses.first().cloned().unwrap_or_else(|| ClauseId::from("no clause"));
            let count = self.clauses.entry(of).or_default();
            count.refused = count.refused.saturating_add(1);
        }
        for deviation in &row.deviations {
            let count = self.clauses.entry(deviation.clause.clone()).or_default();
            count.deviated = count.deviated.saturating_add(1);
        }
        Ok(())
    }

    fn closing(&mut self, view: &View<'_>) -> io::Result<()> {
        let title = title(view);
        let body = html! {
            (grants(view, &self.opening))
            (tranches(view))
            (debts(view))
            (self.spent(view))
            (self.spoken_against(view))
            (self.balances(view))
        };
        self.page = Some(Page { title, body });
        Ok(())
    }

    fn sealed(&mut self, seal: &Seal) -> io::Result<()> {
        let Some(page) = self.page.take() else { return Ok(()) };
        self.to.write_all(whole(&page, seal, self.acts).into_string().as_bytes())
    }
}

fn whole(page: &Page, seal: &Seal, acts: u64) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (page.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (page.body)
                footer {
                    p { "Acts of the month: " (acts) ". Made from a record of " (seal.entries) " entries with the root " code { (seal.root) } ", all of which was verified first." }
                    p { "Check it with " code { "countersign verify " (seal.place) } ", which replays that record and names its size and root; a longer record has the same month. " "The same amounts are in " code { "countersign export csv" } ", " code { "hledger" } " and " code { "beancount" } "." }
                    p { "What was paid outside, such as at a bank, is attested by the parties and not verified by Countersign." }
                }
            }
        }
    }
}

fn title(view: &View<'_>) -> String {
    let period =
        view.scope.period.map(|period| period.first.strftime("%B %Y").to_string()).unwrap_or_default();
    format!("Statement of {} for {period}", party_name(view))
}

fn party_name(view: &View<'_>) -> String {
    let party = view.scope.party.as_ref();
    let header = view.state.terms().map(|terms| &terms.memorandum().header);
    let named = party.zip(header).and_then(|(party, header)| header.party(party));
    named.map_or_else(|| party.map(ToString::to_string).unwrap_or_default(), |party| party.name.clone())
}

fn head(view: &View<'_>) -> Markup {
    let memorandum = view.state.terms().map(|terms| terms.memorandum());
    html! {
        h1 { (title(view)) }
        @if let Some(memorandum) = memorandum {
            p class="quiet" {
                (memorandum.header.title) ", version " (memorandum.header.version) " (SHA-256 " code { (memorandum.digest_hex()) } ") · amounts as of "
                (view.closes()) ", in UTC"
            }
        }
    }
}

/// The grants of which the party is a side.
fn grants(view: &View<'_>, opening: &Books) -> Markup {
    let found: Vec<(&Clause, &ComputeCredit)> = mine(view)
        .filter_map(|clause| match &clause.kind {
            Kind::ComputeCredit(grant) => Some((clause, grant)),
            _ => None,
        })
        .collect();
    html! {
        (head(view))
        h2 { "Credits" }
        @if found.is_empty() { p class="quiet" { "None." } } @else {
            table {
                tr {
                    th { "Clause" } th class="n" { "Agreed" } th class="n" { "Spent this month" }
                    th class="n" { "Spent in all" } th class="n" { "Left" }
                }
                @for (clause, grant) in found { (grant_row(view, opening, clause, grant)) }
            }
        }
    }
}

fn grant_row(view: &View<'_>, opening: &Books, clause: &Clause, grant: &ComputeCredit) -> Markup {
    let account = |stage: &str| chart::grant(clause, stage);
    let asset = &grant.amount.asset;
    let money = |minor: i128| view.books.text(asset, minor);
    let spent = view.books.net(&account("spent"));
    let before = opening.net(&account("spent"));
    let expired = view.books.net(&account("breakage"));
    let pool = view.state.book().balance(&account("available")).unwrap_or_default();
    let reserved = pool.debits_pending.minor();
    html! {
        tr {
            td {
                (named(clause))
                p class="quiet" {
                    (grant.from) " to " (grant.to)
                    @if let Some(expires) = grant.expires { ", before " (expires) }
                    @if expired != 0 { "; expired: " (money(expired)) }
                    @if reserved != 0 { "; reserved: " (money(reserved)) }
                }
            }
            td class="n" { (money(grant.amount.amount.minor())) " " (asset) }
            td class="n" { (money(spent.saturating_sub(before))) }
            td class="n" { (money(spent)) }
            td class="n" { (money(pool.available())) }
        }
    }
}

/// A clause's id, and its force where nothing follows from it.
fn named(clause: &Clause) -> Markup {
    html! { strong { (clause.id) } @if !clause.force.is_binding() { " (non-binding)" } }
}

/// The tranches of which the party is a side.
fn tranches(view: &View<'_>) -> Markup {
    let found: Vec<(&Clause, &CashTranche)> = mine(view)
        .filter_map(|clause| match &clause.kind {
            Kind::CashTranche(tranche) => Some((clause, tranche)),
            _ => None,
        })
        .collect();
    html! {
        h2 { "Tranches" }
        @if found.is_empty() { p class="quiet" { "None." } } @else {
            table {
                tr { th { "Clause" } th { "From, to" } th { "Falls due" } th { "State" } th class="n" { "Agreed" } th class="n" { "Drawn" } }
                @for (clause, tranche) in found {
                    tr {
                        td { (named(clause)) }
                        td { (tranche.from) ", " (tranche.to) }
                        td { (view.state.terms().map_or_else(String::new, |terms| explain_condition(&terms.memorandum().header, &tranche.condition))) }
                        td { (standing(view, clause, tranche)) }
                        td class="n" { (view.books.text(&tranche.amount.asset, tranche.amount.amount.minor())) " " (tranche.amount.asset) }
                        td class="n" { (view.books.text(&tranche.amount.asset, drawn(view, clause))) }
                    }
                }
            }
        }
    }
}

/// What has fallen due of a clause, paid or not.
fn drawn(view: &View<'_>, clause: &Clause) -> i128 {
    let sum =
        |(owed, paid): (AccountId, AccountId)| view.books.net(&owed).saturating_add(settled(view, &paid));
    chart::debt(clause).map_or(0, sum)
}

/// What was paid of a debt, in its own asset or in another.
fn settled(view: &View<'_>, paid: &AccountId) -> i128 {
    view.books.net(paid).saturating_add(view.books.net(&chart::converted(paid)))
}

/// What is owed under binding clauses of which the party is a side, and what was paid of it by the word of who is paid.
fn debts(view: &View<'_>) -> Markup {
    let binding = mine(view).filter(|clause| clause.force.is_binding());
    let found = binding.filter_map(|clause| Some((clause, between(clause)?, chart::debt(clause)?)));
    let found: Vec<_> = found.filter(|(clause, ..)| drawn(view, clause) != 0).collect();
    html! {
        h2 { "Due and paid" }
        @if found.is_empty() { p class="quiet" { "Nothing has fallen due." } } @else {
            table {
                tr { th { "Clause" } th { "From, to" } th class="n" { "Due so far" } th class="n" { "Paid, as attested" } th class="n" { "Owed" } }
                @for (clause, (from, to), (owed, paid)) in found {
                    @let asset = view.state.book().asset_of(&owed).cloned();
                    @if let Some(asset) = asset {
                        tr {
                            td { (named(clause)) }
                            td { (from) ", " (to) }
                            td class="n" { (view.books.text(&asset, drawn(view, clause))) " " (asset) }
                            td class="n" { (view.books.text(&asset, settled(view, &paid))) }
                            td class="n" { (view.books.text(&asset, view.books.net(&owed))) }
                        }
                    }
                }
            }
        }
    }
}

fn standing(view: &View<'_>, clause: &Clause, tranche: &CashTranche) -> String {
    match view.state.booked(&clause.id) {
        Some(Booked::Drawn(at)) => format!("drawn on {}", at.date()),
        Some(Booked::Expired(at)) => format!("lapsed on {}", at.date()),
        None if tranche.already_paid => format!("paid before, as {}", clause.source.as_str()),
        None => {
            let given: Vec<&str> = view
                .state
                .attested()
                .filter(|(evidence, _)| evidence.clause == clause.id)
                .flat_map(|(_, by)| by.keys().map(partnership::ids::PartyId::as_str))
                .collect();
            if given.is_empty() {
                "open".to_owned()
            } else {
                format!("open, attested by {}", given.join(", "))
            }
        }
    }
}

/// The clauses of which the party is a side.
fn mine<'a>(view: &'a View<'a>) -> impl Iterator<Item = &'a Clause> {
    let all = view.state.terms().into_iter().flat_map(|terms| terms.memorandum().clauses.iter());
    let of = view.scope.party.as_ref();
    all.filter(move |clause| {
        between(clause).is_some_and(|(from, to)| of.is_none_or(|of| from == of || to == of))
    })
}

impl<W> Statement<W> {
    fn spent(&self, view: &View<'_>) -> Markup {
        html! {
            h2 { "Spent by its applications" }
            @if self.spends.is_empty() { p class="quiet" { "Nothing." } } @else {
                table {
                    tr { th { "Application" } th { "Model" } th class="n" { "Calls" } th class="n" { "Tokens in" } th class="n" { "Tokens out" } th class="n" { "Cost" } }
                    @for ((application, model, asset), spend) in &self.spends {
                        tr {
                            td { (application) } td { (model) }
                            td class="n" { (spend.calls) } td class="n" { (spend.input_tokens) } td class="n" { (spend.output_tokens) }
                            td class="n" { (view.books.text(asset, spend.minor)) " " (asset) }
                        }
                    }
                    @for (asset, minor) in self.totals() {
                        tr { td colspan="5" { "All together" } td class="n" { strong { (view.books.text(&asset, minor)) " " (asset) } } }
                    }
                }
            }
        }
    }

    fn totals(&self) -> BTreeMap<AssetId, i128> {
        let mut totals: BTreeMap<AssetId, i128> = BTreeMap::new();
        for ((_, _, asset), spend) in &self.spends {
            let total = totals.entry(asset.clone()).or_default();
            *total = total.saturating_add(spend.minor);
        }
        totals
    }

    fn spoken_against(&self, view: &View<'_>) -> Markup {
        let title = |clause: &ClauseId| {
            let memorandum = view.state.terms().map(|terms| terms.memorandum());
            memorandum
                .and_then(|memorandum| memorandum.clause(clause))
                .map(|clause| clause.title.clone())
                .unwrap_or_default()
        };
        html! {
            h2 { "Refused, and spoken against" }
            @if self.clauses.is_empty() { p class="quiet" { "Nothing." } } @else {
                table {
                    tr { th { "Clause" } th { "Title" } th class="n" { "Refused" } th class="n" { "Only spoken against" } }
                    @for (clause, count) in &self.clauses {
                        tr { td { (clause) } td { (title(clause)) } td class="n" { (count.refused) } td class="n" { (count.deviated) } }
                    }
                }
            }
        }
    }

    /// Balances, but for what budgets leave: those are limits, of which there is one for each period and end user.
    fn balances(&self, view: &View<'_>) -> Markup {
        let rows: Vec<(&AccountId, &AssetId, i128, i128)> = view
            .books
            .nets()
            .map(|(account, asset, now)| (account, asset, self.opening.net(account), now))
            .filter(|(_, _, before, now)| *before != 0 || *now != 0)
            .filter(|(account, ..)| !is_of_budget(account))
            .collect();
        html! {
            h2 { "Balances" }
            @if view.books.nets().any(|(account, ..)| is_of_budget(account)) {
                p class="quiet" { "Without the accounts of budgets, which " code { "countersign balance" } " lists." }
            }
            @if rows.is_empty() { p class="quiet" { "None." } } @else {
                table {
                    tr { th { "Account" } th { "Asset" } th class="n" { "Opening" } th class="n" { "Closing" } }
                    @for (account, asset, before, now) in rows {
                        tr {
                            td { code { (account) } } td { (asset) }
                            td class="n" { (view.books.text(asset, before)) } td class="n" { (view.books.text(asset, now)) }
                        }
                    }
                }
            }
        }
    }
}

/// Whether an account holds what a budget leaves.
fn is_of_budget(account: &AccountId) -> bool {
    let name: &str = account.as_ref();
    name.starts_with("budget:")
}

const STYLE: &str = include_str!("statement.css");
