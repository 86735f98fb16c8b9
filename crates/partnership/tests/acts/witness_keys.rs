//! The keys by which parties cosign: a party's own word, for one key and one record.

use super::*;
use partnership::act::{WitnessKey, witness_key_bytes};
use record::cosignature::Cosigner;

fn vkey(name: &str, seed: u8) -> String {
    Cosigner::generate(name, [seed; 32]).unwrap().key().vkey()
}

fn key(house: &House, signed_by: &str, kind: &str, party: &str, vkey: &str) -> Deed {
    let signature = house.sign(signed_by, &witness_key_bytes(ORIGIN, kind, vkey));
    let key = WitnessKey { vkey: vkey.to_owned(), party: party.into(), signature };
    Deed::Administer(match kind {
        "witness-key-add" => Administer::WitnessKeyAdd(key),
        _ => Administer::WitnessKeyRevoke(key),
    })
}

#[test]
fn a_party_says_by_which_keys_it_cosigns_and_by_which_no_more() {
    let mut house = House::founded();
    let (w1, w2) = (format!("{ORIGIN}/halcyon/w1"), format!("{ORIGIN}/halcyon/w2"));
    let (first, second, next) = (vkey(&w1, 1), vkey(&w2, 2), vkey(&w1, 3));
    let party = record::hash::base64(&[9; 33]);
    let partys_own = {
        let (_, signer) = house.keys.iter().find(|(party, _)| party.as_str() == "halcyon").unwrap();
        Cosigner::parse(&as_cosigner(&signer.private_key(), &w2)).unwrap().key().vkey()
    };
    let other_name = vkey("other.example/halcyon/w1", 4);
    let third = vkey(&format!("{ORIGIN}/halcyon/w3"), 5);
    // Who signs, which kind, for whom, the key, and what is said of it; nothing where it is done.
    let steps: [(&str, &str, &str, &str, &str); 15] = [
        ("northwind", "witness-key-add", "halcyon", &first, "signature"),
        ("halcyon", "witness-key-add", "northwind", &first, "is named"),
        ("northwind", "witness-key-add", "northwind", &first, "is named"),
        ("halcyon", "witness-key-add", "halcyon", &other_name, "is named"),
        ("halcyon", "witness-key-add", "halcyon", &third, "is named"),
        ("halcyon", "witness-key-add", "halcyon", &party, "no public key of a cosigner"),
        ("halcyon", "witness-key-add", "halcyon", &partys_own, "own key cannot cosign"),
        ("halcyon", "witness-key-add", "halcyon", &first, ""),
        ("halcyon", "witness-key-add", "halcyon", &first, "cosigns already"),
        ("halcyon", "witness-key-add", "halcyon", &second, ""),
        ("halcyon", "witness-key-add", "halcyon", &next, ""),
        ("northwind", "witness-key-revoke", "halcyon", &first, "signature"),
        ("halcyon", "witness-key-revoke", "halcyon", &first, ""),
        ("halcyon", "witness-key-revoke", "halcyon", &first, "does not cosign"),
        ("halcyon", "witness-key-add", "halcyon", &first, "was revoked"),
    ];
    for (signed_by, kind, party, vkey, told) in steps {
        let deed = key(&house, signed_by, kind, party, vkey);
        match house.by(party, deed) {
            Decision::Done(_) => assert_eq!(told, "", "{signed_by} {kind} {party} {vkey}"),
            Decision::Deny(refusal) => {
                assert!(!told.is_empty() && refusal.remedy.contains(told), "{told}: {}", refusal.remedy);
            }
            other => panic!("{other:?}"),
        }
    }
    // An addition is no revocation, and one of another key is none of this.
    let signature = house.sign("halcyon", &witness_key_bytes(ORIGIN, "witness-key-add", &second));
    let key = WitnessKey { vkey: second.clone(), party: "halcyon".into(), signature };
    let swapped = house.by("halcyon", Deed::Administer(Administer::WitnessKeyRevoke(key)));
    assert!(matches!(swapped, Decision::Deny(_)), "{swapped:?}");
    let registry = house.partnership.state().registry();
    let mut left: Vec<&str> = registry.witness_keys().map(|(vkey, _)| vkey).collect();
    left.sort_unstable();
    let mut expected = [second.as_str(), next.as_str()];
    expected.sort_unstable();
    assert_eq!(left, expected);
    house.replayed();
}

/// The same private key as one that cosigns under `name`.
fn as_cosigner(private: &str, name: &str) -> String {
    let encoded = private.splitn(5, '+').nth(4).unwrap();
    let seed: [u8; 32] = record::hash::from_base64(encoded).unwrap().split_off(1).try_into().unwrap();
    Cosigner::generate(name, seed).unwrap().private_key()
}
