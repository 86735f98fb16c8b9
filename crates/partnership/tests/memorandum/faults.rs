//! Each malformed memorandum has its golden diagnostic, and nothing makes reading panic.

use std::fs;
use std::path::{Path, PathBuf};

use partnership::memorandum::Memorandum;
use proptest::prelude::*;

use super::{SOUND, read, rendered, tests};

fn malformed() -> Vec<PathBuf> {
    let files = fs::read_dir(tests().join("malformed")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    files.sort();
    files
}

fn faults_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let faults = Memorandum::parse(&text).unwrap_err();
    rendered(&text, &faults)
}

#[test]
fn each_malformed_memorandum_has_its_golden_diagnostic() {
    let files = malformed();
    assert!(files.len() >= 60, "{} fixtures", files.len());
    for path in files {
        let golden = fs::read_to_string(path.with_extension("golden")).unwrap_or_default();
        assert_eq!(faults_of(&path), golden, "{}", path.display());
    }
}

#[test]
#[ignore = "writes the golden files; read the difference before keeping it"]
#[expect(clippy::disallowed_methods, reason = "golden files are written by hand, never by the product")]
fn write_golden_diagnostics() {
    for path in malformed() {
        fs::write(path.with_extension("golden"), faults_of(&path)).unwrap();
    }
}

#[test]
fn every_fault_points_into_the_line_it_is_about() {
    let base: Vec<&str> = SOUND.lines().collect();
    for path in malformed() {
        let text = fs::read_to_string(&path).unwrap();
        for fault in Memorandum::parse(&text).unwrap_err() {
            assert!(text.get(fault.span.clone()).is_some(), "{}: {fault:?}", path.display());
            let (line, _) = fault.position(&text);
            assert!(line <= text.lines().count().max(base.len()), "{}: {fault:?}", path.display());
        }
    }
}

#[test]
fn the_base_of_the_fixtures_is_sound() {
    assert_eq!(read(SOUND).clauses.len(), 8);
}

#[test]
fn a_thousand_clauses_are_read() {
    let clause = |n: usize| {
        format!(
            "\n## Person {n}\n\nSomebody.\n\n```toml clause person-{n}\nkind = \"accountable\"\nsource = \"signed\"\nparty = \"birch\"\nperson = \"Ada\"\nrole = \"r\"\n```\n"
        )
    };
    let text = SOUND.to_owned() + &(0..1000).map(clause).collect::<String>();
    assert_eq!(read(&text).clauses.len(), 1008);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn reading_never_panics_on_cut_and_pasted_text(from in 0..SOUND.len(), len in 0_usize..60, to in 0..SOUND.len(), with in ".{0,6}") {
        let end = (from + len).min(SOUND.len());
        let text = format!("{}{with}{}", &SOUND[..to], &SOUND[to..]);
        let _ = Memorandum::parse(&text);
        let cut = format!("{}{with}{}", &SOUND[..from], &SOUND[end..]);
        if let Err(faults) = Memorandum::parse(&cut) {
            prop_assert!(!faults.is_empty());
            for fault in faults {
                prop_assert!(cut.get(fault.span).is_some());
            }
        }
    }

    #[test]
    fn reading_never_panics_on_flipped_bytes(at in 0..SOUND.len(), byte in any::<u8>()) {
        let mut bytes = SOUND.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = Memorandum::parse(&String::from_utf8_lossy(&bytes));
    }
}
