//! `countersign meter check`: what a meter saw, beside what the operator recorded.
//!
//! Not the comparison itself (`crate::meter::compare`). Nothing is written, and both sides may be written to meanwhile.

use crate::cmd::said::Said;
use crate::cmd::verify;
use crate::files::Keys;
use crate::meter::Reader;
use crate::meter::compare::{Comparison, Finding, Findings, NotCompared, Scope, Why};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use partnership::ids::{ApplicationId, PartyId};
use record::note::Verifier;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Holds journals against a record.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The folder of a meter's journal; several, where the party has several meters.
    #[arg(long, required = true, value_name = "DIR")]
    journal: Vec<PathBuf>,
    /// The party whose meter it is.
    #[arg(long)]
    party: String,
    /// The folder of the party's public key, `<party>.vkey`.
    #[arg(long, value_name = "DIR", required_unless_present = "vkey")]
    keys: Option<PathBuf>,
    /// The party's public key itself, in place of a folder.
    #[arg(long, value_name = "VKEY", conflicts_with = "keys")]
    vkey: Option<String>,
    /// The record: a partnership's folder, the folder of a record alone, or the address of a server.
    #[arg(long, value_name = "DIR|URL")]
    record: String,
    /// The public keys to trust for the record: a file with one key a line, the log's first.
    #[arg(long)]
    vkeys: Option<PathBuf>,
    /// An application whose every call goes through the meter; several, or else all that the party has.
    #[arg(long, value_name = "NAME")]
    application: Vec<String>,
    /// A name that a model may answer by, beside its own and the first that it answered by.
    #[arg(long, value_name = "MODEL=NAME", value_parser = pair)]
    accept: Vec<(String, String)>,
    /// How far the two sides' clocks may be apart. Units: seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(..=3600))]
    clock_slack: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Reads a model with a name that it may answer by.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (model, name) = text.split_once('=').ok_or("write it as MODEL=NAME")?;
    Ok((model.to_owned(), name.to_owned()))
}

/// Compares, and says what was found.
///
/// Errors: where a journal or the record does not hold, or is of another partnership.
pub(super) fn run(asked: &Check) -> anyhow::Result<Said> {
    let key = asked.key()?;
    let mut comparison = Comparison::new(asked.scope());
    for (number, dir) in asked.journal.iter().enumerate() {
        let signed = Reader::new(dir, &key).advance(|_, line| comparison.line(number, line))?;
        let again = asked.journal.iter().take(number).any(|other| other == dir);
        ensure!(!again, "the journal `{}` is named twice", dir.display());
        ensure!(signed > 0, "nothing of the journal `{}` is signed", dir.display());
    }
    let each = |index, entry: &_| comparison.entry(index, entry);
    let verified = verify::entries(&asked.record, asked.vkeys.as_deref(), each)
        .with_context(|| format!("the record `{}` does not hold", asked.record))?;
    let signs = format!("{}/{}", verified.origin(), asked.party);
    if key.name() != signs {
        bail!("the journal is signed by `{}`, and in this record `{}` is `{signs}`", key.name(), asked.party);
    }
    let report = Report { findings: comparison.findings(None), entries: verified.size() };
    let agree = report.findings.disagreements.is_empty();
    Ok(match (asked.json, agree) {
        (true, true) => Said::Done(report.json().to_string()),
        (true, false) => Said::RefusedAsJson(report.json().to_string()),
        (false, true) => Said::Done(report.text()),
        (false, false) => Said::Refused(report.text()),
    })
}

impl Check {
    fn key(&self) -> anyhow::Result<Verifier> {
        match (&self.keys, &self.vkey) {
            (Some(dir), _) => Keys::new(dir).verifier(&self.party),
            (None, Some(vkey)) => Verifier::parse(vkey).context("`--vkey` is no public key"),
            (None, None) => bail!("the party's public key is missing; give `--keys DIR` or `--vkey VKEY`"),
        }
    }

    fn scope(&self) -> Scope {
        Scope {
            party: PartyId::from(self.party.as_str()),
            applications: self.application.iter().map(|name| ApplicationId::from(name.as_str())).collect(),
            names: self.accept.clone(),
            slack_ms: i64::from(self.clock_slack).saturating_mul(1000),
        }
    }
}

/// What was found, and in how much.
struct Report {
    findings: Findings,
    entries: u64,
}

impl Report {
    fn json(&self) -> Value {
        let findings = &self.findings;
        let list = |all: &[Finding]| all.iter().map(Finding::json).collect::<Vec<_>>();
        let not_compared = |one: &NotCompared| json!({ "act": one.act.to_string(), "entry": one.index, "why": one.why.word() });
        json!({
            "agrees": findings.disagreements.is_empty(),
            "calls": findings.calls,
            "entries": self.entries,
            "compared": findings.compared,
            "pending": findings.pending,
            "disagreements": list(&findings.disagreements),
            "doubts": list(&findings.doubts),
            "not_compared": findings.not_compared.iter().map(not_compared).collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let findings = &self.findings;
        let mut lines = vec![match findings.disagreements.len() {
            0 => "the meter and the record agree".to_owned(),
            1 => "the meter and the record disagree once".to_owned(),
            many => format!("the meter and the record disagree {many} times"),
        }];
        lines.extend(findings.disagreements.iter().map(|finding| format!("  {finding}")));
        if !findings.doubts.is_empty() {
            lines
                .push("another count by the meter's own tokenizer, which need be nobody's fault:".to_owned());
            lines.extend(findings.doubts.iter().map(|finding| format!("  {finding}")));
        }
        lines.push(format!(
            "{} calls measured, {} of them compared with the record's {} entries; {} may still come",
            findings.calls, findings.compared, self.entries, findings.pending
        ));
        let mut why: BTreeMap<Why, u64> = BTreeMap::new();
        findings.not_compared.iter().for_each(|one| *why.entry(one.why).or_default() += 1);
        lines.extend(why.into_iter().map(|(why, count)| format!("  not comparable: {count} {}", why.text())));
        lines.join("\n")
    }
}
