//! Lies that an operator tells in entries which it signs as its history: each is good JSON, in a tree that fits.
//!
//! What no follower can see by the record alone is not here: that a call was answered whose settlement is held back, for one. A meter sees that.

use super::history::{entries, told};
use ledger::{AccountId, Amount, Operation};
use partnership::act::{Deed, Digest, Ended};
use partnership::entry::{Body, Decided, Entry, Settled, StateDigest, Verdict};
use record::Leaf;
use record::store::chance::Chance;

/// What a liar makes of a history.
pub(super) struct Twist {
    pub(super) leaves: Vec<Leaf>,
    /// The first entry that is not the honest one.
    pub(super) first: usize,
    /// The entry at which it shows to whoever has nothing of it yet.
    pub(super) shows: usize,
}

/// A lie: its name, and how it is told; none where the history has no occasion for it.
pub(super) type Lie = (&'static str, fn(&[Leaf], &mut Chance) -> Option<Twist>);

/// All of them.
pub(super) const LIES: [Lie; 17] = [
    ("a price is wrong by one minor unit", |leaves, chance| {
        settled(leaves, chance, is_charged, |settled| {
            let (amount, asset) = settled.charged.clone().unwrap();
            settled.charged = Some((one_more(amount), asset));
            let posts = settled.transfers.iter_mut().filter(|one| is_post(&one.operation));
            posts.for_each(|post| post.amount = one_more(post.amount));
        })
    }),
    ("usage is told one token too low", |leaves, chance| {
        settled(
            leaves,
            chance,
            |settled| is_charged(settled) && settled.usage.is_some_and(|usage| usage.output_tokens > 0),
            |settled| {
                settled.usage.iter_mut().for_each(|usage| usage.output_tokens -= 1);
            },
        )
    }),
    ("a settlement is charged, and nothing posted", |leaves, chance| {
        settled(leaves, chance, is_charged, |settled| settled.transfers.clear())
    }),
    ("what was posted goes to another account", |leaves, chance| {
        settled(leaves, chance, is_charged, |settled| {
            settled.transfers.iter_mut().for_each(|one| one.credit = pocket());
        })
    }),
    ("what was done is told to have failed, and charged", |leaves, chance| {
        settled(leaves, chance, is_charged, |settled| settled.ended = Ended::Failed)
    }),
    ("a settlement twice", |leaves, chance| {
        let at = any(leaves, chance, |entry| matches!(entry.body, Body::Settled(_)))?;
        let mut entries = entries(leaves);
        entries.insert(at + 1, entries[at].clone());
        Some(Twist { leaves: told(entries), first: at + 1, shows: at + 1 })
    }),
    ("a reservation in another account", |leaves, chance| {
        decided(
            leaves,
            chance,
            |decided| !decided.transfers.is_empty(),
            |decided| decided.transfers.iter_mut().for_each(|one| one.credit = pocket()),
        )
    }),
    ("an approval that its party never signed", |leaves, chance| {
        decided(
            leaves,
            chance,
            |decided| allowed(decided) && matches!(decided.act.deed, Deed::Approve(_)),
            |decided| {
                if let Deed::Approve(approve) = &mut decided.act.deed {
                    approve.signature = forged();
                }
            },
        )
    }),
    ("an attestation that its party never signed", |leaves, chance| {
        decided(
            leaves,
            chance,
            |decided| allowed(decided) && matches!(decided.act.deed, Deed::Attest(_)),
            |decided| {
                if let Deed::Attest(attest) = &mut decided.act.deed {
                    attest.signature = forged();
                }
            },
        )
    }),
    ("an approval left out", |leaves, _| {
        let story = entries(leaves);
        let is_approval =
            |entry: &Entry| matches!(decision(entry), Some(one) if matches!(one.act.deed, Deed::Approve(_)));
        let at = story.iter().position(is_approval)?;
        let freed = story.iter().enumerate().skip(at).find(|(_, entry)| {
            matches!(decision(entry), Some(one) if allowed(one) && matches!(one.act.deed, Deed::Administer(_)))
        })?;
        let (shows, mut story) = (freed.0 - 2, story.clone());
        story.drain(at..at + 2);
        Some(Twist { leaves: told(story), first: at, shows })
    }),
    ("an act decided twice", |leaves, chance| {
        let at = any(leaves, chance, |entry| decision(entry).is_some_and(allowed))?;
        let mut entries = entries(leaves);
        let end = (at + 2).min(entries.len());
        entries.insert(end, entries[at].clone());
        Some(Twist { leaves: told(entries), first: end, shows: end })
    }),
    ("a decision taken away", |leaves, chance| {
        let at = any(leaves, chance, |entry| decision(entry).is_some_and(allowed))?;
        let mut entries = entries(leaves);
        let act = decision(&entries[at])?.act.id;
        entries.remove(at);
        let is_its = |entry: &Entry| matches!(&entry.body, Body::Settled(settled) if settled.act == act);
        let shows = at + entries.get(at..)?.iter().position(is_its)?;
        Some(Twist { leaves: told(entries), first: at, shows })
    }),
    ("a settlement before its decision", |leaves, chance| {
        let at = any(leaves, chance, |entry| decision(entry).is_some_and(allowed))?;
        let mut entries = entries(leaves);
        let act = decision(&entries[at])?.act.id;
        let is_its = |entry: &Entry| matches!(&entry.body, Body::Settled(settled) if settled.act == act);
        let settled = at + entries.get(at..)?.iter().position(is_its)?;
        let mut early = entries.remove(settled);
        early.at = entries[at].at;
        entries.insert(at, early);
        Some(Twist { leaves: told(entries), first: at, shows: at })
    }),
    ("a refused act settled", |leaves, chance| {
        let refused = |entry: &Entry| matches!(decision(entry), Some(one) if matches!(one.verdict, Verdict::Deny { .. }));
        let (at, from) = (
            any(leaves, chance, refused)?,
            any(leaves, chance, |entry| matches!(&entry.body, Body::Settled(_)))?,
        );
        let mut entries = entries(leaves);
        let mut settled = entries[from].clone();
        settled.at = entries[at].at;
        if let (Body::Settled(settled), Some(decided)) = (&mut settled.body, decision(&entries[at])) {
            settled.act = decided.act.id;
        }
        entries.insert(at + 1, settled);
        Some(Twist { leaves: told(entries), first: at + 1, shows: at + 1 })
    }),
    ("time that goes back", |leaves, chance| {
        let at = 1 + usize::try_from(chance.below(leaves.len() as u64 - 1)).unwrap();
        let mut entries = entries(leaves);
        entries[at].at = entries[at - 1].at.plus_millis(-1);
        match &mut entries[at].body {
            Body::Clock(_) | Body::Tally(_) | Body::Lease(_) | Body::StateDigest(_) => return None,
            _ => {}
        }
        Some(Twist { leaves: told(entries), first: at, shows: at })
    }),
    ("a digest of another state", |leaves, chance| {
        let at = any(leaves, chance, |entry| matches!(entry.body, Body::Settled(_)))?;
        let mut entries = entries(leaves);
        let (time, digest) = (entries[at].at, Digest([7; 32]));
        let other = Entry::new(&[9; 32], time, Body::StateDigest(StateDigest { at: time, digest }));
        entries.insert(at + 1, other);
        Some(Twist { leaves: told(entries), first: at + 1, shows: at + 1 })
    }),
    ("the parties' part is not what the envelope commits to", |leaves, chance| {
        let at = any(leaves, chance, is_charged_entry)?;
        let (mut lying, mut other) = (leaves.to_vec(), entries(leaves).swap_remove(at));
        if let Body::Settled(settled) = &mut other.body {
            let (amount, asset) = settled.charged.clone()?;
            settled.charged = Some((one_more(amount), asset));
        }
        lying[at].parties = other.encode().parties;
        Some(Twist { leaves: lying, first: at, shows: at })
    }),
];

fn one_more(amount: Amount) -> Amount {
    Amount::new(amount.minor() + 1)
}

fn pocket() -> AccountId {
    "credit:credits:pocket".into()
}

fn forged() -> String {
    record::hash::base64(&[7; 64])
}

fn is_post(operation: &Operation) -> bool {
    matches!(operation, Operation::Post { .. })
}

fn is_charged(settled: &Settled) -> bool {
    settled.charged.as_ref().is_some_and(|(amount, _)| amount.minor() > 0)
        && settled.transfers.iter().any(|one| is_post(&one.operation))
}

fn is_charged_entry(entry: &Entry) -> bool {
    matches!(&entry.body, Body::Settled(settled) if is_charged(settled))
}

fn allowed(decided: &Decided) -> bool {
    decided.verdict == Verdict::Allow
}

fn decision(entry: &Entry) -> Option<&Decided> {
    match &entry.body {
        Body::Decided(decided) => Some(decided),
        _ => None,
    }
}

/// The place of one of the entries that are so.
fn any(leaves: &[Leaf], chance: &mut Chance, is_so: impl Fn(&Entry) -> bool) -> Option<usize> {
    let entries = entries(leaves);
    let places: Vec<usize> = (0..entries.len()).filter(|at| is_so(&entries[*at])).collect();
    chance.pick(&places).copied()
}

fn changed(leaves: &[Leaf], at: usize, change: impl FnOnce(&mut Body)) -> Twist {
    let mut entries = entries(leaves);
    change(&mut entries[at].body);
    Twist { leaves: told(entries), first: at, shows: at }
}

fn settled(
    leaves: &[Leaf],
    chance: &mut Chance,
    is_so: impl Fn(&Settled) -> bool,
    change: impl FnOnce(&mut Settled),
) -> Option<Twist> {
    let at = any(leaves, chance, |entry| matches!(&entry.body, Body::Settled(settled) if is_so(settled)))?;
    Some(changed(leaves, at, |body| {
        if let Body::Settled(settled) = body {
            change(settled);
        }
    }))
}

fn decided(
    leaves: &[Leaf],
    chance: &mut Chance,
    is_so: impl Fn(&Decided) -> bool,
    change: impl FnOnce(&mut Decided),
) -> Option<Twist> {
    let at = any(leaves, chance, |entry| decision(entry).is_some_and(&is_so))?;
    Some(changed(leaves, at, |body| {
        if let Body::Decided(decided) = body {
            change(decided);
        }
    }))
}
