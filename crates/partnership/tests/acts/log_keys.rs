//! The log's key gives way to another: by its own word and the operator's, or, where it is lost, by the operator and the other party.

use super::*;
use partnership::act::{LogKey, RecoveredLogKey, log_key_text};

const CHANGE: &str = "log-key-change";
const RECOVER: &str = "log-key-recover";

fn key(seed: u8) -> Signer {
    Signer::generate(ORIGIN, [seed; 32]).unwrap()
}

/// One proposal, each part of which may be somebody else's.
struct Next<'a> {
    from: &'a Signer,
    to: &'a Signer,
    handed: &'a Signer,
    taken: &'a Signer,
    party: &'a str,
    by: &'a Signer,
}

impl Next<'_> {
    fn deed(&self, kind: &str) -> Deed {
        let (from, vkey) = (self.from.verifier().vkey(), self.to.verifier().vkey());
        let text = log_key_text(ORIGIN, kind, &from, &vkey);
        let base64 = |signer: &Signer| record::hash::base64(&signer.sign_bytes(text.as_bytes()));
        let (handed, taken, party) = (base64(self.handed), base64(self.taken), PartyId::from(self.party));
        let signature = base64(self.by);
        Deed::Administer(match kind {
            CHANGE => Administer::LogKeyChange(LogKey { from, vkey, handed, taken, party, signature }),
            _ => Administer::LogKeyRecover(RecoveredLogKey { from, vkey, taken, party, signature }),
        })
    }
}

#[test]
fn the_logs_key_gives_way_by_its_own_word_and_the_operators_and_once() {
    let mut house = House::founded();
    let (northwind, halcyon) = (house.sign_with("northwind"), house.sign_with("halcyon"));
    let (first, second, third, other) = (key(21), key(22), key(23), key(24));
    let good = |from, to| Next { from, to, handed: from, taken: to, party: "northwind", by: &northwind };
    let partys = {
        let text = northwind.private_key();
        let encoded = text.splitn(5, '+').nth(4).unwrap();
        let seed: [u8; 32] = record::hash::from_base64(encoded).unwrap().split_off(1).try_into().unwrap();
        Signer::generate(ORIGIN, seed).unwrap()
    };
    let elsewhere = Signer::generate("other.example", [25; 32]).unwrap();
    let wrong = [
        (Next { party: "halcyon", by: &halcyon, ..good(&first, &second) }, "is for the operator to change"),
        (Next { by: &halcyon, ..good(&first, &second) }, "does not verify with the key of party `northwind`"),
        (
            Next { handed: &other, ..good(&first, &second) },
            "does not verify with the log's key that signs now",
        ),
        (Next { taken: &first, ..good(&first, &second) }, "the proof is no signature by the next key"),
        (good(&first, &first), "is in use, or was"),
        (good(&first, &partys), "is in use, or was"),
        (good(&first, &elsewhere), "is no public key of the log"),
    ];
    let refused = |house: &mut House, deed: Deed, told: &str| match house.by("northwind", deed) {
        Decision::Deny(refusal) => assert!(refusal.remedy.contains(told), "{told}: {}", refusal.remedy),
        other => panic!("{told}: {other:?}"),
    };
    for (next, told) in &wrong {
        refused(&mut house, next.deed(CHANGE), told);
    }
    assert!(house.partnership.state().log_keys().is_empty());
    for (from, to) in [(&first, &second), (&second, &third)] {
        let done = house.by("northwind", good(from, to).deed(CHANGE));
        assert!(matches!(done, Decision::Done(_)), "{done:?}");
    }
    refused(&mut house, good(&first, &second).deed(CHANGE), "the log signs with");
    refused(&mut house, good(&second, &other).deed(CHANGE), "the log signs with");
    refused(&mut house, good(&third, &second).deed(CHANGE), "is in use, or was");
    let state = house.partnership.state();
    let keys: Vec<String> = state.log_keys().iter().map(|one| one.key.vkey()).collect();
    assert_eq!(keys, [&first, &second, &third].map(|key| key.verifier().vkey()));
    assert!(state.log_keys().windows(2).all(|pair| pair[0].since < pair[1].since));
    house.replayed();
}

#[test]
fn a_lost_key_of_the_log_gives_way_when_the_other_party_approves() {
    let mut house = House::founded();
    let northwind = house.sign_with("northwind");
    let (first, second) = (key(21), key(22));
    let next = Next {
        from: &first,
        to: &second,
        handed: &second,
        taken: &second,
        party: "northwind",
        by: &northwind,
    };
    let Decision::Escalate(ticket) = house.by("northwind", next.deed(RECOVER)) else { panic!("it waits") };
    assert_eq!(ticket.missing, ["halcyon".into()]);
    house.approve("northwind", ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
    assert!(house.partnership.state().log_keys().is_empty());
    house.approve("halcyon", ticket.act, ticket.digest, &approval_bytes(&ticket.digest));
    assert_eq!(house.partnership.state().log_keys()[1].key, second.verifier());
    house.replayed();
}
