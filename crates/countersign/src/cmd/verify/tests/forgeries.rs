//! Entries that no honest clerk would write, and who finds them: the entries by themselves, or the clauses asked again.

use super::*;

/// What is said of it when it is judged again; what the entries alone tell, if they do; and how it is made.
type Forgery = (&'static str, Option<&'static str>, fn(&mut Scene));

/// Decisions that no honest clerk makes.
const DECISIONS: [Forgery; 26] = [
    (
        "decision should be Escalate",
        Some("`application-add` asks nobody to approve, and the memorandum asks northwind and halcyon"),
        |scene| scene.forge(ana(), add()),
    ),
    ("without the approval of halcyon", Some("without the approval of halcyon"), |scene| {
        let ticket = scene.waits(add());
        scene.approve(&ticket, 0);
        scene.forge_as(Act { id: ticket.act, principal: ana(), deed: add() });
    }),
    ("act should be", Some("is not the act that waited under this id"), |scene| {
        let ticket = scene.waits(add());
        scene.approve(&ticket, 0);
        // The last approval, and before the act that it frees another one under its id.
        let signature = base64(&scene.keys[1].sign_bytes(&approval_bytes(&ticket.digest)));
        let act = scene.act(ana(), approve(&ticket, 1, signature));
        scene.forge_decided(act.clone(), |decided| decided.clauses = vec!["new-applications".into()]);
        let index = scene.partnership.log().size() - 1;
        scene.write(Body::Settled(Box::new(done(&act, index))));
        scene.forge_as(Act { id: ticket.act, principal: ana(), deed: key() });
    }),
    (
        "decision should be Deny(Invalid, None)",
        Some("an amendment that nobody was asked to approve"),
        |scene| {
            let digest = scene.partnership.state().terms().unwrap().digest();
            scene.forge(ana(), Deed::Amend(Amend { version: 2, digest }));
        },
    ),
    (
        "decision should be Deny(Invalid, None)",
        Some("a model call that is allowed lapses at some time"),
        |scene| scene.forge(stranger(), call()),
    ),
    (
        "decision should be Deny(Invalid, None)",
        Some("the signature does not verify with the key of party `halcyon`"),
        |scene| {
            let ticket = scene.waits(add());
            let signature = base64(&scene.keys[0].sign_bytes(&approval_bytes(&ticket.digest)));
            scene.forge(ana(), approve(&ticket, 1, signature));
        },
    ),
    (
        "decision should be Deny(Invalid, None)",
        Some("the signature does not verify with the key of party `halcyon`"),
        |scene| scene.forge(ana(), attest(1, base64(&[7; 64]))),
    ),
    ("was not due", Some("drawn without the attestations it asks for"), |scene| {
        scene.forge(Principal::Clerk, Deed::Draw(Draw { clause: ClauseId::from("release-tranche") }));
    }),
    ("decision should be Deny(Invalid, None)", Some("drawn without the attestations it asks for"), |scene| {
        let act = scene.act(ana(), Deed::Draw(Draw { clause: ClauseId::from("release-tranche") }));
        scene.forge_decided(act, |decided| decided.clauses = vec![ClauseId::from("release-tranche")]);
    }),
    ("decision should be Deny(Invalid, None)", None, |scene| {
        let act = scene.act(ana(), Deed::Expire(Expire { clause: ClauseId::from("launch-credits") }));
        scene.forge_decided(act, |decided| decided.clauses = vec![ClauseId::from("launch-credits")]);
    }),
    ("was not due", Some("what is kept of `assistant` was erased before 2028-12-01"), |scene| {
        scene.admit();
        scene.forge(Principal::Clerk, due("2026-12-01T00:00:00Z", "keeping"));
    }),
    ("was not due", Some("no schedule of clause `launch-credits` erases"), |scene| {
        scene.admit();
        scene.at = "2028-12-01T00:00:00Z".parse().unwrap();
        scene.forge(Principal::Clerk, due("2026-12-01T00:00:00Z", "launch-credits"));
    }),
    ("was not due", Some("erases what is due by a clause, and is not the clerk's, or not due"), |scene| {
        let keys = Some(1);
        let before = Some("2026-12-01T00:00:00Z".parse().unwrap());
        let erase = Erase { application: None, before, subject: None, clause: None, keys };
        scene.forge(Principal::Clerk, Deed::Erase(erase));
    }),
    (
        "decision should be Deny(Invalid, None)",
        Some("erases what is due by a clause, and is not the clerk's, or not due"),
        |scene| {
            scene.admit();
            scene.forge(ana(), due("2026-12-01T00:00:00Z", "keeping"));
        },
    ),
    ("decision should be Deny(Invalid, None)", Some("approves what does not wait for it"), |scene| {
        let nothing = Ticket {
            act: ActId::from_u128(9),
            digest: Digest([0; 32]),
            clause: ClauseId::from("amendments"),
            missing: Vec::new(),
            index: 0,
        };
        scene.forge(ana(), approve(&nothing, 0, base64(&[7; 64])));
    }),
    ("reservations should be []", Some("only a model call that is allowed reserves"), |scene| {
        let act = scene.act(ana(), scene.signed_attest(0));
        scene.forge_decided(act, |decided| {
            decided.clauses = vec![ClauseId::from("release-tranche")];
            decided.transfers = vec![theft(decided.act.id)];
        });
    }),
    ("decision should be Allow", None, |scene| {
        let act = scene.act(ana(), scene.signed_attest(0));
        scene.forge_decided(act, |decided| {
            decided.verdict =
                Verdict::Deny { code: RefusalCode::Invalid, remedy: "no".to_owned(), refills: None };
        });
    }),
    (
        "another entry stands between its decision and its settlement",
        Some("another entry stands between its decision and its settlement"),
        |scene| {
            let act = scene.act(ana(), scene.signed_attest(0));
            scene.forge_decided(act, |decided| decided.clauses = vec![ClauseId::from("release-tranche")]);
            let at = scene.at;
            scene.write(Body::Clock(ClockStep { at, was: at.plus_millis(9), now: at }));
        },
    ),
    ("was decided before", Some("was decided before"), |scene| {
        scene.admit();
        let Decision::Allow(warrant) = scene.propose(caller(), call()) else { panic!("it is allowed") };
        let act = warrant.act().clone();
        let outcome = Outcome { ended: Ended::Failed, ..Outcome::lost() };
        scene.run(Command::Settle(warrant, outcome));
        scene.forge_as(act);
    }),
    ("its decision should be Escalate", Some("`amend` asks northwind to approve"), |scene| {
        let (version, digest) = scene.keep_amendment();
        let act = scene.act(ana(), Deed::Amend(Amend { version, digest }));
        scene.forge_decided(act, |decided| {
            decided.clauses = vec!["changes".into()];
            decided.verdict = Verdict::Escalate { digest, by: vec![PARTIES[0].into()] };
        });
    }),
    ("its decision should be", Some("not the version after the one in force"), |scene| {
        let digest = scene.partnership.state().terms().unwrap().digest();
        let act = scene.act(ana(), Deed::Amend(Amend { version: 2, digest }));
        scene.forge_decided(act, |decided| {
            decided.clauses = vec!["changes".into()];
            decided.verdict = Verdict::Escalate { digest, by: PARTIES.map(PartyId::from).to_vec() };
        });
    }),
    ("its decision should be", Some("whose version is not the one after the version in force"), |scene| {
        let (_, digest) = scene.keep_amendment();
        let act = scene.act(ana(), Deed::Amend(Amend { version: 7, digest }));
        scene.forge_decided(act, |decided| {
            decided.clauses = vec!["changes".into()];
            decided.verdict = Verdict::Escalate { digest, by: PARTIES.map(PartyId::from).to_vec() };
        });
    }),
    (
        "version of the memorandum should be",
        Some("was decided under another version of the memorandum"),
        |scene| {
            let act = scene.act(ana(), scene.signed_attest(0));
            scene.forge_decided(act, |decided| {
                decided.clauses = vec!["release-tranche".into()];
                decided.memorandum = 99;
            });
        },
    ),
    ("time of lapse should be", Some("that lies after its decision"), |scene| {
        scene.admit();
        let act = scene.act(caller(), call());
        let expected = scene.expected(&act);
        let at = scene.at;
        scene.forge_decided(act, |decided| *decided = Decided { lapses: Some(at), ..expected });
    }),
    ("reservations should be", Some("a call reserves what is available, to be spent"), |scene| {
        scene.admit();
        let act = scene.act(caller(), call());
        let mut expected = scene.expected(&act);
        expected.transfers[0].credit = "credit:launch-credits:pocket".into();
        scene.forge_decided(act, |decided| *decided = expected);
    }),
    ("standing should be", None, |scene| {
        scene.admit();
        let act = scene.act(caller(), call());
        let expected = scene.expected(&act);
        scene.forge_decided(act, |decided| *decided = Decided { standing: None, ..expected });
    }),
];

/// Settlements that no honest clerk makes.
const SETTLEMENTS: [Forgery; 11] = [
    ("its transfers should be", Some("leg 9 is nothing that a settlement of this kind"), |scene| {
        scene.forge_ended(Ended::Failed, None, |held| {
            vec![ended(held, 1, Operation::Void { pending: held.id }), moved(held.id.act, 9, TAKEN)]
        });
    }),
    ("its charge should be", Some("what it is charged is not what was posted"), |scene| {
        scene.forge_ended(Ended::Done, Some("USD"), |held| {
            vec![ended(held, 1, Operation::Post { pending: held.id })]
        });
    }),
    ("its transfers should be", Some("leg 1 is nothing that a settlement of this kind"), |scene| {
        scene.forge_ended(Ended::Done, Some("CREDIT"), |held| {
            vec![ended(held, 1, Operation::Void { pending: held.id })]
        });
    }),
    ("its transfers should be", Some("leg 2 is nothing that a settlement of this kind"), |scene| {
        scene.forge_ended(Ended::Done, Some("CREDIT"), |held| {
            let again = held.operation;
            vec![ended(held, 1, Operation::Post { pending: held.id }), ended(held, 2, again)]
        });
    }),
    ("its transfers should be", Some("leg 0 is nothing that a settlement of this kind"), |scene| {
        scene.forge_done(key(), &[("budget:k1:issued", "budget:k1:available", "CREDIT")]);
    }),
    ("its transfers should be", Some("leg 0 is nothing that a settlement of this kind"), |scene| {
        let attest = scene.signed_attest(0);
        scene.forge_done(attest, &[TAKEN]);
    }),
    ("its transfers should be", Some("does not move all that it books"), |scene| {
        for party in 0..2 {
            let attest = scene.signed_attest(party);
            let act = scene.act(ana(), attest);
            scene.forge_decided(act.clone(), |decided| decided.clauses = vec!["release-tranche".into()]);
            let index = scene.partnership.log().size() - 1;
            scene.write(Body::Settled(Box::new(done(&act, index))));
        }
        let act = scene.act(Principal::Clerk, Deed::Draw(Draw { clause: "release-tranche".into() }));
        scene.forge_done_as(
            &act,
            &[("commitment:release-tranche:undrawn", "commitment:release-tranche:drawn", "USD")],
        );
    }),
    ("its charge should be", Some("still holds a reservation"), |scene| {
        scene.forge_settled(Ended::Done, |_| {})
    }),
    ("its transfers should be", Some("still holds a reservation"), |scene| {
        scene.forge_settled(Ended::Failed, |_| {})
    }),
    ("cannot have ended as `lapsed`", Some("cannot have ended as `lapsed`"), |scene| {
        scene.forge_settled(Ended::Lapsed, |_| {})
    }),
    ("its transfers should be", Some("the number of a reservation that is alive"), |scene| {
        scene.forge_settled(Ended::Lost, |settled| settled.transfers = vec![theft(settled.act)]);
    }),
];

#[test]
fn an_entry_that_no_honest_clerk_would_write_is_found() {
    for (expected, _, forge) in DECISIONS.iter().chain(&SETTLEMENTS) {
        let mut scene = Scene::found();
        forge(&mut scene);
        let said = why(scene.verify(None));
        assert!(said.contains(expected), "expected `{expected}`, was told: {said}");
        assert!(said.starts_with("entry "), "{said}");
    }
}

#[test]
fn most_of_it_is_found_by_the_entries_alone_and_the_rest_only_by_the_clauses() {
    for (judged, expected, forge) in DECISIONS.iter().chain(&SETTLEMENTS) {
        let mut scene = Scene::found();
        forge(&mut scene);
        scene.publish();
        match (crate::cmd::verify::verify(scene.folder.path(), None, Depth::Entries), expected) {
            (Ok(verified), None) => assert!(verified.text().contains("give `--policies`"), "{judged}"),
            (Err(error), Some(expected)) => {
                let said = format!("{error:#}");
                assert!(said.contains(expected), "expected `{expected}`, was told: {said}");
                assert!(said.starts_with("entry "), "{said}");
            }
            (Ok(_), Some(expected)) => panic!("`{expected}` was not found"),
            (Err(error), None) => panic!("`{judged}` takes the clauses, but: {error:#}"),
        }
    }
}

/// What a clause has erased of the application.
fn due(before: &str, clause: &str) -> Deed {
    Deed::Erase(Erase {
        application: Some("assistant".into()),
        before: Some(before.parse().unwrap()),
        subject: None,
        clause: Some(clause.into()),
        keys: None,
    })
}
