//! Charges as FOCUS 1.2 has them, a row for each settled act and grant that paid for it. The mapping is in docs/EXPORTS.md.
//!
//! Not here: tranches, which are no charge for a service; what non-binding clauses only watched; what the operator bore.

use super::charge::Charge;
use super::csv::line;
use super::rows::{Format, Row, View};
use jiff::civil::Date;
use ledger::AssetId;
use partnership::ids::Timestamp;
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
        let values = charge.values(view);
        let blank = String::new();
        let row: Vec<&String> = COLUMNS.iter().map(|column| values.get(column).unwrap_or(&blank)).collect();
        line(&mut self.to, &row)
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

/// The columns, in their order.
pub(super) const COLUMNS: [&str; 61] = [
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
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
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
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_ActId",
    "x_Asset",
    "x_ClauseId",
    "x_CostMinor",
    "x_Entry",
    "x_InputTokens",
    "x_OutputTokens",
    "x_PriceClauseId",
    "x_Surface",
];

/// A moment as FOCUS has it: in UTC, to the second.
pub(super) fn second(at: Timestamp) -> String {
    let whole = at.to_string();
    whole.split_once('.').map_or_else(|| whole.clone(), |(second, _)| format!("{second}Z"))
}

pub(super) fn midnight(date: Date) -> String {
    format!("{date}T00:00:00Z")
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
        assert!(COLUMNS.is_sorted_by(|before, after| before < after), "{COLUMNS:?}");
    }
}
