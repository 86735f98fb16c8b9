//! What FOCUS asks of one charge, by column. Not here: which charges there are, and in what order columns stand (`focus`).

use super::focus::{currency, decimal, midnight, second};
use super::period::Period;
use super::rows::{Row, View};
use ledger::AssetId;
use partnership::ids::PartyId;
use partnership::memorandum::{Clause, Kind};
use std::collections::BTreeMap;

/// What one grant paid for one act, or what was left of it when it expired.
pub(super) struct Charge<'a> {
    pub(super) row: &'a Row,
    pub(super) clause: &'a str,
    pub(super) asset: &'a AssetId,
    pub(super) minor: i128,
    pub(super) is_used: bool,
}

/// Values by the names of their columns. A column that is not among them is empty: there is no invoice (`InvoiceId`), no act on a record
/// corrects an earlier charge yet (`ChargeClass`), and a price has no more to it than its clause says (`SkuPriceDetails`).
pub(super) type Values = BTreeMap<&'static str, String>;

impl Charge<'_> {
    /// The charge's values.
    pub(super) fn values(&self, view: &View<'_>) -> Values {
        let names = Names { view };
        let all = self.billed(&names).into_iter().chain(self.when()).chain(self.committed(&names));
        all.chain(self.priced(view)).chain(self.served(&names)).chain(self.ours()).collect()
    }

    /// Who is billed: nobody for anything, since a grant has paid.
    fn billed(&self, names: &Names<'_>) -> [(&'static str, String); 10] {
        let payer = names.payer(self.row, self.clause);
        let application = text(self.row.application.as_ref());
        let is_known = !application.is_empty();
        [
            ("BilledCost", "0.0".to_owned()),
            ("BillingAccountName", names.party(&payer)),
            ("BillingAccountId", payer.to_string()),
            ("BillingAccountType", "Party".to_owned()),
            ("BillingCurrency", currency(self.asset).to_owned()),
            ("InvoiceIssuerName", names.operator()),
            ("SubAccountId", application.clone()),
            ("SubAccountName", application),
            ("SubAccountType", if is_known { "Application" } else { "" }.to_owned()),
            ("Tags", self.tags()),
        ]
    }

    fn when(&self) -> [(&'static str, String); 7] {
        let row = self.row;
        let (settled_at, _) = row.settled.unwrap_or(row.decided);
        let month = Period::month_of(settled_at);
        let what = if self.is_used {
            format!("{} {}", row.kind, row.about)
        } else {
            format!("what was left of {} when it expired", self.clause)
        };
        [
            ("BillingPeriodStart", midnight(month.first)),
            ("BillingPeriodEnd", midnight(month.next)),
            ("ChargeCategory", "Usage".to_owned()),
            ("ChargeDescription", what),
            ("ChargeFrequency", "Usage-Based".to_owned()),
            ("ChargePeriodStart", second(row.decided.0)),
            // The end is the first moment after.
            ("ChargePeriodEnd", second(settled_at.plus_millis(1000))),
        ]
    }

    fn committed(&self, names: &Names<'_>) -> [(&'static str, String); 7] {
        [
            ("CommitmentDiscountCategory", "Spend".to_owned()),
            ("CommitmentDiscountId", self.clause.to_owned()),
            ("CommitmentDiscountName", names.clause(self.clause)),
            ("CommitmentDiscountQuantity", self.cost(names.view)),
            ("CommitmentDiscountStatus", if self.is_used { "Used" } else { "Unused" }.to_owned()),
            ("CommitmentDiscountType", "compute-credit".to_owned()),
            ("CommitmentDiscountUnit", self.asset.to_string()),
        ]
    }

    /// A call has one price, so that list and contracted price are the same and the quantity is one.
    fn priced(&self, view: &View<'_>) -> [(&'static str, String); 14] {
        let cost = self.cost(view);
        let used = |usage: partnership::act::Usage| {
            u128::from(usage.input_tokens).saturating_add(u128::from(usage.output_tokens))
        };
        let tokens = self.row.usage.map(used);
        [
            ("ConsumedQuantity", tokens.map(|tokens| decimal(tokens.to_string())).unwrap_or_default()),
            ("ConsumedUnit", tokens.map(|_| "Tokens".to_owned()).unwrap_or_default()),
            ("ContractedCost", cost.clone()),
            ("ContractedUnitPrice", cost.clone()),
            ("EffectiveCost", cost.clone()),
            ("ListCost", cost.clone()),
            ("ListUnitPrice", cost.clone()),
            ("PricingCategory", "Committed".to_owned()),
            ("PricingCurrency", currency(self.asset).to_owned()),
            ("PricingCurrencyContractedUnitPrice", cost.clone()),
            ("PricingCurrencyEffectiveCost", cost.clone()),
            ("PricingCurrencyListUnitPrice", cost),
            ("PricingQuantity", "1.0".to_owned()),
            ("PricingUnit", if self.is_used { "Requests" } else { "Grants" }.to_owned()),
        ]
    }

    fn served(&self, names: &Names<'_>) -> [(&'static str, String); 11] {
        let model = text(self.row.model.as_ref());
        let price = self.row.price.as_ref();
        let price = price.map_or_else(|| self.clause.to_owned(), |price| format!("{price}/{model}"));
        let sku = if self.is_used { model } else { self.clause.to_owned() };
        [
            ("ProviderName", names.operator()),
            ("PublisherName", names.operator()),
            ("ResourceId", sku.clone()),
            ("ResourceName", sku.clone()),
            ("ResourceType", if self.is_used { "Model" } else { "Grant" }.to_owned()),
            ("ServiceCategory", "AI and Machine Learning".to_owned()),
            ("ServiceName", "Model serving".to_owned()),
            ("ServiceSubcategory", "Generative AI".to_owned()),
            ("SkuId", sku),
            ("SkuMeter", if self.is_used { "Tokens" } else { "Rest" }.to_owned()),
            ("SkuPriceId", price),
        ]
    }

    fn ours(&self) -> [(&'static str, String); 9] {
        let row = self.row;
        let (_, entry) = row.settled.unwrap_or(row.decided);
        [
            ("x_ActId", row.act.to_string()),
            ("x_Asset", self.asset.to_string()),
            ("x_ClauseId", self.clause.to_owned()),
            ("x_CostMinor", self.minor.to_string()),
            ("x_Entry", entry.to_string()),
            ("x_InputTokens", text(row.usage.map(|usage| usage.input_tokens))),
            ("x_OutputTokens", text(row.usage.map(|usage| usage.output_tokens))),
            ("x_PriceClauseId", text(row.price.as_ref())),
            ("x_Surface", text(row.surface.as_ref())),
        ]
    }

    fn cost(&self, view: &View<'_>) -> String {
        decimal(view.books.text(self.asset, self.minor))
    }

    /// What is known of a charge beyond FOCUS's own columns, as a JSON object.
    fn tags(&self) -> String {
        let row = self.row;
        let mut tags = serde_json::Map::new();
        let standing = row.standing.as_ref();
        let known = [
            ("act", Some(row.act.to_string())),
            ("application", row.application.as_ref().map(ToString::to_string)),
            ("audience", standing.map(|standing| standing.audience.clone())),
            ("clause", Some(self.clause.to_owned())),
            ("ended", row.ended.map(str::to_owned)),
            ("market", standing.map(|standing| standing.market.clone())),
            ("model", row.model.as_ref().map(ToString::to_string)),
        ];
        tags.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
        serde_json::Value::Object(tags).to_string()
    }
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
        let operator = || self.view.state.terms().map(|terms| terms.operator().clone());
        row.party.clone().or(granted).or_else(operator).unwrap_or_else(|| PartyId::from(""))
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
