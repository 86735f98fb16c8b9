//! What would stop the clerk or the record for ever is refused instead, and what is due is done though nobody looked in time.

use super::*;
use partnership::act::Budget;

fn key(id: &str, minor: i128, expires: Option<i64>) -> Deed {
    Deed::Administer(Administer::KeyNew(Key {
        id: KeyId::from(id),
        application: ApplicationId::from("assistant"),
        secret: Digest([1; 32]),
        requests_per_minute: None,
        budget: Some(Budget { asset: "CREDIT".to_owned(), amount: minor }),
        expires: expires.map(Timestamp::from_millis),
    }))
}

#[test]
fn amounts_and_moments_that_no_book_or_entry_can_hold_are_refused() {
    let mut house = House::founded().with_application();
    for (minor, expires) in
        [(i128::MAX, None), (i128::MAX / 2, None), (0, None), (-1, None), (1, Some(-99_999_999_999_999))]
    {
        let decided = house.by("northwind", key("k2", minor, expires));
        assert!(matches!(decided, Decision::Deny(_)), "{minor} {expires:?}: {decided:?}");
    }
    assert!(matches!(house.by("northwind", key("k2", 1, Some(i64::MAX))), Decision::Done(_)));
    assert!(matches!(house.call(10), Decision::Allow(_)), "and the next call is served");
    house.replayed();
}

#[test]
fn a_call_that_more_clauses_bear_on_than_an_entry_holds_is_refused() {
    let policy = |at: usize| {
        format!(
            "\n```toml clause watch-{at}\nkind = \"policy\"\nforce = \"non-binding\"\nsource = \"signed\"\ncedar = '''\nforbid (principal, action, resource);\n'''\n```\n"
        )
    };
    let watched: String = (0..120).map(policy).collect();
    let mut house = House::founded_on(&format!("{MEMORANDUM}{watched}")).with_application();
    let Decision::Deny(refusal) = house.call(10) else { panic!("it is refused") };
    assert_eq!(refusal.code, RefusalCode::Invalid);
    house.replayed();
}

#[test]
fn a_tranche_that_fell_due_is_drawn_though_nobody_looked_before_it_would_lapse() {
    let due = MEMORANDUM.replacen("due = 2026-07-01", "due = 2026-12-01\nlapses = 2026-12-02", 1);
    let mut house = House::founded_on(&due);
    house.days(60);
    let booked = house.partnership.state().booked(&ClauseId::from("first-tranche"));
    assert!(matches!(booked, Some(Booked::Drawn(_))), "{booked:?}");
    house.replayed();
}

#[test]
fn an_overrun_in_a_second_asset_is_booked_beside_the_first() {
    let cards = |asset: &str, from: &str, input: &str| {
        format!(
            "\n```toml clause prices-{from}\nkind = \"rate-card\"\nsource = \"signed\"\nmodels = [\"{MODEL}\"]\ninput = \"{input} {asset}\"\noutput = \"{input} {asset}\"\nper = 1\nfrom = {from}\n```\n"
        )
    };
    let dollars = "\n```toml clause dollars\nkind = \"compute-credit\"\nsource = \"signed\"\nfrom = \"northwind\"\nto = \"halcyon\"\namount = \"100000.00 USD\"\nmodels = [\"*\"]\nstarts = 2026-01-01\n```\n";
    let text = format!("{MEMORANDUM}{}{dollars}", cards("USD", "2026-11-24", "0.01"));
    let mut house = House::founded_on(&text).with_application();
    for _ in 0..2 {
        let Decision::Allow(warrant) = house.call(10) else { panic!("it is within the grants") };
        house.run(Command::Settle(warrant, used(5000, 5000)));
        house.change(Administer::ModelResume { model: ModelId::from(MODEL) });
        house.days(3);
    }
    let names = house.partnership.state().book().accounts().map(|(name, ..)| name.to_string());
    let overruns: Vec<_> = names.filter(|name| name.contains(":overrun:")).collect();
    assert_eq!(overruns, ["northwind:overrun:CREDIT", "northwind:overrun:USD"]);
    house.replayed();
}

#[test]
fn a_binding_price_goes_before_a_later_intention_and_a_name_before_a_star() {
    let card = |id: &str, models: &str, force: &str, from: &str| {
        format!(
            "\n```toml clause {id}\nkind = \"rate-card\"\nforce = \"{force}\"\nsource = \"signed\"\nmodels = [\"{models}\"]\ninput = \"9.00 CREDIT\"\noutput = \"9.00 CREDIT\"\nper = 1\nfrom = {from}\n```\n"
        )
    };
    for (models, force) in [("*", "binding"), (MODEL, "non-binding"), ("*", "non-binding")] {
        let text = format!("{MEMORANDUM}{}", card("other-prices", models, force, "2026-06-01"));
        let tariff = Terms::read(&text).unwrap().tariff(MODEL, "2026-11-25".parse().unwrap()).unwrap();
        assert_eq!(tariff.clause, ClauseId::from("model-prices"), "{models} {force}");
    }
}

#[test]
fn a_request_is_kept_where_a_clause_asks_for_it_and_nowhere_else() {
    let keeping = MEMORANDUM.replacen("keep = \"keys\"", "keep = \"content\"", 1);
    assert_ne!(keeping, MEMORANDUM);
    for (text, kept, allowed) in [
        (MEMORANDUM, None, true),
        (MEMORANDUM, Some(Digest([5; 32])), false),
        (keeping.as_str(), None, false),
        (keeping.as_str(), Some(Digest([5; 32])), true),
    ] {
        let mut house = House::founded_on(text).with_application();
        let mut act = house.proposal(50, None);
        let Deed::Infer(infer) = &mut act.deed else { unreachable!() };
        infer.kept = kept;
        match house.decided(act) {
            Decision::Allow(_) => assert!(allowed),
            Decision::Deny(refusal) => {
                assert!(!allowed && refusal.remedy.contains("send it again"), "{}", refusal.remedy);
            }
            other => panic!("{other:?}"),
        }
        house.replayed();
    }
}
