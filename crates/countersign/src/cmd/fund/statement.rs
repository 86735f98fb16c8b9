//! `countersign fund statement`, `sign` and `check`: every balance at a place of the record, sealed, so that a stranger sees that the
//! books balance and no amount; and the parties' signatures that these are the balances they have replayed.
//!
//! The form is in docs/RECORD.md, the limits in docs/why/0014. No server is asked.

use super::sealed::random;
use crate::cmd::client::{Place, Signing};
use crate::cmd::said::Said;
use crate::cmd::verify::{Trusted, pause, record_of};
use crate::files;
use anyhow::{Context as _, bail, ensure};
use ledger::AssetId;
use partnership::sealed::{Opening, Sealed};
use record::hash::{base64, leaf_hash};
use record::merkle::Frontier;
use record::note::{self, Verifier};
use record::store::directory::Directory;
use record::store::frozen::Frozen;
use record::{Fault, Hash};
use replay::Replay;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// The balances at a place of a record, sealed.
#[derive(Debug, PartialEq, Eq)]
struct Statement {
    origin: String,
    size: u64,
    root: String,
    sealed: Vec<Sealed>,
}

/// An account's name and its opening.
type Account = (String, Opening);

impl Statement {
    /// Shape: lines, each ended.
    fn text(&self) -> String {
        let sealed: String = self.sealed.iter().map(|sealed| format!("{sealed}\n")).collect();
        format!("{HEAD}\n{}\n{}\n{}\n{sealed}", self.origin, self.size, self.root)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut lines = text.lines();
        ensure!(lines.next() == Some(HEAD), "its first line is not `{HEAD}`");
        let origin = lines.next().context("it names no record")?.to_owned();
        let size = lines.next().and_then(|size| size.parse().ok()).context("line 3 is no size")?;
        let root = lines.next().context("it names no root")?.to_owned();
        let sealed = (5..).zip(lines).map(|(number, line)| {
            Sealed::parse(line).with_context(|| format!("line {number} is no sealed balance"))
        });
        let read = Self { origin, size, root, sealed: sealed.collect::<anyhow::Result<_>>()? };
        ensure!(read.text() == text, "it is spelled in another way than a statement is");
        Ok(read)
    }

    /// The balances of each asset are together nothing.
    ///
    /// Errors: the first asset of which they are not.
    fn balances(&self) -> anyhow::Result<BTreeMap<&AssetId, usize>> {
        let mut assets: BTreeMap<&AssetId, Vec<Sealed>> = BTreeMap::new();
        for sealed in &self.sealed {
            assets.entry(sealed.asset()).or_default().push(sealed.clone());
        }
        for (asset, sealed) in &assets {
            if !Sealed::sum(sealed)?.is_nothing() {
                bail!(fault(&format!("the balances of `{asset}` do not add up to nothing")));
            }
        }
        Ok(assets.into_iter().map(|(asset, sealed)| (asset, sealed.len())).collect())
    }
}

/// Makes a statement of the record's balances under its checkpoint, and the openings of all of them.
pub(super) fn make(place: &Place, out: &Path, openings: &Path) -> anyhow::Result<Said> {
    let held = Held::up_to(place, None)?;
    let mut accounts: Vec<Account> = Vec::new();
    let mut assets: BTreeMap<&AssetId, Vec<Opening>> = BTreeMap::new();
    for (at, (name, asset, net)) in held.balances.iter().enumerate() {
        let others = assets.entry(asset).or_default();
        let is_last = held.balances.iter().skip(at.saturating_add(1)).all(|(_, other, _)| other != asset);
        let opening = if is_last {
            Opening::balancing(*net, asset.clone(), others)
        } else {
            Opening::new(*net, asset.clone(), &random())
        };
        others.push(opening.clone());
        accounts.push((name.clone(), opening));
    }
    let sealed = accounts.iter().map(|(_, opening)| opening.sealed()).collect();
    let statement = Statement { origin: held.origin, size: held.size, root: base64(&held.root), sealed };
    statement.balances()?;
    write_new(openings, &openings_text(&accounts), 0o600)?;
    write_new(out, &format!("{}\n", statement.text()), 0o644)?;
    let (out, openings) = (out.display(), openings.display());
    Ok(Said::Done(if place.json {
        json!({ "size": statement.size, "root": statement.root, "accounts": accounts.len() }).to_string()
    } else {
        format!(
            "`{out}` has the {} balances at size {}, sealed; `{openings}` opens them. Nobody has signed it yet: each party does with `countersign fund sign {out} --openings {openings} --party ID`",
            accounts.len(),
            statement.size
        )
    }))
}

/// Signs a statement for a party, if its own copy of the record says the same of every balance.
pub(super) fn sign(place: &Place, file: &Path, openings: &Path, signing: &Signing) -> anyhow::Result<Said> {
    let signer = signing.signer(place)?;
    let (statement, lines) = read(file)?;
    let opened = match compared(place, &statement, openings) {
        Ok(opened) => opened,
        Err(error) if error.is::<Fault>() => return refused(place, &error),
        Err(error) => return Err(error),
    };
    if opened < statement.sealed.len() {
        bail!(
            "the openings are of {opened} balances, the statement has {}; a party signs what it has seen whole",
            statement.sealed.len()
        );
    }
    let text = statement.text();
    let line = signer.signature_line(&text);
    ensure!(!lines.contains(&line), "`{}` is signed by {} already", file.display(), signing.party);
    files::replace(file, format!("{text}\n{lines}{line}").as_bytes(), 0o644)?;
    Ok(Said::Done(if place.json {
        json!({ "signed_by": signing.party, "size": statement.size }).to_string()
    } else {
        format!(
            "signed by {}: the {opened} balances are those of its own copy at size {}",
            signing.party, statement.size
        )
    }))
}

/// Checks a statement: who has signed it, and that its balances are together nothing; with openings and a record, the balances too.
pub(super) fn check(
    place: &Place,
    file: &Path,
    vkeys: &Path,
    openings: Option<&Path>,
) -> anyhow::Result<Said> {
    match checked(place, file, vkeys, openings) {
        Err(error) if error.is::<Fault>() => refused(place, &error),
        said => said,
    }
}

fn checked(place: &Place, file: &Path, vkeys: &Path, openings: Option<&Path>) -> anyhow::Result<Said> {
    let (statement, _) = read(file)?;
    let signers = signers(file, vkeys)?;
    let assets = statement.balances()?;
    let opened = openings.map(|openings| compared(place, &statement, openings)).transpose()?;
    if place.json {
        let said = json!({
            "holds": true, "origin": statement.origin, "size": statement.size, "root": statement.root,
            "signed_by": signers,
            "assets": assets.iter().map(|(asset, count)| json!({ "asset": asset.as_ref() as &str, "accounts": count })).collect::<Vec<_>>(),
            "opened": opened,
        });
        return Ok(Said::Done(said.to_string()));
    }
    let assets: Vec<String> = assets.iter().map(|(asset, count)| format!("{count} of {asset}")).collect();
    let opened = opened.map_or_else(
        || {
            "none was opened; that none is below zero which must not be is the word of those who signed"
                .to_owned()
        },
        |count| format!("{count} opened, and as the record has them"),
    );
    Ok(Said::Done(format!(
        "{} holds: at size {} the balances of each asset add up to nothing\n  balances    {}\n  opened      {opened}\n  signed by   {}",
        statement.origin,
        statement.size,
        assets.join(", "),
        signers.join(", "),
    )))
}

/// Holds openings against a statement and against the record here. Gives how many.
///
/// Errors: [`Fault`] with the account where one differs.
fn compared(place: &Place, statement: &Statement, openings: &Path) -> anyhow::Result<usize> {
    let opened = read_openings(openings)?;
    let held = Held::up_to(place, Some(statement.size))?;
    if held.origin != statement.origin || base64(&held.root) != statement.root {
        bail!(fault("the statement is of another record than the one here, or of another history of it"));
    }
    for (name, opening) in &opened {
        if !statement.sealed.contains(&opening.sealed()) {
            bail!(fault(&format!("the opening of `{name}` opens no balance of the statement")));
        }
        let here = held.balances.iter().find(|(other, asset, _)| other == name && asset == opening.asset());
        match here {
            Some((_, _, net)) if *net == opening.amount() => {}
            Some((_, asset, net)) => bail!(fault(&format!(
                "`{name}` is opened as {} minor units of {asset}, and the record here makes it {net}",
                opening.amount()
            ))),
            None => bail!(fault(&format!("the record here has no account `{name}`"))),
        }
    }
    let mut names: Vec<_> = opened.iter().map(|(name, opening)| (name, opening.asset())).collect();
    names.sort_unstable();
    names.dedup();
    ensure!(names.len() == opened.len(), "an account is opened twice in `{}`", openings.display());
    if opened.len() == statement.sealed.len() && held.balances.len() != opened.len() {
        bail!(fault(&format!(
            "the statement has {} balances, the record here {}",
            opened.len(),
            held.balances.len()
        )));
    }
    Ok(opened.len())
}

/// What the record here says at a size.
#[derive(Debug)]
struct Held {
    origin: String,
    size: u64,
    root: Hash,
    /// Account, asset, and what was moved into it less what was moved out. Units: minor.
    balances: Vec<(String, AssetId, i128)>,
}

impl Held {
    /// At this size, or at that of the record's checkpoint. Every byte of the record is looked at.
    fn up_to(place: &Place, size: Option<u64>) -> anyhow::Result<Self> {
        let store = Directory::new(record_of(&place.dir)?);
        let log = Trusted::of(&store, None)?.log;
        let frozen = Frozen::take(&store, log.name(), pause)?;
        let size = size.unwrap_or_else(|| frozen.published());
        let (mut replay, mut tree) = (Replay::new(), Frontier::new());
        record::audit(&frozen, log.name(), &log, |index, envelope, parties| {
            if index < size {
                tree.append(leaf_hash(envelope));
                replay.entry(envelope, parties).map_err(|fault| fault.to_string())?;
            }
            Ok(())
        })?;
        ensure!(
            tree.size() == size && size > 0,
            "the record here has {} entries, not {size}; bring it up to date",
            tree.size()
        );
        let net = |sums: replay::Sums| sums.credits_posted.checked_sub(sums.debits_posted);
        let balances = replay.accounts().map(|account| {
            let net = net(account.sums).context("a balance is beyond what can be counted")?;
            Ok((account.name.to_owned(), AssetId::from(account.asset), net))
        });
        let balances = balances.collect::<anyhow::Result<_>>()?;
        Ok(Self { origin: log.name().to_owned(), size, root: tree.root(), balances })
    }
}

fn read(file: &Path) -> anyhow::Result<(Statement, String)> {
    let bytes =
        std::fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    // One that nobody has signed yet ends after its empty line.
    let (text, lines) =
        bytes.rsplit_once("\n\n").with_context(|| format!("`{}` is no statement", file.display()))?;
    let statement = Statement::parse(&format!("{text}\n"))
        .with_context(|| format!("`{}` is no statement", file.display()))?;
    Ok((statement, lines.to_owned()))
}

/// The names of the keys in `vkeys` that have signed.
fn signers(file: &Path, vkeys: &Path) -> anyhow::Result<Vec<String>> {
    let keys =
        std::fs::read_to_string(vkeys).with_context(|| format!("`{}` cannot be read", vkeys.display()))?;
    let keys = keys
        .lines()
        .map(Verifier::parse)
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("`{}` holds no keys", vkeys.display()))?;
    let bytes = std::fs::read(file)?;
    let opened = note::open(&bytes, &keys.iter().collect::<Vec<_>>());
    let note =
        opened.map_err(|error| fault(&format!("nobody of `{}` has signed it: {error}", vkeys.display())))?;
    Ok(note.signers)
}

fn openings_text(accounts: &[Account]) -> String {
    let line = |(name, opening): &Account| {
        format!("{name} {} {} {}\n", opening.amount(), opening.asset(), opening.blinding())
    };
    let lines: String = accounts.iter().map(line).collect();
    format!("{OPENINGS}\n{lines}")
}

fn read_openings(file: &Path) -> anyhow::Result<Vec<Account>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    let mut lines = text.lines();
    ensure!(lines.next() == Some(OPENINGS), "the first line of `{}` is not `{OPENINGS}`", file.display());
    let accounts = (2..).zip(lines).map(|(number, line)| {
        let parts: Vec<&str> = line.split(' ').collect();
        let read = match parts.as_slice() {
            [name, amount, asset, blinding] => amount
                .parse()
                .ok()
                .and_then(|amount| Opening::from_parts(amount, AssetId::from(*asset), blinding))
                .map(|opening| ((*name).to_owned(), opening)),
            _ => None,
        };
        read.with_context(|| format!("line {number} of `{}` is no opening of an account", file.display()))
    });
    accounts.collect()
}

fn write_new(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    files::write_new(path, text.as_bytes(), mode)
        .with_context(|| format!("`{}` cannot be written", path.display()))
}

fn refused(place: &Place, error: &anyhow::Error) -> anyhow::Result<Said> {
    let what = format!("{error:#}");
    Ok(if place.json {
        Said::RefusedAsJson(json!({ "holds": false, "fault": what }).to_string())
    } else {
        Said::Refused(format!("does not hold: {what}"))
    })
}

fn fault(what: &str) -> Fault {
    Fault { place: "statement".to_owned(), what: what.to_owned() }
}

const HEAD: &str = "countersign/balances/v1";
const OPENINGS: &str = "countersign/balances-openings/v1";
