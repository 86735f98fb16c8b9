//! The checks in their order, with what each is answered.

use std::sync::Arc;

use super::*;
use crate::cosignature::Cosigned;
use crate::hash::Hash;
use crate::merkle::root;
use crate::note::Signer;
use crate::store::Store as _;
use crate::store::memory::Memory;

const ORIGIN: &str = "northwind.example/record";
const NOW: u64 = 1_700_000_000;

fn log() -> Signer {
    Signer::generate(ORIGIN, [1; 32]).unwrap()
}

fn cosigner() -> Cosigner {
    Cosigner::generate("northwind.example/record/halcyon/w1", [2; 32]).unwrap()
}

fn witness(store: &Arc<Memory>) -> Witness<Kept<Memory>> {
    Witness::new(Kept::new(Arc::clone(store)), cosigner(), [log().verifier()])
}

/// The leaves of a history; those of another branch differ from `fork` on.
fn leaves(size: u64, fork: u64, branch: u8) -> Vec<Hash> {
    (0..size)
        .map(|index| sha256_of(&[&index.to_be_bytes(), &[if index < fork { 0 } else { branch }]]))
        .collect()
}

fn signed(leaves: &[Hash]) -> Vec<u8> {
    head(leaves).sign(&log()).unwrap()
}

fn head(leaves: &[Hash]) -> Checkpoint {
    Checkpoint { origin: ORIGIN.into(), size: leaves.len() as u64, root: root(leaves) }
}

fn request(old: u64, leaves: &[Hash]) -> AddCheckpoint {
    let Ok(proof) = merkle::consistency_proof(old, leaves.len() as u64, &mut &*leaves);
    AddCheckpoint { old, proof: proof.unwrap_or_default(), checkpoint: signed(leaves) }
}

fn main_line(old: u64, size: u64) -> AddCheckpoint {
    request(old, &leaves(size, u64::MAX, 0))
}

/// The line that the answer has cosigned `leaves` with, opened.
fn cosigned(answer: &str, leaves: &[Hash]) -> u64 {
    let note = [signed(leaves), answer.as_bytes().to_vec()].concat();
    let opened = Cosigned::open(&note, &[&log().verifier()], &[cosigner().key()]).unwrap();
    opened.cosignatures.first().unwrap().at
}

#[test]
fn a_request_is_read_as_it_was_written_and_not_otherwise() {
    for request in [main_line(0, 3), main_line(3, 7), main_line(7, 7)] {
        assert_eq!(AddCheckpoint::parse(&request.encode()).unwrap(), request);
    }
    let good = String::from_utf8(main_line(3, 7).encode()).unwrap();
    let hash = format!("{}\n", base64(&[0; 32]));
    let longest =
        good.replacen("old 3\n", &format!("old 3\n{}", hash.repeat(63 - main_line(3, 7).proof.len())), 1);
    assert_eq!(AddCheckpoint::parse(longest.as_bytes()).unwrap().proof.len(), 63);
    let bad = [
        String::new(),
        "old 3\n".into(),
        good.replacen("old 3", "old 03", 1),
        good.replacen("old 3", "old  3", 1),
        good.replacen("old 3", "old -3", 1),
        good.replacen("old 3", "Old 3", 1),
        good.replacen("old 3", "old 18446744073709551616", 1),
        good.replacen("old 3\n", "", 1),
        good.replacen("old 3\n", "old 3\nAAAA\n", 1),
        good.replacen("old 3\n", "old 3\n\n", 1).replacen("\n\n", "\r\n\n", 1),
        good.replacen("old 3\n", &format!("old 3\n{}", hash.repeat(64 - main_line(3, 7).proof.len())), 1),
        good.replacen('\n', "\r\n", 5),
        format!("{good}{}", "x".repeat(BODY_BYTES_MAX)),
    ];
    for text in bad {
        let refused = AddCheckpoint::parse(text.as_bytes());
        assert!(matches!(refused, Err(Refused::Malformed(_))), "{text:?}");
    }
    assert!(matches!(AddCheckpoint::parse(&[0xff, b'\n', b'\n']), Err(Refused::Malformed(_))));
}

/// A body made of a request's parts, so that each can be made wrong.
fn body(old: u64, proof: &[Hash], checkpoint: &[u8]) -> Vec<u8> {
    AddCheckpoint { old, proof: proof.to_vec(), checkpoint: checkpoint.to_vec() }.encode()
}

fn other_log(origin: &str, seed: u8, leaves: &[Hash]) -> Vec<u8> {
    Checkpoint { origin: origin.into(), ..head(leaves) }
        .sign(&Signer::generate(origin, [seed; 32]).unwrap())
        .unwrap()
}

#[test]
fn each_fault_has_its_status_and_moves_nothing() {
    let seven = leaves(7, u64::MAX, 0);
    let (nine, other_seven, other_nine) = (leaves(9, u64::MAX, 0), leaves(7, 5, 1), leaves(9, 5, 1));
    let proof = |old| main_line(old, 9).proof;
    let of_seven = signed(&seven);
    let of_nine = signed(&nine);
    let text = |from: &str, to: &str| String::from_utf8(of_nine.clone()).unwrap().replacen(from, to, 1);
    let empty = |root| Checkpoint { origin: ORIGIN.into(), size: 0, root }.sign(&log()).unwrap();
    let twisted = [proof(7), vec![[0; 32]]].concat();
    // What is wrong, the body, the status, and the size that a 409 tells.
    let faults: [(&str, Vec<u8>, u16, Option<&str>); 22] = [
        ("no request", b"hello".to_vec(), 400, None),
        ("no checkpoint", b"old 7\n\n".to_vec(), 400, None),
        ("a size that is none", body(7, &proof(7), text("\n9\n", "\nnine\n").as_bytes()), 400, None),
        ("a line more than three", body(7, &proof(7), text("\n\n", "\nmore\n\n").as_bytes()), 400, None),
        ("a malformed signature", body(7, &proof(7), text("\n\n", "\n\n— a b\n").as_bytes()), 400, None),
        ("cut short", body(7, &proof(7), of_nine.get(..of_nine.len() - 1).unwrap()), 400, None),
        ("another log", body(0, &[], &other_log("other.example", 1, &nine)), 404, None),
        ("another log, wrongly asked", body(77, &[], &other_log("other.example", 1, &nine)), 404, None),
        ("another key", body(7, &proof(7), &other_log(ORIGIN, 9, &nine)), 403, None),
        ("another key, wrongly asked", body(77, &[], &other_log(ORIGIN, 9, &nine)), 403, None),
        ("a wrong signature", body(7, &proof(7), text("\n9\n", "\n8\n").as_bytes()), 403, None),
        ("older than old", body(10, &[], &of_nine), 400, None),
        ("from nothing", body(0, &[], &of_nine), 409, Some("7\n")),
        ("from too early", body(5, &proof(5), &of_nine), 409, Some("7\n")),
        ("from too late", body(9, &[], &of_nine), 409, Some("7\n")),
        ("back to an earlier size", request(3, &leaves(5, u64::MAX, 0)).encode(), 409, Some("7\n")),
        ("a proof left out", body(7, &[], &of_nine), 422, None),
        ("a proof too long", body(7, &twisted, &of_nine), 422, None),
        ("the other branch", request(7, &other_nine).encode(), 422, None),
        ("the same with a proof", body(7, &proof(7), &of_seven), 422, None),
        ("two trees of one size", body(7, &[], &signed(&other_seven)), 409, Some("7\n")),
        ("two trees, asked from nothing", body(0, &[], &signed(&other_seven)), 409, Some("7\n")),
    ];
    for (what, body, status, size) in faults {
        let store = Arc::new(Memory::new());
        let witness = witness(&store);
        witness.add_checkpoint(&main_line(0, 7).encode(), NOW).unwrap();
        let before = store.read(&format!("{}/latest", witness.place(ORIGIN))).unwrap();
        let refused = witness.add_checkpoint(&body, NOW).unwrap_err();
        assert_eq!((refused.status(), refused.known_size().as_deref()), (status, size), "{what}: {refused}");
        assert_eq!(store.read(&format!("{}/latest", witness.place(ORIGIN))).unwrap(), before, "{what}");
        let forks = witness.forks(ORIGIN).unwrap();
        assert_eq!(forks.len(), usize::from(what.starts_with("two trees")), "{what}");
        let answer = witness.add_checkpoint(&main_line(7, 9).encode(), NOW).unwrap();
        assert_eq!(cosigned(&answer, &nine), NOW, "{what}");
    }
    let fresh = witness(&Arc::new(Memory::new()));
    for (what, body, status) in [
        ("a proof from nothing", body(0, &proof(7), &of_nine), 422),
        ("an empty tree with another root", body(0, &[], &empty([0; 32])), 422),
        ("an empty tree with a proof", body(0, &[[0; 32]], &empty(empty_root())), 422),
        ("from what was never cosigned", main_line(7, 9).encode(), 409),
    ] {
        let refused = fresh.add_checkpoint(&body, NOW).unwrap_err();
        assert_eq!(refused.status(), status, "{what}: {refused}");
    }
    assert_eq!(fresh.size(ORIGIN).unwrap(), 0);
    assert!(fresh.add_checkpoint(&body(0, &[], &empty(empty_root())), NOW).is_ok());
    assert!(matches!(fresh.size("other.example"), Err(Refused::UnknownLog(_))));
}

#[test]
fn growth_is_cosigned_and_so_is_the_same_again_with_a_time_that_never_goes_back() {
    let witness = witness(&Arc::new(Memory::new()));
    let mut last = 0;
    for (old, size, now, at) in [
        (0, 0, 5, 5),
        (0, 3, 7, 7),
        (3, 3, 6, 7),
        (3, 3, 9, 9),
        (3, 200, 1, 9),
        (200, 201, u64::MAX, TIME_MAX),
    ] {
        let answer = witness.add_checkpoint(&main_line(old, size).encode(), now).unwrap();
        let given = cosigned(&answer, &leaves(size, u64::MAX, 0));
        assert_eq!(given, at, "{old} to {size}");
        assert!(given >= last);
        last = given;
        assert_eq!(witness.size(ORIGIN).unwrap(), size);
    }
}

#[test]
fn a_fork_is_proved_by_what_was_kept_alone() {
    let store = Arc::new(Memory::new());
    let asked = witness(&store);
    asked.add_checkpoint(&main_line(0, 7).encode(), NOW).unwrap();
    for branch in [1, 2] {
        let other = body(7, &[], &signed(&leaves(7, 5, branch)));
        assert!(matches!(asked.add_checkpoint(&other, NOW), Err(Refused::Fork(_))));
    }
    let forks = witness(&store).forks(ORIGIN).unwrap();
    assert_eq!(forks.len(), 1, "one proof of a size is enough");
    let fork = Fork::parse(&forks[0].encode()).unwrap();
    let [first, second] = fork.prove(&[&log().verifier()]).unwrap();
    assert_eq!((first, second), (head(&leaves(7, 9, 0)), head(&leaves(7, 5, 1))));

    let stranger = Signer::generate(ORIGIN, [9; 32]).unwrap().verifier();
    assert!(matches!(fork.prove(&[&stranger]), Err(NoFork::Checkpoint(_))));
    let longer = signed(&leaves(8, 5, 1));
    for second in [fork.first.clone(), longer] {
        let agree = Fork { second, ..fork.clone() };
        assert_eq!(agree.prove(&[&log().verifier()]), Err(NoFork::Agree));
    }
    let text = fork.encode();
    for bit in 0..text.len() * 8 {
        let mut changed = text.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let proved = Fork::parse(&changed).map(|fork| fork.prove(&[&log().verifier()]));
        assert!(!matches!(proved, Some(Ok(_))), "bit {bit}");
    }
}

#[test]
fn a_changed_bit_of_what_was_kept_stops_the_witness() {
    let store = Arc::new(Memory::new());
    let witness = witness(&store);
    witness.add_checkpoint(&main_line(0, 7).encode(), NOW).unwrap();
    let path = format!("{}/latest", witness.place(ORIGIN));
    let kept = store.read(&path).unwrap().unwrap();
    for bit in 0..kept.len() * 8 {
        let mut changed = kept.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        store.tamper(&path, &changed);
        for asked in [main_line(0, 7), main_line(7, 9)] {
            let refused = witness.add_checkpoint(&asked.encode(), NOW);
            assert!(matches!(refused, Err(Refused::Damaged(_))), "bit {bit}");
        }
    }
    store.tamper(&path, &[]);
    assert_eq!(witness.add_checkpoint(&main_line(0, 7).encode(), NOW).unwrap_err().status(), 500);
}

#[test]
fn a_log_that_changes_its_key_and_a_cosigner_that_changes_its_own_go_on() {
    let store = Arc::new(Memory::new());
    witness(&store).add_checkpoint(&main_line(0, 7).encode(), NOW).unwrap();
    let renewed = Signer::generate(ORIGIN, [3; 32]).unwrap();
    let successor = Cosigner::generate(cosigner().name(), [4; 32]).unwrap();
    let next = |logs: Vec<Verifier>| Witness::new(Kept::new(Arc::clone(&store)), successor.clone(), logs);
    let nine = leaves(9, u64::MAX, 0);
    let by_the_new = head(&nine).sign(&renewed).unwrap();
    let request = body(7, &main_line(7, 9).proof, &by_the_new);
    assert_eq!(next(vec![log().verifier()]).add_checkpoint(&request, NOW).unwrap_err().status(), 403);
    let trusting = next(vec![log().verifier(), renewed.verifier()]);
    assert_eq!(trusting.size(ORIGIN).unwrap(), 7, "the key's name counts");
    trusting.add_checkpoint(&request, NOW).unwrap();
    let both = [by_the_new.clone(), log().signature_line(&head(&nine).text()).into_bytes()].concat();
    trusting.add_checkpoint(&body(9, &[], &both), NOW).unwrap();
    let other = Witness::new(
        Kept::new(Arc::clone(&store)),
        Cosigner::generate("x/w2", [5; 32]).unwrap(),
        [log().verifier()],
    );
    assert_eq!(other.size(ORIGIN).unwrap(), 0, "another name stands for itself");
}

/// Requests that another implementation's log has made, with their published key: the tests of the `torchwood` witness.
const SIGSUM: &str = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562";
const SIGSUM_KEY: &str = "ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f";
const SIGSUM_REQUESTS: [(u64, &str, u64, &str, &str); 3] = [
    (
        0,
        "",
        1,
        "KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY=",
    ),
    (
        1,
        "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n+fUDV+k970B4I3uKrqJM4aP1lloPZP8mvr2Z4wRw2LI=\nKgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        5,
        "QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=",
        "UgIomw/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/ASRcWJi0tW90dJWAShei7sDww=",
    ),
    (
        1,
        "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nKgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        3,
        "RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=",
        "UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go=",
    ),
];

#[test]
fn requests_of_another_implementation_are_answered_as_it_answers_them() {
    let public: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&SIGSUM_KEY[2 * at..][..2], 16).unwrap()).collect();
    let vkey = note::key_text(SIGSUM, note::key_id(SIGSUM, 1, &public), 1, &public);
    let log = Verifier::parse(&vkey).unwrap();
    let witness = Witness::new(Kept::new(Arc::new(Memory::new())), cosigner(), [log]);
    let statuses = SIGSUM_REQUESTS.map(|(old, proof, size, root, signature)| {
        let body = format!("old {old}\n{proof}\n{SIGSUM}\n{size}\n{root}\n\n— {SIGSUM} {signature}\n");
        assert_eq!(AddCheckpoint::parse(body.as_bytes()).unwrap().encode(), body.as_bytes());
        witness.add_checkpoint(body.as_bytes(), NOW).map_or_else(|refused| refused.status(), |_| 200)
    });
    assert_eq!(statuses, [200, 200, 409], "the last was overtaken");
    assert_eq!(witness.size(SIGSUM).unwrap(), 5);
}
