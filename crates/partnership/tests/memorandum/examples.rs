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
