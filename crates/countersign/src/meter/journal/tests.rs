//! A journal through crashes and under the hands of whoever would change it.

use super::*;
use std::fs;

fn signer() -> Signer {
    Signer::generate("example.test/record/halcyon", [7; 32]).unwrap()
}

fn open(dir: &Path) -> anyhow::Result<Journal> {
    Journal::open(dir, signer(), "http://operator.test", Clock)
}

/// A journal with a start, `calls` further lines and a stop, all signed.
fn written(dir: &Path, calls: usize) {
    let journal = open(dir).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for _ in 0..calls {
        runtime.block_on(journal.write(Line::Mark { at: Clock.now() })).unwrap();
    }
    journal.close(Clock).unwrap();
}

fn lines(dir: &Path) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    let signed = Reader::new(dir, &signer().verifier()).advance(|number, line| {
        assert_eq!(number, u64::try_from(lines.len()).unwrap());
        lines.push(line);
    })?;
    assert_eq!(signed, u64::try_from(lines.len()).unwrap());
    Ok(lines)
}

fn change(dir: &Path, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = dir.join(file);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    files::replace(&path, &bytes, 0o644).unwrap();
}

#[test]
fn what_was_written_is_signed_and_read_back_and_goes_on_under_its_name() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("journal");
    written(&dir, 3);
    written(&dir, 2);
    let lines = lines(&dir).unwrap();
    let kinds: Vec<_> = lines
        .iter()
        .map(|line| match line {
            Line::Start { .. } => "start",
            Line::Mark { .. } => "mark",
            Line::Stop { .. } => "stop",
            Line::Call(_) => "call",
        })
        .collect();
    assert_eq!(kinds, ["start", "mark", "mark", "mark", "stop", "start", "mark", "mark", "stop"]);
    let names: std::collections::BTreeSet<_> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Start { journal, .. } => Some(journal.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(names.len(), 1, "one journal has one name");
}

#[test]
fn what_is_torn_behind_the_signed_lines_is_cut_off_and_nothing_else_is() {
    for torn in
        [&b"{\"kind\":\"call\",\"be"[..], b"\n", &[0; 4096], b"{\"kind\":\"mark\"}\n", b"not a line\n\n"]
    {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("journal");
        written(&dir, 3);
        let whole = fs::read(dir.join(LINES)).unwrap();
        // A line that was written and not yet signed when the process was killed is kept.
        let unsigned = [Line::Mark { at: Clock.now() }.encode(), b"\n".to_vec()].concat();
        change(&dir, LINES, |bytes| bytes.extend([&unsigned, torn].concat()));
        assert_eq!(lines(&dir).unwrap().len(), 5, "who only reads sees what is signed");
        open(&dir).unwrap().close(Clock).unwrap();
        assert_eq!(
            lines(&dir).unwrap().len(),
            8,
            "three, their start and stop, the unsigned one, and two more"
        );
        assert!(fs::read(dir.join(LINES)).unwrap().starts_with(&[whole, unsigned].concat()));
    }
}

#[test]
fn a_start_that_a_crash_has_left_unsigned_is_begun_again() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("journal");
    written(&dir, 0);
    fs::remove_file(dir.join(HEAD)).unwrap();
    assert!(open(&dir).is_err(), "two lines are no start");
    change(&dir, LINES, |bytes| {
        let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        bytes.truncate(first + 1);
    });
    open(&dir).unwrap().close(Clock).unwrap();
    assert_eq!(lines(&dir).unwrap().len(), 2);
}

#[test]
fn whatever_is_changed_in_what_was_signed_is_refused() {
    type Change = fn(&mut Vec<u8>);
    let rows: [(&str, &str, Change); 8] = [
        ("first 6 lines are not those", LINES, |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let line = text.lines().nth(2).unwrap();
            *bytes =
                text.replacen(line, r#"{"kind":"mark","at":"2026-11-22T23:45:12.345Z"}"#, 1).into_bytes();
        }),
        ("missing or damaged", LINES, |bytes| {
            let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            bytes[second] ^= 1;
        }),
        ("missing or damaged", LINES, |bytes| bytes.truncate(bytes.len() - 1)),
        ("first 6 lines are not those", LINES, |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let mut lines: Vec<_> = text.split_inclusive('\n').collect();
            lines.swap(2, 5);
            *bytes = lines.concat().into_bytes();
        }),
        ("does not begin with the start", LINES, |bytes| {
            let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
            bytes.drain(..=first);
        }),
        ("missing or damaged", LINES, Vec::clear),
        ("is not signed by", HEAD, |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text.replacen("\n6\n", "\n5\n", 1).into_bytes();
        }),
        ("is not signed by", HEAD, |bytes| bytes.truncate(40)),
    ];
    for (number, (says, file, damage)) in rows.into_iter().enumerate() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("journal");
        written(&dir, 4);
        change(&dir, file, damage);
        let read = format!("{:#}", lines(&dir).unwrap_err());
        let resumed = format!("{:#}", open(&dir).unwrap_err());
        assert!(read.contains(says) && resumed.contains(says), "{number}: {read}; {resumed}");
    }
}

#[test]
fn a_journal_is_of_one_key_one_name_and_one_process() {
    let place = tempfile::tempdir().unwrap();
    let (one, other) = (place.path().join("one"), place.path().join("other"));
    let held = open(&one).unwrap();
    let again = format!("{:#}", open(&one).unwrap_err());
    assert!(again.contains("another meter writes"), "{again}");
    held.close(Clock).unwrap();
    written(&other, 0);
    let stranger = Signer::generate("example.test/record/halcyon", [8; 32]).unwrap().verifier();
    assert!(Reader::new(&one, &stranger).advance(|_, _| {}).is_err());
    let foreign = fs::read(other.join(HEAD)).unwrap();
    change(&one, HEAD, |bytes| *bytes = foreign);
    let mixed = format!("{:#}", lines(&one).unwrap_err());
    assert!(mixed.contains("it is of the journal"), "{mixed}");
}

#[test]
fn one_who_reads_on_is_given_each_line_once_and_sees_that_signed_ones_are_taken_back() {
    let place = tempfile::tempdir().unwrap();
    let (dir, old) = (place.path().join("journal"), place.path().join("old"));
    written(&dir, 3);
    let copied = std::process::Command::new("cp").arg("-a").args([&dir, &old]).status().unwrap();
    assert!(copied.success());
    let mut reader = Reader::new(&dir, &signer().verifier());
    let mut numbers = Vec::new();
    assert_eq!(reader.advance(|number, _| numbers.push(number)).unwrap(), 5);
    assert_eq!(reader.advance(|number, _| numbers.push(number)).unwrap(), 5);
    written(&dir, 1);
    assert_eq!(reader.advance(|number, _| numbers.push(number)).unwrap(), 8);
    assert_eq!(numbers, (0..8).collect::<Vec<_>>());
    for file in [LINES, HEAD] {
        fs::copy(old.join(file), dir.join(file)).unwrap();
    }
    let error = format!("{:#}", reader.advance(|_, _| {}).unwrap_err());
    assert!(error.contains("first 5 lines are not those that were signed"), "{error}");
}
