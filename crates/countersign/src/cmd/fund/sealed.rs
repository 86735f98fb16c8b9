//! `countersign fund seal`, `open` and `total`: amounts that the memorandum commits to and does not tell.
//!
//! No server is asked: whoever has the memorandum and the opening can check it.

use crate::clock::Clock;
use crate::cmd::client::Place;
use crate::cmd::said::Said;
use crate::files;
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use ledger::{Amount, AssetId};
use partnership::memorandum::{Kind, Memorandum};
use partnership::sealed::{Opening, Sealed};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which memorandum is meant.
#[derive(Debug, Args)]
pub(super) struct Agreement {
    /// The memorandum; that of the partnership unless given.
    #[arg(long)]
    memorandum: Option<PathBuf>,
}

impl Agreement {
    fn read(&self, place: &Place) -> anyhow::Result<Memorandum> {
        let path = self.memorandum.clone().unwrap_or_else(|| place.dir.join("memorandum.md"));
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        Memorandum::parse(&text).map_err(|_| {
            anyhow::anyhow!("`{0}` is not sound; `countersign memo check {0}` shows why", path.display())
        })
    }
}

/// Seals an amount: the commitment for the memorandum, and the opening into a file of its own.
pub(super) fn seal(place: &Place, agreement: &Agreement, money: &str, out: &Path) -> anyhow::Result<Said> {
    let assets = agreement.read(place)?.header.assets;
    let (amount, asset) = read_money(money, &assets)?;
    let opening = Opening::new(amount.minor(), asset, &random());
    let sealed = opening.sealed().to_string();
    keep(&opening, &assets, out)?;
    if place.json {
        return Ok(Said::Done(json!({ "sealed": sealed, "opening": out }).to_string()));
    }
    let file = out.display();
    Ok(Said::Done(format!(
        "sealed = \"{sealed}\"\n\nput this line into an `undisclosed` clause. `{file}` tells the amount to whoever has it: keep it, give it to the other party, and lose it and nobody can prove the amount"
    )))
}

/// Checks that openings are those of what clauses seal: of the only one, or together of all.
pub(super) fn open(
    place: &Place,
    agreement: &Agreement,
    clauses: &[String],
    openings: &[PathBuf],
) -> anyhow::Result<Said> {
    let memorandum = agreement.read(place)?;
    let assets = &memorandum.header.assets;
    let sealed =
        clauses.iter().map(|clause| sealed_by(&memorandum, clause)).collect::<anyhow::Result<Vec<_>>>()?;
    let openings = openings.iter().map(|file| read(file, assets)).collect::<anyhow::Result<Vec<_>>>()?;
    let (sealed, opening) = (Sealed::sum(&sealed)?, Opening::sum(&openings)?);
    let names = clauses.iter().map(|clause| format!("`{clause}`")).collect::<Vec<_>>().join(" and ");
    let digest = memorandum.digest_hex();
    if opening.sealed() != sealed {
        let what = format!("this is not the opening of {names} in the memorandum {digest}");
        return Ok(match place.json {
            true => Said::RefusedAsJson(
                json!({ "opens": false, "clauses": clauses, "memorandum": digest }).to_string(),
            ),
            false => Said::Refused(what),
        });
    }
    let amount = Amount::new(opening.amount()).display(scale(assets, opening.asset())?);
    Ok(Said::Done(if place.json {
        let amount = json!({ "amount": amount, "asset": opening.asset().as_ref() as &str });
        json!({ "opens": true, "clauses": clauses, "memorandum": digest, "amount": amount }).to_string()
    } else {
        let what = if clauses.len() == 1 { "seals" } else { "together seal" };
        format!("{names} {what} {amount} {}; memorandum {digest}", opening.asset())
    }))
}

/// Adds openings up to that of their sum, which tells the sum and none of its parts.
pub(super) fn total(
    place: &Place,
    agreement: &Agreement,
    openings: &[PathBuf],
    out: &Path,
) -> anyhow::Result<Said> {
    let assets = agreement.read(place)?.header.assets;
    let openings = openings.iter().map(|file| read(file, &assets)).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(openings.len() > 1, "one opening is its own sum; name two or more");
    let sum = Opening::sum(&openings)?;
    keep(&sum, &assets, out)?;
    let sealed = sum.sealed().to_string();
    Ok(Said::Done(if place.json {
        json!({ "sealed": sealed, "opening": out }).to_string()
    } else {
        format!("`{}` opens the sum of these {} amounts, and none of them", out.display(), openings.len())
    }))
}

/// Sixty-four bytes that nobody else knows.
pub(super) fn random() -> [u8; 64] {
    let (first, second) = (Clock.random(), Clock.random());
    let mut both = [0; 64];
    for (place, byte) in both.iter_mut().zip(first.into_iter().chain(second)) {
        *place = byte;
    }
    both
}

fn sealed_by(memorandum: &Memorandum, id: &str) -> anyhow::Result<Sealed> {
    let clause = memorandum.clause(&id.into()).with_context(|| {
        format!("the memorandum has no clause `{id}`; `countersign memo explain` lists them")
    })?;
    match &clause.kind {
        Kind::Undisclosed(matter) => matter
            .sealed
            .clone()
            .with_context(|| format!("the clause `{id}` seals no amount: it has no field `sealed`")),
        other => bail!("the clause `{id}` is of kind `{}`; only `undisclosed` seals an amount", other.name()),
    }
}

fn read(file: &Path, assets: &BTreeMap<AssetId, u8>) -> anyhow::Result<Opening> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    Opening::parse(&text, assets).with_context(|| format!("`{}` is no opening", file.display()))
}

/// Writes an opening where no file is yet, for its owner's eyes only.
fn keep(opening: &Opening, assets: &BTreeMap<AssetId, u8>, out: &Path) -> anyhow::Result<()> {
    let text = opening.text(scale(assets, opening.asset())?);
    files::write_new(out, text.as_bytes(), 0o600)
        .with_context(|| format!("`{}` cannot be written; an opening is never overwritten", out.display()))
}

fn scale(assets: &BTreeMap<AssetId, u8>, asset: &AssetId) -> anyhow::Result<u8> {
    assets.get(asset).copied().with_context(|| format!("`{asset}` is no asset of the memorandum"))
}

fn read_money(text: &str, assets: &BTreeMap<AssetId, u8>) -> anyhow::Result<(Amount, AssetId)> {
    let (amount, asset) = text
        .split_once(' ')
        .with_context(|| format!("`{text}` is no amount with its asset; write \"5000000.00 USD\""))?;
    let asset = AssetId::from(asset);
    let amount = Amount::parse(amount, scale(assets, &asset)?)?;
    Ok((amount, asset))
}
