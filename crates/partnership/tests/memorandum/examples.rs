//! The examples that the program ships are sound, and say what their READMEs say.

use std::fs;
use std::path::PathBuf;

use jiff::civil::date;
use partnership::ids::ClauseId;
use partnership::memorandum::{Force, Kind, Memorandum, Source, explain};

use super::{SOUND, read};

fn example(name: &str) -> Memorandum {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    read(&fs::read_to_string(path).unwrap())
}

fn names(memorandum: &Memorandum) -> Vec<&'static str> {
    let mut names: Vec<&str> = memorandum.clauses.iter().map(|clause| clause.kind.name()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn northwind_and_halcyon_use_all_eleven_kinds() {
    let memorandum = example("northwind-halcyon/memorandum.md");
    assert_eq!(memorandum.clauses.len(), 17);
    assert_eq!(names(&memorandum).len(), 11);
    assert_eq!(memorandum.header.operator().id.as_str(), "northwind");
    assert_eq!(memorandum.header.threshold, 2);
    assert!(memorandum.clauses.iter().all(|clause| !clause.prose.is_empty() && !clause.title.is_empty()));
}

#[test]
fn a_clause_has_the_prose_of_its_section_alone() {
    let memorandum = example("northwind-halcyon/memorandum.md");
    let clause = memorandum.clause(&ClauseId::from("first-tranche")).unwrap();
    assert_eq!(clause.title, "3. First tranche");
    assert_eq!(
        clause.prose,
        "Northwind pays Halcyon two hundred and fifty thousand dollars on 1 July 2026, towards the first year of joint research."
    );
}

#[test]
fn the_amendment_follows_the_first_version() {
    let (first, second) =
        (example("northwind-halcyon/memorandum.md"), example("northwind-halcyon/amendment-2.md"));
    assert_eq!(second.header.version, first.header.version + 1);
    assert_eq!(second.header.previous, Some(first.digest));
    let grant =
        |memorandum: &Memorandum| match &memorandum.clause(&ClauseId::from("launch-credits")).unwrap().kind {
            Kind::ComputeCredit(grant) => grant.amount.amount.display(9),
            other => panic!("{other:?}"),
        };
    assert_eq!((grant(&first), grant(&second)), ("1000.000000000".to_owned(), "1500.000000000".to_owned()));
}

#[test]
fn the_launch_credits_are_what_the_prose_says() {
    let memorandum = example("northwind-halcyon/memorandum.md");
    let Kind::ComputeCredit(grant) = &memorandum.clause(&ClauseId::from("launch-credits")).unwrap().kind
    else {
        panic!("another kind");
    };
    assert_eq!(grant.starts, date(2026, 1, 1));
    assert_eq!(grant.expires, Some(date(2031, 1, 1)));
    assert_eq!(grant.burn_order, 10);
    assert!(grant.covers("smollm2-135m-instruct") && !grant.covers("another"));
}

#[test]
fn a_grant_may_expire_by_duration_by_date_or_never() {
    let table = [
        ("expires = 2027-01-01", Some(date(2027, 1, 1))),
        ("duration = \"P1Y\"", Some(date(2027, 1, 1))),
        ("duration = \"P1M\"", Some(date(2026, 2, 1))),
        ("", None),
    ];
    for (line, expires) in table {
        let memorandum = read(&SOUND.replace("expires = 2027-01-01", line));
        let Kind::ComputeCredit(grant) = &memorandum.clauses[0].kind else { panic!("another kind") };
        assert_eq!(grant.expires, expires, "{line}");
    }
}

#[test]
fn the_article_binds_nobody_and_was_signed_by_nobody() {
    let memorandum = example("microsoft-openai/memorandum.md");
    for clause in &memorandum.clauses {
        assert_eq!(clause.force, Force::NonBinding, "{}", clause.id);
        assert_ne!(clause.source, Source::Signed, "{}", clause.id);
    }
}

#[test]
fn the_article_gives_one_amount_and_it_is_reported() {
    let memorandum = example("microsoft-openai/memorandum.md");
    let amounts = memorandum.clauses.iter().filter_map(|clause| match &clause.kind {
        Kind::Undisclosed(matter) => {
            matter.reported.as_ref().map(|money| (clause.source, money.amount.display(2)))
        }
        Kind::ComputeCredit(_) | Kind::CashTranche(_) | Kind::RateCard(_) => {
            panic!("{} moves something", clause.id)
        }
        _ => None,
    });
    assert_eq!(amounts.collect::<Vec<_>>(), [(Source::Reported, "10000000000.00".to_owned())]);
}

#[test]
fn each_clause_is_explained_in_one_line() {
    let memorandum = example("northwind-halcyon/memorandum.md");
    let lines: Vec<String> =
        memorandum.clauses.iter().map(|clause| explain(&memorandum.header, clause)).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

fn deals() -> Vec<(String, Memorandum)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/deals");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.filter(|name| name.ends_with(".md") && name != "README.md").collect();
    files.sort();
    files.into_iter().map(|name| (name.clone(), example(&format!("deals/{name}")))).collect()
}

const HISTORY: [&str; 4] = ["2025-01", "2025-09", "2025-10", "2026-04"];

fn history() -> Vec<Memorandum> {
    HISTORY.iter().map(|name| example(&format!("microsoft-openai/history/{name}.md"))).collect()
}

#[test]
fn every_deal_is_read_says_why_and_was_signed_by_nobody() {
    let deals = deals();
    assert_eq!(deals.len(), 8);
    let readme =
        fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/deals/README.md"));
    let readme = readme.unwrap();
    for (name, deal) in &deals {
        assert!(readme.contains(&format!("[`{name}`]({name})")), "{name} is not in the README");
        for clause in &deal.clauses {
            assert!(!clause.prose.is_empty(), "{name}: {}", clause.id);
            assert_ne!(clause.source, Source::Signed, "{name}: {}", clause.id);
            assert_ne!(clause.amount_source, Source::Signed, "{name}: {}", clause.id);
        }
    }
}

#[test]
fn each_version_of_the_public_history_follows_on_the_one_before_and_binds_nobody() {
    let history = history();
    for (version, pair) in (2..).zip(history.windows(2)) {
        let [before, next] = pair else { panic!("pairs") };
        assert_eq!((next.header.version, next.header.previous), (version, Some(before.digest)));
        assert_eq!(next.header.parties, before.header.parties);
        assert!(next.header.effective > before.header.effective);
    }
    for clause in history.iter().flat_map(|version| &version.clauses) {
        assert_eq!(clause.force, Force::NonBinding, "{}", clause.id);
        assert_ne!(clause.source, Source::Signed, "{}", clause.id);
    }
}

/// What came and what went from one version to the next, by the clauses' ids, which stay the same.
#[test]
fn the_public_history_changes_what_its_table_says() {
    let history = history();
    let ids = |version: &Memorandum| -> Vec<String> {
        version.clauses.iter().map(|clause| clause.id.to_string()).collect()
    };
    let table = [
        (
            vec![
                "investment",
                "continued-funding",
                "ethical-guidelines",
                "safety-protocols",
                "transparency-measures",
                "microsoft-accountable",
                "openai-accountable",
            ],
            vec![],
        ),
        (
            vec!["stake", "azure-purchase", "research-licence"],
            vec![
                "investment",
                "continued-funding",
                "ethical-guidelines",
                "safety-protocols",
                "transparency-measures",
                "microsoft-accountable",
                "openai-accountable",
                "capacity-first-refusal",
            ],
        ),
        (vec!["first-on-azure", "revenue-share-cap"], vec!["api-on-azure", "revenue-share-to-openai"]),
    ];
    for (pair, (came, went)) in history.windows(2).zip(table) {
        let [before, next] = pair else { panic!("pairs") };
        let (was, is) = (ids(before), ids(next));
        let new: Vec<_> = is.iter().filter(|id| !was.contains(id)).collect();
        let gone: Vec<_> = was.iter().filter(|id| !is.contains(id)).collect();
        assert_eq!(
            (new, gone),
            (
                came.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>().iter().collect(),
                went.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>().iter().collect()
            )
        );
    }
}

#[test]
fn the_research_licence_ends_on_its_day_or_when_both_attest_what_the_panel_found() {
    let october = &history()[2];
    let Kind::Licence(licence) = &october.clause(&ClauseId::from("research-licence")).unwrap().kind else {
        panic!("another kind")
    };
    let until = licence.period.until.as_ref().unwrap();
    for (day, is_attested, over) in [
        (date(2026, 6, 1), false, false),
        (date(2026, 6, 1), true, true),
        (date(2030, 12, 31), false, false),
        (date(2031, 1, 1), false, true),
    ] {
        assert_eq!(until.holds(day, &|_| is_attested), over, "{day}, attested: {is_attested}");
    }
}

#[test]
fn the_deals_and_the_history_use_every_kind_that_money_and_rights_have() {
    let all = deals().into_iter().map(|(_, deal)| deal).chain(history());
    let mut used: Vec<&str> = all.flat_map(|memorandum| names(&memorandum)).collect();
    used.sort_unstable();
    used.dedup();
    let unused = ["amendment", "requirement", "retention", "survival"];
    assert_eq!(
        used,
        [
            "accountable",
            "capacity",
            "cash-tranche",
            "compute-credit",
            "consultation",
            "early-access",
            "exclusivity",
            "first-refusal",
            "licence",
            "minimum-consumption",
            "policy",
            "rate-card",
            "revenue-share",
            "service",
            "term",
            "termination",
            "undisclosed",
            "vesting",
        ]
    );
    assert!(unused.iter().all(|kind| !used.contains(kind)));
}

#[test]
fn what_each_deal_says_is_explained() {
    let lines = deals().into_iter().flat_map(|(name, deal)| {
        let explained: Vec<String> =
            deal.clauses.iter().map(|clause| format!("{name}: {}", explain(&deal.header, clause))).collect();
        explained
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}
