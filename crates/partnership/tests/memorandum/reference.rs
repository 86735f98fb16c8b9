//! The committed reference is the one that the program writes, and its examples are sound.

use std::fs;
use std::path::PathBuf;

use partnership::memorandum::{Memorandum, reference};

use super::rendered;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/MEMORANDUM.md")
}

#[test]
fn the_committed_reference_is_what_the_table_says() {
    let committed = fs::read_to_string(path()).unwrap_or_default();
    assert!(committed == reference(), "docs/MEMORANDUM.md is stale: run the ignored test `write_reference`");
}

#[test]
#[ignore = "writes docs/MEMORANDUM.md"]
#[expect(clippy::disallowed_methods, reason = "a generated document, written by hand, never by the product")]
fn write_reference() {
    fs::write(path(), reference()).unwrap();
}

#[test]
fn the_examples_of_the_reference_make_a_sound_memorandum() {
    let reference = reference();
    let mut blocks = reference.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let header = blocks.next().unwrap();
    let clauses: Vec<&str> = blocks.filter(|block| block.starts_with("kind")).collect();
    assert_eq!(clauses.len(), 22);
    // The grant that comes first is the clause that others name.
    let id = |n: usize| if n == 0 { "launch-credits".to_owned() } else { format!("c{n}") };
    let clauses =
        clauses.iter().enumerate().map(|(n, block)| format!("\n```toml clause {}\n{block}```\n", id(n)));
    let text = format!("```toml memorandum\n{header}```\n{}", clauses.collect::<String>());
    if let Err(faults) = Memorandum::parse(&text) {
        panic!("{}", rendered(&text, &faults));
    }
}
