//! Exact prices and their totals, rounded once. Not here: which price applies, or where a remainder is booked.

use crate::Amount;

/// An exact price: so many minor units for so many of what is sold.
///
/// Units: minor units of one asset, per quantity; 0.15 CREDIT (9 decimals) a million tokens is
/// 150,000,000 per 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Price {
    numerator: i128,
    per: u64,
}

impl Price {
    /// A price of `numerator` minor units per `per`; `None` when `per` is zero.
    #[must_use]
    pub const fn new(numerator: i128, per: u64) -> Option<Self> {
        if per == 0 { None } else { Some(Self { numerator, per }) }
    }

    /// The minor units asked for [`Price::per`] of what is sold.
    #[must_use]
    pub const fn numerator(self) -> i128 {
        self.numerator
    }

    /// The quantity that the price is for; never zero.
    #[must_use]
    pub const fn per(self) -> u64 {
        self.per
    }

    fn times(self, quantity: u64) -> Option<Exact> {
        let numerator = self.numerator.checked_mul(i128::from(quantity))?;
        Some(Exact { numerator, denominator: i128::from(self.per) })
    }
}

/// The exact total of prices times quantities, over the least common denominator.
///
/// Shape: lines may have different `per`; no line is rounded by itself. Errors: [`Overflow`] when a product, a
/// sum or the common denominator does not fit in 128 bits.
///
/// ```
/// # use ledger::{Amount, Price, total};
/// let price = |numerator, per| Price::new(numerator, per).ok_or(ledger::Overflow);
/// let exact = total(&[(price(150, 1000)?, 7), (price(5, 2)?, 1)])?; // 1.05 + 2.5
/// assert_eq!(exact.ceil(), Amount::new(4));
/// assert_eq!(exact.half_even().0, Amount::new(4));
/// # Ok::<(), ledger::Overflow>(())
/// ```
pub fn total(lines: &[(Price, u64)]) -> Result<Exact, Overflow> {
    lines
        .iter()
        .try_fold(Exact::ZERO, |sum, (price, quantity)| sum.checked_add(price.times(*quantity)?))
        .ok_or(Overflow)
}

/// An exact number of minor units, as a fraction.
///
/// Shape: the denominator is above zero; the fraction need not be in lowest terms, so compare rounded values.
#[derive(Debug, Clone, Copy)]
pub struct Exact {
    numerator: i128,
    denominator: i128,
}

impl Exact {
    const ZERO: Self = Self { numerator: 0, denominator: 1 };

    /// The numerator, in minor units times the denominator.
    #[must_use]
    pub const fn numerator(self) -> i128 {
        self.numerator
    }

    /// The denominator; above zero.
    #[must_use]
    pub const fn denominator(self) -> i128 {
        self.denominator
    }

    /// Rounded up to whole minor units, as reservations are.
    #[must_use]
    pub const fn ceil(self) -> Amount {
        let (floor, rest) = self.floor();
        Amount::new(if rest == 0 { floor } else { above(floor) })
    }

    /// Rounded to the nearest whole minor unit, a tie to the even one, as settlements are; with what the exact
    /// value has more (or less, if negative) than the rounded one.
    #[must_use]
    pub fn half_even(self) -> (Amount, Remainder) {
        let (floor, rest) = self.floor();
        let short = self.denominator.saturating_sub(rest);
        let up = rest > short || (rest == short && floor & 1 == 1);
        let (rounded, numerator) = if up { (above(floor), short.saturating_neg()) } else { (floor, rest) };
        (Amount::new(rounded), Remainder { numerator, denominator: self.denominator })
    }

    /// The largest whole number not above, and what is left over it: at least 0, below the denominator.
    const fn floor(self) -> (i128, i128) {
        match (
            self.numerator.checked_div_euclid(self.denominator),
            self.numerator.checked_rem_euclid(self.denominator),
        ) {
            (Some(floor), Some(rest)) => (floor, rest),
            _ => unreachable!(),
        }
    }

    fn checked_add(self, other: Self) -> Option<Self> {
        let common = greatest_common_divisor(self.denominator, other.denominator)?;
        let scale = other.denominator.checked_div(common)?;
        let other_scale = self.denominator.checked_div(common)?;
        let other_numerator = other.numerator.checked_mul(other_scale)?;
        Some(Self {
            numerator: self.numerator.checked_mul(scale)?.checked_add(other_numerator)?,
            denominator: self.denominator.checked_mul(scale)?,
        })
    }
}

/// What rounding left: the exact value less the rounded one.
///
/// Shape: at most one half either way; `numerator` is signed, `denominator` above zero. Units: minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remainder {
    /// Above zero when the exact value was larger than the rounded one.
    pub numerator: i128,
    /// Above zero.
    pub denominator: i128,
}

/// A total did not fit in 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the total does not fit in 128 bits; split the quantities")]
pub struct Overflow;

/// One more. It can't overflow: there is a rest only over a denominator of two or more, so `floor` is at most
/// half the range.
const fn above(floor: i128) -> i128 {
    floor.saturating_add(1)
}

fn greatest_common_divisor(left: i128, right: i128) -> Option<i128> {
    let (mut left, mut right) = (left, right);
    while right != 0 {
        (left, right) = (right, left.checked_rem(right)?);
    }
    Some(left)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an oracle over small numbers, with overflow checks on")]
mod tests {
    use super::*;

    fn exact(numerator: i128, per: u64) -> Exact {
        total(&[(Price::new(numerator, per).unwrap(), 1)]).unwrap()
    }

    #[test]
    fn rounding_is_up_for_reservations_and_half_even_for_settlements() {
        // numerator, per, ceil, half even, remainder
        let rows = [
            (0, 7, 0, 0, 0),
            (7, 7, 1, 1, 0),
            (1, 2, 1, 0, 1),
            (3, 2, 2, 2, -1),
            (5, 2, 3, 2, 1),
            (1, 3, 1, 0, 1),
            (2, 3, 1, 1, -1),
            (-1, 2, 0, 0, -1),
            (-3, 2, -1, -2, 1),
            (-2, 3, 0, -1, 1),
            (i128::MAX, 1, i128::MAX, i128::MAX, 0),
            (i128::MAX, 2, (i128::MAX >> 1) + 1, (i128::MAX >> 1) + 1, -1),
            (i128::MIN, 1, i128::MIN, i128::MIN, 0),
        ];
        for (numerator, per, ceil, rounded, remainder) in rows {
            let exact = exact(numerator, per);
            let expected = Remainder { numerator: remainder, denominator: i128::from(per) };
            assert_eq!(exact.ceil(), Amount::new(ceil), "ceil of {numerator}/{per}");
            assert_eq!(exact.half_even(), (Amount::new(rounded), expected), "{numerator}/{per}");
        }
    }

    #[test]
    fn lines_of_different_denominators_add_exactly() {
        let price = |numerator, per| Price::new(numerator, per).unwrap();
        let sum = total(&[(price(1, 6), 5), (price(3, 4), 7), (price(2, 1), 1)]).unwrap();
        assert_eq!((sum.numerator(), sum.denominator()), (97, 12));
    }

    #[test]
    fn no_lines_cost_nothing() {
        assert_eq!(total(&[]).unwrap().ceil(), Amount::ZERO);
    }

    #[test]
    fn a_price_per_nothing_is_none() {
        assert_eq!(Price::new(1, 0), None);
    }

    #[test]
    fn totals_beyond_128_bits_are_refused() {
        let large = Price::new(i128::MAX, 1).unwrap();
        let odd = |per| Price::new(1, per).unwrap();
        assert_eq!(total(&[(large, 2)]).unwrap_err(), Overflow);
        assert_eq!(total(&[(large, 1), (odd(1), 1)]).unwrap_err(), Overflow);
        let coprime = [(odd(u64::MAX), 1), (odd(u64::MAX - 1), 1), (odd(u64::MAX - 3), 1)];
        assert_eq!(total(&coprime).unwrap_err(), Overflow);
    }

    proptest::proptest! {
        #[test]
        fn rounded_and_remainder_make_the_exact_value(numerator in -1_000_000_i128..1_000_000, per in 1_u64..1000) {
            let exact = exact(numerator, per);
            let (rounded, left) = exact.half_even();
            proptest::prop_assert_eq!(rounded.minor() * left.denominator + left.numerator, numerator);
            proptest::prop_assert!(left.numerator.abs() * 2 <= left.denominator);
            proptest::prop_assert!(rounded <= exact.ceil());
        }
    }
}
