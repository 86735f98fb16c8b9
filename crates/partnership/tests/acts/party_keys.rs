//! A party's own key gives way to another: by its own word, or, where it is lost, by its recovery key and the other party.

use super::*;
use partnership::act::{PartyKey, RecoveredKey, WitnessKey, party_key_bytes, witness_key_bytes};
use partnership::decision::Ticket;
use record::cosignature::Cosigner;

const CHANGE: &str = "party-key-change";
const RECOVER: &str = "party-key-recover";

fn signer(party: &str, seed: u8) -> Signer {
    Signer::generate(&format!("{ORIGIN}/{party}"), [seed; 32]).unwrap()
}

fn safe(party: &str, seed: u8) -> Signer {
    Signer::generate(&format!("{ORIGIN}/{party}-recovery"), [seed; 32]).unwrap()
}

/// The example, in which `halcyon` has a recovery key.
fn recoverable() -> String {
    let line = format!("recovery = {{ halcyon = \"{}\" }}\nprevails = ", safe("halcyon", 70).verifier());
    assert_eq!(MEMORANDUM.matches("prevails = ").count(), 1);
    MEMORANDUM.replacen("prevails = ", &line, 1)
}

/// One proposal of a next key, each part of which may be somebody else's.
struct Next<'a> {
    party: &'a str,
    /// Who speaks for the party.
    by: &'a Signer,
    /// The key that gives way, as it is signed.
    from: &'a Signer,
    to: &'a Signer,
    /// Who proves to have the next key.
    proof: &'a Signer,
    kind: &'a str,
}

impl Next<'_> {
    fn bytes(&self, kind: &str) -> Vec<u8> {
        let (from, to) = (self.from.verifier().vkey(), self.to.verifier().vkey());
        party_key_bytes(ORIGIN, kind, &self.party.into(), &from, &to)
    }

    fn deed(&self) -> Deed {
        self.signed_as(self.kind)
    }

    /// The deed, with signatures over the bytes of an act of `kind`.
    fn signed_as(&self, kind: &str) -> Deed {
        let base64 = |signer: &Signer| record::hash::base64(&signer.sign_bytes(&self.bytes(kind)));
        let (signature, proof) = (base64(self.by), base64(self.proof));
        let (vkey, party) = (self.to.verifier().vkey(), PartyId::from(self.party));
        Deed::Administer(match self.kind {
            CHANGE => Administer::PartyKeyChange(PartyKey { vkey, party, signature, proof }),
            _ => {
                let recovery = self.by.verifier().vkey();
                Administer::PartyKeyRecover(RecoveredKey { vkey, party, recovery, signature, proof })
            }
        })
    }
}

/// A change that is as it should be.
fn change<'a>(party: &'a str, from: &'a Signer, to: &'a Signer) -> Next<'a> {
    Next { party, by: from, from, to, proof: to, kind: CHANGE }
}

fn recovery<'a>(party: &'a str, by: &'a Signer, from: &'a Signer, to: &'a Signer) -> Next<'a> {
    Next { party, by, from, to, proof: to, kind: RECOVER }
}

impl House {
    fn take_key(&mut self, party: &str, key: &Signer) {
        self.keys.iter_mut().find(|(id, _)| id.as_str() == party).unwrap().1 = key.clone();
    }

    fn counts(&self, party: &str) -> String {
        self.partnership.state().vkey(&party.into()).unwrap().vkey()
    }

    fn waits(&mut self, party: &str, deed: Deed) -> Ticket {
        match self.by(party, deed) {
            Decision::Escalate(ticket) => ticket,
            other => panic!("it waits for the other party, and was answered {other:?}"),
        }
    }

    fn refuses(&mut self, party: &str, deed: Deed, told: &str) {
        match self.by(party, deed) {
            Decision::Deny(refusal) => assert!(refusal.remedy.contains(told), "{told}: {}", refusal.remedy),
            other => panic!("{told}: {other:?}"),
        }
    }

    fn does(&mut self, party: &str, deed: Deed) {
        let decision = self.by(party, deed);
        assert!(matches!(decision, Decision::Done(_)), "{decision:?}");
    }
}

#[test]
fn a_key_gives_way_only_by_its_own_word_and_to_a_key_that_is_held_and_nobodys() {
    let mut house = House::founded_on(&recoverable());
    let (old, northwind) = (house.sign_with("halcyon"), house.sign_with("northwind"));
    let (first, second, stranger) = (signer("halcyon", 41), signer("halcyon", 42), signer("stranger", 43));
    let safe = safe("halcyon", 70);
    let named = |seed| Signer::generate(&format!("{ORIGIN}/halcyon"), seed).unwrap();
    let seed = |signer: &Signer| -> [u8; 32] {
        let text = signer.private_key();
        let encoded = text.splitn(5, '+').nth(4).unwrap();
        record::hash::from_base64(encoded).unwrap().split_off(1).try_into().unwrap()
    };
    let cosigner = Cosigner::generate(&format!("{ORIGIN}/halcyon/w1"), [44; 32]).unwrap();
    let vkey = cosigner.key().vkey();
    let signature = house.sign("halcyon", &witness_key_bytes(ORIGIN, "witness-key-add", &vkey));
    let add = WitnessKey { vkey, party: "halcyon".into(), signature };
    house.does("halcyon", Deed::Administer(Administer::WitnessKeyAdd(add)));
    let (same_as_northwind, same_as_safe, cosigns) =
        (named(seed(&northwind)), named(seed(&safe)), named([44; 32]));
    let wrong = [
        (
            Next { by: &northwind, ..change("halcyon", &old, &first) },
            "does not verify with the key of party `halcyon`",
        ),
        (
            Next { by: &first, ..change("halcyon", &old, &first) },
            "does not verify with the key of party `halcyon`",
        ),
        (Next { from: &second, ..change("halcyon", &old, &first) }, "does not verify"),
        (
            Next { proof: &old, ..change("halcyon", &old, &first) },
            "the proof is no signature by the next key",
        ),
        (Next { party: "northwind", ..change("halcyon", &old, &first) }, "is named"),
        (change("elsewhere", &old, &first), "no key of a party `elsewhere`"),
        (change("halcyon", &old, &stranger), "is named"),
        (change("halcyon", &old, &old), "is in use, or was"),
        (change("halcyon", &old, &same_as_northwind), "is in use, or was"),
        (change("halcyon", &old, &same_as_safe), "is in use, or was"),
        (change("halcyon", &old, &cosigns), "is in use, or was"),
    ];
    for (next, told) in &wrong {
        house.refuses(next.party, next.deed(), told);
    }
    house.refuses("halcyon", change("halcyon", &old, &first).signed_as(RECOVER), "does not verify");
    assert_eq!(house.counts("halcyon"), old.verifier().vkey());

    house.does("halcyon", change("halcyon", &old, &first).deed());
    assert_eq!(house.counts("halcyon"), first.verifier().vkey());
    // The same act once more, the old key's word, and the old key itself are good for nothing any more.
    house.refuses("halcyon", change("halcyon", &old, &first).deed(), "is in use, or was");
    house.refuses("halcyon", change("halcyon", &old, &second).deed(), "does not verify");
    house.refuses("halcyon", change("halcyon", &first, &old).deed(), "is in use, or was");
    house.does("halcyon", change("halcyon", &first, &second).deed());
    let state = house.partnership.state();
    let ever: Vec<String> = state.vkeys_ever()[0].1.iter().map(|key| key.vkey()).collect();
    assert_eq!(ever, [&old, &first, &second].map(|key| key.verifier().vkey()));
    // A key that gave way does not come back to cosign.
    let again = Cosigner::generate(&format!("{ORIGIN}/halcyon/w2"), seed(&old)).unwrap().key().vkey();
    house.take_key("halcyon", &second);
    let signature = house.sign("halcyon", &witness_key_bytes(ORIGIN, "witness-key-add", &again));
    let add = WitnessKey { vkey: again, party: "halcyon".into(), signature };
    house.refuses("halcyon", Deed::Administer(Administer::WitnessKeyAdd(add)), "own key cannot cosign");
    house.replayed();
}

#[test]
fn what_is_signed_counts_by_the_key_of_its_time_and_approvals_that_were_given_stay() {
    let mut house = House::founded();
    house.at =
        Timestamp::start_of(Terms::read(AMENDMENT).unwrap().memorandum().header.effective).max(house.at);
    let digest = Terms::read(AMENDMENT).unwrap().digest();
    let (old, next) = (house.sign_with("halcyon"), signer("halcyon", 41));
    let ticket = house.waits("halcyon", Deed::Amend(Amend { version: 2, digest }));
    let bytes = signing_bytes(&digest.0);
    house.approve("halcyon", ticket.act, digest, &bytes);
    house.does("halcyon", change("halcyon", &old, &next).deed());
    // The approval by the key of then stays; the other party's is all that is missing.
    let twice = house.approve("halcyon", ticket.act, digest, &bytes);
    assert!(matches!(twice, Decision::Deny(_)), "{twice:?}");
    assert_eq!(house.version(), 1);
    house.approve("northwind", ticket.act, digest, &bytes);
    assert_eq!(house.version(), 2);

    let clause = ClauseId::from("release-tranche");
    let version = house.partnership.state().terms().unwrap().digest();
    let attest = |house: &House| {
        let evidence = Digest([1; 32]);
        let signature = house.sign("halcyon", &attestation_bytes(ORIGIN, &version, &clause, &evidence));
        Deed::Attest(Attest {
            clause: clause.clone(),
            condition: None,
            evidence,
            party: "halcyon".into(),
            signature,
        })
    };
    let by_the_old = attest(&house);
    house.refuses("halcyon", by_the_old, "does not verify with the key of party `halcyon`");
    house.take_key("halcyon", &next);
    house.does("halcyon", attest(&house));
    // The next version is signed by the next key, and names the keys of the beginning as it did.
    house.amend("2027-06-01", str::to_owned);
    house.days(400);
    assert_eq!(house.version(), 3);
    house.replayed();
}

#[test]
fn what_waits_and_was_signed_by_a_key_that_gave_way_does_not_go_on() {
    let clause = "acts = [\"application-add\"";
    assert_eq!(MEMORANDUM.matches(clause).count(), 1);
    let text =
        MEMORANDUM.replacen(clause, &format!("{clause}, \"party-key-change\", \"witness-key-add\""), 1);
    let mut house = House::founded_on(&text);
    let (old, first, second) = (house.sign_with("halcyon"), signer("halcyon", 41), signer("halcyon", 42));
    let vkey = Cosigner::generate(&format!("{ORIGIN}/halcyon/w1"), [44; 32]).unwrap().key().vkey();
    let signature = house.sign("halcyon", &witness_key_bytes(ORIGIN, "witness-key-add", &vkey));
    let add = Administer::WitnessKeyAdd(WitnessKey { vkey, party: "halcyon".into(), signature });
    let waiting = [
        house.waits("halcyon", change("halcyon", &old, &first).deed()),
        house.waits("halcyon", change("halcyon", &old, &second).deed()),
        house.waits("halcyon", Deed::Administer(add)),
    ];
    for ticket in &waiting {
        for party in ["northwind", "halcyon"] {
            let key = house.sign_with(party);
            let signature = record::hash::base64(&key.sign_bytes(&approval_bytes(&ticket.digest)));
            let (act, digest) = (ticket.act.to_string(), ticket.digest);
            house.by(party, Deed::Approve(Approve { act, digest, party: party.into(), signature }));
        }
        if house.counts("halcyon") == first.verifier().vkey() {
            house.take_key("halcyon", &first);
        }
    }
    assert_eq!(house.counts("halcyon"), first.verifier().vkey(), "the first to be approved, and no other");
    assert_eq!(house.partnership.state().registry().witness_keys().count(), 0);
    assert_eq!(house.partnership.state().waiting().count(), 0);
    house.replayed();
}

#[test]
fn a_lost_key_gives_way_by_the_recovery_key_and_the_other_party_and_by_neither_alone() {
    let mut house = House::founded_on(&recoverable());
    let (old, northwind) = (house.sign_with("halcyon"), house.sign_with("northwind"));
    let (first, second, thiefs) = (signer("halcyon", 41), signer("halcyon", 42), signer("halcyon", 66));
    let northwinds_next = signer("northwind", 45);
    let (safe, other_safe) = (safe("halcyon", 70), safe("halcyon", 71));
    let wrong = [
        (recovery("halcyon", &other_safe, &old, &first), "is not what the memorandum in force names"),
        (recovery("halcyon", &northwind, &old, &first), "is not what the memorandum in force names"),
        (recovery("halcyon", &old, &old, &first), "is not what the memorandum in force names"),
        (
            recovery("northwind", &safe, &northwind, &northwinds_next),
            "is not what the memorandum in force names",
        ),
        (
            Next { proof: &safe, ..recovery("halcyon", &safe, &old, &first) },
            "the proof is no signature by the next key",
        ),
        (
            Next { from: &second, ..recovery("halcyon", &safe, &old, &first) },
            "does not verify with the recovery key",
        ),
        (recovery("halcyon", &safe, &old, &old), "is in use, or was"),
    ];
    for (next, told) in &wrong {
        house.refuses(next.party, next.deed(), told);
    }
    let ticket = house.waits("halcyon", recovery("halcyon", &safe, &old, &first).deed());
    assert_eq!(ticket.missing, ["northwind".into()]);
    let own = house.approve("halcyon", ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
    assert!(matches!(own, Decision::Deny(_)), "a party does not approve its own recovery: {own:?}");
    assert_eq!(house.counts("halcyon"), old.verifier().vkey(), "the recovery key alone is not enough");
    // Meanwhile a thief has the lost key give way to one of his own: what was proposed before that is over.
    house.does("halcyon", change("halcyon", &old, &thiefs).deed());
    house.approve("northwind", ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
    assert_eq!(house.counts("halcyon"), thiefs.verifier().vkey());
    // It is proposed again, of the key that counts now.
    let ticket = house.waits("halcyon", recovery("halcyon", &safe, &thiefs, &first).deed());
    house.approve("northwind", ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
    assert_eq!(house.counts("halcyon"), first.verifier().vkey());
    house.refuses("halcyon", change("halcyon", &thiefs, &second).deed(), "does not verify");
    house.does("halcyon", change("halcyon", &first, &second).deed());
    house.replayed();
}
