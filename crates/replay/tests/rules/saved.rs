//! A replay that was written down at any entry goes on as if it had not been.

use super::scene::{folded, whole};
use replay::{Replay, SavedError};

fn save(replay: &Replay) -> Vec<u8> {
    let mut text = Vec::new();
    let saved = replay.save(&mut |line| {
        assert!(!line.contains(&b'\n'));
        text.extend_from_slice(line);
        text.push(b'\n');
        Ok(())
    });
    saved.unwrap();
    text
}

fn resume(text: &[u8]) -> Result<Replay, SavedError> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    Replay::resume(None, &mut || {
        Ok(lines.next().map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec()))
    })
}

/// Whether what is saved of a replay is resumed to the same, which has given up as many notices.
pub(super) fn resumes_the_same(replay: &Replay) -> bool {
    let text = save(replay);
    resume(&text).is_ok_and(|resumed| {
        save(&resumed) == text
            && resumed.undelivered() == replay.undelivered()
            && resumed.reconciled() == replay.reconciled()
    })
}

#[test]
fn a_replay_that_is_resumed_at_any_entry_comes_to_the_same() {
    let entries = whole();
    let mut straight = folded(&entries).unwrap_or_else(|(index, fault)| panic!("entry {index}: {fault}"));
    let (mut words, end) = (std::collections::BTreeSet::new(), save(&straight));
    for cut in 1..=entries.len() {
        let before =
            folded(&entries[..cut]).unwrap_or_else(|(index, fault)| panic!("entry {index}: {fault}"));
        let text = save(&before);
        let mut resumed = resume(&text).unwrap_or_else(|error| panic!("after {cut}: {error}"));
        assert_eq!(save(&resumed), text, "after {cut}");
        assert_eq!(resumed.digest(), before.clone().digest(), "after {cut}");
        let lines = text.split(|byte| *byte == b'\n');
        words.extend(lines.map(|line| line.split(|byte| *byte == b'\t').next().unwrap().to_vec()));
        for (index, entry) in entries.iter().enumerate().skip(cut) {
            let taken = resumed.entry(entry.envelope.as_bytes(), entry.parties.as_bytes());
            taken.unwrap_or_else(|fault| panic!("from {cut}, entry {index}: {fault}"));
        }
        assert_eq!(save(&resumed), end, "from {cut}");
        assert_eq!(resumed.digest(), straight.digest(), "from {cut}");
        assert_eq!(resumed.unbalanced(), None);
    }
    for word in
        ["open", "held", "waiting", "given", "amending", "at-once", "drawn", "attested", "lease", "row"]
    {
        assert!(words.contains(word.as_bytes()), "`{word}` was never written");
    }
}

#[test]
fn what_is_found_in_a_record_is_found_by_a_replay_that_was_resumed_too() {
    let entries = whole();
    let cut = 10;
    let before = save(&folded(&entries[..cut]).unwrap_or_else(|(index, fault)| panic!("{index}: {fault}")));
    // Each entry once more, left out, or in the place of the next: the same is said of it, at the same entry.
    for at in cut..entries.len() - 1 {
        let mut twice = entries.clone();
        twice.insert(at, entries[at].clone());
        let mut without = entries.clone();
        without.remove(at);
        let mut swapped = entries.clone();
        swapped.swap(at, at + 1);
        for changed in [twice, without, swapped] {
            let mut resumed = resume(&before).unwrap();
            let found = changed.iter().enumerate().skip(cut).find_map(|(index, entry)| {
                let taken = resumed.entry(entry.envelope.as_bytes(), entry.parties.as_bytes());
                taken.err().map(|fault| (index, fault))
            });
            assert_eq!(found, folded(&changed).err(), "entry {at}");
        }
    }
}

#[test]
fn a_line_that_is_none_of_ours_is_refused_with_its_number() {
    let whole = folded(&whole()).unwrap_or_else(|(index, fault)| panic!("entry {index}: {fault}"));
    let text = String::from_utf8(save(&whole)).unwrap();
    assert!(resume(text.as_bytes()).is_ok());
    let table = [
        ("at\t", "att\t", "line 1: expected a word that begins a line of a replay"),
        ("counts\t", "counts\tx", "line 2: expected a decimal"),
        ("counts\t", "counts\t7\t", "line 2: expected no more fields"),
        ("party\tnorth\t", "party\tnorth\tx", "line 3: expected a vkey"),
        ("\nrow\n", "\nrow\t1\n", "expected no more fields"),
        ("\nids\t", "\nids\tA", "expected ids of 16 bytes each, in base64"),
        ("\nrow\n", "\nrow\nat\t7\n", "expected ids of 16 bytes each, in base64"),
        (
            "\naccount\t",
            "\naccount\tx\tUSD\t0\t0\t0\t0\naccount\tx\tUSD\t0\t0\t0\t0\naccount\t",
            "was not there before",
        ),
        ("\nlease\t", "\nlent\tUSD\t1\nlease\t", "expected a `lease` before it"),
    ];
    for (from, to, expected) in table {
        assert!(text.contains(from), "{from}");
        let said = resume(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
        assert!(said.contains(expected), "expected `{expected}`, was told: {said}");
    }
    assert!(resume(b"").is_err() && resume(&text.as_bytes()[..40]).is_err());
}
