//! Reading amounts, sealed amounts and prices out of a block, each with its asset.
//!
//! Not here: values of other types (`read`).

use std::ops::Range;

use ledger::{Amount, AssetId, Price};
use toml::de::DeValue;

use super::clause::Money;
use super::decimal::Decimal;
use super::read::{Reader, suggest};
use crate::sealed::Sealed;

impl<'a> Reader<'a> {
    /// An amount with its asset; it may be zero.
    pub(super) fn money(&mut self, name: &str) -> Option<Money> {
        let (decimal, asset, scale, span) = self.decimal(name)?;
        self.whole(name, decimal, asset, scale, span)
    }

    /// An amount with its asset that stands somewhere in the value of `name`.
    pub(super) fn money_of(&mut self, name: &str, text: &str, span: Range<usize>) -> Option<Money> {
        let (decimal, asset, scale) = self.decimal_of(text, span.clone())?;
        self.whole(name, decimal, asset, scale, span)
    }

    /// The id of an asset of the header.
    pub(super) fn asset(&mut self, name: &str) -> Option<AssetId> {
        let (text, span) = self.text_at(name)?;
        let asset = AssetId::from(text);
        if self.scope.assets.contains_key(&asset) {
            return Some(asset);
        }
        self.unknown_asset(text, text, span);
        None
    }

    fn whole(
        &mut self,
        name: &str,
        decimal: Decimal<'_>,
        asset: AssetId,
        scale: u8,
        span: Range<usize>,
    ) -> Option<Money> {
        if decimal.decimals > u32::from(scale) {
            let message = format!("`{name}` has {} decimals, {asset} has {scale}", decimal.decimals);
            self.fault("memorandum::money", message, span, "too precise");
            return None;
        }
        let amount = Amount::parse(decimal.text, scale).ok();
        if amount.is_none() {
            self.fault("memorandum::money", format!("`{name}` is too large"), span, "cannot be counted");
        }
        amount.map(|amount| Money { amount, asset })
    }

    /// A sealed amount of an asset of the header.
    pub(super) fn sealed(&mut self, name: &str) -> Option<Sealed> {
        let (text, span) = self.text_at(name)?;
        match Sealed::parse(text) {
            Ok(sealed) if self.scope.assets.contains_key(sealed.asset()) => Some(sealed),
            Ok(sealed) => {
                let word = sealed.asset().as_ref();
                self.unknown_asset(text, word, span);
                None
            }
            Err(error) => {
                self.fault(
                    "memorandum::sealed",
                    format!("`{name}` is no sealed amount"),
                    span,
                    "cannot be opened",
                )
                .help = Some(error.to_string());
                None
            }
        }
    }

    /// An amount that is more than zero.
    pub(super) fn money_above_zero(&mut self, name: &str) -> Option<Money> {
        let money = self.money(name)?;
        if money.amount.is_zero() {
            let span = self.found(name)?.span();
            self.fault("memorandum::money", format!("`{name}` is zero"), span, "must be more than zero");
            return None;
        }
        Some(money)
    }

    /// A price of at most twelve decimals for `per` units, exact.
    pub(super) fn price(&mut self, name: &str, per: u64) -> Option<(Price, AssetId)> {
        let (decimal, asset, scale, span) = self.decimal(name)?;
        let price = decimal.price(scale, per).filter(|_| decimal.decimals <= 12);
        if price.is_none() {
            let label = if decimal.decimals > 12 { "more than 12 decimals" } else { "cannot be counted" };
            self.fault(
                "memorandum::money",
                format!("`{name}` is not a price that can be kept exactly"),
                span,
                label,
            );
        }
        price.map(|price| (price, asset))
    }

    fn decimal(&mut self, name: &str) -> Option<(Decimal<'a>, AssetId, u8, Range<usize>)> {
        let at = self.found(name)?;
        let span = at.span();
        if matches!(at.value, DeValue::Float(_) | DeValue::Integer(_)) {
            let raw = self.text.get(span.clone()).unwrap_or("");
            let help = format!("write `{name} = \"{raw} USD\"`, with the asset that is meant");
            self.fault("memorandum::money", "money is a string with its asset", span, "a bare number").help =
                Some(help);
            return None;
        }
        let (text, _) = self.text_at(name)?;
        let (decimal, asset, scale) = self.decimal_of(text, span.clone())?;
        Some((decimal, asset, scale, span))
    }

    fn decimal_of<'t>(&mut self, text: &'t str, span: Range<usize>) -> Option<(Decimal<'t>, AssetId, u8)> {
        let parts = text.split_once(' ').and_then(|(number, asset)| Some((Decimal::read(number)?, asset)));
        let Some((decimal, word)) = parts else {
            let help =
                "write digits, a point if needed, one space and the asset: `5000000.00 USD`".to_owned();
            self.fault(
                "memorandum::money",
                format!("`{text}` is no amount with its asset"),
                span,
                "cannot be read",
            )
            .help = Some(help);
            return None;
        };
        let asset = AssetId::from(word);
        let Some(scale) = self.scope.assets.get(&asset).copied() else {
            self.unknown_asset(text, word, span);
            return None;
        };
        Some((decimal, asset, scale))
    }

    /// The asset `word`, with which the value `text` ends, is not in the header.
    fn unknown_asset(&mut self, text: &str, word: &str, span: Range<usize>) {
        let names: Vec<&str> = self.scope.assets.keys().map(AsRef::as_ref).collect();
        let help = format!("{}; others are added in the header's `assets`", suggest(word, &names));
        let from = text.len().saturating_sub(word.len());
        let span = self.within(span, text, from..text.len());
        self.fault("memorandum::unknown-asset", format!("`{word}` is no asset"), span, "not in the header")
            .help = Some(help);
    }
}
