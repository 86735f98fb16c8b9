//! C2SP tlog-witness without its HTTP: what a witness is asked, what it checks in which order, and what it must have kept
//! before it answers. Not a replay: it sees no entries, only that a log grew. Whoever replays them as well asks a second
//! witness, with the key that says so, once it has.
//!
//! Two checkpoints of one size with two roots are never both cosigned, and sizes never go back, whatever fails and
//! however often the process is started again: a cosignature is made only after what it says has been put in place of
//! what was there, in one step that lasts ([`Latest::swap`]). That is so also for a checkpoint that was cosigned before,
//! since what is read of it may be in a cache only.

use std::collections::BTreeMap;

use crate::checkpoint::{Checkpoint, CheckpointError, decimal};
use crate::cosignature::{Cosigner, CosignerKey, TIME_MAX};
use crate::hash::{base64, empty_root, hash_from_base64, hex, sha256, sha256_of};
use crate::merkle;
use crate::note::{self, NoteError, Verifier};
use crate::store::StoreError;

mod fork;
mod latest;
mod request;

pub use fork::{Fork, NoFork};
pub use latest::{Kept, Latest};
pub use request::{AddCheckpoint, BODY_BYTES_MAX};

/// Why a witness did not cosign. Variants stand in the order of the checks: the first that holds is given.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The body is not one of `add-checkpoint`.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// The checkpoint in it is malformed.
    #[error("{0}")]
    Checkpoint(CheckpointError),
    /// The checkpoint is of a log that this witness does not know.
    #[error("the log `{0}` is not known here; its public key must be given to this witness first")]
    UnknownLog(String),
    /// It is not signed by a trusted key of its log, or signed wrongly by one.
    #[error("the checkpoint of `{origin}`: {source}")]
    Unsigned {
        /// The log that it names.
        origin: String,
        /// What is wrong with its signatures.
        source: NoteError,
    },
    /// The checkpoint is smaller than the size it is said to follow on.
    #[error("a checkpoint of size {size} cannot follow on size {old}")]
    Shrinks {
        /// The old size of the request.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// The log has signed another tree of the size that was cosigned last. Both checkpoints are kept.
    #[error("the log `{}` has signed two trees of size {}; both checkpoints are kept as proof", .0.origin, .0.size)]
    Fork(Forked),
    /// The witness has cosigned another size than the request follows on. Ask again from that size.
    #[error("the last cosigned size is {known}, not {old}; ask again from there")]
    Stale {
        /// What was cosigned last; 0 for nothing.
        known: u64,
        /// The old size of the request.
        old: u64,
    },
    /// The proof does not lead from what was cosigned last to the checkpoint.
    #[error(
        "the proof does not lead from size {old} to the checkpoint of size {size}; the log may have been rewritten"
    )]
    Inconsistent {
        /// The size that was cosigned last.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// What the witness has kept of this log is damaged. It cosigns nothing of it until a person has looked.
    #[error(
        "what is kept of the log `{0}` is damaged; put back a copy that is not older than the last cosignature"
    )]
    Damaged(String),
    /// Nothing could be kept, so nothing was cosigned.
    #[error("the witness cannot keep the checkpoint: {0}")]
    Store(#[from] StoreError),
}

/// Which tree a log has signed another of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forked {
    /// The log.
    pub origin: String,
    /// The size of both trees.
    pub size: u64,
}

impl Refused {
    /// The HTTP status that the specification has for this.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::Checkpoint(_) | Self::Shrinks { .. } => 400,
            Self::Unsigned { .. } => 403,
            Self::UnknownLog(_) => 404,
            Self::Fork(_) | Self::Stale { .. } => 409,
            Self::Inconsistent { .. } => 422,
            Self::Damaged(_) | Self::Store(_) => 500,
        }
    }

    /// The body of a 409, with the content type [`SIZE_TYPE`]: the size that was cosigned last. `None` for other statuses.
    pub fn known_size(&self) -> Option<String> {
        match self {
            Self::Stale { known: size, .. } | Self::Fork(Forked { size, .. }) => Some(format!("{size}\n")),
            _ => None,
        }
    }
}

/// Cosigns with one key the checkpoints of the logs it knows. Any number of threads may ask at once.
#[derive(Debug)]
pub struct Witness<L> {
    latest: L,
    cosigner: Cosigner,
    logs: BTreeMap<String, Vec<Verifier>>,
}

/// What is kept of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// The time of the last cosignature.
    at: u64,
    head: Checkpoint,
    /// The checkpoint under the log's own signatures.
    signed: Vec<u8>,
}

impl<L: Latest> Witness<L> {
    /// The witness that signs with `cosigner` for the logs whose keys are `logs`. Each key's name is its log's origin; a log
    /// may have several.
    pub fn new(latest: L, cosigner: Cosigner, logs: impl IntoIterator<Item = Verifier>) -> Self {
        let mut known: BTreeMap<String, Vec<Verifier>> = BTreeMap::new();
        for log in logs {
            known.entry(log.name().to_owned()).or_default().push(log);
        }
        Self { latest, cosigner, logs: known }
    }

    /// Answers a request: the signature line that cosigns the checkpoint, for the body of a 200.
    ///
    /// Units: `now` is in seconds since 1970. A cosignature never bears an earlier time than the one before it.
    ///
    /// # Errors
    /// [`Refused`], with its status.
    pub fn add_checkpoint(&self, body: &[u8], now: u64) -> Result<String, Refused> {
        let request = AddCheckpoint::parse(body)?;
        let (head, signed) = self.open(&request.checkpoint)?;
        if request.old > head.size {
            return Err(Refused::Shrinks { old: request.old, size: head.size });
        }
        let place = self.place(&head.origin);
        // Who loses a swap has been overtaken by one who won it, and looks again.
        loop {
            let bytes = self.latest.read(&place)?;
            let state = bytes.as_deref().map(|bytes| State::decode(bytes, &head.origin)).transpose()?;
            if let Some(other) = state.as_ref().and_then(|state| state.forked_by(&head, &signed)) {
                self.latest.keep_fork(&place, head.size, &other.encode())?;
                return Err(Refused::Fork(Forked { origin: head.origin, size: head.size }));
            }
            check_growth(state.as_ref(), &request, &head)?;
            let at = state.map_or(0, |state| state.at).max(now).min(TIME_MAX);
            let new = State { at, head: head.clone(), signed: signed.clone() }.encode();
            if self.latest.swap(&place, bytes.as_deref(), &new)? {
                return Ok(self.cosigner.cosign(&head, at));
            }
        }
    }

    /// The size that was cosigned last of the log `origin`; 0 for nothing.
    ///
    /// # Errors
    /// [`Refused::UnknownLog`], [`Refused::Damaged`], [`Refused::Store`].
    pub fn size(&self, origin: &str) -> Result<u64, Refused> {
        let bytes = self.latest.read(&self.known(origin)?)?;
        let state = bytes.map(|bytes| State::decode(&bytes, origin)).transpose()?;
        Ok(state.map_or(0, |state| state.head.size))
    }

    /// The forks of the log `origin` that were met and kept, by size.
    ///
    /// # Errors
    /// [`Refused::UnknownLog`], [`Refused::Damaged`], [`Refused::Store`].
    pub fn forks(&self, origin: &str) -> Result<Vec<Fork>, Refused> {
        let forks = self.latest.forks(&self.known(origin)?)?;
        let read = |bytes: &Vec<u8>| Fork::parse(bytes).ok_or_else(|| Refused::Damaged(origin.to_owned()));
        forks.iter().map(read).collect()
    }

    /// The public key that the answers are signed with.
    pub fn key(&self) -> CosignerKey {
        self.cosigner.key()
    }

    /// The checkpoint, and it again with no lines but those of its log's trusted keys.
    fn open(&self, signed: &[u8]) -> Result<(Checkpoint, Vec<u8>), Refused> {
        let head = Checkpoint::read(signed).map_err(Refused::Checkpoint)?;
        let Some(logs) = self.logs.get(&head.origin) else { return Err(Refused::UnknownLog(head.origin)) };
        let logs: Vec<&Verifier> = logs.iter().collect();
        let refused = |source| match source {
            NoteError::Unsigned | NoteError::Invalid(_) => {
                Refused::Unsigned { origin: head.origin.clone(), source }
            }
            malformed => Refused::Checkpoint(malformed.into()),
        };
        note::open(signed, &logs).map_err(refused)?;
        let (text, signatures) = note::split(signed).map_err(refused)?;
        let mut own = format!("{text}\n");
        for line in note::lines(signatures) {
            let line = line.map_err(refused)?;
            if logs.iter().any(|log| log.is_named_by(&line)) {
                own.push_str(line.raw);
                own.push('\n');
            }
        }
        Ok((head, own.into_bytes()))
    }

    fn known(&self, origin: &str) -> Result<String, Refused> {
        if self.logs.contains_key(origin) {
            Ok(self.place(origin))
        } else {
            Err(Refused::UnknownLog(origin.to_owned()))
        }
    }

    /// A key that takes the place of another under its name goes on from where that stood.
    fn place(&self, origin: &str) -> String {
        hex(&sha256_of(&[self.cosigner.name().as_bytes(), b"\n", origin.as_bytes()]))
    }
}

/// Checks that the request follows on what was cosigned last, and its proof.
fn check_growth(state: Option<&State>, request: &AddCheckpoint, head: &Checkpoint) -> Result<(), Refused> {
    let (known, root) = state.map_or_else(|| (0, empty_root()), |state| (state.head.size, state.head.root));
    if request.old != known {
        return Err(Refused::Stale { known, old: request.old });
    }
    let holds = merkle::verify_consistency(known, &root, head.size, &head.root, &request.proof);
    // Any tree follows on the empty one; but an empty tree has one root only.
    if holds && (head.size > 0 || head.root == empty_root()) {
        Ok(())
    } else {
        Err(Refused::Inconsistent { old: known, size: head.size })
    }
}

impl State {
    /// The fork, if `head` is another tree of the size that was cosigned last. There are no two empty trees: what is
    /// wrong with one shows by itself.
    fn forked_by(&self, head: &Checkpoint, signed: &[u8]) -> Option<Fork> {
        let forked = head.size == self.head.size && head.root != self.head.root && head.size > 0;
        forked.then(|| Fork { first: self.signed.clone(), second: signed.to_vec() })
    }

    fn encode(&self) -> Vec<u8> {
        let mut rest = format!("time {}\n", self.at).into_bytes();
        rest.extend_from_slice(&self.signed);
        let mut bytes = format!("{STATE}{}\n", base64(&sha256(&rest))).into_bytes();
        bytes.extend_from_slice(&rest);
        bytes
    }

    /// Reads what was kept of the log `origin`. The digest in it finds every changed bit; no signature is looked at, so
    /// that a log may change its keys.
    fn decode(bytes: &[u8], origin: &str) -> Result<Self, Refused> {
        Self::read(bytes)
            .filter(|state| state.head.origin == origin)
            .ok_or_else(|| Refused::Damaged(origin.to_owned()))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let (digest, rest) = text.strip_prefix(STATE)?.split_once('\n')?;
        let (time, signed) = rest.split_once('\n')?;
        let at = decimal(time.strip_prefix("time ")?).filter(|at| *at <= TIME_MAX)?;
        let head = Checkpoint::read(signed.as_bytes()).ok()?;
        let whole = hash_from_base64(digest)? == sha256(rest.as_bytes());
        whole.then(|| Self { at, head, signed: signed.as_bytes().to_vec() })
    }
}

/// The content type of a 409's body.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// How what is kept of a log begins.
const STATE: &str = "countersign/witness/v1 ";

#[cfg(test)]
mod tests {
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
            assert_eq!(
                (refused.status(), refused.known_size().as_deref()),
                (status, size),
                "{what}: {refused}"
            );
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
    const SIGSUM: &str =
        "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562";
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
}
