//! Erasures: on the record before anything is destroyed, settled after, and worth nothing in the books.

use super::*;

fn erase(application: Option<&str>, before: Option<&str>, subject: Option<Digest>) -> Deed {
    Deed::Erase(Erase {
        application: application.map(ApplicationId::from),
        before: before.map(|before| before.parse().unwrap()),
        subject,
        clause: None,
        keys: Some(3),
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

/// The example with clauses of retention, each its id, force and fields.
fn keeping(clauses: &[(&str, &str, &str)]) -> String {
    let block = |(id, force, fields): &(&str, &str, &str)| {
        format!(
            "\n## On {id}\n\nThe law of {id}.\n\n```toml clause {id}\nkind = \"retention\"\nforce = \"{force}\"\nsource = \"signed\"\n{fields}\n```\n"
        )
    };
    MEMORANDUM.to_owned() + &clauses.iter().map(block).collect::<String>()
}

/// The warrants of what is due, each with its application, day and clause.
fn due(house: &mut House) -> Vec<(partnership::decision::Warrant, String)> {
    let warrants = house.partnership.unasked();
    let shown = |warrant: &partnership::decision::Warrant| match &warrant.act().deed {
        Deed::Erase(erase) => {
            let (application, before, clause) = erase.due().unwrap();
            assert_eq!(warrant.act().principal, Principal::Clerk);
            format!("{application} {} {clause}", before.date())
        }
        other => panic!("{other:?}"),
    };
    warrants.into_iter().map(|warrant| (shown(&warrant), warrant)).map(|(shown, one)| (one, shown)).collect()
}

#[test]
fn the_clerk_erases_each_month_once_when_its_day_has_come_and_not_before() {
    let text = keeping(&[
        ("schedule", "binding", "erase_after = \"P1M\""),
        ("minimum", "binding", "applications = [\"assistant\"]\nat_least = \"P40D\""),
    ]);
    let mut house = House::founded_on(&text).with_application();
    // November is over on 1 December; 40 days after that is 10 January.
    house.at = "2027-01-09T23:59:59.999Z".parse().unwrap();
    house.run(Command::Tick);
    assert!(due(&mut house).is_empty(), "a minimum holds before a schedule");
    house.at = "2027-01-10T00:00:00Z".parse().unwrap();
    house.run(Command::Tick);
    let mut found = due(&mut house);
    assert_eq!(
        found.iter().map(|(_, shown)| shown.as_str()).collect::<Vec<_>>(),
        ["assistant 2026-12-01 schedule"]
    );
    house.days(0);
    assert!(due(&mut house).is_empty(), "it is under way");
    let (warrant, _) = found.remove(0);
    let (state, id) = (house.replayed(), warrant.act().id);
    assert!(state.open_act(&id).is_some());
    let Answer::Settled(settlement) = house.run(Command::Settle(warrant, done())) else {
        panic!("it is open")
    };
    assert_eq!((settlement.ended, settlement.charged), (Ended::Done, None));
    house.days(0);
    assert!(due(&mut house).is_empty(), "each month once");
    // A server that was away for long does at once what has come due.
    house.at = "2027-06-15T12:00:00Z".parse().unwrap();
    house.run(Command::Tick);
    let found = due(&mut house);
    assert_eq!(
        found.iter().map(|(_, shown)| shown.as_str()).collect::<Vec<_>>(),
        ["assistant 2027-05-01 schedule"]
    );
    for (warrant, _) in found {
        house.run(Command::Settle(warrant, done()));
    }
    assert_eq!(house.replayed().open().count(), 0);
}

#[test]
fn what_an_application_that_is_gone_has_left_is_erased_too_and_what_is_open_is_handed_out_again() {
    let mut house = House::founded_on(&keeping(&[(
        "schedule",
        "binding",
        "audiences = [\"business\"]\nerase_after = \"P1D\"",
    )]))
    .with_application();
    house.change(Administer::ApplicationRemove { name: "assistant".into() });
    house.at = "2026-12-02T00:00:00Z".parse().unwrap();
    house.run(Command::Tick);
    let found = due(&mut house);
    assert_eq!(found.len(), 1);
    drop(found);
    let state = house.replayed();
    let log = record::load(
        Arc::new(record::store::memory::Memory::new()),
        ORIGIN,
        1 << 20,
        &Signer::generate(ORIGIN, [1; 32]).unwrap().verifier(),
    );
    let (_, in_doubt) = Partnership::resume(state, log.unwrap().log);
    assert_eq!(in_doubt.len(), 1, "whoever opens the record next goes on with it");
}

#[test]
fn nobody_but_the_clerk_erases_by_a_schedule_and_it_only_what_is_due() {
    let mut house =
        House::founded_on(&keeping(&[("schedule", "binding", "erase_after = \"P1M\"")])).with_application();
    let scheduled = |before: &str| {
        Deed::Erase(Erase {
            application: Some("assistant".into()),
            before: Some(before.parse().unwrap()),
            subject: None,
            clause: Some("schedule".into()),
            keys: None,
        })
    };
    house.at = "2027-01-01T00:00:00Z".parse().unwrap();
    let by_hand = house.by("northwind", scheduled("2026-12-01T00:00:00Z"));
    assert!(matches!(by_hand, Decision::Deny(refusal) if refusal.message.contains("by the clerk")));
    // What the clerk would not have written is found: too early, another day, another clause.
    house.run(Command::Tick);
    for (warrant, _) in due(&mut house) {
        house.run(Command::Settle(warrant, done()));
    }
    let state = house.partnership.state().clone();
    let mut entropy = Entropy::new([9; 32]);
    for (at, before, clause, unjust) in [
        ("2027-01-01T00:00:00Z", "2026-12-01T00:00:00Z", "schedule", true),
        ("2027-02-01T00:00:00Z", "2027-01-01T00:00:00Z", "schedule", false),
        ("2027-01-31T23:59:59Z", "2027-01-01T00:00:00Z", "schedule", true),
        ("2027-02-01T00:00:00Z", "2027-02-01T00:00:00Z", "schedule", true),
        ("2027-02-01T00:00:00Z", "2027-01-01T00:00:00Z", "launch-credits", true),
    ] {
        let at: Timestamp = at.parse().unwrap();
        let Deed::Erase(mut erase) = scheduled(before) else { unreachable!("it is one") };
        erase.clause = Some(clause.into());
        let decided = partnership::entry::Decided {
            act: Act { id: entropy.act_id(at), principal: Principal::Clerk, deed: Deed::Erase(erase) },
            standing: None,
            memorandum: 1,
            verdict: partnership::entry::Verdict::Allow,
            clauses: vec![clause.into()],
            deviations: Vec::new(),
            lapses: None,
            transfers: Vec::new(),
        };
        let entry = Entry::new(&entropy.seed(), at, Body::Decided(Box::new(decided)));
        assert_eq!(state.check(&entry).is_err(), unjust, "{at} {before} {clause}");
    }
}

#[test]
fn a_binding_minimum_refuses_what_cuts_it_short_in_its_own_words_and_another_is_noted() {
    let minimum = "audiences = [\"business\"]\nat_least = \"P6M\"";
    let subject = Some(Digest([9; 32]));
    // The application is registered in November 2026; November may be erased from 1 June 2027 on.
    for (today, deed, cut) in [
        ("2027-05-31T23:59:59Z", erase(None, Some("2026-12-01T00:00:00Z"), None), true),
        ("2027-06-01T00:00:00Z", erase(None, Some("2026-12-01T00:00:00Z"), None), false),
        ("2027-06-01T00:00:00Z", erase(None, Some("2027-01-01T00:00:00Z"), None), true),
        ("2027-05-31T00:00:00Z", erase(Some("assistant"), Some("2026-12-01T00:00:00Z"), subject), true),
        ("2027-06-01T00:00:00Z", erase(Some("assistant"), Some("2026-12-01T00:00:00Z"), subject), false),
        ("2027-06-01T00:00:00Z", erase(Some("assistant"), None, subject), true),
        ("2026-11-30T00:00:00Z", erase(None, Some("2026-11-01T00:00:00Z"), None), false),
        ("2026-11-30T00:00:00Z", erase(Some("another"), None, subject), false),
    ] {
        for force in ["binding", "non-binding"] {
            let mut house = House::founded_on(&keeping(&[("minimum", force, minimum)])).with_application();
            house.at = today.parse().unwrap();
            match house.by("halcyon", deed.clone()) {
                Decision::Deny(refusal) => {
                    assert!(cut && force == "binding", "{today} {deed:?}: {refusal}");
                    assert_eq!(
                        (refusal.code, refusal.message.as_str()),
                        (RefusalCode::Forbidden, "The law of minimum.")
                    );
                    assert_eq!(refusal.clause, Some(ClauseId::from("minimum")));
                    assert!(refusal.remedy.contains("may be erased from"), "{}", refusal.remedy);
                }
                Decision::Allow(warrant) => {
                    assert!(!cut || force == "non-binding", "{today} {deed:?}");
                    assert_eq!(warrant.deviations().len(), usize::from(cut), "{today} {deed:?}");
                    house.run(Command::Settle(warrant, done()));
                }
                other => panic!("{other:?}"),
            }
            house.replayed();
        }
    }
}

#[test]
fn an_erasure_that_both_must_approve_waits_and_is_handed_out_when_both_have() {
    let both = "acts = [\"application-add\"]";
    assert_eq!(MEMORANDUM.matches(both).count(), 1);
    let text = MEMORANDUM.replace(both, "acts = [\"application-add\", \"erase\"]");
    let mut house = House::founded_on(&text).with_application();
    let deed = erase(Some("assistant"), Some("2026-12-01T00:00:00Z"), None);
    let Decision::Escalate(ticket) = house.by("halcyon", deed) else { panic!("it waits") };
    assert_eq!(ticket.missing, ["northwind", "halcyon"].map(PartyId::from));
    house.approve("northwind", ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
    assert!(house.partnership.unasked().is_empty(), "one has not approved");
    house.approve("halcyon", ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
    let mut freed = house.partnership.unasked();
    assert_eq!(freed.iter().map(|warrant| warrant.act().id).collect::<Vec<_>>(), [ticket.act]);
    assert!(house.replayed().open_act(&ticket.act).is_some());
    house.run(Command::Settle(freed.remove(0), done()));
    assert_eq!(house.replayed().open().count(), 0);
}
