//! `countersign memo`: reading a memorandum, and what is wrong with it at its place in the file; signing it; how it fares.

mod diff;
mod sign;
mod simulate;
mod status;
mod together;
mod withdraw;

use super::client::{Place, Signing};
use super::said::Said;
use clap::{Args, Subcommand};
use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report};
use partnership::Terms;
use partnership::memorandum::{Clause, Diagnostic, Header, explain as sentence, explain_keys};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The memorandum.
#[derive(Debug, Args)]
pub(crate) struct Memo {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Reads a memorandum and shows everything that is wrong with it, with its place.
    Check {
        /// The document.
        file: PathBuf,
        /// Other memoranda to read beside it: what a party of several commits to in all, and which of its promises clash.
        #[arg(long, value_name = "OTHER", num_args = 1..)]
        with: Vec<PathBuf>,
    },
    /// Prints one plain sentence for each clause, from its block alone.
    Explain {
        /// The document.
        file: PathBuf,
    },
    /// Shows what one version changes of another: clause by clause, and in sums, prices, models served and approvals.
    Diff {
        /// The earlier and the later version; one file alone is compared with the version in force.
        #[arg(required = true, num_args = 1..=2)]
        files: Vec<PathBuf>,
    },
    /// Signs a memorandum for a party: the one that a folder begins with, or an amendment.
    Sign {
        /// The document.
        file: PathBuf,
        #[command(flatten)]
        signing: Signing,
    },
    /// Replays the recorded acts under other terms and shows what would have come of them. Writes nothing.
    Simulate {
        /// The other terms.
        #[arg(long, value_name = "FILE")]
        with: PathBuf,
        /// The public keys to trust: a file with one key a line, the log's first.
        #[arg(long)]
        vkeys: Option<PathBuf>,
    },
    /// Ends by one party's word alone, after its notice, what the memorandum has that binds nobody.
    Withdraw {
        /// The first day on which it has ended (UTC); when the notice has run out, unless this says a later one.
        #[arg(long, value_name = "DAY")]
        on: Option<String>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Shows which version is in force, what waits for signatures, and how each clause fared.
    Status,
}

/// Runs one verb.
pub(crate) fn run(memo: Memo) -> anyhow::Result<Said> {
    let place = &memo.place;
    match memo.verb {
        Verb::Check { file, with } if with.is_empty() => Ok(check(place, &file)),
        Verb::Check { file, with } => {
            let files: Vec<&PathBuf> = std::iter::once(&file).chain(&with).collect();
            Ok(together::check(place, &files))
        }
        Verb::Explain { file } => Ok(explain(place, &file)),
        Verb::Diff { files } => diff::diff(place, &files),
        Verb::Sign { file, signing } => sign::sign(place, &file, &signing),
        Verb::Simulate { with, vkeys } => simulate::simulate(place, &with, vkeys.as_deref()),
        Verb::Withdraw { on, signing } => withdraw::withdraw(place, on.as_deref(), &signing),
        Verb::Status => status::status(place),
    }
}

/// Reads a memorandum and says what it holds, or every fault with file, line, column and what to do.
fn check(place: &Place, file: &Path) -> Said {
    let terms = match read(place, file) {
        Ok(terms) => terms,
        Err(said) => return said,
    };
    let memorandum = terms.memorandum();
    let (version, clauses) = (memorandum.header.version, memorandum.clauses.len());
    let (title, digest) = (&memorandum.header.title, terms.digest().hex());
    Said::Done(if place.json {
        json!({ "sound": true, "title": title, "version": version, "clauses": clauses, "digest": digest })
            .to_string()
    } else {
        let file = file.display();
        format!("{file}: version {version} of \"{title}\" is sound: {clauses} clauses, sha256 {digest}")
    })
}

/// One plain sentence for each clause.
fn explain(place: &Place, file: &Path) -> Said {
    let terms = match read(place, file) {
        Ok(terms) => terms,
        Err(said) => return said,
    };
    let header = &terms.memorandum().header;
    let clauses = terms.memorandum().clauses.iter();
    Said::Done(if place.json {
        Value::Array(clauses.map(|clause| explained(header, clause)).collect()).to_string()
    } else {
        let line = |clause: &Clause| format!("{}: {}", clause.id, sentence(header, clause));
        let keys = explain_keys(header).into_iter().map(|said| format!("keys: {said}"));
        clauses.map(line).chain(keys).collect::<Vec<_>>().join("\n")
    })
}

fn explained(header: &Header, clause: &Clause) -> Value {
    json!({
        "id": clause.id.as_str(),
        "kind": clause.kind.name(),
        "force": clause.force.as_str(),
        "source": clause.source.as_str(),
        "sentence": sentence(header, clause),
    })
}

/// Reads a memorandum, or says what is wrong with it.
fn read(place: &Place, file: &Path) -> Result<Terms, Said> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Said::Refused(format!("`{}` cannot be read: {error}", file.display())))?;
    Terms::read(&text).map_err(|faults| {
        if place.json {
            let faults: Vec<Value> = faults.iter().map(|fault| as_json(&text, fault)).collect();
            Said::RefusedAsJson(json!({ "sound": false, "faults": faults }).to_string())
        } else {
            Said::Refused(drawn(file, &text, &faults))
        }
    })
}

fn as_json(text: &str, fault: &Diagnostic) -> Value {
    let (line, column) = fault.position(text);
    json!({ "code": fault.code, "message": fault.message, "help": fault.help, "line": line, "column": column })
}

/// All faults, each drawn at its place.
fn drawn(file: &Path, text: &str, faults: &[Diagnostic]) -> String {
    let each: Vec<String> = faults.iter().map(|fault| format!("{:?}", report(file, text, fault))).collect();
    format!("{} is not sound: {} found\n\n{}", file.display(), each.len(), each.join("\n"))
}

fn report(file: &Path, text: &str, fault: &Diagnostic) -> Report {
    let label = LabeledSpan::new(Some(fault.label.clone()), fault.span.start, fault.span.len());
    let mut diagnostic =
        MietteDiagnostic::new(fault.message.clone()).with_code(fault.code.clone()).with_label(label);
    if let Some(help) = &fault.help {
        diagnostic = diagnostic.with_help(help.clone());
    }
    Report::new(diagnostic).with_source_code(NamedSource::new(file.display().to_string(), text.to_owned()))
}
