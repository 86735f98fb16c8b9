//! What an act's transfers come to. Not here: what they do to the books (`rows`).

use super::rows::Cost;
use ledger::{Operation, Transfer};
use partnership::ids::ClauseId;

/// What these transfers of one entry come to.
pub(super) fn of(transfers: &[Transfer]) -> Cost {
    let mut cost = Cost::default();
    for transfer in transfers {
        let (from, minor): (&str, i128) = (transfer.debit.as_ref(), transfer.amount.minor());
        match transfer.operation {
            Operation::Post { .. } => {
                match from.strip_prefix("credit:").and_then(|name| name.rsplit_once(':')) {
                    Some((clause, _)) => {
                        cost.asset = Some(transfer.asset.clone());
                        cost.paid.push((ClauseId::from(clause), minor));
                    }
                    None if from.starts_with("memo:") => observe(&mut cost, transfer),
                    None => {}
                }
            }
            Operation::Move if from.split(':').nth(1) == Some("overrun") => {
                cost.borne = cost.borne.saturating_add(minor);
            }
            Operation::Move if from.starts_with("rounding:") => cost.remainder = remainder(transfer),
            Operation::Move if from.starts_with("memo:") => observe(&mut cost, transfer),
            Operation::Move => {
                cost.moved.push((transfer.credit.clone(), transfer.asset.clone(), minor));
            }
            Operation::Reserve { .. } | Operation::Void { .. } | Operation::Lapse { .. } => {}
        }
    }
    cost
}

/// A non-binding clause only watches: what was posted to its memo, and what went beyond what had been reserved there, is what it saw.
fn observe(cost: &mut Cost, transfer: &Transfer) {
    let minor = transfer.amount.minor();
    if !AsRef::<str>::as_ref(&transfer.credit).ends_with(":spent") {
        cost.moved.push((transfer.credit.clone(), transfer.asset.clone(), minor));
        return;
    }
    cost.asset.get_or_insert_with(|| transfer.asset.clone());
    match cost.observed.iter_mut().find(|(account, _)| *account == transfer.credit) {
        Some((_, seen)) => *seen = seen.saturating_add(minor),
        None => cost.observed.push((transfer.credit.clone(), minor)),
    }
}

/// What rounding left out. The payer gave it where the amount was rounded down.
fn remainder(transfer: &Transfer) -> Option<(i128, i128)> {
    let (_, denominator) = AsRef::<str>::as_ref(&transfer.asset).split_once('/')?;
    let minor = transfer.amount.minor();
    let is_payers = AsRef::<str>::as_ref(&transfer.debit).starts_with("rounding:payer:");
    let numerator = if is_payers { minor } else { minor.saturating_neg() };
    Some((numerator, denominator.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{AccountId, Amount, AssetId, TransferId};

    fn transfer(operation: Operation, from: &str, to: &str, asset: &str, minor: i128) -> Transfer {
        let (debit, credit, asset) = (AccountId::from(from), AccountId::from(to), AssetId::from(asset));
        Transfer {
            id: TransferId { act: 1, leg: 9 },
            operation,
            debit,
            credit,
            asset,
            amount: Amount::new(minor),
        }
    }

    #[test]
    fn a_call_costs_what_grants_paid_and_the_rest_is_told_apart() {
        let post = Operation::Post { pending: TransferId { act: 1, leg: 0 } };
        let void = Operation::Void { pending: TransferId { act: 1, leg: 0 } };
        let cost = of(&[
            transfer(post, "credit:a:available", "credit:a:spent", "CREDIT", 70),
            transfer(post, "credit:b:available", "credit:b:spent", "CREDIT", 30),
            transfer(void, "credit:c:available", "credit:c:spent", "CREDIT", 999),
            transfer(Operation::Move, "northwind:overrun:CREDIT", "credit:a:spent", "CREDIT", 5),
            transfer(post, "budget:k:available", "budget:k:spent", "CREDIT", 100),
            transfer(post, "memo:credit:m:available", "memo:credit:m:spent", "CREDIT", 60),
            transfer(Operation::Move, "memo:credit:m:available", "memo:credit:m:spent", "CREDIT", 45),
            transfer(post, "memo:credit:n:available", "memo:credit:n:spent", "CREDIT", 105),
            transfer(Operation::Move, "rounding:operator:CREDIT/4", "rounding:payer:CREDIT/4", "CREDIT/4", 1),
        ]);
        assert_eq!(cost.paid, [(ClauseId::from("a"), 70), (ClauseId::from("b"), 30)]);
        assert_eq!((cost.minor(), cost.borne, cost.observed(), cost.remainder), (100, 5, 105, Some((-1, 4))));
        assert!(cost.moved.is_empty(), "{cost:?}");
    }

    #[test]
    fn what_is_no_call_has_no_cost_and_is_told_with_where_it_went() {
        let cost = of(&[
            transfer(Operation::Move, "commitment:t:undrawn", "commitment:t:drawn", "USD", 25_000_000),
            transfer(Operation::Move, "memo:credit:m:available", "memo:credit:m:breakage", "CREDIT", 7),
        ]);
        assert_eq!((cost.minor(), cost.observed(), cost.asset.clone()), (0, 0, None));
        let moved: Vec<(&str, i128)> =
            cost.moved.iter().map(|(to, _, minor)| (to.as_ref(), *minor)).collect();
        assert_eq!(moved, [("commitment:t:drawn", 25_000_000), ("memo:credit:m:breakage", 7)]);
    }
}
