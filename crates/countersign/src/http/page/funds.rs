//! What was promised in money and credits, on the page.
//!
//! Not here: any number or word that the report does not have.

use crate::http::report::{Fund, Money, Report};
use maud::{Markup, html};

/// Commitments, each with what became of it and where it leads.
pub(super) fn commitments(report: &Report) -> Markup {
    html! {
        @if !report.funds.is_empty() {
            section aria-labelledby="commitments" {
                h2 id="commitments" { "Commitments" }
                div.scroll tabindex="0" role="region" aria-labelledby="commitments" {
                    table {
                        thead { tr {
                            th scope="col" { "Clause" } th scope="col" { "State" }
                            th.number scope="col" { "Agreed" } th.number scope="col" { "Used or due" } th.number scope="col" { "Reserved" }
                            th.number scope="col" { "Left" } th.number scope="col" { "Owed" } th scope="col" { "Asset" } th scope="col" { "Outlook" }
                        } }
                        tbody { @for fund in &report.funds { (row(fund)) } }
                    }
                }
            }
        }
    }
}

fn row(fund: &Fund) -> Markup {
    let cell = |money: &Option<Money>| html! { td.number { @if let Some(money) = money { (money.amount) } @else { "–" } } };
    let asset = [&fund.agreed, &fund.left, &fund.owed].into_iter().flatten().next();
    let used = fund.spent.clone().or_else(|| fund.drawn.clone());
    html! {
        tr {
            th scope="row" { a href={ "#clause-" (fund.name) } { (fund.name) } }
            td { span.badge.(fund.force).(fund.state) { (fund.state) } }
            (cell(&fund.agreed)) (cell(&used)) (cell(&fund.reserved)) (cell(&fund.left)) (cell(&fund.owed))
            td { @if let Some(money) = asset { (money.asset) } }
            td.about { (fund.outlook) }
        }
    }
}
