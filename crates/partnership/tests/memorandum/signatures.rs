//! Signatures over a memorandum: what they cover, and what is refused.

use std::collections::BTreeMap;

use partnership::ids::{PartyId, Timestamp};
use partnership::memorandum::sign::{Signature, SignatureError, Signatures, signing_bytes};
use proptest::prelude::*;
use record::note::Signer;

use super::{SOUND, read};

fn signer(party: &str) -> Signer {
    let seed = party.bytes().next().unwrap();
    Signer::generate(&format!("test/{party}/w1"), [seed; 32]).unwrap()
}

fn signed(party: &str, digest: [u8; 32]) -> Signature {
    Signature::sign(PartyId::from(party), &signer(party), digest, Timestamp::from_millis(1_767_225_600_000))
}

fn keys() -> BTreeMap<PartyId, String> {
    ["alder", "birch"].map(|party| (PartyId::from(party), signer(party).verifier().vkey())).into()
}

fn file(signatures: &[Signature]) -> Signatures {
    Signatures { signatures: signatures.to_vec() }
}

#[test]
fn signing_bytes_are_the_domain_and_the_digest() {
    let bytes = signing_bytes(&[7; 32]);
    assert_eq!(&bytes[..26], b"countersign/memorandum/v1\0");
    assert_eq!(&bytes[26..], &[7; 32]);
}

#[test]
fn both_must_sign_before_it_suffices() {
    let memorandum = read(SOUND);
    let (alder, birch) = (signed("alder", memorandum.digest), signed("birch", memorandum.digest));
    assert_eq!(file(&[]).suffice(&memorandum, &keys()), Ok(false));
    assert_eq!(file(std::slice::from_ref(&alder)).suffice(&memorandum, &keys()), Ok(false));
    assert_eq!(file(&[alder, birch]).suffice(&memorandum, &keys()), Ok(true));
}

#[test]
fn a_signature_of_another_version_counts_for_nothing() {
    let memorandum = read(SOUND);
    let other = read(&SOUND.replace("100.00 USD", "100.01 USD"));
    let file = file(&[signed("alder", memorandum.digest), signed("birch", other.digest)]);
    assert_eq!(file.suffice(&memorandum, &keys()), Ok(false));
}

#[test]
fn what_cannot_be_accepted_is_named() {
    let memorandum = read(SOUND);
    let good = signed("alder", memorandum.digest);
    let party = PartyId::from("alder");
    let refuse = |signatures: &[Signature], keys: &BTreeMap<_, _>| {
        file(signatures).signatories(&memorandum, keys).unwrap_err()
    };
    assert_eq!(refuse(&[good.clone(), good.clone()], &keys()), SignatureError::Twice(party.clone()));
    assert_eq!(refuse(std::slice::from_ref(&good), &BTreeMap::new()), SignatureError::NoKey(party.clone()));
    let forged = Signature { party: party.clone(), ..signed("birch", memorandum.digest) };
    assert_eq!(refuse(std::slice::from_ref(&forged), &keys()), SignatureError::WrongKey(party.clone()));
    let claimed = Signature { key: good.key.clone(), ..forged };
    assert_eq!(refuse(&[claimed], &keys()), SignatureError::Broken(party));
    let stranger = PartyId::from("cedar");
    let strange = Signature { party: stranger.clone(), ..good };
    assert_eq!(refuse(&[strange], &keys()), SignatureError::NotAParty(stranger));
}

#[test]
fn a_header_cannot_name_the_keys_that_sign_it_once_the_parties_have_others() {
    let mallory = Signer::generate("test/alder/w1", [99; 32]).unwrap();
    let header = format!("version = 1\nvkeys = {{ alder = \"{}\" }}", mallory.verifier().vkey());
    let memorandum = read(&SOUND.replace("version = 1", &header));
    let forged = Signature::sign(PartyId::from("alder"), &mallory, memorandum.digest, Timestamp::default());
    let refused = file(&[forged]).signatories(&memorandum, &keys());
    assert_eq!(refused, Err(SignatureError::WrongKey(PartyId::from("alder"))));
}

#[test]
fn the_file_reads_back_as_it_was_written() {
    let file = file(&[signed("alder", [1; 32]), signed("birch", [2; 32])]);
    assert_eq!(Signatures::parse(&file.render()), Ok(file.clone()));
    assert_eq!(Signatures::parse(""), Ok(Signatures::default()));
}

#[test]
fn a_file_with_anything_strange_is_unreadable() {
    let good = file(&[signed("alder", [1; 32])]).render();
    for (from, to) in [
        ("party =", "partie ="),
        ("digest = \"", "digest = \"0"),
        ("signature = \"", "signature = \"A"),
        ("key = \"", "key = \"x"),
        ("at = \"2026", "at = \"x2026"),
        ("[[signature]]", "[[signatures]]"),
    ] {
        assert!(Signatures::parse(&good.replace(from, to)).is_err(), "{from} → {to}");
    }
}

proptest! {
    #[test]
    fn one_flipped_bit_of_the_text_breaks_the_signature(at in 0..SOUND.len(), bit in 0_u8..8) {
        let mut bytes = SOUND.as_bytes().to_vec();
        bytes[at] ^= 1 << bit;
        let signature = signed("alder", read(SOUND).digest);
        prop_assert!(signature.holds(&record::hash::sha256(SOUND.as_bytes())));
        prop_assert!(!signature.holds(&record::hash::sha256(&bytes)));
    }

    #[test]
    fn one_flipped_bit_of_the_signature_breaks_it(at in 0_usize..64, bit in 0_u8..8) {
        let mut signature = signed("alder", [5; 32]);
        signature.signature[at] ^= 1 << bit;
        prop_assert!(!signature.holds(&[5; 32]));
    }
}
