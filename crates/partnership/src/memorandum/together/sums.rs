//! What a party commits to and is promised under several memoranda, added up. Amounts of two assets are never added, nor are those of
//! one asset that two memoranda count to different decimals; what binds and what is intended stand beside each other.
//!
//! Not here: what became of any of it, which the records of each partnership tell.

use super::{Place, Shared};
use crate::ids::PartyId;
use crate::memorandum::{Clause, Kind, Memorandum, Undisclosed};
use ledger::{Amount, AssetId};

/// Whether a party gives or gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It commits itself.
    Gives,
    /// It is promised.
    Gets,
}

impl Side {
    /// The word used in tables and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gives => "gives",
            Self::Gets => "gets",
        }
    }
}

/// What one party gives or gets of one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// The party.
    pub party: PartyId,
    /// Whether it gives or gets.
    pub side: Side,
    /// The asset.
    pub asset: AssetId,
    /// How many decimals the asset has.
    pub scale: u8,
    /// What binds. Units: the asset's minor unit.
    pub binding: Amount,
    /// What is intended. Units: the asset's minor unit.
    pub intended: Amount,
    /// What it is made of, in the order of the memoranda and of each file.
    pub parts: Vec<Part>,
}

/// One clause's part in a sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The clause.
    pub place: Place,
    /// Whether it binds.
    pub binds: bool,
    /// Its amount. Units: the asset's minor unit.
    pub amount: Amount,
}

/// A clause that commits to something that no sum has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// The clause.
    pub place: Place,
    /// Why: lower case, no full stop.
    pub why: String,
}

/// What a clause commits to.
struct Committed<'a> {
    from: &'a PartyId,
    to: &'a PartyId,
    asset: &'a AssetId,
    amount: Result<Amount, &'static str>,
}

/// The sums of these parties over all memoranda, and what is in none of them.
pub(super) fn sums(memoranda: &[&Memorandum], parties: &[Shared]) -> (Vec<Sum>, Vec<Uncounted>) {
    let (mut sums, mut uncounted): (Vec<Sum>, Vec<Uncounted>) = (Vec::new(), Vec::new());
    for (at, memorandum) in memoranda.iter().enumerate() {
        let is_shared = |id: &PartyId| parties.iter().any(|party| party.id == *id && party.of.contains(&at));
        for clause in &memorandum.clauses {
            let place = Place::of(at, &memorandum.text, clause);
            if let Kind::Undisclosed(undisclosed) = &clause.kind {
                uncounted.push(Uncounted { place, why: hidden(memorandum, undisclosed) });
                continue;
            }
            let Some(committed) = committed(clause) else { continue };
            let sides = [(Side::Gives, committed.from), (Side::Gets, committed.to)];
            let sides: Vec<_> = sides.into_iter().filter(|(_, party)| is_shared(party)).collect();
            let added = committed.amount.and_then(|amount| {
                let scale = memorandum.header.scale(committed.asset).unwrap_or(0);
                let part = Part { place: place.clone(), binds: clause.force.is_binding(), amount };
                sides.iter().try_for_each(|(side, party)| {
                    add(&mut sums, (party, *side), (committed.asset, scale), &part)
                })
            });
            if let (Err(why), false) = (added, sides.is_empty()) {
                uncounted.push(Uncounted { place, why: why.to_owned() });
            }
        }
    }
    let order = |sum: &Sum| {
        let at = parties.iter().position(|party| party.id == sum.party);
        (at, sum.side == Side::Gets, sum.asset.clone(), sum.scale)
    };
    sums.sort_by_key(order);
    (sums, uncounted)
}

fn add(
    sums: &mut Vec<Sum>,
    (party, side): (&PartyId, Side),
    (asset, scale): (&AssetId, u8),
    part: &Part,
) -> Result<(), &'static str> {
    let known = sums
        .iter()
        .position(|sum| sum.party == *party && sum.side == side && sum.asset == *asset && sum.scale == scale);
    let known = known.and_then(|at| sums.get_mut(at));
    let (binding, intended) =
        known.as_ref().map_or((Amount::ZERO, Amount::ZERO), |sum| (sum.binding, sum.intended));
    let more = |sum: Amount, counts: bool| {
        let sum = if counts { sum.checked_add(part.amount) } else { Some(sum) };
        sum.ok_or("with it the sum would be beyond all amounts")
    };
    let (binding, intended) = (more(binding, part.binds)?, more(intended, !part.binds)?);
    match known {
        Some(sum) => {
            (sum.binding, sum.intended) = (binding, intended);
            sum.parts.push(part.clone());
        }
        None => sums.push(Sum {
            party: party.clone(),
            side,
            asset: asset.clone(),
            scale,
            binding,
            intended,
            parts: vec![part.clone()],
        }),
    }
    Ok(())
}

fn committed(clause: &Clause) -> Option<Committed<'_>> {
    Some(match &clause.kind {
        Kind::ComputeCredit(grant) => Committed {
            from: &grant.from,
            to: &grant.to,
            asset: &grant.amount.asset,
            amount: Ok(grant.amount.amount),
        },
        Kind::CashTranche(tranche) => Committed {
            from: &tranche.from,
            to: &tranche.to,
            asset: &tranche.amount.asset,
            amount: if tranche.already_paid {
                Err("it was paid before the memorandum began")
            } else {
                Ok(tranche.amount.amount)
            },
        },
        Kind::MinimumConsumption(minimum) => Committed {
            from: &minimum.by,
            to: &minimum.to,
            asset: &minimum.amount.asset,
            amount: Ok(minimum.amount.amount),
        },
        // What is paid for goes the one way, and the money the other.
        Kind::Capacity(capacity) => Committed {
            from: &capacity.to,
            to: &capacity.from,
            asset: &capacity.price.asset,
            amount: match capacity.periods.ends {
                None => Err("it is paid for each period, and no end is agreed"),
                Some(_) => i128::try_from(capacity.periods.first_days().count())
                    .ok()
                    .and_then(|periods| capacity.total.minor().checked_mul(periods))
                    .map(Amount::new)
                    .ok_or("what all its periods cost is beyond all amounts"),
            },
        },
        Kind::RevenueShare(share) => Committed {
            from: &share.from,
            to: &share.to,
            asset: &share.asset,
            amount: share.cap.ok_or("it is a part of revenue, and has no cap"),
        },
        _ => return None,
    })
}

fn hidden(memorandum: &Memorandum, undisclosed: &Undisclosed) -> String {
    let what = if undisclosed.sealed.is_some() { "sealed" } else { "undisclosed" };
    let reported = undisclosed.reported.as_ref().map_or_else(String::new, |money| {
        let scale = memorandum.header.scale(&money.asset).unwrap_or(0);
        let by = undisclosed.reported_by.as_deref().unwrap_or("others");
        format!("; {by} reported {} {}", money.amount.display(scale), money.asset)
    });
    format!("{what}: {}{reported}", undisclosed.about)
}
