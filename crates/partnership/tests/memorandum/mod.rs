//! The memorandum: reading, faults, policies, prices, signatures and the reference.

mod diff;
mod examples;
mod faults;
mod policies;
mod prices;
mod reference;
mod signatures;
mod together;

use std::path::PathBuf;

use partnership::memorandum::{Diagnostic, Memorandum};

/// A sound memorandum with a clause of most kinds.
pub(super) const SOUND: &str = include_str!("sound.md");

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/memorandum")
}

fn read(text: &str) -> Memorandum {
    Memorandum::parse(text).unwrap_or_else(|faults| panic!("{}", rendered(text, &faults)))
}

fn rendered(text: &str, faults: &[Diagnostic]) -> String {
    faults.iter().map(|fault| line(text, fault)).collect()
}

fn line(text: &str, fault: &Diagnostic) -> String {
    let (line, column) = fault.position(text);
    let at = text[fault.span.clone()].escape_debug();
    let help = fault.help.as_ref().map_or_else(String::new, |help| format!("  help: {help}\n"));
    let related = fault.related.as_ref().map_or_else(String::new, |(span, label)| {
        format!("  see: {}:{} {label}\n", text[..span.start].matches('\n').count() + 1, &text[span.clone()])
    });
    format!("{} {line}:{column} {}\n  at: {at} ({})\n{help}{related}", fault.code, fault.message, fault.label)
}
