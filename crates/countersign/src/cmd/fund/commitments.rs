//! `fund list`, `fund draw`, `fund declare` and a party's word on a payment.
//!
//! Not here: what any of it comes to; that is the server's to say.

use super::super::client::{self, Place, Signing};
use super::super::said::{Said, cell, table};
use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use jiff::civil::Date;
use ledger::Amount;
use partnership::act::{Budget, PaidIn, declaration_bytes, payment_bytes};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// How a payment instruction is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One object.
    Json,
    /// A line of heads and one of values.
    Csv,
}

/// Lists commitments.
pub(super) fn list(place: &Place) -> anyhow::Result<Said> {
    let status = match status(place)? {
        Ok(status) => status,
        Err(refused) => return Ok(refused),
    };
    let funds: Vec<Value> = funds(&status).map(|fund| with_the_rest(&status, fund)).collect();
    if place.json {
        return Ok(Said::Done(Value::Array(funds).to_string()));
    }
    let heads = [
        "clause", "kind", "state", "agreed", "drawn", "reserved", "spent", "expired", "left", "owed",
        "outlook",
    ];
    let rows: Vec<Vec<String>> = funds.iter().map(row).collect();
    Ok(Said::Done(table(&heads, &rows)))
}

fn row(fund: &Value) -> Vec<String> {
    let money = |name: &str| match fund.get(name).filter(|money| !money.is_null()) {
        Some(money) => format!("{} {}", cell(money, "amount"), cell(money, "asset")),
        None => "-".to_owned(),
    };
    let mut row = ["name", "kind", "state"].map(|field| cell(fund, field)).to_vec();
    row.extend(["agreed", "drawn", "reserved", "spent", "expired", "left", "owed"].map(money));
    row.push(cell(fund, "outlook"));
    row
}

fn funds(status: &Value) -> impl Iterator<Item = &Value> {
    status.get("funds").and_then(Value::as_array).into_iter().flatten()
}

/// A commitment with what its clause says, its accounts and who has attested it.
fn with_the_rest(status: &Value, fund: &Value) -> Value {
    let id = cell(fund, "name");
    let of = |list: &str, mine: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        let all = status.get(list).and_then(Value::as_array);
        all.into_iter().flatten().filter(|item| mine(item)).cloned().collect()
    };
    let attested = of("attestations", &|one| cell(one, "clause") == id);
    let clause = of("clauses", &|clause| cell(clause, "id") == id);
    let mut whole = fund.clone();
    if let Some(fields) = whole.as_object_mut() {
        let sentence = clause.first().map(|clause| cell(clause, "sentence")).unwrap_or_default();
        fields.insert("sentence".to_owned(), sentence.into());
        let attested: Vec<_> = attested.iter().map(|one| cell(one, "given")).collect();
        fields.insert("attested_by".to_owned(), attested.into());
        let accounts = of("balances", &|account| cell(account, "name").split(':').any(|part| part == id));
        fields.insert("accounts".to_owned(), accounts.into());
    }
    whole
}

/// One commitment as the server has it, with the partnership's origin and the asset's decimals.
struct Found {
    origin: String,
    memorandum: String,
    fund: Value,
    asset: String,
    scale: u8,
}

fn status(place: &Place) -> anyhow::Result<Result<Value, Said>> {
    let answer = client::with(place, async |client| client.get("/api/status").await)?;
    Ok(answer.json().map_err(|_| client::outcome(place, &answer, |_| String::new())))
}

fn find(status: &Value, clause: &str) -> anyhow::Result<Found> {
    let fund = funds(status).find(|fund| cell(fund, "name") == clause);
    let fund =
        fund.with_context(|| format!("no commitment is named `{clause}`; `countersign fund list` has all"))?;
    let money = ["owed", "agreed", "drawn", "left"]
        .into_iter()
        .filter_map(|name| fund.get(name))
        .find(|money| !money.is_null());
    let money = money.with_context(|| format!("the server tells no amount of `{clause}`"))?;
    let decimals = cell(money, "amount").split_once('.').map_or(0, |(_, decimals)| decimals.len());
    Ok(Found {
        origin: cell(status, "name"),
        memorandum: cell(status, "digest"),
        fund: fund.clone(),
        asset: cell(money, "asset"),
        scale: u8::try_from(decimals).context("an asset of so many decimals")?,
    })
}

impl Found {
    /// Reads an amount in the commitment's own asset.
    fn amount(&self, text: &str) -> anyhow::Result<Budget> {
        let (number, asset) = text.split_once(' ').with_context(|| {
            format!(
                "`{text}` has no asset; write it as `{} {}`",
                Amount::ZERO.display(self.scale),
                self.asset
            )
        })?;
        ensure!(asset == self.asset, "`{}` counts {}, not {asset}", cell(&self.fund, "name"), self.asset);
        let amount = Amount::parse(number, self.scale)
            .with_context(|| format!("`{number}` is no amount of {asset}"))?;
        Ok(Budget { asset: self.asset.clone(), amount: amount.minor() })
    }
}

/// Reads an amount in any asset of the memorandum in force.
fn money(status: &Value, text: &str) -> anyhow::Result<Budget> {
    let assets = status.get("assets").and_then(Value::as_object);
    let known =
        || assets.into_iter().flatten().map(|(asset, _)| asset.as_str()).collect::<Vec<_>>().join(", ");
    let (number, asset) = text
        .split_once(' ')
        .with_context(|| format!("`{text}` has no asset; the memorandum's are {}", known()))?;
    let scale =
        assets.and_then(|assets| assets.get(asset)?.as_u64()).and_then(|scale| u8::try_from(scale).ok());
    let scale = scale
        .with_context(|| format!("the memorandum in force has no asset `{asset}`; there is: {}", known()))?;
    let amount =
        Amount::parse(number, scale).with_context(|| format!("`{number}` is no amount of {asset}"))?;
    Ok(Budget { asset: asset.to_owned(), amount: amount.minor() })
}

/// Gives a party's word on a payment.
pub(super) fn paid(
    place: &Place,
    clause: &str,
    (amount, paid_in, reference): (&str, Option<(&str, &str)>, &str),
    signing: &Signing,
) -> anyhow::Result<Said> {
    let signer = signing.signer(place)?;
    let answer = client::with(place, async |client| {
        let status = client.get("/api/status").await?.json()?;
        let found = find(&status, clause)?;
        let given = paid_in.map(|(amount, source)| {
            let Budget { asset, amount } = money(&status, amount)?;
            anyhow::Ok(PaidIn { asset, amount, source: source.to_owned() })
        });
        let given = given.transpose()?;
        let debt = found.amount(amount)?;
        let bytes = payment_bytes(&found.origin, &clause.into(), (&debt, given.as_ref()), reference);
        let mut act = json!({
            "kind": "payment", "clause": clause, "amount": amount, "reference": reference,
            "party": signing.party, "signature": record::hash::base64(&signer.sign_bytes(&bytes)),
        });
        if let (Some((amount, source)), Some(fields)) = (paid_in, act.as_object_mut()) {
            fields.insert("paid_in".to_owned(), json!({ "amount": amount, "source": source }));
        }
        client.propose(Some(&signing.party), &act).await
    })?;
    Ok(client::outcome(place, &answer, client::plain))
}

/// Declares what a party earned in a period that is over.
pub(super) fn declare(
    place: &Place,
    clause: &str,
    (revenue, on): (&str, Option<&str>),
    signing: &Signing,
) -> anyhow::Result<Said> {
    let signer = signing.signer(place)?;
    let answer = client::with(place, async |client| {
        let found = find(&client.get("/api/status").await?.json()?, clause)?;
        let next = cell(&found.fund, "next_due");
        let on = on.unwrap_or(&next);
        let day: Date = on.parse().ok().with_context(|| format!("`{on}` is no day such as `2026-04-01`"))?;
        let bytes = declaration_bytes(&found.origin, &clause.into(), day, &found.amount(revenue)?);
        let act = json!({
            "kind": "declare", "clause": clause, "on": on, "revenue": revenue,
            "party": signing.party, "signature": record::hash::base64(&signer.sign_bytes(&bytes)),
        });
        client.propose(Some(&signing.party), &act).await
    })?;
    Ok(client::outcome(place, &answer, client::plain))
}

/// Writes the instruction to pay what is owed under a clause, signed by the party that owes it.
pub(super) fn draw(
    place: &Place,
    clause: &str,
    (format, out): (Format, Option<&PathBuf>),
    signing: &Signing,
) -> anyhow::Result<Said> {
    let status = match status(place)? {
        Ok(status) => status,
        Err(refused) => return Ok(refused),
    };
    let found = find(&status, clause)?;
    let owed = found.fund.get("owed").filter(|owed| !owed.is_null());
    let owed = owed.with_context(|| format!("nothing is paid under `{clause}`"))?;
    let debtor = cell(&found.fund, "from");
    ensure!(
        signing.party == debtor,
        "what is owed under `{clause}` is for `{debtor}` to pay, not for `{}`",
        signing.party
    );
    if Amount::parse(&cell(owed, "amount"), found.scale)?.is_zero() {
        bail!("nothing is owed under `{clause}` now; `countersign fund list` says what falls due when");
    }
    let fields = instruction(&status, &found, owed);
    let signer = signing.signer(place)?;
    let signature = record::hash::base64(&signer.sign_bytes(&instruction_bytes(&fields)));
    let text = written(&fields, &signature, format);
    match out {
        None => Ok(Said::Done(text.trim_end().to_owned())),
        Some(path) => {
            write_new(path, &text)?;
            Ok(Said::Done(format!("the instruction is in `{}`", path.display())))
        }
    }
}

/// The fields of an instruction, in their order.
fn instruction(status: &Value, found: &Found, owed: &Value) -> Vec<(&'static str, String)> {
    let paid = found.fund.get("paid").map(|paid| cell(paid, "amount")).unwrap_or_default();
    let (clause, amount) = (cell(&found.fund, "name"), cell(owed, "amount"));
    // The same for the same debt, however often it is written, and short enough for an end-to-end identification.
    let of = [found.origin.as_bytes(), clause.as_bytes(), paid.as_bytes(), amount.as_bytes()].join(&0);
    let reference =
        record::hash::hex(&record::hash::sha256(&of)).get(..24).unwrap_or_default().to_uppercase();
    vec![
        ("partnership", found.origin.clone()),
        ("memorandum", found.memorandum.clone()),
        ("clause", clause),
        ("debtor", cell(&found.fund, "from")),
        ("creditor", cell(&found.fund, "to")),
        ("amount", amount),
        ("asset", found.asset.clone()),
        ("reference", format!("CS{reference}")),
        ("at", cell(status, "at")),
        ("entries", cell(status, "entries")),
    ]
}

/// What the party that owes signs: the fields, a line each.
fn instruction_bytes(fields: &[(&str, String)]) -> Vec<u8> {
    let lines: String = fields.iter().map(|(name, value)| format!("{name} {value}\n")).collect();
    format!("countersign/instruction/v1\n{lines}").into_bytes()
}

fn written(fields: &[(&'static str, String)], signature: &str, format: Format) -> String {
    let all = fields.iter().map(|(name, value)| (*name, value.as_str())).chain([("signature", signature)]);
    match format {
        Format::Json => {
            let object: serde_json::Map<String, Value> =
                all.map(|(name, value)| (name.to_owned(), value.into())).collect();
            format!("{}\n", Value::Object(object))
        }
        // No field has a comma, a quote or a line's end: ids, amounts, digests and moments.
        Format::Csv => {
            let (heads, values): (Vec<&str>, Vec<&str>) = all.unzip();
            format!("{}\n{}\n", heads.join(","), values.join(","))
        }
    }
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::File::create_new(path)
        .with_context(|| format!("`{}` cannot be written, or is there already", path.display()))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
    Ok(())
}
