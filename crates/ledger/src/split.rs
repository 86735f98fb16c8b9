//! Dividing an amount without losing a unit. Not here: what the weights mean.

use std::cmp::Reverse;

use crate::Amount;

/// Splits `amount` over `weights` by largest remainder, so the parts always sum to `amount`.
///
/// Shape: one part per weight, in the given order; ties go to the earlier weight; a weight of zero gets zero.
/// Units: those of `amount` (minor units). Errors, in order: [`SplitError::Negative`], [`SplitError::NoWeight`]
/// if all weights are zero, [`SplitError::Overflow`] for weights whose product does not fit in 128 bits.
/// Source: Hamilton's method (Balinski & Young 1982).
///
/// ```
/// # use ledger::{Amount, split};
/// let [more, less] = [Amount::new(34), Amount::new(33)];
/// assert_eq!(split(Amount::new(100), &[1, 1, 1])?, [more, less, less]);
/// # Ok::<(), ledger::SplitError>(())
/// ```
pub fn split(amount: Amount, weights: &[u64]) -> Result<Vec<Amount>, SplitError> {
    let amount = amount.minor();
    if amount < 0 {
        return Err(SplitError::Negative(amount));
    }
    if weights.iter().all(|weight| *weight == 0) {
        return Err(SplitError::NoWeight);
    }
    let mut shares = shares(amount, weights).ok_or(SplitError::Overflow)?;
    hand_out(&mut shares, amount).ok_or(SplitError::Overflow)?;
    Ok(shares.into_iter().map(|share| Amount::new(share.whole)).collect())
}

/// Why an amount was not split. Variants stand in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// The amount is below zero.
    #[error("an amount of {0} minor units is negative; split its opposite")]
    Negative(i128),
    /// All weights are zero, or there are none.
    #[error("an amount cannot be split without a weight above zero")]
    NoWeight,
    /// The weights are too large to multiply.
    #[error("the weights do not fit in 128 bits together; divide them by a common factor")]
    Overflow,
}

/// The whole units of one part, and what is left of it over the sum of weights.
struct Share {
    whole: i128,
    rest: i128,
}

/// Taking the quotient first keeps products small: `amount` itself is never multiplied by a weight.
fn shares(amount: i128, weights: &[u64]) -> Option<Vec<Share>> {
    let sum: i128 = weights.iter().try_fold(0_i128, |sum, weight| sum.checked_add(i128::from(*weight)))?;
    let (quotient, left) = (amount.checked_div(sum)?, amount.checked_rem(sum)?);
    let share = |weight: &u64| {
        let weight = i128::from(*weight);
        let over = left.checked_mul(weight)?;
        let whole = quotient.checked_mul(weight)?.checked_add(over.checked_div(sum)?)?;
        Some(Share { whole, rest: over.checked_rem(sum)? })
    };
    weights.iter().map(share).collect()
}

/// Gives the units not yet in a share to the largest rests, one each.
fn hand_out(shares: &mut [Share], amount: i128) -> Option<()> {
    let given = shares.iter().try_fold(0_i128, |sum, share| sum.checked_add(share.whole))?;
    let mut left = amount.checked_sub(given)?;
    let mut by_rest: Vec<&mut Share> = shares.iter_mut().collect();
    by_rest.sort_by_key(|share| Reverse(share.rest));
    for share in by_rest {
        if left == 0 {
            break;
        }
        share.whole = share.whole.checked_add(1)?;
        left = left.checked_sub(1)?;
    }
    Some(())
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an oracle over small numbers, with overflow checks on")]
mod tests {
    use super::*;

    fn parts(amount: i128, weights: &[u64]) -> Result<Vec<i128>, SplitError> {
        Ok(split(Amount::new(amount), weights)?.into_iter().map(Amount::minor).collect())
    }

    #[test]
    fn units_left_over_go_to_the_largest_rest_then_the_earlier_weight() {
        let rows: [(i128, &[u64], &[i128]); 7] = [
            (100, &[1, 1, 1], &[34, 33, 33]),
            (101, &[1, 1, 1], &[34, 34, 33]),
            (10, &[1, 2, 3], &[2, 3, 5]),
            (10, &[3, 2, 1], &[5, 3, 2]),
            (1, &[0, 1, 1], &[0, 1, 0]),
            (0, &[5, 5], &[0, 0]),
            (i128::MAX, &[1, 1], &[(i128::MAX >> 1) + 1, i128::MAX >> 1]),
        ];
        for (amount, weights, expected) in rows {
            assert_eq!(parts(amount, weights).as_deref(), Ok(expected), "{amount} over {weights:?}");
        }
    }

    #[test]
    fn what_cannot_be_split_is_refused_in_order() {
        assert_eq!(parts(-1, &[]), Err(SplitError::Negative(-1)));
        assert_eq!(parts(1, &[]), Err(SplitError::NoWeight));
        assert_eq!(parts(1, &[0, 0]), Err(SplitError::NoWeight));
        let one_below_the_sum = i128::from(u64::MAX) * 2 - 1;
        assert_eq!(parts(one_below_the_sum, &[u64::MAX, u64::MAX]), Err(SplitError::Overflow));
    }

    proptest::proptest! {
        #[test]
        fn parts_sum_to_the_amount_and_lie_within_one_unit_of_exact(
            amount in 0_i128..1_000_000_000,
            weights in proptest::collection::vec(0_u64..1000, 1..8),
        ) {
            let sum: i128 = weights.iter().copied().map(i128::from).sum();
            proptest::prop_assume!(sum > 0);
            let parts = parts(amount, &weights).unwrap();
            proptest::prop_assert_eq!(parts.iter().sum::<i128>(), amount);
            for (part, weight) in parts.iter().zip(weights) {
                proptest::prop_assert!((part * sum - amount * i128::from(weight)).abs() < sum);
            }
        }
    }
}
