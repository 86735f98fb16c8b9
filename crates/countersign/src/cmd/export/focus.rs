//! Charges as FOCUS 1.2 has them, a row for each settled act and grant that paid for it, and the commitments of FOCUS 1.3. The mapping is in
//! docs/EXPORTS.md.
//!
//! Not here: tranches, which are no charge for a service; what non-binding clauses only watched; what the operator bore.

use super::csv::line;
use super::period::Period;
use super::rows::{Format, Row, View};
use jiff::civil::Date;
use ledger::AssetId;
use partnership::ids::{PartyId, Timestamp};
use partnership::memorandum::{Clause, Kind};
use std::io::{self, Write};

/// The national currencies of ISO 4217. What is none of them is billed in `XXX`, which that standard has for no currency.
const NATIONAL: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY \
COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD \
JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR \
NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD \
TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW";

/// The currency in which an asset is billed.
pub(super) fn currency(asset: &AssetId) -> &str {
    let name: &str = asset.as_ref();
    if NATIONAL.split_ascii_whitespace().any(|national| national == name) { name } else { "XXX" }
}

/// A number as the checkers of FOCUS take it for a decimal: always with a point.
pub(super) fn decimal(text: String) -> String {
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// A file of charges that is being written.
pub(super) struct Focus<W> {
    to: W,
}

impl<W: Write> Focus<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to }
    }

    fn charge(&mut self, charge: &Charge<'_>, view: &View<'_>) -> io::Result<()> {
        line(&mut self.to, &values(charge, view))
    }
}

impl<W: Write> Format for Focus<W> {
    fn opening(&mut self, _: &View<'_>) -> io::Result<()> {
        line(&mut self.to, &COLUMNS)
    }

    fn row(&mut self, row: &Row, view: &View<'_>) -> io::Result<()> {
        if let Some(asset) = &row.cost.asset {
            for (clause, minor) in &row.cost.paid {
                self.charge(
                    &Charge { row, clause: clause.as_str(), asset, minor: *minor, is_used: true },
                    view,
                )?;
            }
        }
        let expired = row.cost.moved.iter().filter_map(|(account, asset, minor)| {
            let clause = AsRef::<str>::as_ref(account).strip_prefix("credit:")?.strip_suffix(":breakage")?;
            Some((clause, asset, *minor))
        });
        for (clause, asset, minor) in expired {
            self.charge(&Charge { row, clause, asset, minor, is_used: false }, view)?;
        }
        Ok(())
    }
}

/// What one grant paid for one act, or what was left of it when it expired.
struct Charge<'a> {
    row: &'a Row,
    clause: &'a str,
    asset: &'a AssetId,
    minor: i128,
    is_used: bool,
}

/// The columns, in their order.
const COLUMNS: [&str; 56] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_ClauseId",
    "x_PriceClauseId",
    "x_ActId",
    "x_Entry",
    "x_Asset",
    "x_CostMinor",
    "x_InputTokens",
    "x_OutputTokens",
    "x_Surface",
];

/// The values of a charge, one for each of [`COLUMNS`].
fn values(charge: &Charge<'_>, view: &View<'_>) -> [String; 56] {
    let Charge { row, clause, asset, minor, is_used } = *charge;
    let (settled_at, settled) = row.settled.unwrap_or(row.decided);
    let month = Period::month_of(settled_at);
    let names = Names { view };
    let cost = decimal(view.books.text(asset, minor));
    let payer = names.payer(row, clause);
    let (operator, grant) = (names.operator(), names.clause(clause));
    let tokens =
        row.usage.map(|usage| u128::from(usage.input_tokens).saturating_add(u128::from(usage.output_tokens)));
    let model = text(row.model.as_ref());
    let application = text(row.application.as_ref());
    let what = if is_used {
        format!("{} {}", row.kind, row.about)
    } else {
        format!("what was left of {clause} when it expired")
    };
    let sku = if is_used { model.clone() } else { clause.to_owned() };
    let price = row.price.as_ref().map_or_else(|| clause.to_owned(), |price| format!("{price}/{model}"));
    [
        // Paid for by a grant: nobody is billed for it.
        "0.0".to_owned(),
        payer.to_string(),
        names.party(&payer),
        "Party".to_owned(),
        currency(asset).to_owned(),
        midnight(month.next),
        midnight(month.first),
        "Usage".to_owned(),
        // Nothing on a record corrects an earlier charge yet.
        String::new(),
        what,
        "Usage-Based".to_owned(),
        second(settled_at.plus_millis(1000)),
        second(row.decided.0),
        "Spend".to_owned(),
        clause.to_owned(),
        grant,
        cost.clone(),
        if is_used { "Used" } else { "Unused" }.to_owned(),
        "compute-credit".to_owned(),
        asset.to_string(),
        tokens.map(|tokens| decimal(tokens.to_string())).unwrap_or_default(),
        tokens.map(|_| "Tokens".to_owned()).unwrap_or_default(),
        cost.clone(),
        cost.clone(),
        cost.clone(),
        String::new(),
        operator.clone(),
        cost.clone(),
        cost,
        "Committed".to_owned(),
        "1.0".to_owned(),
        if is_used { "Requests" } else { "Grants" }.to_owned(),
        operator.clone(),
        operator,
        sku.clone(),
        sku.clone(),
        if is_used { "Model" } else { "Grant" }.to_owned(),
        "AI and Machine Learning".to_owned(),
        "Model serving".to_owned(),
        "Generative AI".to_owned(),
        sku,
        if is_used { "Tokens" } else { "Rest" }.to_owned(),
        price,
        application.clone(),
        application.clone(),
        if application.is_empty() { String::new() } else { "Application".to_owned() },
        tags(row, clause),
        clause.to_owned(),
        text(row.price.as_ref()),
        row.act.to_string(),
        settled.to_string(),
        asset.to_string(),
        minor.to_string(),
        text(row.usage.map(|usage| usage.input_tokens)),
        text(row.usage.map(|usage| usage.output_tokens)),
        text(row.surface.as_ref()),
    ]
}

/// What is known of a charge beyond FOCUS's own columns, as a JSON object.
fn tags(row: &Row, clause: &str) -> String {
    let mut tags = serde_json::Map::new();
    let standing = row.standing.as_ref();
    let known = [
        ("act", Some(row.act.to_string())),
        ("application", row.application.as_ref().map(ToString::to_string)),
        ("audience", standing.map(|standing| standing.audience.clone())),
        ("clause", Some(clause.to_owned())),
        ("ended", row.ended.map(str::to_owned)),
        ("market", standing.map(|standing| standing.market.clone())),
        ("model", row.model.as_ref().map(ToString::to_string)),
    ];
    tags.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    serde_json::Value::Object(tags).to_string()
}

/// Names as the memorandum in force gives them; an id where it has none.
struct Names<'a> {
    view: &'a View<'a>,
}

impl Names<'_> {
    fn find(&self, id: &str) -> Option<&Clause> {
        let memorandum = self.view.state.terms()?.memorandum();
        memorandum.clauses.iter().find(|clause| clause.id.as_str() == id)
    }

    /// Who spends a grant.
    fn payer(&self, row: &Row, clause: &str) -> PartyId {
        let granted = match self.find(clause).map(|clause| &clause.kind) {
            Some(Kind::ComputeCredit(grant)) => Some(grant.to.clone()),
            _ => None,
        };
        let party = row.party.clone().or(granted);
        party.unwrap_or_else(|| PartyId::from("nobody"))
    }

    fn party(&self, id: &PartyId) -> String {
        let header = self.view.state.terms().map(|terms| &terms.memorandum().header);
        header.and_then(|header| header.party(id)).map_or_else(|| id.to_string(), |party| party.name.clone())
    }

    fn operator(&self) -> String {
        self.view.state.terms().map(|terms| self.party(terms.operator())).unwrap_or_default()
    }

    fn clause(&self, id: &str) -> String {
        let title = self.find(id).map(|clause| clause.title.clone());
        title.filter(|title| !title.is_empty()).unwrap_or_else(|| id.to_owned())
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A moment as FOCUS has it: in UTC, to the second.
fn second(at: Timestamp) -> String {
    let whole = at.to_string();
    whole.split_once('.').map_or(whole.clone(), |(second, _)| format!("{second}Z"))
}

fn midnight(date: Date) -> String {
    format!("{date}T00:00:00Z")
}

/// The commitments of FOCUS 1.3, as they stand at the end of the period: grants and tranches that are in force.
pub(super) struct Commitments<W> {
    to: W,
}

impl<W: Write> Commitments<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to }
    }
}

/// The columns of FOCUS 1.3, and three of ours.
const COMMITMENTS: [&str; 16] = [
    "BillingCurrency",
    "ContractCommitmentCategory",
    "ContractCommitmentCost",
    "ContractCommitmentDescription",
    "ContractCommitmentId",
    "ContractCommitmentPeriodEnd",
    "ContractCommitmentPeriodStart",
    "ContractCommitmentQuantity",
    "ContractCommitmentType",
    "ContractCommitmentUnit",
    "ContractId",
    "ContractPeriodEnd",
    "ContractPeriodStart",
    "x_Asset",
    "x_Force",
    "x_Source",
];

impl<W: Write> Format for Commitments<W> {
    fn opening(&mut self, _: &View<'_>) -> io::Result<()> {
        line(&mut self.to, &COMMITMENTS)
    }

    fn closing(&mut self, view: &View<'_>) -> io::Result<()> {
        let Some(terms) = view.state.terms() else { return Ok(()) };
        let memorandum = terms.memorandum();
        let header = &memorandum.header;
        let ends = terms.durations().find_map(|(_, term)| term.ends);
        for clause in &memorandum.clauses {
            let (money, from, to, starts, until) = match &clause.kind {
                Kind::ComputeCredit(grant) => {
                    (&grant.amount, &grant.from, &grant.to, grant.starts, grant.expires)
                }
                Kind::CashTranche(tranche) => {
                    (&tranche.amount, &tranche.from, &tranche.to, header.effective, tranche.lapses)
                }
                _ => continue,
            };
            if view.scope.party.as_ref().is_some_and(|of| of != from && of != to) {
                continue;
            }
            let end = |date: Option<Date>| date.map(midnight).unwrap_or_default();
            let values = [
                currency(&money.asset).to_owned(),
                "Spend".to_owned(),
                decimal(view.books.text(&money.asset, money.amount.minor())),
                partnership::memorandum::explain(header, clause),
                clause.id.to_string(),
                end(until),
                midnight(starts),
                String::new(),
                clause.kind.name().to_owned(),
                String::new(),
                view.state.origin().to_owned(),
                end(ends),
                midnight(header.effective),
                money.asset.to_string(),
                clause.force.as_str().to_owned(),
                clause.source.as_str().to_owned(),
            ];
            line(&mut self.to, &values)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_national_currency_is_billed_in_none() {
        for (asset, billed) in
            [("USD", "USD"), ("JPY", "JPY"), ("CREDIT", "XXX"), ("GPU", "XXX"), ("US", "XXX")]
        {
            assert_eq!(currency(&AssetId::from(asset)), billed);
        }
        assert_eq!(
            (decimal("7".to_owned()), decimal("0.50".to_owned())),
            ("7.0".to_owned(), "0.50".to_owned())
        );
    }

    #[test]
    fn columns_stand_in_the_order_of_their_names_and_each_once() {
        let mut ours: Vec<&str> = COLUMNS.iter().copied().filter(|name| !name.starts_with("x_")).collect();
        let theirs = ours.clone();
        ours.sort_unstable();
        ours.dedup();
        assert_eq!(ours, theirs);
    }
}
