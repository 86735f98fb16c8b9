//! The parsers of what witnesses are asked, answer, keep, and are counted by.
//!
//! As in `remembers`, a target goes on behind a signature that stands in the way, with keys that are nobody's.

use super::scene::{LOG, ORIGIN, SIGNER};
use record::cosignature::{Cosigned, Cosigner, CosignerKey, Statement, Vkey, attach};
use record::store::Store as _;
use record::store::memory::Memory;
use record::witness::{Fork, Kept};
use record::{AddCheckpoint, Checkpoint, Quorum, Witness, note};
use std::sync::{Arc, LazyLock};

/// A key that cosigns what is cosigned here. It is nobody's.
static COSIGNER: LazyLock<Cosigner> = LazyLock::new(|| {
    let name = Statement::Grew.key_name(ORIGIN, "halcyon");
    Cosigner::generate(&name, [8; 32]).unwrap_or_else(|error| panic!("{error}"))
});

/// Its public half.
static KEYS: LazyLock<[CosignerKey; 1]> = LazyLock::new(|| [COSIGNER.key()]);

/// When it cosigns. Units: seconds since 1970.
const AT: u64 = 1_700_000_000;

/// A checkpoint with cosignatures: what is opened was signed and cosigned, and one more line changes nothing but that line.
/// An input that is a key is read as one.
pub(super) fn cosignature(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        if let Ok(key) = Vkey::parse(text) {
            assert_eq!(key.vkey(), text);
        }
        if let Ok(key) = Cosigner::parse(text) {
            assert_eq!(key.private_key(), text);
            assert_eq!(CosignerKey::parse(&key.key().vkey()), Ok(key.key()));
        }
    }
    opened(input);
    let Ok((text, lines)) = note::split(input) else { return };
    let Ok(head) = Checkpoint::parse(text) else { return };
    if head.origin != ORIGIN {
        return;
    }
    // Under the log's own signature, whatever cosigns it.
    let signed = head.sign(&SIGNER).unwrap_or_else(|error| panic!("{error}"));
    let own = String::from_utf8_lossy(&signed).into_owned();
    opened(format!("{own}{lines}").as_bytes());
    let line = COSIGNER.cosign(&head, AT);
    let attached =
        attach(&signed, line.as_bytes(), &[&LOG], &*KEYS).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(attached, format!("{own}{line}").into_bytes());
    if let Ok(more) = attach(&attached, lines.as_bytes(), &[&LOG], &*KEYS) {
        let after = Cosigned::open(&more, &[&LOG], &*KEYS).unwrap_or_else(|error| panic!("{error}"));
        assert!(after.is_by(&KEYS[0]) && after.checkpoint == head, "a cosignature was lost");
    }
}

fn opened(signed: &[u8]) {
    let Ok(opened) = Cosigned::open(signed, &[&LOG], &*KEYS) else { return };
    let text = str::from_utf8(signed).unwrap_or_else(|error| panic!("opened, and {error}"));
    assert!(text.contains(&SIGNER.signature_line(&opened.checkpoint.text())), "opened without a signature");
    for by in &opened.cosignatures {
        assert!(text.contains(&COSIGNER.cosign(&opened.checkpoint, by.at)), "cosigned by nobody");
    }
}

/// What a witness is asked has one spelling, and what it cosigns follows on what it had cosigned.
pub(super) fn request(input: &[u8]) {
    let Ok(mut read) = AddCheckpoint::parse(input) else { return };
    assert_eq!(read.encode(), input);
    let store = Arc::new(Memory::new());
    let answers = asks(&store, input);
    let head = note::split(&read.checkpoint).ok().and_then(|(text, _)| Checkpoint::parse(text).ok());
    let Some(head) = head.filter(|head| head.origin == ORIGIN) else {
        assert!(answers.is_none(), "what is no checkpoint of the log is cosigned");
        return;
    };
    read.checkpoint = head.sign(&SIGNER).unwrap_or_else(|error| panic!("{error}"));
    let store = Arc::new(Memory::new());
    let first = asks(&store, &read.encode());
    assert_eq!(first.is_some(), read.old == 0 && read.proof.is_empty() && is_tree(&head));
    // A second time it is the same, and from there no other tree of the size. Of nothing each time is the first.
    let again = AddCheckpoint { old: head.size, proof: Vec::new(), ..read.clone() };
    let is_first = head.size == 0 && is_tree(&head);
    assert_eq!(asks(&store, &again.encode()).is_some(), first.is_some() || is_first);
    let other = Checkpoint { root: record::hash::sha256(&head.root), ..head.clone() };
    let forked = AddCheckpoint { checkpoint: other.sign(&SIGNER).unwrap_or_default(), ..again };
    assert!(
        first.is_none() || asks(&store, &forked.encode()).is_none(),
        "two trees of one size are cosigned"
    );
}

fn is_tree(head: &Checkpoint) -> bool {
    head.size > 0 || head.root == record::hash::empty_root()
}

fn witness(store: &Arc<Memory>) -> Witness<Kept<Memory>> {
    let name = Statement::Grew.key_name(ORIGIN, "halcyon");
    let cosigner = Cosigner::generate(&name, [8; 32]).unwrap_or_else(|error| panic!("{error}"));
    Witness::new(Kept::new(Arc::clone(store)), cosigner, [LOG.clone()])
}

fn asks(store: &Arc<Memory>, body: &[u8]) -> Option<String> {
    witness(store).add_checkpoint(body, AT).ok()
}

/// What a witness has kept: it is damaged, or what it says is never gone back on. Forks are read back as they were written, and prove
/// nothing that the log has not signed.
pub(super) fn memory(input: &[u8]) {
    if let Some(fork) = Fork::parse(input) {
        assert_eq!(fork.encode(), input);
        if let Ok([first, second]) = fork.prove(&[&LOG]) {
            assert!(first.size == second.size && first.root != second.root);
        }
    }
    let (name, store) = (Statement::Grew.key_name(ORIGIN, "halcyon"), Arc::new(Memory::new()));
    let place = record::hash::hex(&record::hash::sha256(format!("{name}\n{ORIGIN}").as_bytes()));
    for kept in [input.to_vec(), with_its_digest(input)] {
        store.tamper(&format!("{place}/latest"), &kept);
        let Ok(known) = witness(&store).size(ORIGIN) else { continue };
        let smaller = Checkpoint { origin: ORIGIN.to_owned(), size: known / 2, root: [1; 32] };
        let asked = AddCheckpoint {
            old: known / 2,
            proof: Vec::new(),
            checkpoint: smaller.sign(&SIGNER).unwrap_or_default(),
        };
        let cosigned = known > 0 && asks(&store, &asked.encode()).is_some();
        assert!(!cosigned, "what was kept of size {known} is gone back on");
        let after = store.read(&format!("{place}/latest"));
        assert!(matches!(after, Ok(Some(after)) if known == 0 || after == kept), "what was kept is changed");
    }
}

/// The same with the digest that it should have, so that what stands behind is looked at.
fn with_its_digest(input: &[u8]) -> Vec<u8> {
    let rest = input.iter().position(|byte| *byte == b'\n').map_or(input, |end| &input[end + 1..]);
    let digest = record::hash::base64(&record::hash::sha256(rest));
    [format!("countersign/witness/v1 {digest}\n").as_bytes(), rest].concat()
}

/// A policy is read again from what it is written as, and asks for the same.
pub(super) fn policy(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(read) = Quorum::parse(text) else { return };
    assert_eq!(Quorum::parse(&read.text()), Ok(read.clone()));
    let head = Checkpoint { origin: ORIGIN.to_owned(), size: 3, root: [3; 32] };
    let signed = head.sign(&SIGNER).unwrap_or_default();
    if let Ok(cosigned) = read.check(&signed) {
        assert_eq!(cosigned.checkpoint, head);
    }
}
