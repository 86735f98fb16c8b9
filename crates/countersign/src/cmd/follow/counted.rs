//! What each call counts towards minimums, worked out again from the clauses in force when it is settled.
//!
//! Not here: what it costs (`priced`), or what falls short on a day (`verify`).

use jiff::civil::Date;
use ledger::Transfer;
use partnership::Terms;
use partnership::entry::Settled;
use partnership::ids::PartyId;
use partnership::investment::chart;
use std::collections::BTreeMap;

/// What is open under each minimum.
#[derive(Debug, Default)]
pub(super) struct Counted {
    open: BTreeMap<String, i128>,
}

impl Counted {
    /// Takes transfers of any entry.
    pub(super) fn moved(&mut self, transfers: &[Transfer]) {
        for transfer in transfers {
            for (account, by) in [(&transfer.debit, -1_i128), (&transfer.credit, 1)] {
                let name: &str = account.as_ref();
                if name.contains("minimum:") && name.ends_with(":open") {
                    let sum = self.open.entry(name.to_owned()).or_default();
                    *sum = sum.saturating_add(transfer.amount.minor().saturating_mul(by));
                }
            }
        }
    }

    /// Whether a call of `party` to `model` counts as the clauses say. To be asked before its transfers are taken.
    ///
    /// Errors: what it should count, and what the record says.
    pub(super) fn check(
        &self,
        terms: &Terms,
        (party, model): (&PartyId, &str),
        on: Date,
        settled: &Settled,
    ) -> Result<(), String> {
        let mut expected: Vec<(String, i128)> = Vec::new();
        if let Some((amount, asset)) = &settled.charged {
            for (clause, minimum) in terms.minimums() {
                let open = chart::minimum(clause, "open").to_string();
                let left = self.open.get(&open).copied().unwrap_or(0).max(0);
                let counted = amount.minor().min(left);
                let counts = minimum.counts(party, model, asset, on) && !terms.has_ended(&clause.id, on);
                if counts && counted > 0 {
                    expected.push((open, counted));
                }
            }
        }
        let is_count = |transfer: &&Transfer| AsRef::<str>::as_ref(&transfer.credit).ends_with(":consumed");
        let said = settled.transfers.iter().filter(is_count);
        let said: Vec<_> = said.map(|counted| (counted.debit.to_string(), counted.amount.minor())).collect();
        if said == expected {
            return Ok(());
        }
        let listed = |counts: &[(String, i128)]| match counts {
            [] => "nothing".to_owned(),
            counts => {
                counts.iter().map(|(of, by)| format!("{by} of `{of}`")).collect::<Vec<_>>().join(" and ")
            }
        };
        Err(format!(
            "act `{}` counts {} towards what is to be consumed, and the clauses say {}",
            settled.act,
            listed(&said),
            listed(&expected)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use ledger::{Amount, Operation, TransferId};
    use partnership::act::Ended;
    use partnership::ids::ActId;

    const TERMS: &str = r#"
```toml memorandum
title = "A and B"
version = 1
parties = [{ id = "alder", name = "Alder", role = "operator" }, { id = "birch", name = "Birch", role = "research" }]
effective = 2026-01-01
force = "binding"
```

```toml clause least
kind = "minimum-consumption"
source = "signed"
by = "birch"
to = "alder"
amount = "1.00 USD"
models = ["small"]
ends = 2027-01-01
```
"#;

    fn moved(from: &str, to: &str, amount: i128) -> Transfer {
        let id = TransferId { act: 1, leg: 0 };
        let (debit, credit, asset) = (from.into(), to.into(), "USD".into());
        Transfer { id, operation: Operation::Move, debit, credit, asset, amount: Amount::new(amount) }
    }

    fn settled(charged: i128, counted: i128) -> Settled {
        let count = moved("minimum:least:open", "minimum:least:consumed", counted);
        Settled {
            act: ActId::from_u128(1),
            kind: "infer".to_owned(),
            decided: 1,
            ended: Ended::Done,
            usage: None,
            estimated: false,
            attempts: Vec::new(),
            output: None,
            kept: None,
            charged: Some((Amount::new(charged), "USD".into())),
            transfers: if counted == 0 { Vec::new() } else { vec![count] },
        }
    }

    #[test]
    fn a_call_counts_what_it_is_charged_as_far_as_that_is_open_and_neither_more_nor_less() {
        let terms = Terms::read(TERMS).unwrap();
        let mut counted = Counted::default();
        counted.moved(&[moved("minimum:least:agreed", "minimum:least:open", 100)]);
        let in_time = date(2026, 6, 1);
        for (open, party, model, on, charged, said, holds) in [
            (100, "birch", "small", in_time, 60, 60, true),
            (100, "birch", "small", in_time, 60, 59, false),
            (100, "birch", "small", in_time, 60, 61, false),
            (100, "birch", "small", in_time, 60, 0, false),
            (100, "birch", "large", in_time, 60, 0, true),
            (100, "birch", "large", in_time, 60, 60, false),
            (100, "alder", "small", in_time, 60, 60, false),
            (100, "birch", "small", date(2027, 1, 1), 60, 60, false),
            (100, "birch", "small", date(2025, 12, 31), 60, 60, false),
            (40, "birch", "small", in_time, 60, 40, true),
            (40, "birch", "small", in_time, 60, 60, false),
            (0, "birch", "small", in_time, 60, 0, true),
        ] {
            let mut counted = Counted { open: counted.open.clone() };
            counted.moved(&[moved("minimum:least:open", "minimum:least:consumed", 100 - open)]);
            let checked = counted.check(&terms, (&party.into(), model), on, &settled(charged, said));
            assert_eq!(checked.is_ok(), holds, "{open} {party} {model} {on} {said}: {checked:?}");
        }
    }
}
