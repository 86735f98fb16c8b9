//! Decimal numbers as a memorandum writes them, and the exact prices they make.
//!
//! Not here: assets and carets (`read`).

use ledger::Price;

/// A number in plain decimal notation, as written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'a> {
    pub(super) text: &'a str,
    pub(super) decimals: u32,
}

impl<'a> Decimal<'a> {
    /// Digits, and a point with digits after it if any; no sign, exponent or separator.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (whole, rest) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let sound = digits(whole) && rest.is_none_or(digits) && (whole.len() == 1 || !whole.starts_with('0'));
        let decimals = u32::try_from(rest.map_or(0, str::len)).ok()?;
        sound.then_some(Self { text, decimals })
    }

    /// The number as a price in minor units of `scale` decimals for `per` units: what the scale cannot hold makes `per` larger.
    pub(super) fn price(self, scale: u8, per: u64) -> Option<Price> {
        let digits: String = self.text.chars().filter(char::is_ascii_digit).collect();
        let number: i128 = digits.parse().ok()?;
        let scale = u32::from(scale);
        let up = 10_i128.checked_pow(scale.saturating_sub(self.decimals))?;
        let down = 10_u64.checked_pow(self.decimals.saturating_sub(scale))?;
        Price::new(number.checked_mul(up)?, per.checked_mul(down)?)
    }
}
