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
