//! Makes kept files of a real record's folder, as `countersign up` leaves it: the entries as they stand, and what is signed by a key of ours.
//!
//! Not needed to search. It is for the day on which the format changes. What it does not make was copied from the tests.

use crate::corpus::keep;
use crate::mutate::BYTES_MAX;
use crate::targets::scene::{LEAVES, LOG, ORIGIN, SIGNER, STATES, record};
use crate::targets::{FOLDER_ENTRIES, written};
use anyhow::Context as _;
use partnership::entry::{Body, Entry, StateDigest};
use partnership::state::Snapshot;
use record::store::directory::Directory;
use record::store::{Store as _, segment_path};
use record::tile::Kind;
use record::{Checkpoint, Receipt, bundle};
use std::path::Path;

/// Writes the kept files that follow from the record in `folder`, over those that are there.
///
/// Errors: the record cannot be read.
pub(crate) fn make(folder: &Path) -> anyhow::Result<()> {
    let store = Directory::new(folder);
    let vkeys = String::from_utf8(store.read("vkeys")?.context("it has no keys")?)?;
    let log = record::note::Verifier::parse(vkeys.lines().next().unwrap_or_default())?;
    let head = Checkpoint::open(&store.read("checkpoint")?.context("it has no checkpoint")?, &log)?;
    for index in 0..head.size {
        let half = |kind| -> anyhow::Result<Vec<u8>> {
            bundle::entry_at(&store, kind, index, head.size)?.context("an entry is missing")
        };
        let text =
            [format!("{index}\n").as_bytes(), &half(Kind::Entries)?, b"\n", &half(Kind::Parties)?].concat();
        keep("entry", &format!("real-{index:02}"), &text)?;
    }
    for (number, vkey) in vkeys.lines().enumerate() {
        keep("vkey", &format!("real-{number}"), vkey.as_bytes())?;
    }
    keep("vkey", "private", SIGNER.private_key().as_bytes())?;
    entries()?;
    signed()?;
    folders()?;
    snapshot()
}

/// The halves of some entries, each by itself and in a bundle.
fn entries() -> anyhow::Result<()> {
    for (index, leaf) in LEAVES.iter().enumerate().step_by(6) {
        keep("envelope", &format!("real-{index:02}"), &leaf.envelope)?;
        keep("parts", &format!("real-{index:02}"), &leaf.parties)?;
    }
    let few = || LEAVES.iter().skip(1).take(4);
    keep("bundle", "envelopes", &bundle::encode(few().map(|leaf| leaf.envelope.as_slice())))?;
    let parties = bundle::encode(few().map(|leaf| leaf.parties.as_slice()));
    keep("bundle", "parties", &parties)?;
    keep("bundle-file", "parties", &bundle::to_file(Kind::Parties, &parties))?;
    Ok(())
}

/// Notes, checkpoints and receipts by a key of ours.
fn signed() -> anyhow::Result<()> {
    let store = record(LEAVES.len());
    let head = store.read("checkpoint")?.context("it has no checkpoint")?;
    let size = Checkpoint::open(&head, &LOG)?.size;
    let other = record::note::Signer::generate("witness.example", [8; 32])?;
    let (text, lines) = record::note::split(&head)?;
    let both = format!("{text}\n{}{lines}", other.signature_line(text));
    for target in ["note", "checkpoint"] {
        keep(target, "real", &head)?;
        keep(target, "with-a-witness", both.as_bytes())?;
    }
    for index in [0, 17, size - 1] {
        let mut receipt = Receipt::of(&*store, index, &head, size, size)?.context("it is not covered")?;
        receipt.extra = (index == 17).then(|| b"{\"entry\":\"\"}".to_vec());
        let envelope = &LEAVES[usize::try_from(index)?].envelope;
        keep("receipt", &format!("real-{index}"), &[envelope, b"\n".as_slice(), &receipt.encode()].concat())?;
    }
    Ok(())
}

/// A short journal, and each file of a short record.
fn folders() -> anyhow::Result<()> {
    let journal = |count| -> anyhow::Result<Vec<u8>> {
        record(count).read(&segment_path(0))?.context("it has no journal")
    };
    for count in [1, 2, 4] {
        keep("journal", &format!("of-{count}"), written(&journal(count)?))?;
    }
    let mut paths = Vec::new();
    for (path, bytes) in record(FOLDER_ENTRIES).snapshot() {
        paths.push(path.clone());
        let bytes = if path.starts_with("journal/") { written(&bytes) } else { &bytes };
        let file = [format!("=== {path}\n").as_bytes(), bytes].concat();
        if file.len() <= BYTES_MAX {
            keep("folder", &path.replace('/', "-"), &file)?;
        }
    }
    for path in
        paths.iter().map(String::as_str).chain(["tile/8/x001/x234/067.p/255", "journal/00000001", ORIGIN])
    {
        keep("path", &path.replace('/', "-"), path.as_bytes())?;
    }
    keep("path", "digest", record::hash::hex(&[0xab; 32]).as_bytes())?;
    Ok(())
}

/// The state after the first entries, as a snapshot without its sum.
fn snapshot() -> anyhow::Result<()> {
    for count in [1, 10] {
        let mut state = STATES[count].clone();
        let at = Entry::decode(&LEAVES[count - 1].envelope, &LEAVES[count - 1].parties)?.at;
        let digest = StateDigest { at, digest: state.digest() };
        state.apply(&Entry::new(&[1; 32], at, Body::StateDigest(digest)), count as u64)?;
        let bytes = Snapshot::of(state, [9; 32]).context("no snapshot")?.encode();
        let text = bytes.get(..bytes.len().saturating_sub(65)).context("no sum")?;
        if text.len() <= BYTES_MAX {
            keep("snapshot", &format!("after-{count}"), text)?;
        }
    }
    Ok(())
}
