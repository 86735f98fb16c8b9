//! `countersign memo`: reading a memorandum, and what is wrong with it at its place in the file.

use miette::{Diagnostic as _, LabeledSpan, MietteDiagnostic, NamedSource, Report};
use partnership::Terms;
use partnership::memorandum::{Diagnostic, explain as sentence};
use std::path::Path;

/// Reads a memorandum and says what it holds.
///
/// Errors: every fault found, each with file, line, column and what to do.
pub(crate) fn check(file: &Path) -> Result<String, Report> {
    let terms = read(file)?;
    let memorandum = terms.memorandum();
    Ok(format!(
        "{}: version {} of \"{}\" is sound: {} clauses, sha256 {}",
        file.display(),
        memorandum.header.version,
        memorandum.header.title,
        memorandum.clauses.len(),
        terms.digest().hex()
    ))
}

/// One plain sentence for each clause.
///
/// Errors: as [`check`].
pub(crate) fn explain(file: &Path) -> Result<String, Report> {
    let terms = read(file)?;
    let memorandum = terms.memorandum();
    let lines = memorandum.clauses.iter().map(|clause| {
        format!(
            "{} ({}, {}): {}",
            clause.id,
            clause.force.as_str(),
            clause.source.as_str(),
            sentence(&memorandum.header, clause)
        )
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn read(file: &Path) -> Result<Terms, Report> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| miette::miette!("`{}` cannot be read: {error}", file.display()))?;
    Terms::read(&text).map_err(|faults| report(file, &text, &faults))
}

/// All faults as one report, each drawn at its place.
fn report(file: &Path, text: &str, faults: &[Diagnostic]) -> Report {
    let drawn: Vec<String> = faults.iter().map(|fault| format!("{:?}", of(file, text, fault))).collect();
    let summary = MietteDiagnostic::new(format!(
        "{} is not sound: {} found\n\n{}",
        file.display(),
        drawn.len(),
        drawn.join("\n")
    ));
    debug_assert!(summary.labels().is_none(), "places stand with the faults");
    Report::new(summary)
}

fn of(file: &Path, text: &str, fault: &Diagnostic) -> Report {
    let label = LabeledSpan::new(Some(fault.label.clone()), fault.span.start, fault.span.len());
    let mut diagnostic =
        MietteDiagnostic::new(fault.message.clone()).with_code(fault.code.clone()).with_label(label);
    if let Some(help) = &fault.help {
        diagnostic = diagnostic.with_help(help.clone());
    }
    Report::new(diagnostic).with_source_code(NamedSource::new(file.display().to_string(), text.to_owned()))
}
