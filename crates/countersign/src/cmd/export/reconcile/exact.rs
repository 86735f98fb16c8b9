//! Exact decimals, as invoices write them. Not here: the record's own amounts, which are whole minor units (`ledger::Amount`).

use ledger::Amount;

/// An exact decimal, of either sign. Units: 10^-18. Shape: what is read is below 10^14.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Exact(i128);

/// How many decimals there is room for.
const DECIMALS_MAX: u8 = 18;
/// The largest exponent that is read; beyond it no amount fits.
const EXPONENT_MAX: i32 = 60;

impl Exact {
    pub(super) const ZERO: Self = Self(0);

    /// So many minor units of an asset of this scale; none where it does not fit.
    pub(super) fn of_minor(minor: i128, scale: u8) -> Option<Self> {
        minor.checked_mul(power(DECIMALS_MAX.checked_sub(scale)?)?).map(Self)
    }

    /// A whole number; none where it does not fit.
    pub(super) fn whole(number: u64) -> Option<Self> {
        Self::of_minor(i128::from(number), 0)
    }

    /// Reads a decimal, with how many decimals it is written.
    ///
    /// Shape: a sign or none, digits with at most one point between them, and an exponent as FOCUS allows it (`35.2E-7`). Errors: what it
    /// is not, and how to write it; nothing is ever rounded.
    pub(super) fn parse(text: &str) -> Result<(Self, u8), String> {
        let no_decimal = || {
            format!(
                "`{text}` is no decimal; write digits with at most one point and without separators, such as `1234.50`"
            )
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent).ok_or_else(no_decimal)?),
            None => (text, 0),
        };
        let (is_negative, digits) = match mantissa.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return Err(no_decimal()),
            Some(parts) => parts,
            None => (digits, ""),
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
            return Err(no_decimal());
        }
        let written = i32::try_from(fraction.len()).unwrap_or(i32::MAX).saturating_sub(exponent).max(0);
        let minor = minor_of(whole, fraction, exponent).ok_or_else(|| {
            format!(
                "`{text}` has more than {DECIMALS_MAX} decimals, or is too large; nothing is rounded here, so write it shorter"
            )
        })?;
        let minor = if is_negative { minor.saturating_neg() } else { minor };
        Ok((Self(minor), u8::try_from(written).unwrap_or(DECIMALS_MAX).min(DECIMALS_MAX)))
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub(super) fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    pub(super) fn times(self, times: i128) -> Option<Self> {
        self.0.checked_mul(times).map(Self)
    }

    pub(super) fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub(super) fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The same without its sign.
    pub(super) fn size(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// Whether it is at most what rounding `parts` numbers to so many decimals can make up.
    pub(super) fn is_rounding(self, decimals: u8, parts: usize) -> bool {
        let half = DECIMALS_MAX.checked_sub(decimals).and_then(power).map(|unit| unit / 2);
        let parts = i128::try_from(parts).unwrap_or(i128::MAX);
        half.and_then(|half| half.checked_mul(parts)).is_some_and(|most| self.size().0 <= most)
    }

    /// As text with `scale` decimals, and more where it has them.
    pub(super) fn display(self, scale: u8) -> String {
        let whole = Amount::new(self.0).display(DECIMALS_MAX);
        let spare = usize::from(DECIMALS_MAX.saturating_sub(scale));
        let zeros = whole.bytes().rev().take(spare).take_while(|digit| *digit == b'0').count();
        let kept = whole.get(..whole.len().saturating_sub(zeros)).unwrap_or(&whole);
        kept.strip_suffix('.').unwrap_or(kept).to_owned()
    }
}

fn power(exponent: u8) -> Option<i128> {
    10_i128.checked_pow(u32::from(exponent))
}

fn exponent_of(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_sound = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = is_sound.then(|| text.parse().ok()).flatten()?;
    (-EXPONENT_MAX..=EXPONENT_MAX).contains(&exponent).then_some(exponent)
}

/// The digits times ten to the exponent. Units: 10^-18. None where something is left over, or it does not fit.
fn minor_of(whole: &str, fraction: &str, exponent: i32) -> Option<i128> {
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let tail = significant.trim_end_matches('0');
    let trimmed = i32::try_from(significant.len().checked_sub(tail.len())?).ok()?;
    let shift = i32::from(DECIMALS_MAX)
        .checked_sub(i32::try_from(fraction.len()).ok()?)?
        .checked_add(exponent)?
        .checked_add(trimmed)?;
    let minor = tail.parse::<i128>().ok()?;
    let minor = minor.checked_mul(power(u8::try_from(shift).ok()?)?)?;
    // So many rows of such a size still add up.
    (minor < LARGEST).then_some(minor)
}

/// A hundred million million of whole units: a sum of 1.7 million such amounts still fits.
const LARGEST: i128 = 100_000_000_000_000_000_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_read_exactly_and_comes_back_at_its_assets_scale() {
        for (text, scale, shown, decimals) in [
            ("0", 2, "0.00", 0),
            ("1234.5", 2, "1234.50", 1),
            ("-0.05", 2, "-0.05", 2),
            ("+7", 0, "7", 0),
            ("0.000170000", 9, "0.000170000", 9),
            ("0.0001700001", 9, "0.0001700001", 10),
            ("0.100000000000000000000000", 1, "0.1", 18),
            ("35.2E-7", 2, "0.00000352", 8),
            ("1.5e3", 2, "1500.00", 0),
            ("1E-18", 2, "0.000000000000000001", 18),
            ("99999999999999.999999999999999999", 0, "99999999999999.999999999999999999", 18),
            ("007.50", 2, "7.50", 2),
            ("-0", 2, "0.00", 0),
            ("0e60", 2, "0.00", 0),
        ] {
            let (exact, written) = Exact::parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((exact.display(scale).as_str(), written), (shown, decimals), "{text}");
        }
    }

    #[test]
    fn what_is_no_decimal_or_would_be_rounded_is_refused_with_what_to_do() {
        for (text, why) in [
            ("", "without separators"),
            ("1,234.50", "without separators"),
            ("1.", "without separators"),
            (".5", "without separators"),
            ("1.2.3", "without separators"),
            (" 1", "without separators"),
            ("12 CREDIT", "without separators"),
            ("$5", "without separators"),
            ("--1", "without separators"),
            ("1e", "without separators"),
            ("1e+-2", "without separators"),
            ("1e9999", "without separators"),
            ("NaN", "without separators"),
            ("١", "without separators"),
            ("0.0000000000000000001", "write it shorter"),
            ("1E-19", "write it shorter"),
            ("100000000000000", "write it shorter"),
            ("1e60", "write it shorter"),
            ("99999999999999999999999999999999999999999999", "write it shorter"),
        ] {
            let error = Exact::parse(text).unwrap_err();
            assert!(error.contains(&format!("`{text}`")) && error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn what_rounding_can_make_up_is_half_a_unit_for_each_part() {
        let of = |text: &str| Exact::parse(text).unwrap().0;
        for (difference, decimals, parts, is) in [
            ("0.005", 2, 1, true),
            ("-0.005", 2, 1, true),
            ("0.0050001", 2, 1, false),
            ("0.01", 2, 2, true),
            ("0.000000001", 9, 1, false),
            ("0.0000000005", 9, 1, true),
        ] {
            assert_eq!(of(difference).is_rounding(decimals, parts), is, "{difference}");
        }
    }
}
