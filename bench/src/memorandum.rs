//! A memorandum with as many policies as are to be measured.
//!
//! Not here: a memorandum that anybody would sign.

use std::fmt::Write as _;

/// The model that is asked for.
pub(crate) const MODEL: &str = "bench-model";
/// Who signs.
pub(crate) const PARTIES: [&str; 2] = ["northwind", "halcyon"];

const BASE: &str = include_str!("memorandum.md");

/// The memorandum's text with so many policy clauses. All of them look at the call, and none forbids it.
pub(crate) fn text(clauses: usize) -> String {
    let mut text = BASE.to_owned();
    for number in 1..=clauses {
        let cedar = policy(number);
        let written = write!(
            text,
            "\n### Policy {number}\n\n```toml clause policy-{number}\nkind = \"policy\"\nsource = \"signed\"\ncedar = '''\n{cedar}\n'''\n```\n"
        );
        debug_assert!(written.is_ok(), "a string takes all text");
    }
    text
}

/// The memorandum's text with so many further clauses of money: by turns grants, tranches, minimums and capacity.
pub(crate) fn of_money(clauses: usize) -> String {
    let mut text = BASE.to_owned();
    for number in 1..=clauses {
        let terms = match number % 4 {
            0 => {
                "kind = \"compute-credit\"\nfrom = \"northwind\"\nto = \"halcyon\"\namount = \"10.000000000 CREDIT\"\nmodels = [\"bench-model\"]\nduration = \"P1Y\""
            }
            1 => {
                "kind = \"cash-tranche\"\nfrom = \"northwind\"\nto = \"halcyon\"\namount = \"250000.00 USD\"\nmilestone = \"it is released\"\nattested_by = [\"northwind\", \"halcyon\"]"
            }
            2 => {
                "kind = \"minimum-consumption\"\nby = \"halcyon\"\nto = \"northwind\"\namount = \"1000.000000000 CREDIT\"\nends = 2030-01-01"
            }
            _ => {
                "kind = \"capacity\"\nfrom = \"northwind\"\nto = \"halcyon\"\nwhat = \"units\"\nquantity = 15\nprice = \"260.00 USD\"\nevery = \"P1M\""
            }
        };
        let written = write!(
            text,
            "\n### Money {number}\n\nWhat this section says is said by its block.\n\n```toml clause money-{number}\nsource = \"signed\"\n{terms}\n```\n"
        );
        debug_assert!(written.is_ok(), "a string takes all text");
    }
    text
}

/// The text of one policy: by turns what partners write of lengths, audiences, findings, models and single applications.
pub(crate) fn policy(number: usize) -> String {
    let (scope, condition) = match number % 5 {
        1 => ("principal", format!("context.max_output_tokens > {}", number.saturating_add(100_000))),
        2 => ("principal", format!("principal.audience == \"consumer\" && context.tools > {}", number % 7)),
        3 => ("principal", format!("context.findings.contains(\"finding-{number}\")")),
        4 => ("principal", format!("principal.market == \"market-{number}\" && !context.end_user")),
        _ => return forbid(&format!("principal == Application::\"application-{number}\""), "context.stream"),
    };
    forbid(scope, &condition)
}

fn forbid(scope: &str, condition: &str) -> String {
    format!("forbid ({scope}, action == Action::\"infer\", resource)\nwhen {{ {condition} }};")
}
