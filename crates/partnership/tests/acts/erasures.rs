//! Erasures: on the record before anything is destroyed, settled after, and worth nothing in the books.

use super::*;

fn erase(application: Option<&str>, before: Option<&str>, subject: Option<Digest>) -> Deed {
    Deed::Erase(Erase {
        application: application.map(ApplicationId::from),
        before: before.map(|before| before.parse().unwrap()),
        subject,
        keys: 3,
    })
}

fn done() -> Outcome {
    Outcome { ended: Ended::Done, ..Outcome::lost() }
}

#[test]
fn an_erasure_is_open_on_the_record_until_it_is_settled_and_moves_nothing() {
    let mut house = House::founded().with_application();
    house.partnership.lend(partnership::lease::Caps { calls: 9, amounts: [].into() });
    let before = house.left();
    let Decision::Allow(warrant) =
        house.by("halcyon", erase(Some("assistant"), Some("2026-11-01T00:00:00Z"), None))
    else {
        panic!("whoever may propose may erase")
    };
    assert!(!house.started, "under no lease does an erasure go before its decision");
    let id = warrant.act().id;
    assert!(house.replayed().open().any(|(open, _)| *open == id));
    house.days(400);
    assert!(house.replayed().open().any(|(open, _)| *open == id), "it does not lapse");
    let Answer::Settled(settlement) = house.run(Command::Settle(warrant, done())) else {
        panic!("it is open")
    };
    assert_eq!((settlement.ended, settlement.charged), (Ended::Done, None));
    let state = house.replayed();
    assert_eq!(state.open().count(), 0);
    assert_eq!(house.left(), before);
}

#[test]
fn what_cannot_be_erased_is_refused() {
    let mut house = House::founded().with_application();
    let subject = Some(Digest([9; 32]));
    for (deed, allowed) in [
        (erase(None, None, subject), true),
        (erase(Some("assistant"), None, subject), true),
        (erase(None, Some("2026-11-01T00:00:00Z"), subject), true),
        (erase(None, Some("2026-12-01T00:00:00Z"), None), true),
        (erase(Some("removed"), Some("2020-01-01T00:00:00Z"), None), true),
        (erase(Some("assistant"), None, None), false),
        (erase(None, Some("2027-01-01T00:00:00Z"), None), false),
        (erase(None, Some("2026-11-02T00:00:00Z"), None), false),
        (erase(None, Some("2026-11-01T00:00:00.001Z"), subject), false),
    ] {
        match house.by("northwind", deed.clone()) {
            Decision::Allow(warrant) => {
                assert!(allowed, "{deed:?}");
                house.run(Command::Settle(warrant, done()));
            }
            Decision::Deny(refusal) => {
                assert!(!allowed && refusal.code == RefusalCode::Invalid, "{deed:?}: {refusal}")
            }
            other => panic!("{other:?}"),
        }
    }
    let key = Principal::Application {
        party: PartyId::from("halcyon"),
        application: ApplicationId::from("assistant"),
        key: KeyId::from("k1"),
    };
    assert!(matches!(house.propose(key, erase(None, None, subject)), Decision::Deny(_)));
    house.replayed();
}
