//! The parsers of `record`.
//!
//! Where a signature stands in the way, a target goes on behind it too, signed by a key of ours: as whoever runs the log could.

use super::scene::{LEAVES, LOG, ORIGIN, SEGMENT_BYTES, SIGNER, line, record};
use crc32c::{crc32c, crc32c_append};
use record::commitment::{Draft, Fields};
use record::hash::{leaf_hash, sha256};
use record::note::{self, Signer, Verifier};
use record::store::memory::Memory;
use record::store::{Store as _, StoreError, segment_number, segment_path};
use record::tile::TilePath;
use record::{Checkpoint, Envelope, Leaf, Receipt, bundle};
use std::sync::{Arc, LazyLock};

/// A note is put together again from its two halves; what is opened was signed, and over this text.
pub(super) fn note(input: &[u8]) {
    let Ok((text, lines)) = note::split(input) else {
        assert!(note::open(input, &[&LOG]).is_err(), "opened what has no halves");
        return;
    };
    assert_eq!(format!("{text}\n{lines}").as_bytes(), input);
    if let Ok(opened) = note::open(input, &[&LOG]) {
        assert_eq!((opened.text.as_str(), opened.signers.as_slice()), (text, [ORIGIN.to_owned()].as_slice()));
        assert!(lines.contains(&SIGNER.signature_line(text)), "opened without a signature");
    }
    let signed =
        SIGNER.sign(text).unwrap_or_else(|error| panic!("a text that was read cannot be signed: {error}"));
    assert_eq!(note::open(signed.as_bytes(), &[&LOG]).map(|note| note.text), Ok(text.to_owned()));
}

/// A key has one spelling, and says nothing of itself where it is private.
pub(super) fn vkey(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(key) = Verifier::parse(text) {
        assert_eq!(key.vkey(), text);
    }
    if let Ok(key) = Signer::parse(text) {
        assert_eq!(key.private_key(), text);
        assert!(key.verifier().verify_bytes(text.as_bytes(), &key.sign_bytes(text.as_bytes())));
        assert_eq!(Verifier::parse(&key.verifier().vkey()), Ok(key.verifier()));
    }
}

/// A checkpoint has one spelling, and what is opened was signed.
pub(super) fn checkpoint(input: &[u8]) {
    if let Ok(opened) = Checkpoint::open(input, &LOG) {
        let signed =
            str::from_utf8(input).is_ok_and(|text| text.contains(&SIGNER.signature_line(&opened.text())));
        assert!(signed, "opened without a signature");
    }
    let text =
        note::split(input).map(|(text, _)| text).or_else(|_| str::from_utf8(input)).unwrap_or_default();
    let Ok(read) = Checkpoint::parse(text) else { return };
    assert_eq!(read.text(), text);
    let signed = read.sign(&SIGNER).unwrap_or_default();
    assert_eq!(
        Checkpoint::open(&signed, &LOG).ok(),
        (read.origin == ORIGIN && !signed.is_empty()).then_some(read)
    );
}

/// A path has one spelling, and leads nowhere out of the folder.
pub(super) fn path(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Some(tile) = TilePath::parse(text) {
        assert_eq!(tile.path(), text);
        assert!((1..=256).contains(&tile.width));
        assert!(matches!(Memory::new().read(text), Ok(None)), "a tile cannot be read");
    }
    if let Some(number) = segment_number(text) {
        assert_eq!(segment_path(number), text);
    }
    if let Ok(digest) = text.parse::<partnership::act::Digest>() {
        assert_eq!(digest.to_string(), text);
    }
    if let Some(digest) = partnership::act::Digest::from_hex(text) {
        assert_eq!(digest.hex(), text);
    }
    let leaves = text.starts_with('/') || text.split('/').any(|part| part == "..");
    assert!(!leaves || matches!(Memory::new().read(text), Err(StoreError::Path { .. })), "a way out");
}

/// A bundle is put together again from its entries, and has as many as it has and no other number.
pub(super) fn bundle(input: &[u8]) {
    let mut naive: Vec<&[u8]> = Vec::new();
    let mut rest = input;
    while let Some((length, after)) = rest.split_first_chunk::<2>()
        && let Some((entry, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))
    {
        naive.push(entry);
        rest = after;
    }
    let read = bundle::decode(input, naive.len());
    assert_eq!(read.as_deref().ok(), rest.is_empty().then_some(naive.as_slice()));
    assert_eq!(bundle::prefix(input, naive.len()), input.get(..input.len() - rest.len()));
    assert_eq!(bundle::encode(naive.iter().copied()), input[..input.len() - rest.len()]);
    for other in [naive.len() + 1, naive.len().saturating_sub(1), usize::MAX] {
        assert!(other == naive.len() || bundle::decode(input, other).is_err(), "{other} entries");
    }
}

/// What comes out of a file of parties' parts is no longer than a bundle can be, and comes out of a file of ours again.
pub(super) fn bundle_file(input: &[u8]) {
    let kind = record::tile::Kind::Parties;
    let Ok(read) = bundle::from_file(kind, input.to_vec()) else { return };
    assert!(read.len() <= 256 * (bundle::ENTRY_BYTES_MAX + 2));
    let again = bundle::to_file(kind, &read).into_owned();
    assert_eq!(bundle::from_file(kind, again), Ok(read));
}

/// An envelope has one spelling.
pub(super) fn envelope(input: &[u8]) {
    if let Ok(read) = Envelope::parse(input) {
        assert_eq!(read.encode(), input);
    }
}

/// A parties' part is written again from its fields, and each field is proven by itself and by nothing else.
pub(super) fn parts(input: &[u8]) {
    let Ok(fields) = Fields::parse(input) else { return };
    let mut draft = Draft::new(*fields.salts());
    for (name, value) in fields.iter() {
        let put = |to: &mut Vec<u8>| -> Result<(), ()> {
            to.extend_from_slice(value);
            Ok(())
        };
        assert_eq!(draft.field(name, put), Ok(()));
    }
    assert_eq!(draft.finish(), (input.to_vec(), fields.body()));
    for (name, _) in fields.iter() {
        let shown = fields.disclose(name).unwrap_or_else(|error| panic!("{error}"));
        let strict = shown.verify(&fields.body());
        let value: Result<serde_json::Value, _> = serde_json::from_slice(&shown.value);
        assert!(!strict || value.is_ok(), "`{name}` is shown, and no JSON");
        let mut other = shown;
        other.salt[0] ^= 1;
        assert!(!other.verify(&fields.body()), "`{name}` is shown with another salt");
    }
}

/// A receipt has one spelling, and what it proves is on the record: the first line is the entry.
pub(super) fn receipt(input: &[u8]) {
    let Some((entry, text)) = line(input) else { return };
    let Ok(mut read) = Receipt::parse(text) else { return };
    assert_eq!(read.encode(), text);
    if let Ok(head) = read.verify(entry, &LOG) {
        let place = usize::try_from(read.index).ok();
        let real = place.and_then(|place| LEAVES.get(place));
        assert_eq!(real.map(|leaf| leaf.envelope.as_slice()), Some(entry), "it is not on the record");
        assert!(read.index < head.size);
    }
    let Ok((head, _)) = note::split(&read.checkpoint) else { return };
    let Ok(head) = Checkpoint::parse(head) else { return };
    read.checkpoint = head.sign(&SIGNER).unwrap_or_default();
    let right = read.verify(entry, &LOG).is_ok();
    let longest = usize::try_from(u64::BITS - head.size.leading_zeros()).unwrap_or_default();
    assert!(!right || read.path.len() <= longest, "a path that is longer than the tree is high");
}

/// Whatever lies in a journal: it is refused, or what it gives stays, and the record goes on from there.
pub(super) fn journal(input: &[u8]) {
    goes_on(input);
    goes_on(&with_checksums(input, 0));
}

fn goes_on(segment: &[u8]) {
    let store = Arc::new(Memory::new());
    store.tamper(&segment_path(0), &as_long_as_a_segment(segment));
    let Ok(mut record) = record::load(Arc::clone(&store), ORIGIN, SEGMENT_BYTES, &LOG) else { return };
    let (size, root) = (record.log.size(), record.log.root());
    assert_eq!(record.entries.count(), size);
    let mut hashes = Vec::new();
    let read = record.for_each_entry(|index, envelope, _| {
        assert_eq!(index, hashes.len() as u64);
        hashes.push(leaf_hash(envelope));
        Ok(())
    });
    assert!(read.is_err() || record::merkle::root(&hashes) == root, "the entries have another root");
    let leaf = Leaf { envelope: b"one more".to_vec(), parties: b"of ours".to_vec() };
    assert_eq!(record.log.append(leaf), Ok(size));
    let group = Vec::from_iter(record.log.seal());
    assert_eq!(record.journal.write(&group).ok(), Some(size + 1));
    let again =
        record::load(store, ORIGIN, SEGMENT_BYTES, &LOG).unwrap_or_else(|error| panic!("not again: {error}"));
    assert_eq!((again.log.size(), again.log.root()), (record.log.size(), record.log.root()));
    assert_eq!(again.torn, None);
}

/// The same frames with the checksums that they should have, so that what stands in them is looked at.
fn with_checksums(segment: &[u8], number: u32) -> Vec<u8> {
    let place = crc32c_append(crc32c(&sha256(ORIGIN.as_bytes())), &number.to_le_bytes());
    let mut segment = segment.to_vec();
    let mut at = 0;
    while let Some(length) = segment.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied() {
        let end = (at + 8).saturating_add(u32::from_le_bytes(length) as usize);
        let Some(payload) = segment.get(at + 8..end).filter(|payload| !payload.is_empty()) else { break };
        let crc = crc32c_append(crc32c_append(place, &length), payload);
        segment[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    segment
}

/// Whatever lies in a record's folder, signed by whoever runs the log: it is opened or refused, and what an audit takes has the
/// root that it says. The input is a row of files, each after a line `=== ` and its path.
pub(super) fn folder(input: &[u8]) {
    static SOUND: LazyLock<Vec<(String, Vec<u8>)>> =
        LazyLock::new(|| record(ENTRIES).snapshot().into_iter().collect());
    let store = Arc::new(Memory::new());
    for (path, bytes) in SOUND.iter() {
        store.tamper(path, bytes);
    }
    for (path, bytes) in files(input) {
        let bytes = match segment_number(path) {
            Some(number) => as_long_as_a_segment(&with_checksums(bytes, number)),
            None if path == "checkpoint" => signed_again(bytes),
            None => bytes.to_vec(),
        };
        store.tamper(path, &bytes);
    }
    let mut hashes = Vec::new();
    let visit = |_: u64, envelope: &[u8], _: &[u8]| {
        hashes.push(leaf_hash(envelope));
        Ok(())
    };
    let audited = record::audit(&*store, ORIGIN, &LOG, visit).ok();
    if let Some(audited) = &audited {
        assert_eq!((audited.entries, audited.root), (hashes.len() as u64, record::merkle::root(&hashes)));
    }
    let _ = record::audit_published(&*store, ORIGIN, &LOG, |_, _, _| Ok(()));
    let head = store.read("checkpoint").ok().flatten().unwrap_or_default();
    if let Ok(opened) = Checkpoint::open(&head, &LOG) {
        for index in [0, 3, opened.size.saturating_sub(1)] {
            let receipt = Receipt::of(&*store, index, &head, opened.size, opened.size).ok().flatten();
            let entry =
                bundle::entry_at(&*store, record::tile::Kind::Entries, index, opened.size).ok().flatten();
            if let (Some(receipt), Some(entry), Some(_)) = (receipt, entry, &audited) {
                assert!(
                    receipt.verify(&entry, &LOG).is_ok(),
                    "a record that is sound gives no receipt for {index}"
                );
            }
        }
    }
    let loaded = record::load(store, ORIGIN, SEGMENT_BYTES, &LOG);
    assert!(audited.is_none() || loaded.is_ok(), "an audit takes what cannot be opened: {:?}", loaded.err());
}

/// A shorter one is refused before anything in it is read.
fn as_long_as_a_segment(bytes: &[u8]) -> Vec<u8> {
    let mut segment = bytes.to_vec();
    segment.resize(segment.len().max(SEGMENT_BYTES as usize), 0);
    segment
}

/// What was written of a segment: all but the zeroes at its end.
pub(crate) fn written(segment: &[u8]) -> &[u8] {
    let end = segment.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &segment[..end]
}

fn files(input: &[u8]) -> Vec<(&str, &[u8])> {
    let mut files = Vec::new();
    let mut rest = input.strip_prefix(MARK.trim_ascii_start());
    while let Some((path, after)) = rest.and_then(line) {
        let next = after.windows(MARK.len()).position(|window| window == MARK);
        files.push((str::from_utf8(path).unwrap_or_default(), &after[..next.unwrap_or(after.len())]));
        rest = next.map(|next| &after[next + MARK.len()..]);
    }
    files
}

/// The note with our signature in place of whatever signs it.
fn signed_again(bytes: &[u8]) -> Vec<u8> {
    let signed = note::split(bytes).ok().and_then(|(text, _)| SIGNER.sign(text).ok());
    signed.map_or_else(|| bytes.to_vec(), String::into_bytes)
}

const MARK: &[u8] = b"\n=== ";

/// How many entries the sound folder has.
pub(crate) const ENTRIES: usize = 4;
