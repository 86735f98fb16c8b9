//! The sections of the page, top to bottom.
//!
//! Not here: what they say (the report's), or how they look (`style.css`).

use crate::history::BANNER;
use crate::http::report::{Account, Area, Clause, Deed, Kept, Report, Wait};
use maud::{Markup, html};

/// Title, parties, and which version is in force.
pub(super) fn top(report: &Report) -> Markup {
    html! {
        header.top {
            p.brand { "Countersign" }
            @if report.made_up { p.made-up role="note" { (capital(BANNER)) } }
            h1 { (report.title) }
            ul.parties aria-label="Parties" {
                @for party in &report.parties { li { strong { (party.name) } " " span.quiet { (party.role) } } }
            }
            p.quiet {
                "Version " (report.version) " in force since " time datetime=(report.in_force_since) { (day(&report.in_force_since)) }
                @if let Some(left) = &report.withdrawal {
                    " · " strong { (left.party) " has withdrawn: what binds nobody ends on " (left.ends) }
                }
                " · " @if report.binding { "binding clauses are enforced" } @else { "non-binding: intentions, followed and not enforced" }
            }
        }
    }
}

/// The three areas side by side.
pub(super) fn areas(report: &Report) -> Markup {
    html! {
        section.areas aria-label="The three areas" {
            @for area in &report.areas { (area_card(area)) }
        }
    }
}

fn area_card(area: &Area) -> Markup {
    html! {
        article.card {
            h2 { (capital(area.area)) }
            p.quiet { (area.clauses) @if area.clauses == 1 { " clause, " } @else { " clauses, " } (area.binding) " binding" }
            @if area.summary.is_empty() { p { "Nothing is agreed here." } }
            ul { @for line in &area.summary { li { (line) } } }
        }
    }
}

/// What waits for a person.
pub(super) fn waiting(report: &Report) -> Markup {
    let lacking = || report.reconciled.iter().filter(|one| !one.missing.is_empty());
    html! {
        section aria-labelledby="waiting" {
            h2 id="waiting" { "Waits for a person" }
            @if report.waiting.is_empty() && report.attestations.is_empty() && report.suspended.is_empty() && report.undelivered.is_empty() && report.coming.is_empty() && lacking().next().is_none() {
                p.quiet { "Nothing waits." }
            }
            ul.waits {
                @for wait in &report.waiting { (wait_item(wait)) }
                @for one in report.attestations.iter().filter(|one| !one.missing.is_empty()) {
                    li { strong { (one.clause) } " attested by " (one.given.join(", ")) "; still to attest: " strong { (one.missing.join(", ")) } }
                }
                @for one in lacking() {
                    li { "Reconciliation of " strong { (one.period) } ", differences: " (one.differing) ", attested by " (one.by()) "; still to attest: " strong { (one.missing.join(", ")) } }
                }
                @for version in &report.coming {
                    li { "Version " (version.version) " is approved and comes into force on " strong { (version.effective) } }
                }
                @for notice in &report.undelivered { li { "A notice could not be delivered: " strong { (notice) } } }
                @for model in &report.suspended { li { "Model " strong { (model) } " is out of service until it is resumed" } }
            }
        }
    }
}

fn wait_item(wait: &Wait) -> Markup {
    html! {
        li {
            strong { (wait.kind) } @if let Some(clause) = &wait.clause { " under " (clause) }
            " · still to approve: " strong { (wait.missing.join(", ")) }
            div.quiet { code { (wait.id) } " since " (moment(&wait.since)) }
        }
    }
}

/// Intentions against what happened.
pub(super) fn intentions(report: &Report) -> Markup {
    let intentions: Vec<&Clause> =
        report.clauses.iter().filter(|clause| clause.force == "non-binding").collect();
    html! {
        @if !intentions.is_empty() {
            section aria-labelledby="intentions" {
                h2 id="intentions" { "Intentions and what happened" }
                p.quiet { "These clauses refuse nothing and move nothing. Each act that they speak against is counted." }
                div.scroll tabindex="0" role="region" aria-labelledby="intentions" {
                    table {
                        thead { tr {
                            th scope="col" { "Intention" } th scope="col" { "Known from" }
                            th.number scope="col" { "Spoken against" }
                        } }
                        tbody { @for clause in intentions {
                            tr {
                                th scope="row" { a href={ "#clause-" (clause.id) } { (clause.title) } }
                                td { (clause.source) }
                                td.number { (clause.deviated) }
                            }
                        } }
                    }
                }
            }
        }
    }
}

/// What is kept of each application and month, with both clocks.
pub(super) fn kept(report: &Report) -> Markup {
    html! {
        @if !report.kept.is_empty() {
            section aria-labelledby="kept" {
                h2 id="kept" { "What is kept" }
                div.scroll tabindex="0" role="region" aria-labelledby="kept" {
                    table {
                        thead { tr {
                            th scope="col" { "Application" } th scope="col" { "Month" }
                            th.number scope="col" { "Keys" }
                            th scope="col" { "May be erased from" } th scope="col" { "Will be erased at" }
                        } }
                        tbody { @for line in &report.kept { (kept_row(line)) } }
                    }
                }
            }
        }
    }
}

fn kept_row(line: &Kept) -> Markup {
    let clock = |day: &Option<String>, clause: &Option<String>, none: &str| {
        html! {
            @match (day, clause) {
                (Some(day), Some(clause)) => { time datetime=(day) { (day) } " " a.quiet href={ "#clause-" (clause) } { (clause) } }
                _ => span.quiet { (none) }
            }
        }
    };
    html! {
        tr {
            th scope="row" { (line.application) } td { (line.month) } td.number { (line.keys) }
            td { (clock(&line.may_be_erased_from, &line.minimum, "any day")) }
            td { (clock(&line.will_be_erased_at, &line.schedule, "never by itself")) }
        }
    }
}

/// Every clause with its badges.
pub(super) fn clauses(report: &Report) -> Markup {
    html! {
        section aria-labelledby="clauses" {
            h2 id="clauses" { "Clauses" }
            ol.clauses { @for clause in &report.clauses { (clause_item(clause)) } }
        }
    }
}

fn clause_item(clause: &Clause) -> Markup {
    html! {
        li id={ "clause-" (clause.id) } {
            h3 { (clause.title) }
            p.badges {
                span.badge.(clause.force) { (clause.force) }
                span.badge { (clause.state) }
                span.quiet { (clause.kind) " · " (clause.source) }
            }
            p { (prose(&clause.sentence)) }
            @if clause.allowed > 0 || clause.refused > 0 || clause.deviated > 0 {
                p.quiet { "allowed " (clause.allowed) " · refused " (clause.refused) " · spoken against " (clause.deviated) }
            }
        }
    }
}

/// A sentence whose backticks hold code.
fn prose(sentence: &str) -> Markup {
    html! {
        @for (at, part) in sentence.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// The last acts.
pub(super) fn acts(report: &Report) -> Markup {
    html! {
        section aria-labelledby="acts" {
            h2 id="acts" { "Last acts" }
            @if report.acts.is_empty() { p.quiet { "No act yet." } } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="acts" {
                    table {
                        thead { tr {
                            th scope="col" { "When (UTC)" } th scope="col" { "Act" } th scope="col" { "Who" } th scope="col" { "About" }
                            th scope="col" { "State" } th.number scope="col" { "Charged" }
                        } }
                        tbody { @for deed in report.acts.iter().take(20) { (act_row(deed)) } }
                    }
                }
            }
        }
    }
}

fn act_row(deed: &Deed) -> Markup {
    html! {
        tr {
            td { (moment(&deed.at)) }
            td { (deed.kind) }
            td { (deed.who) }
            td.about { (deed.about) }
            td {
                span.badge.(deed.state) { (deed.state) }
                @if deed.state == "refused" { @for clause in &deed.clauses { " " a href={ "#clause-" (clause) } { (clause) } } }
                @for clause in &deed.deviations { " against " a href={ "#clause-" (clause) } { (clause) } }
            }
            td.number { @if let Some(charged) = &deed.charged { (charged) } }
        }
    }
}

/// The accounts.
pub(super) fn balances(report: &Report) -> Markup {
    html! {
        section aria-labelledby="balances" {
            h2 id="balances" { "Balances" }
            @if report.balances.is_empty() { p.quiet { "No account is open: nothing that is agreed here moves anything." } }
            @else {
                (accounts(report.balances.iter().filter(|account| !is_of_budget(account))))
                @if report.balances.iter().any(is_of_budget) { details {
                    summary { "What budgets leave, in each period and for each end user" }
                    (accounts(report.balances.iter().filter(|account| is_of_budget(account))))
                } }
            }
        }
    }
}

fn is_of_budget(account: &Account) -> bool {
    account.name.starts_with("budget:")
}

fn accounts<'a>(accounts: impl Iterator<Item = &'a Account>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="balances" {
            table {
                thead { tr {
                    th scope="col" { "Account" } th.number scope="col" { "In" } th.number scope="col" { "Out" }
                    th.number scope="col" { "Reserved" } th scope="col" { "Asset" }
                } }
                tbody { @for account in accounts { (account_row(account)) } }
            }
        }
    }
}

fn account_row(account: &Account) -> Markup {
    html! {
        tr {
            th scope="row" { (account.name) }
            td.number { (account.posted_credits.amount) }
            td.number { (account.posted_debits.amount) }
            td.number { (account.pending.amount) }
            td { (account.asset) }
        }
    }
}

/// The record's head, and where to check all this.
pub(super) fn foot(report: &Report) -> Markup {
    html! {
        footer {
            p { "Record " code { (report.name) } ": " (report.entries) " entries, " (report.checkpoint_size) " under the last checkpoint." }
            p {
                a href="/record/checkpoint" { "Checkpoint" } " · " a href="/record/vkeys" { "Public keys" } " · "
                a href="/api/memorandum" { "Memorandum" } " · " a href="/api/status" { "This page as JSON" }
            }
            @for key in &report.witnesses {
                p {
                    code { (key.name) } " "
                    @if key.missing { span.badge.refused { "cosignature missing" } " " }
                    @match &key.at {
                        Some(at) => { "cosigned " (key.size) " entries on " (moment(at)) }
                        None => "has cosigned nothing yet",
                    }
                }
            }
            p.quiet { "Memorandum sha256 " code { (report.digest) } }
        }
    }
}

/// The day of a moment as the record writes it.
fn day(at: &str) -> &str {
    at.get(..10).unwrap_or(at)
}

/// Day and time to the second.
fn moment(at: &str) -> String {
    at.get(..19).unwrap_or(at).replace('T', " ")
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
