//! Which lots an amount is taken from. Not here: making or expiring lots; who calls leaves out those that may
//! not be used.

use crate::{AccountId, Amount};

/// A grant, or part of one, that an amount may be drawn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// The account that holds it; one lot an account.
    pub account: AccountId,
    /// The clause's burn order; lower burns first.
    pub order: u32,
    /// When it expires, in milliseconds of the record's time; `None` if never.
    pub expires_at: Option<i64>,
    /// What may be drawn, in minor units; a lot at or below zero is passed over.
    pub available: Amount,
}

/// Draws `amount` from `lots` in burn order: the lot's order, then earliest expiry (never comes last), then the
/// account's name.
///
/// Shape: the parts in burn order, each above zero and within its lot, summing to `amount`; none for an amount
/// of zero or less. Units: minor units of one asset. Errors: what is lacking, when all lots together hold less.
///
/// ```
/// # use ledger::{AccountId, Amount, Lot, draw};
/// let lot = |name: &str, expires_at| Lot {
///     account: AccountId::from(name), order: 1, expires_at, available: Amount::new(10),
/// };
/// let parts = draw(&[lot("gift", None), lot("trial", Some(5))], Amount::new(12))?;
/// assert_eq!(parts, [(AccountId::from("trial"), Amount::new(10)), (AccountId::from("gift"), Amount::new(2))]);
/// # Ok::<(), Amount>(())
/// ```
pub fn draw(lots: &[Lot], amount: Amount) -> Result<Vec<(AccountId, Amount)>, Amount> {
    let mut lots: Vec<&Lot> = lots.iter().filter(|lot| lot.available > Amount::ZERO).collect();
    lots.sort_by_key(|lot| burn_order(lot));
    let mut missing = amount.minor().max(0);
    let mut parts = Vec::new();
    for lot in lots {
        if missing == 0 {
            break;
        }
        let part = missing.min(lot.available.minor());
        missing = missing.saturating_sub(part);
        parts.push((lot.account.clone(), Amount::new(part)));
    }
    if missing == 0 { Ok(parts) } else { Err(Amount::new(missing)) }
}

fn burn_order(lot: &Lot) -> (u32, bool, Option<i64>, &AccountId) {
    (lot.order, lot.expires_at.is_none(), lot.expires_at, &lot.account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(name: &str, order: u32, expires_at: Option<i64>, available: i128) -> Lot {
        Lot { account: AccountId::from(name), order, expires_at, available: Amount::new(available) }
    }

    fn drawn(lots: &[Lot], amount: i128) -> Result<String, i128> {
        let parts = draw(lots, Amount::new(amount)).map_err(Amount::minor)?;
        Ok(parts
            .iter()
            .map(|(account, part)| format!("{account}={}", part.minor()))
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn lots_burn_by_order_then_expiry_then_name() {
        let lots = [
            lot("never", 1, None, 1),
            lot("z-soon", 1, Some(-5), 1),
            lot("b-late", 1, Some(9), 1),
            lot("a-late", 1, Some(9), 1),
            lot("last", 2, Some(-9), 1),
            lot("first", 0, None, 1),
        ];
        let all = "first=1 z-soon=1 a-late=1 b-late=1 never=1 last=1";
        assert_eq!(drawn(&lots, 6).as_deref(), Ok(all));
    }

    #[test]
    fn a_draw_stops_when_the_amount_is_met() {
        let lots = [lot("a", 0, None, 10), lot("b", 1, None, 10), lot("c", 2, None, 10)];
        let rows = [(0, ""), (1, "a=1"), (10, "a=10"), (11, "a=10 b=1"), (30, "a=10 b=10 c=10"), (-1, "")];
        for (amount, parts) in rows {
            assert_eq!(drawn(&lots, amount).as_deref(), Ok(parts));
        }
    }

    #[test]
    fn a_draw_beyond_the_lots_says_what_is_lacking() {
        assert_eq!(drawn(&[lot("a", 0, None, 10), lot("b", 0, None, 5)], 16), Err(1));
        assert_eq!(drawn(&[], 3), Err(3));
    }

    #[test]
    fn empty_and_overdrawn_lots_are_passed_over() {
        assert_eq!(
            drawn(&[lot("a", 0, None, 0), lot("b", 0, None, -7), lot("c", 0, None, 5)], 5).as_deref(),
            Ok("c=5")
        );
    }
}
