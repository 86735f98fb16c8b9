//! A withdrawal is of the version in force, once, from a day that has not passed, and signed.

use super::*;
use scene::{ORIGIN, at_once};

const ANA: &str = r#"{"party":"south","person":"ana"}"#;

/// The act's fields, as `signer_of` signs them.
fn withdrawal(memorandum: [u8; 32], ends: &str, party: &str, signer_of: &str) -> String {
    let hex = record::hash::hex(&memorandum);
    let message = format!("countersign/withdrawal/v1\0{ORIGIN}\0{hex}\0{ends}");
    let signature = base64(&signer(signer_of).sign_bytes(message.as_bytes()));
    let memorandum = base64(&memorandum);
    format!(r#"{{"memorandum":"{memorandum}","ends":"{ends}","party":"{party}","signature":"{signature}"}}"#)
}

fn after(whats: &[&str]) -> Vec<Text> {
    let mut entries = whole();
    for (act, what) in (100..).zip(whats) {
        entries.extend(at_once(entries.len(), act, "withdraw", ANA, what));
    }
    entries
}

#[test]
fn a_party_withdraws_once_from_the_version_in_force_and_a_saved_replay_knows_it() {
    let (first, second) = ([1; 32], [2; 32]);
    let today = at(1220);
    let today = today.get(..10).unwrap();
    let given = withdrawal(second, "2030-01-31", "south", "south");
    let replay = folded(&after(&[&given])).unwrap_or_else(|(index, fault)| panic!("{index}: {fault}"));
    let withdrawn = replay.withdrawn().first().unwrap();
    assert_eq!(
        (withdrawn.party.as_str(), withdrawn.ends.as_str(), withdrawn.under),
        ("south", "2030-01-31", 1)
    );
    assert!(saved::resumes_the_same(&replay), "it is saved");
    assert_eq!(said(&after(&[&withdrawal(second, today, "north", "north")])), "nothing", "at once");
    for (what, expected) in [
        (withdrawal(first, "2030-01-31", "south", "south"), "withdraws from what is not in force"),
        (withdrawal(second, "2020-01-31", "south", "south"), "from a day that has passed"),
        (withdrawal(second, "2030-02-30", "south", "south"), "from a day that has passed"),
        (withdrawal(second, "2030-01-31", "south", "north"), "signature"),
        (withdrawal(second, "2030-01-31", "east", "south"), "signature"),
    ] {
        let found = said(&after(&[&what]));
        assert!(found.contains(expected), "{what}: {found}");
    }
    for again in [&given, &withdrawal(second, "2031-01-31", "north", "north")] {
        let found = said(&after(&[&given, again]));
        assert!(found.contains("was withdrawn from before"), "{found}");
    }
}
