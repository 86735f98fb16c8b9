//! A record on a real disk, verified; then the same with an entry that no honest judge would have written.

mod forgeries;
mod keys;
mod log_keys;
mod scene;

pub(crate) use scene::*;

use super::{At, Depth, Verified, state_at};
use ledger::{Amount, Book, Operation, Transfer, TransferId};
use partnership::act::{
    Act, Administer, Amend, Application, Approve, Attest, Deed, Digest, Draw, Ended, Erase, Expire, Infer,
    Key, Outcome, Principal, Usage, approval_bytes, attestation_bytes,
};
use partnership::decision::{Decision, RefusalCode, Ticket};
use partnership::entry::{Body, ClockStep, Decided, Entry, Genesis, Lease, Settled, Verdict};
use partnership::ids::{ActId, ApplicationId, ClauseId, KeyId, ModelId, PartyId, Timestamp};
use partnership::investment::chart;
use partnership::lease::LEASE_LASTS_MS;
use partnership::memorandum::signing_bytes;
use partnership::{Answer, Command, Entropy, Partnership, State, Terms};
use record::note::Signer;
use record::store::directory::Directory;
use record::{Group, Journal, Loaded, Publisher, Store as _};
use std::path::Path;
use std::sync::Arc;

const ORIGIN: &str = "verify.example/record";
const MEMORANDUM: &str = include_str!("../../../../../examples/northwind-halcyon/memorandum.md");
const AMENDMENT: &str = include_str!("../../../../../examples/northwind-halcyon/amendment-2.md");
const PARTIES: [&str; 2] = ["northwind", "halcyon"];

#[test]
fn a_sound_record_is_verified_with_every_balance() {
    let mut scene = Scene::found();
    let ticket = scene.waits(add());
    scene.approve(&ticket, 0);
    scene.approve(&ticket, 1);
    for party in 0..2 {
        let attest = scene.signed_attest(party);
        assert!(matches!(scene.propose(ana(), attest), Decision::Done(_)));
    }
    let live = scene.partnership.state().digest();
    let mut verified = scene.verify(None).unwrap();
    assert_eq!(Digest(verified.replay.digest()), live);
    let (text, json) = (verified.text(), verified.json());
    assert!(text.starts_with("verify.example/record holds: every byte"), "{text}");
    assert!(text.contains("judged again, policies and prices included"), "{text}");
    assert_eq!(json["clauses_judged"], true);
    let lean = super::verify(scene.folder.path(), None, Depth::Entries).unwrap();
    let (lean_text, mut lean_json) = (lean.text(), lean.json());
    assert!(
        lean_text.contains("holds, as far as the entries tell:")
            && lean_text
                .contains("not judged (policies, bounds of funds, prices, registrations); give `--policies`"),
        "{lean_text}"
    );
    lean_json["clauses_judged"] = true.into();
    assert_eq!(lean_json, json, "what both fold is the same");
    assert!(text.contains("commitment:release-tranche:drawn  750000.00 USD"), "{text}");
    assert!(text.contains("as served, not verified"), "{text}");
    assert_eq!(json["checkpoint_size"], json["entries"]);
    assert_eq!(json["memorandum"]["signed_by"], serde_json::json!(["northwind", "halcyon"]));
}

#[test]
fn balances_are_those_of_the_entry_or_moment_asked_for() {
    let mut scene = Scene::found();
    let ticket = scene.waits(add());
    scene.at = scene.at.plus_millis(86_400_000);
    scene.approve(&ticket, 0);
    scene.approve(&ticket, 1);
    let (live, last) = (scene.partnership.state().digest(), scene.partnership.log().size() - 1);
    scene.verify(None).unwrap();
    let at = |text: &str| state_at(scene.folder.path(), text.parse().unwrap());
    assert_eq!(at("0").unwrap().entries(), 1);
    assert_eq!(at(&last.to_string()).unwrap().digest(), live);
    assert_eq!(at("2026-11-24").unwrap().digest(), live);
    assert_eq!(at("2026-11-23").unwrap().waiting().count(), 1, "it waits at the end of the first day");
    assert_eq!(at("2026-11-23T02:59:59Z").unwrap_err().to_string(), "the record had not begun then");
    assert!(at("1000").unwrap_err().to_string().starts_with("entry 1000 is not there yet"));
    assert!("yesterday".parse::<At>().is_err());
}

#[test]
fn a_lease_that_caps_nothing_or_lasts_too_long_is_found() {
    let at: Timestamp = Ground::lay().at;
    let sound = Lease {
        at,
        expires: at.plus_millis(LEASE_LASTS_MS),
        calls: 1,
        amounts: [("CREDIT".into(), Amount::new(1))].into(),
    };
    let lasting = |ms: i64| Lease { expires: at.plus_millis(ms), ..sound.clone() };
    let none = [("CREDIT".into(), Amount::new(0))].into();
    for lease in [
        lasting(LEASE_LASTS_MS + 1),
        lasting(0),
        Lease { calls: 0, ..sound.clone() },
        Lease { amounts: none, ..sound.clone() },
    ] {
        let mut scene = Scene::found();
        scene.write(Body::Lease(lease));
        let said = why(scene.verify(None));
        assert!(said.contains("a lease lasts a day at most, and its caps are above zero"), "{said}");
    }
    let mut scene = Scene::found();
    scene.write(Body::Lease(sound));
    let shown = scene.verify(None).unwrap().text();
    assert!(shown.contains("up to 1 calls under way unrecorded, of 0.000000001 CREDIT at most"), "{shown}");
}

#[test]
fn a_record_that_opens_other_amounts_than_its_memorandum_is_found() {
    let mut ground = Ground::lay();
    let mut opened = ground.genesis(PARTIES.len());
    for transfer in &mut opened.transfers {
        transfer.amount = Amount::new(transfer.amount.minor() * 10);
    }
    let body = Body::Genesis(opened);
    ground.loaded.log.append(Entry::new(&ground.entropy.seed(), ground.at, body).encode()).unwrap();
    let groups: Vec<_> = ground.loaded.log.seal().into_iter().collect();
    write(&groups, &mut ground.loaded.journal, &mut ground.loaded.publisher, &ground.log);
    assert_eq!(
        why(verify(ground.folder.path(), None)),
        "entry 0: the first entry opens other amounts than the memorandum states"
    );
}

/// From where, to where, in which asset.
type Moved = (&'static str, &'static str, &'static str);

const TAKEN: Moved = ("credit:launch-credits:available", "credit:launch-credits:spent", "CREDIT");

/// A move of one minor unit.
fn moved(act: u128, leg: u16, (from, to, asset): Moved) -> Transfer {
    Transfer {
        id: TransferId { act, leg },
        operation: Operation::Move,
        debit: from.into(),
        credit: to.into(),
        asset: asset.into(),
        amount: Amount::new(1),
    }
}

/// What becomes of a reservation, whole.
fn ended(held: &Transfer, leg: u16, operation: Operation) -> Transfer {
    Transfer { id: TransferId { act: held.id.act, leg }, operation, ..held.clone() }
}

/// A transfer that puts the grant into somebody's pocket.
fn theft(act: ActId) -> Transfer {
    Transfer {
        id: TransferId { act: act.as_u128(), leg: 0 },
        operation: Operation::Move,
        debit: "credit:launch-credits:available".into(),
        credit: "credit:launch-credits:spent".into(),
        asset: "CREDIT".into(),
        amount: Amount::new(1),
    }
}

/// The settlement of an act that is done at once.
fn done(act: &Act, decided: u64) -> Settled {
    Settled {
        act: act.id,
        kind: act.deed.name().to_owned(),
        decided,
        ended: Ended::Done,
        usage: None,
        estimated: false,
        attempts: Vec::new(),
        output: None,
        kept: None,
        charged: None,
        transfers: Vec::new(),
    }
}

#[test]
fn a_memorandum_that_one_side_has_not_signed_founds_nothing() {
    let mut ground = Ground::lay();
    let body = Body::Genesis(ground.genesis(1));
    ground.loaded.log.append(Entry::new(&ground.entropy.seed(), ground.at, body).encode()).unwrap();
    let groups: Vec<_> = ground.loaded.log.seal().into_iter().collect();
    write(&groups, &mut ground.loaded.journal, &mut ground.loaded.publisher, &ground.log);
    let said = why(verify(ground.folder.path(), None));
    assert_eq!(said, "entry 0: the memorandum is signed by 1 of its parties and asks for 2");
}

#[test]
fn a_record_that_begins_with_something_else_is_found_and_not_fallen_over() {
    let mut ground = Ground::lay();
    let at = ground.at;
    for body in [
        Body::Clock(ClockStep { at, was: at.plus_millis(9), now: at }),
        Body::Settled(Box::new(done(
            &Act { id: ActId::from_u128((7 << 76) | (2 << 62)), principal: ana(), deed: key() },
            0,
        ))),
    ] {
        let state = State::new([]);
        let entry = Entry::new(&[1; 32], at, body);
        assert!(state.check(&entry).is_ok(), "the fold refuses it");
        assert!(State::new([]).apply(&entry, 0).is_err());
    }
    let act = Act { id: ActId::from_u128((7 << 76) | (2 << 62)), principal: ana(), deed: key() };
    let decided = Decided {
        act,
        standing: None,
        memorandum: 1,
        verdict: Verdict::Allow,
        clauses: Vec::new(),
        deviations: Vec::new(),
        lapses: None,
        transfers: Vec::new(),
    };
    let entry = Entry::new(&[1; 32], at, Body::Decided(Box::new(decided)));
    ground.loaded.log.append(entry.encode()).unwrap();
    let groups: Vec<_> = ground.loaded.log.seal().into_iter().collect();
    write(&groups, &mut ground.loaded.journal, &mut ground.loaded.publisher, &ground.log);
    let said = why(verify(ground.folder.path(), None));
    assert_eq!(said, "entry 0: a record begins with one genesis entry and has no other");
}

#[test]
fn a_memorandum_that_an_entry_names_and_nobody_kept_is_found() {
    let amendment = Terms::read(AMENDMENT).unwrap();
    let (version, digest) = (amendment.version(), amendment.digest());
    let mut scene = Scene::found();
    scene.run(Command::Know(Box::new(amendment)));
    let ticket = scene.waits(Deed::Amend(Amend { version, digest }));
    scene.publish();
    let expected = format!("entry {}: memorandum/{}: it is missing", ticket.index, digest.hex());
    for depth in [Depth::Entries, Depth::Clauses] {
        assert_eq!(why(super::verify(scene.folder.path(), None, depth)), expected);
    }
}

#[test]
fn a_record_that_nobody_has_signed_does_not_hold() {
    let mut scene = Scene::found();
    scene.verify(None).unwrap();
    Directory::new(scene.folder.path().join("record")).remove("checkpoint").unwrap();
    let said = why(verify(scene.folder.path(), None));
    assert_eq!(said, "checkpoint: it is missing, so nobody has signed any of the entries");
}

#[test]
fn only_exactly_the_keys_given_are_trusted() {
    let mut scene = Scene::found();
    scene.verify(None).unwrap();
    let served = scene.folder.path().join("record/vkeys");
    assert!(scene.verify(Some(&served)).unwrap().text().contains("exactly those of your file"));
    let mut lines: Vec<String> =
        std::fs::read_to_string(&served).unwrap().lines().map(str::to_owned).collect();
    lines.truncate(2);
    let fewer = Directory::new(scene.folder.path().join("given"));
    fewer.create("vkeys", format!("{}\n", lines.join("\n")).as_bytes()).unwrap();
    let said = why(scene.verify(Some(&scene.folder.path().join("given/vkeys"))));
    assert!(said.starts_with("vkeys: it does not hold exactly the keys"), "{said}");
}

#[test]
fn a_folder_without_a_record_is_said_to_be_one() {
    let empty = tempfile::tempdir().unwrap();
    let said = why(verify(empty.path(), None));
    assert_eq!(said, "there is no record here: it has no file `vkeys`");
    assert!(why(verify(Path::new("/nowhere"), None)).contains("is not a folder"));
}
