//! Amendments that do not fit, come late, or change what calls under way hold.

use super::*;

fn grant(amount: &str) -> impl Fn(&str) -> String {
    let amount = format!("amount = \"{amount}\"");
    move |text| {
        let (before, rest) = text.split_once("```toml clause launch-credits").unwrap();
        let (head, tail) = rest.split_once("amount = ").unwrap();
        let (_, tail) = tail.split_once('\n').unwrap();
        format!("{before}```toml clause launch-credits{head}{amount}\n{tail}")
    }
}

fn remedy(decision: Decision) -> String {
    match decision {
        Decision::Deny(refusal) => refusal.remedy,
        other => panic!("it is refused, but {other:?}"),
    }
}

#[test]
fn an_amendment_that_another_one_has_overtaken_never_comes_into_force() {
    let mut house = House::founded();
    let late = house.draft("2026-12-15", grant("1100.000000000 CREDIT"));
    let soon = house.draft("2026-11-01", grant("1200.000000000 CREDIT"));
    house.adopt(&late);
    assert_eq!(house.version(), 1, "its day has not come");
    house.adopt(&soon);
    assert_eq!(house.version(), 2);
    house.days(40);
    assert_eq!(house.version(), 2);
    assert_eq!(house.left(), 1_200_000_000_000, "the grant is that of the version in force");
    house.replayed();
}

#[test]
fn an_amendment_that_the_books_cannot_follow_is_refused() {
    let mut house = House::founded();
    let usd = house.amend("2026-11-01", grant("1000.00 USD"));
    assert!(remedy(usd).contains("cannot come to count"), "a grant keeps its asset");
    let as_many_minor_units = house.amend("2026-11-01", grant("10000000000.00 USD"));
    assert!(remedy(as_many_minor_units).contains("cannot come to count"));
    let tranche = house.amend("2026-11-01", |text| text.replacen("750000.00 USD", "750000.00 EUR", 1));
    assert!(remedy(tranche).contains("cannot come to count"));
    let points = |decimals: u8| {
        move |text: &str| {
            let text = text.lines().filter(|line| !line.starts_with("assets = "));
            let text: String = text.map(|line| format!("{line}\n")).collect();
            text.replacen("threshold = 2", &format!("threshold = 2\nassets = {{ POINTS = {decimals} }}"), 1)
        }
    };
    house.amend("2026-11-01", points(3));
    assert_eq!(house.version(), 2);
    assert!(remedy(house.amend("2026-11-01", points(6))).contains("decimals"));
    house.replayed();
}

#[test]
fn a_grant_is_lowered_only_when_calls_under_way_have_given_back() {
    let mut house = House::founded_on(&grant("0.000500000 CREDIT")(MEMORANDUM)).with_application();
    let Decision::Allow(warrant) = house.call(200) else { panic!("it is within the grant") };
    house.amend("2026-11-01", grant("0.000100000 CREDIT"));
    assert_eq!(house.version(), 1, "the call holds more than may stay granted");
    let Decision::Deny(refusal) = house.call(1) else {
        panic!("no call goes on spending what is taken back")
    };
    assert_eq!(refusal.code, RefusalCode::InsufficientQuota);
    house.run(Command::Settle(warrant, Outcome { ended: Ended::Failed, ..used(0, 0) }));
    house.run(Command::Tick);
    assert_eq!((house.version(), house.left()), (2, 100_000));
    house.replayed();
}

#[test]
fn notice_is_kept_before_an_amendment_takes_effect() {
    let noticed = MEMORANDUM.replacen(
        "kind = \"amendment\"\nsource = \"signed\"",
        "kind = \"amendment\"\nsource = \"signed\"\nnotice = \"P30D\"",
        1,
    );
    let mut house = House::founded_on(&noticed);
    house.amend("2026-11-01", grant("1100.000000000 CREDIT"));
    house.days(29);
    assert_eq!(house.version(), 1);
    house.days(1);
    assert_eq!(house.version(), 2);
    house.replayed();
}

#[test]
fn what_was_attested_of_one_version_says_nothing_of_the_next() {
    let mut house = House::founded();
    let (clause, evidence) = (ClauseId::from("release-tranche"), Digest([1; 32]));
    let attest = |house: &mut House, party: &str| {
        let version = house.partnership.state().terms().unwrap().digest();
        let signature = house.sign(party, &attestation_bytes(ORIGIN, &version, &clause, &evidence));
        let (clause, party_id) = (clause.clone(), PartyId::from(party));
        house
            .by(party, Deed::Attest(Attest { clause, condition: None, evidence, party: party_id, signature }))
    };
    attest(&mut house, "northwind");
    house.amend("2026-11-01", |text| text.replacen("\"750000.00 USD\"", "\"950000.00 USD\"", 1));
    assert_eq!(house.version(), 2);
    attest(&mut house, "halcyon");
    assert_eq!(house.partnership.state().booked(&clause), None, "northwind attested another amount");
    attest(&mut house, "northwind");
    assert!(house.partnership.state().booked(&clause).is_some());
    house.replayed();
}
