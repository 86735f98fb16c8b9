//! Verdicts of policies, in a table.

use partnership::governance::policy::{Assessment, Facts, Policies};
use partnership::ids::PartyId;
use partnership::memorandum::Memorandum;

use super::read;

const HEADER: &str = "```toml memorandum\ntitle = \"A and B\"\nversion = 1\nparties = [{ id = \"alder\", name = \"Alder\", role = \"operator\" }, { id = \"birch\", name = \"Birch\", role = \"research\" }]\neffective = 2026-01-01\n```\n";

fn policy(id: &str, force: &str, cedar: &str) -> String {
    format!(
        "\n```toml clause {id}\nkind = \"policy\"\nforce = \"{force}\"\nsource = \"signed\"\ncedar = '''\n{cedar}\n'''\n```\n"
    )
}

fn forbid(id: &str, force: &str, when: &str) -> String {
    policy(
        id,
        force,
        &format!("forbid (principal, action == Action::\"infer\", resource) when {{ {when} }};"),
    )
}

fn service(id: &str, force: &str, to: &str, models: &str) -> String {
    format!(
        "\n```toml clause {id}\nkind = \"service\"\nforce = \"{force}\"\nsource = \"signed\"\nby = \"alder\"\nto = {to}\nmodels = {models}\ncontext_tokens = 2048\n```\n"
    )
}

fn memorandum(clauses: &[String]) -> Memorandum {
    read(&format!("{HEADER}{}", clauses.concat()))
}

fn facts() -> Facts {
    Facts {
        application: "assistant".to_owned(),
        party: PartyId::from("birch"),
        audience: "business".to_owned(),
        purpose: "drafting".to_owned(),
        market: "DE".to_owned(),
        action: "infer".to_owned(),
        model: "small".to_owned(),
        stage: "general".to_owned(),
        surface: "chat".to_owned(),
        stream: false,
        input_bytes: 100,
        max_output_tokens: 256,
        tools: 0,
        images: 0,
        end_user: false,
        findings: Vec::new(),
        now: 1_767_225_600_000,
    }
}

fn shown(assessment: &Assessment) -> String {
    let ids = |ids: &[partnership::ids::ClauseId]| {
        ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let verdict = if assessment.allowed { "allow" } else { "deny" };
    format!(
        "{verdict} [{}] against [{}] errors {}",
        ids(&assessment.determining),
        ids(&assessment.deviations),
        assessment.errors.len()
    )
}

fn check(clauses: &[String], facts: &Facts, expected: &str) {
    let assessment = Policies::of(&memorandum(clauses)).unwrap().assess(facts);
    assert_eq!(shown(&assessment), expected, "{facts:?}");
}

fn usual() -> Vec<String> {
    vec![
        service("serving", "binding", "[\"birch\"]", "[\"small\"]"),
        forbid("no-tools", "binding", "principal.audience == \"consumer\" && context.tools > 0"),
        forbid("short", "binding", "context.max_output_tokens > 1000"),
        forbid("brief", "non-binding", "context.max_output_tokens > 400"),
        forbid("named", "non-binding", "context.max_output_tokens > 300 && !context.end_user"),
        // Overflows when the input is as large as can be said.
        forbid("sum", "binding", "context.input_bytes + 1 > 100000"),
        forbid("odd-sum", "non-binding", "context.max_output_tokens + 9223372036854775000 < 0"),
    ]
}

#[test]
fn verdicts_are_those_of_the_table() {
    let table: Vec<(Facts, &str)> = vec![
        (facts(), "allow [serving] against [] errors 0"),
        (Facts { max_output_tokens: 350, ..facts() }, "allow [serving] against [named] errors 0"),
        (Facts { max_output_tokens: 500, ..facts() }, "allow [serving] against [brief named] errors 0"),
        (
            Facts { max_output_tokens: 500, end_user: true, ..facts() },
            "allow [serving] against [brief] errors 0",
        ),
        (
            Facts { max_output_tokens: 1001, end_user: true, ..facts() },
            "deny [short] against [brief odd-sum] errors 1",
        ),
        (Facts { tools: 1, ..facts() }, "allow [serving] against [] errors 0"),
        (Facts { tools: 1, audience: "consumer".into(), ..facts() }, "deny [no-tools] against [] errors 0"),
        (
            Facts { tools: 1, audience: "consumer".into(), max_output_tokens: 500, ..facts() },
            "deny [no-tools] against [brief named] errors 0",
        ),
        (Facts { input_bytes: 100_000, ..facts() }, "deny [sum] against [] errors 0"),
        (Facts { input_bytes: u64::MAX, ..facts() }, "deny [sum] against [] errors 1"),
        (
            Facts { input_bytes: u64::MAX, max_output_tokens: 350, ..facts() },
            "deny [sum] against [named] errors 1",
        ),
        (
            Facts { max_output_tokens: 900, end_user: true, ..facts() },
            "allow [serving] against [brief odd-sum] errors 1",
        ),
        (Facts { party: PartyId::from("alder"), ..facts() }, "deny [serving] against [] errors 0"),
        (Facts { model: "large".into(), ..facts() }, "deny [] against [] errors 0"),
        (Facts { action: "train".into(), ..facts() }, "deny [] against [] errors 1"),
    ];
    for (facts, expected) in table {
        check(&usual(), &facts, expected);
    }
}

#[test]
fn a_wholly_non_binding_memorandum_refuses_nobody() {
    let clauses: Vec<String> = usual()
        .iter()
        .map(|clause| clause.replace("force = \"binding\"", "force = \"non-binding\""))
        .collect();
    let hostile = Facts {
        tools: 1,
        audience: "consumer".into(),
        max_output_tokens: 5000,
        input_bytes: u64::MAX,
        ..facts()
    };
    check(&clauses, &hostile, "allow [serving] against [brief named no-tools odd-sum short sum] errors 2");
    check(
        &clauses,
        &Facts { party: PartyId::from("alder"), ..facts() },
        "allow [] against [serving] errors 0",
    );
}

#[test]
fn making_a_clause_binding_changes_exactly_the_acts_it_spoke_against() {
    let before = Policies::of(&memorandum(&usual())).unwrap();
    let bound: Vec<String> = usual()
        .iter()
        .map(|c| if c.contains("clause brief\n") { c.replace("non-binding", "binding") } else { c.clone() })
        .collect();
    let after = Policies::of(&memorandum(&bound)).unwrap();
    for tokens in (0..1200).step_by(7) {
        let facts = Facts { max_output_tokens: tokens, ..facts() };
        let (old, new) = (before.assess(&facts), after.assess(&facts));
        let spoken = old.deviations.iter().any(|id| id.as_str() == "brief");
        assert_eq!(old.allowed && !new.allowed, old.allowed && spoken, "{tokens}");
        assert!(old.allowed || !new.allowed, "{tokens}");
    }
}

#[test]
fn a_clause_of_several_policies_answers_by_its_own_id() {
    let two = "forbid (principal, action, resource) when { context.tools > 2 };\nforbid (principal, action, resource) when { context.images > 2 };";
    let clauses = [service("serving", "binding", "[\"birch\"]", "[\"*\"]"), policy("both", "binding", two)];
    check(&clauses, &Facts { images: 3, ..facts() }, "deny [both] against [] errors 0");
    check(
        &clauses,
        &Facts { model: "anything \"quoted\"".into(), ..facts() },
        "allow [serving] against [] errors 0",
    );
}

#[test]
fn a_permit_adds_to_services_only_where_it_binds() {
    let permit =
        "permit (principal, action == Action::\"infer\", resource) when { principal.party == \"alder\" };";
    let serving = service("serving", "binding", "[\"birch\"]", "[\"small\"]");
    let alder = Facts { party: PartyId::from("alder"), ..facts() };
    check(
        &[serving.clone(), policy("guests", "binding", permit)],
        &alder,
        "allow [guests] against [] errors 0",
    );
    check(&[serving, policy("guests", "non-binding", permit)], &alder, "deny [serving] against [] errors 0");
}

#[test]
fn policies_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Policies>();
}

/// A measure, not a promise: `cargo test --release -p partnership -- --ignored --nocapture cost_of`.
#[test]
#[ignore = "prints a time"]
#[expect(clippy::disallowed_methods, reason = "a measure needs a clock")]
fn cost_of_an_assessment_with_fifty_policies() {
    let rule = |n: usize| {
        forbid(
            &format!("rule-{n}"),
            if n.is_multiple_of(5) { "non-binding" } else { "binding" },
            &format!(
                "principal.audience == \"consumer\" && context.tools > {n} && resource.stage != \"general\""
            ),
        )
    };
    let clauses: Vec<String> =
        (0..49).map(rule).chain([service("serving", "binding", "[\"birch\"]", "[\"small\"]")]).collect();
    let policies = Policies::of(&memorandum(&clauses)).unwrap();
    let mut times: Vec<u128> = Vec::new();
    for tools in 0..5000 {
        // Each is another, so none is remembered.
        let facts = Facts { tools, ..facts() };
        let start = std::time::Instant::now();
        assert!(policies.assess(&facts).allowed);
        times.push(start.elapsed().as_nanos());
    }
    times.sort_unstable();
    println!("p50 {} ns, p99 {} ns, min {} ns", times[2500], times[4950], times[0]);
}
