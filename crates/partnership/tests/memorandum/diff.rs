//! What one version changes of another: the examples' histories as golden files, and single edits in tables.

use std::fs;
use std::path::PathBuf;

use partnership::Terms;
use partnership::memorandum::diff::{Change, Difference};

use super::SOUND;

fn example(name: &str) -> Terms {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    terms(&fs::read_to_string(path).unwrap())
}

fn terms(text: &str) -> Terms {
    Terms::read(text).unwrap_or_else(|faults| panic!("{}", super::rendered(text, &faults)))
}

fn golden(before: &str, after: &str) -> String {
    serde_json::to_string_pretty(&Difference::between(&example(before), &example(after))).unwrap()
}

/// What an edit of the sound memorandum changes.
fn edited(find: &str, put: &str) -> Difference {
    assert!(SOUND.contains(find), "`{find}` is not in the sound memorandum");
    Difference::between(&terms(SOUND), &terms(&SOUND.replacen(find, put, 1)))
}

#[test]
fn the_example_amendment_changes_what_its_prose_says() {
    insta::assert_snapshot!(golden("northwind-halcyon/memorandum.md", "northwind-halcyon/amendment-2.md"));
}

#[test]
fn the_public_history_is_told_step_by_step() {
    for step in [("2025-01", "2025-09"), ("2025-09", "2025-10"), ("2025-10", "2026-04")] {
        let file = |day: &str| format!("microsoft-openai/history/{day}.md");
        insta::assert_snapshot!(
            format!("history-{}-to-{}", step.0, step.1),
            golden(&file(step.0), &file(step.1))
        );
    }
}

#[test]
fn a_version_compared_with_itself_changes_nothing() {
    for name in ["northwind-halcyon/memorandum.md", "microsoft-openai/history/2025-10.md"] {
        let difference = Difference::between(&example(name), &example(name));
        assert!(difference.is_empty() && difference.header.is_empty(), "{difference:?}");
        let effects = &difference.effects;
        assert!(effects.sums.is_empty() && effects.prices.is_empty());
        assert!(effects.services.is_empty() && effects.approvals.is_empty());
    }
}

#[test]
fn forwards_and_backwards_are_each_others_mirror() {
    let (first, second) =
        (example("northwind-halcyon/memorandum.md"), example("northwind-halcyon/amendment-2.md"));
    let (there, back) = (Difference::between(&first, &second), Difference::between(&second, &first));
    assert!(there.follows && !back.follows);
    let find = |difference: &Difference, change| {
        let ids = difference.clauses.iter().filter(|clause| clause.change == change);
        ids.map(|clause| clause.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(find(&there, Change::Added), find(&back, Change::Removed));
    assert_eq!(find(&there, Change::Changed), find(&back, Change::Changed));
    for (one, other) in there.clauses.iter().zip(&back.clauses) {
        for (one, other) in one.fields.iter().zip(&other.fields) {
            assert_eq!((&one.before, &one.after), (&other.after, &other.before));
        }
    }
}

/// A difference in a few words a line.
fn told(difference: &Difference) -> Vec<String> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let mut lines = Vec::new();
    for clause in &difference.clauses {
        let fields = clause.fields.iter().filter(|field| field.lines.is_empty());
        let fields = fields.map(|field| {
            format!(" {}: {} -> {}", field.field, or_none(&field.before), or_none(&field.after))
        });
        lines.push(format!("{} {}{}", clause.change.as_str(), clause.id, fields.collect::<String>()));
        lines.extend(clause.fields.iter().flat_map(|field| field.lines.clone()));
    }
    let effects = &difference.effects;
    for sum in &effects.sums {
        let who = format!("{} {} {} {}", sum.party, sum.force, sum.promise, sum.asset);
        lines.push(format!("{who}: {} -> {} ({})", sum.before, sum.after, or_none(&sum.change)));
    }
    for price in &effects.prices {
        let (before, after) = (or_none(&price.before), or_none(&price.after));
        let of = format!("{} {} from {}", price.of, price.price, price.from);
        lines.push(format!("{of}: {before} -> {after} ({})", or_none(&price.percent)));
    }
    for service in &effects.services {
        lines.push(format!("{} {}: {} -> {}", service.party, service.model, service.before, service.after));
    }
    for approval in &effects.approvals {
        lines.push(format!("{} by {:?} -> {:?}", approval.act, approval.before, approval.after));
    }
    lines
}

/// What is found in the sound memorandum | what is put there | what is told.
const EDITS: &[(&str, &str, &[&str])] = &[
    ("amount = \"10.00 CREDIT\"", "amount = \"10.000 CREDIT\"", &[]),
    ("models = [\"small\"]", "models = [ \"small\" ] # as ever", &[]),
    (
        "Alder grants Birch credits.",
        "Alder gives Birch credits.",
        &[
            "reworded grant",
            "reworded prices",
            "reworded tranche",
            "reworded rule",
            "reworded serving",
            "reworded person",
            "reworded approvals",
            "reworded years",
        ],
    ),
    (
        "amount = \"10.00 CREDIT\"",
        "amount = \"7.50 CREDIT\"",
        &[
            "changed grant amount: \"10.00 CREDIT\" -> \"7.50 CREDIT\"",
            "alder binding compute-credit CREDIT: 10.000000000 -> 7.500000000 (-2.500000000)",
        ],
    ),
    (
        "kind = \"compute-credit\"",
        "kind = \"compute-credit\"\nforce = \"non-binding\"",
        &[
            "changed grant force: none -> \"non-binding\"",
            "alder binding compute-credit CREDIT: 10.000000000 -> 0.000000000 (-10.000000000)",
            "alder non-binding compute-credit CREDIT: 0.000000000 -> 10.000000000 (+10.000000000)",
        ],
    ),
    (
        "output = \"1.50 CREDIT\"",
        "output = \"2 CREDIT\"",
        &[
            "changed prices output: \"1.50 CREDIT\" -> \"2 CREDIT\"",
            "small output from 2026-01-01: 1.5 CREDIT for 1000000 -> 2 CREDIT for 1000000 (+33.3 %)",
        ],
    ),
    (
        "input = \"0.50 CREDIT\"",
        "from = 2026-07-01\ninput = \"0.25 CREDIT\"",
        &[
            "changed prices from: none -> 2026-07-01 input: \"0.50 CREDIT\" -> \"0.25 CREDIT\"",
            "small cached input from 2026-01-01: 0.5 CREDIT for 1000000 -> none (none)",
            "small input from 2026-01-01: 0.5 CREDIT for 1000000 -> none (none)",
            "small output from 2026-01-01: 1.5 CREDIT for 1000000 -> none (none)",
            "small request from 2026-01-01: 0 CREDIT -> none (none)",
            "small cached input from 2026-07-01: 0.5 CREDIT for 1000000 -> 0.25 CREDIT for 1000000 (-50.0 %)",
            "small input from 2026-07-01: 0.5 CREDIT for 1000000 -> 0.25 CREDIT for 1000000 (-50.0 %)",
        ],
    ),
    (
        "models = [\"small\"]\ncontext_tokens = 2048",
        "models = [\"small\", \"large\"]\npriced = false\ncontext_tokens = 4096",
        &[
            "changed serving context_tokens: 2048 -> 4096 models: [\"small\"] -> [\"small\", \"large\"] priced: none -> false",
            "birch large: not served -> served, also without a price",
            "birch small: served at a price -> served, also without a price",
        ],
    ),
    (
        "acts = [\"application-add\"]",
        "acts = [\"key-new\"]",
        &[
            "changed approvals acts: [\"application-add\"] -> [\"key-new\"]",
            "application-add by [\"alder\", \"birch\"] -> []",
            "key-new by [] -> [\"alder\", \"birch\"]",
        ],
    ),
    (
        "when { principal.audience == \"consumer\" };",
        "when { context.tools > 0 };",
        &[
            "changed rule",
            "  '''",
            "  forbid (principal, action == Action::\"infer\", resource)",
            "- when { principal.audience == \"consumer\" };",
            "+ when { context.tools > 0 };",
            "  '''",
        ],
    ),
];

#[test]
fn each_edit_is_told_by_clause_and_by_what_it_comes_to() {
    for (find, put, expected) in EDITS {
        assert_eq!(told(&edited(find, put)), *expected, "`{find}` became `{put}`");
    }
}

#[test]
fn what_a_clause_leaves_to_the_header_is_a_change_though_its_block_is_the_same() {
    let difference = edited("effective = 2026-01-01", "effective = 2026-03-01");
    let fields = |name: &str| {
        let clause = difference.clauses.iter().find(|clause| clause.id.as_str() == name).unwrap();
        (clause.fields.len(), clause.said != clause.says)
    };
    assert_eq!(difference.header.len(), 1);
    assert_eq!(fields("prices"), (0, true));
    assert!(
        difference.clauses.iter().all(|clause| clause.id.as_str() != "grant"),
        "it has a start of its own"
    );
}
