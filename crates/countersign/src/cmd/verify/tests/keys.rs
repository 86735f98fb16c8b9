//! Keys that gave way to others as no honest clerk would have let them, and that the entries alone tell.

use super::*;
use partnership::act::{PartyKey, RecoveredKey, party_key_bytes};

const CHANGE: &str = "party-key-change";
const RECOVER: &str = "party-key-recover";

fn signer(party: &str, seed: u8) -> Signer {
    Signer::generate(&format!("{ORIGIN}/{party}"), [seed; 32]).unwrap()
}

/// The next key of `halcyon`, after `from`, by the word of `by`, proven by `proof`.
fn change(by: &Signer, from: &Signer, to: &Signer, proof: &Signer) -> Deed {
    let party = PartyId::from("halcyon");
    let bytes = party_key_bytes(ORIGIN, CHANGE, &party, &from.verifier().vkey(), &to.verifier().vkey());
    Deed::Administer(Administer::PartyKeyChange(PartyKey {
        vkey: to.verifier().vkey(),
        party,
        signature: base64(&by.sign_bytes(&bytes)),
        proof: base64(&proof.sign_bytes(&bytes)),
    }))
}

fn recover(by: &Signer, from: &Signer, to: &Signer) -> Deed {
    let party = PartyId::from("halcyon");
    let bytes = party_key_bytes(ORIGIN, RECOVER, &party, &from.verifier().vkey(), &to.verifier().vkey());
    Deed::Administer(Administer::PartyKeyRecover(RecoveredKey {
        vkey: to.verifier().vkey(),
        party,
        recovery: by.verifier().vkey(),
        signature: base64(&by.sign_bytes(&bytes)),
        proof: base64(&to.sign_bytes(&bytes)),
    }))
}

impl Scene {
    /// Puts a decision that is done at once on the record, and its settlement.
    pub(super) fn forge_whole(&mut self, act: &Act) {
        self.forge_decided(act.clone(), |_| {});
        let index = self.partnership.log().size() - 1;
        self.write(Body::Settled(Box::new(done(act, index))));
    }

    /// Has a deed wait for the first party, approve it, and go on, none of which the state was asked about.
    pub(super) fn forge_approved(&mut self, deed: Deed) {
        let act = self.act(ana(), deed);
        let Deed::Administer(change) = &act.deed else { panic!("it changes the register") };
        let what = serde_json::to_vec(change).unwrap();
        let digest = partnership::act::change_digest(ORIGIN, &act.id.to_string(), change.name(), &what);
        let by = vec![PartyId::from("northwind")];
        self.forge_decided(act.clone(), |decided| decided.verdict = Verdict::Escalate { digest, by });
        let clause = ClauseId::from("none");
        let ticket = Ticket { act: act.id, digest, clause, missing: Vec::new(), index: 0 };
        let signature = base64(&self.keys[0].sign_bytes(&approval_bytes(&digest)));
        let approval = self.act(ana(), approve(&ticket, 0, signature));
        self.forge_whole(&approval);
        self.forge_whole(&act);
    }
}

#[test]
fn a_key_that_gave_way_as_it_may_not_is_found_by_the_entries_alone() {
    let (first, second) = (signer("halcyon", 61), signer("halcyon", 62));
    /// What is said of it, and how it is made.
    type Row<'a> = (&'a str, &'a dyn Fn(&mut Scene));
    let forge = |scene: &mut Scene, deed: Deed| {
        let act = scene.act(ana(), deed);
        scene.forge_whole(&act);
    };
    let honest = |scene: &mut Scene, deed: Deed| {
        assert!(matches!(scene.propose(ana(), deed), Decision::Done(_)));
    };
    let signature = "the signature does not verify with the key of party `halcyon`";
    let none = "the key is none that may come after the one of party `halcyon`";
    let table: [Row<'_>; 11] = [
        (signature, &|scene| forge(scene, change(&first, &scene.keys[1].clone(), &first, &first))),
        (signature, &|scene| {
            forge(scene, change(&scene.keys[0].clone(), &scene.keys[1].clone(), &first, &first))
        }),
        (signature, &|scene| {
            forge(scene, change(&scene.keys[1].clone(), &scene.keys[1].clone(), &first, &second))
        }),
        (signature, &|scene| forge(scene, change(&scene.keys[1].clone(), &second, &first, &first))),
        (none, &|scene| {
            let other = signer("northwind", 63);
            forge(scene, change(&scene.keys[1].clone(), &scene.keys[1].clone(), &other, &other));
        }),
        // The same act once more, under another id.
        (none, &|scene| {
            let deed = change(&scene.keys[1].clone(), &scene.keys[1].clone(), &first, &first);
            honest(scene, deed.clone());
            forge(scene, deed);
        }),
        // The key that gave way comes back; and speaks once more.
        (none, &|scene| {
            let old = scene.keys[1].clone();
            honest(scene, change(&old, &old, &first, &first));
            forge(scene, change(&first, &first, &old, &old));
        }),
        (signature, &|scene| {
            let old = scene.keys[1].clone();
            honest(scene, change(&old, &old, &first, &first));
            forge(scene, change(&old, &old, &second, &second));
        }),
        (signature, &|scene| {
            let old = scene.keys[1].clone();
            honest(scene, change(&old, &old, &first, &first));
            let attest = scene.signed_attest(1);
            forge(scene, attest);
        }),
        // A recovery that asks nobody, and one by a key that the memorandum does not name.
        ("`party-key-recover` asks nobody to approve, and the memorandum asks northwind", &|scene| {
            forge(scene, recover(&second, &scene.keys[1].clone(), &first));
        }),
        ("does not name this as the recovery key of `halcyon`", &|scene| {
            scene.forge_approved(recover(&second, &scene.keys[1].clone(), &first));
        }),
    ];
    for (place, (told, forged)) in table.iter().enumerate() {
        let mut scene = Scene::found();
        forged(&mut scene);
        let said = why(scene.verify_entries());
        assert!(said.contains(told), "row {place}: {said}");
        assert!(scene.verify(None).is_err(), "row {place}, judged again");
    }
}
