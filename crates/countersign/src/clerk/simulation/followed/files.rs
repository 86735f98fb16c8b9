//! Lies in the files that are served: they are not what is signed, or what is signed is not what was signed before.

use super::super::place::{self, ORIGIN};
use partnership::entry::Entry;
use record::bundle::{decode, encode, from_file, to_file};
use record::note::Signer;
use record::store::chance::Chance;
use record::store::memory::Memory;
use record::tile::{Kind, TilePath};
use record::{Checkpoint, Store, hash};

/// What is wrong with the files.
pub(super) struct Tampered {
    /// What was changed.
    pub(super) name: &'static str,
    /// How: of files with so many entries, at this one.
    pub(super) by: fn(&Memory, u64, u64),
    pub(super) shows: Shows,
}

/// How it shows to a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// As a fault of the entry that was changed.
    Entry,
    /// As a fault of the file of this kind that has the entry.
    File(Kind),
    /// As a fault of the checkpoint.
    Checkpoint,
    /// Not at all as a fault: it may be there later. Nothing is cosigned of it, and what is missing is named.
    Missing(Kind),
    /// Only to whoever starts: the keys are not those that it has.
    Keys,
}

pub(super) const FILES: [Tampered; 17] = [
    Tampered {
        name: "an entry changed",
        by: |store, size, at| {
            entries(store, Kind::Entries, size, at, |all, at| {
                let last = all[at].len() - 2;
                all[at][last] ^= 1;
            })
        },
        shows: Shows::Entry,
    },
    Tampered {
        name: "an entry removed",
        by: |store, size, at| entries(store, Kind::Entries, size, at, |all, at| drop(all.remove(at))),
        shows: Shows::File(Kind::Entries),
    },
    Tampered {
        name: "entries reordered",
        by: |store, size, at| {
            entries(store, Kind::Entries, size, at, |all, at| {
                let moved = all.remove(at);
                all.push(moved);
            })
        },
        shows: Shows::Entry,
    },
    Tampered {
        name: "an entry inserted",
        by: |store, size, at| {
            entries(store, Kind::Entries, size, at, |all, at| all.insert(at, all[at].clone()))
        },
        shows: Shows::File(Kind::Entries),
    },
    Tampered {
        name: "a bundle truncated",
        by: |store, size, at| {
            file(store, Kind::Entries, size, at, |bytes, _| bytes.truncate(bytes.len() - 1))
        },
        shows: Shows::File(Kind::Entries),
    },
    Tampered {
        name: "a parties' part changed",
        by: |store, size, at| {
            entries(store, Kind::Parties, size, at, |all, at| {
                let half = all[at].len() / 2;
                all[at][half] ^= 1;
            })
        },
        shows: Shows::Entry,
    },
    Tampered {
        name: "a parties' part of another entry",
        by: |store, size, at| {
            entries(store, Kind::Parties, size, at, |all, at| all[at] = b"{\"salts\":[]}".to_vec())
        },
        shows: Shows::Entry,
    },
    Tampered {
        name: "both halves of an entry changed, so that each fits to the other",
        by: |store, size, at| {
            let half = |kind| -> Vec<u8> {
                let mut half = Vec::new();
                entries(store, kind, size, at, |all, at| half.clone_from(&all[at]));
                half
            };
            let entry = Entry::decode(&half(Kind::Entries), &half(Kind::Parties)).unwrap();
            let other = Entry::new(&[5; 32], entry.at, entry.body).encode();
            entries(store, Kind::Entries, size, at, |all, at| all[at].clone_from(&other.envelope));
            entries(store, Kind::Parties, size, at, |all, at| all[at].clone_from(&other.parties));
        },
        shows: Shows::Entry,
    },
    Tampered {
        name: "a hash changed",
        by: |store, size, at| {
            file(store, Kind::Hashes(0), size, at, |bytes, place| bytes[32 * place + 5] ^= 1)
        },
        shows: Shows::Checkpoint,
    },
    Tampered {
        name: "a hash tile truncated",
        by: |store, size, at| {
            file(store, Kind::Hashes(0), size, at, |bytes, _| bytes.truncate(bytes.len() - 1))
        },
        shows: Shows::File(Kind::Hashes(0)),
    },
    Tampered {
        name: "a bundle withheld for ever",
        by: |store, size, at| store.remove(&path(Kind::Entries, size, at)).unwrap(),
        shows: Shows::Missing(Kind::Entries),
    },
    Tampered {
        name: "the parties' parts withheld for ever",
        by: |store, size, at| store.remove(&path(Kind::Parties, size, at)).unwrap(),
        shows: Shows::Missing(Kind::Parties),
    },
    Tampered {
        name: "a checkpoint with another root",
        by: |store, size, _| {
            signed(store, |head| Checkpoint { size, root: hash::sha256(&head.root), ..head }, place::log())
        },
        shows: Shows::Checkpoint,
    },
    Tampered {
        name: "a checkpoint signed by another key",
        by: |store, _, _| signed(store, |head| head, &Signer::generate(ORIGIN, [99; 32]).unwrap()),
        shows: Shows::Checkpoint,
    },
    Tampered {
        name: "a checkpoint of another log",
        by: |store, _, _| {
            let other = Signer::generate("other.example", [1; 32]).unwrap();
            signed(store, |head| Checkpoint { origin: "other.example".to_owned(), ..head }, &other);
        },
        shows: Shows::Checkpoint,
    },
    Tampered {
        name: "a checkpoint with a flipped bit",
        by: |store, _, _| {
            let mut bytes = store.read("checkpoint").unwrap().unwrap();
            let middle = bytes.iter().rposition(|byte| *byte == b' ').unwrap() + 12;
            bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
            store.replace("checkpoint", &bytes).unwrap();
        },
        shows: Shows::Checkpoint,
    },
    Tampered {
        name: "the keys swapped",
        by: |store, _, _| {
            let other = Signer::generate(ORIGIN, [99; 32]).unwrap();
            store.tamper("vkeys", format!("{}\n", other.verifier()).as_bytes());
        },
        shows: Shows::Keys,
    },
];

/// The path of the file of this kind that has an entry.
pub(super) fn path(kind: Kind, size: u64, at: u64) -> String {
    let number = at / 256;
    let width = u16::try_from((size - number * 256).min(256)).unwrap();
    TilePath { kind, number, width }.path()
}

fn file(store: &Memory, kind: Kind, size: u64, at: u64, change: impl FnOnce(&mut Vec<u8>, usize)) {
    let path = path(kind, size, at);
    let mut bytes = store.read(&path).unwrap().unwrap();
    change(&mut bytes, usize::try_from(at % 256).unwrap());
    store.tamper(&path, &bytes);
}

fn entries(store: &Memory, kind: Kind, size: u64, at: u64, change: impl FnOnce(&mut Vec<Vec<u8>>, usize)) {
    let width = usize::try_from((size - at / 256 * 256).min(256)).unwrap();
    file(store, kind, size, at, |bytes, place| {
        let bundle = from_file(kind, std::mem::take(bytes)).unwrap();
        let mut all: Vec<Vec<u8>> = decode(&bundle, width).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        change(&mut all, place);
        *bytes = to_file(kind, &encode(all.iter().map(Vec::as_slice))).into_owned();
    });
}

fn signed(store: &Memory, change: impl FnOnce(Checkpoint) -> Checkpoint, signer: &Signer) {
    let signed = store.read("checkpoint").unwrap().unwrap();
    let head = Checkpoint::open(&signed, &place::log().verifier()).unwrap();
    store.replace("checkpoint", &change(head).sign(signer).unwrap()).unwrap();
}

/// An entry of which a change shows as its own: not the last of its bundle.
pub(super) fn place_in(chance: &mut Chance, from: u64, size: u64) -> u64 {
    let at = from + chance.below((size - from).max(1));
    if at + 1 == size || at % 256 == 255 { at.saturating_sub(1).max(from) } else { at }
}
