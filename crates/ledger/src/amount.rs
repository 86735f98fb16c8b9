//! Amounts in minor units, and their decimal text. Not here: rounding (see `rational`) and assets; an
//! amount doesn't know its scale, so text needs it as an argument.

use std::iter::repeat_n;

/// A count of minor units of one asset.
///
/// Units: minor units (cents for an asset of scale 2). Shape: any `i128`; a transfer refuses what is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Amount(i128);

impl Amount {
    /// No units at all.
    pub const ZERO: Self = Self(0);

    /// An amount of `minor` minor units.
    #[must_use]
    pub const fn new(minor: i128) -> Self {
        Self(minor)
    }

    /// The count of minor units.
    #[must_use]
    pub const fn minor(self) -> i128 {
        self.0
    }

    /// The sum, or `None` when it does not fit in 128 bits.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(minor) => Some(Self(minor)),
            None => None,
        }
    }

    /// The difference, or `None` when it does not fit in 128 bits.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(minor) => Some(Self(minor)),
            None => None,
        }
    }

    /// Whether this is no units at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The amount with its sign turned. It is exact for all but the least `i128`, which no book holds.
    pub(crate) const fn opposite(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// Reads decimal text of an asset that has `scale` decimals.
    ///
    /// Shape: digits, then at most one point followed by one to `scale` digits; no sign, exponent, separator
    /// or white space. Errors, in order: [`AmountError::NotDecimal`], [`AmountError::TooPrecise`],
    /// [`AmountError::TooLarge`]; nothing is ever rounded.
    ///
    /// ```
    /// # use ledger::{Amount, AmountError};
    /// assert_eq!(Amount::parse("12.5", 2)?, Amount::new(1250));
    /// assert!(Amount::parse("12.505", 2).is_err());
    /// # Ok::<(), AmountError>(())
    /// ```
    pub fn parse(text: &str, scale: u8) -> Result<Self, AmountError> {
        let (whole, fraction) = decimal_parts(text).ok_or_else(|| AmountError::NotDecimal(text.into()))?;
        let missing = usize::from(scale)
            .checked_sub(fraction.len())
            .ok_or_else(|| AmountError::TooPrecise { text: text.into(), scale })?;
        let digits = whole.bytes().chain(fraction.bytes()).chain(repeat_n(b'0', missing));
        minor_of(digits).map(Self).ok_or_else(|| AmountError::TooLarge(text.into()))
    }

    /// The decimal text at full scale, with a leading `-` when negative.
    ///
    /// ```
    /// # use ledger::Amount;
    /// assert_eq!(Amount::new(12_500_000_000).display(9), "12.500000000");
    /// assert_eq!(Amount::new(-5).display(2), "-0.05");
    /// ```
    #[must_use]
    pub fn display(self, scale: u8) -> String {
        let scale = usize::from(scale);
        let sign = if self.0 < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.0.unsigned_abs(), width = scale.saturating_add(1));
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
        let point = if scale == 0 { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }
}

/// Why text is no amount. Variants stand in order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The text has something other than digits and one point between digits.
    #[error("`{0}` is not a plain decimal; write digits with at most one point, such as `12.50`")]
    NotDecimal(String),
    /// The text has more decimals than the asset.
    #[error("`{text}` has more than {scale} decimals; amounts are not rounded, so shorten it")]
    TooPrecise {
        /// The text as given.
        text: String,
        /// The decimals of the asset.
        scale: u8,
    },
    /// The minor units do not fit in 128 bits.
    #[error("`{0}` is too large for 128 bits of minor units")]
    TooLarge(String),
}

fn decimal_parts(text: &str) -> Option<(&str, &str)> {
    match text.split_once('.') {
        None => is_digits(text).then_some((text, "")),
        Some((whole, fraction)) => (is_digits(whole) && is_digits(fraction)).then_some((whole, fraction)),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn minor_of(mut digits: impl Iterator<Item = u8>) -> Option<i128> {
    digits.try_fold(0_i128, |minor, digit| {
        minor.checked_mul(10)?.checked_add(i128::from(digit.checked_sub(b'0')?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_decimals_are_read_exactly() {
        let rows = [
            ("0", 0, 0),
            ("0", 9, 0),
            ("7", 0, 7),
            ("5000000.00", 2, 500_000_000),
            ("0.000000001", 9, 1),
            ("00.5", 2, 50),
            ("9999999999999999999999999.99", 4, 99_999_999_999_999_999_999_999_999_900),
            ("170141183460469231731687303715884105727", 0, i128::MAX),
            ("1701411834604692317316873037158841057.27", 2, i128::MAX),
            ("0", 255, 0),
        ];
        for (text, scale, minor) in rows {
            assert_eq!(Amount::parse(text, scale), Ok(Amount::new(minor)), "`{text}` at {scale}");
        }
    }

    #[test]
    fn anything_but_plain_decimals_is_refused() {
        let rows = [
            "", ".", ".5", "5.", "1.2.3", "+1", "-1", "1e3", "1_000", "1,000", " 1", "1 ", "0x10", "١", "½",
            "NaN", "1.-2",
        ];
        for text in rows {
            assert_eq!(Amount::parse(text, 2), Err(AmountError::NotDecimal(text.into())), "`{text}`");
        }
    }

    #[test]
    fn decimals_beyond_the_scale_are_refused_even_when_zero() {
        for (text, scale) in [("1.000", 2), ("1.0", 0), ("0.0000000001", 9)] {
            assert_eq!(Amount::parse(text, scale), Err(AmountError::TooPrecise { text: text.into(), scale }));
        }
    }

    #[test]
    fn amounts_beyond_128_bits_are_refused() {
        for (text, scale) in [
            ("170141183460469231731687303715884105728", 0),
            ("1", 39),
            ("1701411834604692317316873037158841057.28", 2),
        ] {
            assert_eq!(Amount::parse(text, scale), Err(AmountError::TooLarge(text.into())), "`{text}`");
        }
    }

    #[test]
    fn text_is_always_at_full_scale() {
        let rows = [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (-1250, 2, "-12.50"),
            (100, 0, "100"),
            (1, 9, "0.000000001"),
            (i128::MIN, 0, "-170141183460469231731687303715884105728"),
        ];
        for (minor, scale, text) in rows {
            assert_eq!(Amount::new(minor).display(scale), text);
        }
    }

    #[test]
    fn sums_that_do_not_fit_are_none() {
        let most = Amount::new(i128::MAX);
        assert_eq!(most.checked_add(Amount::new(1)), None);
        assert_eq!(Amount::new(i128::MIN).checked_sub(Amount::new(1)), None);
        assert_eq!(most.checked_sub(most), Some(Amount::ZERO));
    }
}
