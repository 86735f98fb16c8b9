//! The books: accounts with their four sums, moved by transfers under the rules of the record. Not here: why a transfer is made.

mod saved;

use crate::acts::Held;
use crate::entry::{Op, Transfer};
use crate::fault::Fault;
use crate::text::plain;
use crate::tree::Tree;
use record::Hash;
use record::hash::leaf_hash;
use std::collections::BTreeMap;

/// The four sums of an account. Units: minor units of its asset. Shape: none is below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sums {
    /// Moved out of the account.
    pub debits_posted: i128,
    /// Moved into the account.
    pub credits_posted: i128,
    /// Reserved out of the account.
    pub debits_pending: i128,
    /// Reserved for the account.
    pub credits_pending: i128,
}

/// One account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// Its name as the record spells it.
    spelled: Box<[u8]>,
    pub(crate) name: String,
    /// The place of its asset.
    asset: usize,
    /// Whether it may not be overdrawn.
    is_guarded: bool,
    pub(crate) sums: Sums,
    /// Whether it changed since its line was hashed.
    is_stale: bool,
}

/// One asset, and all that is posted and pending in it, one side counted.
#[derive(Debug, Clone)]
struct Asset {
    spelled: Box<[u8]>,
    name: String,
    turnover: i128,
}

/// All accounts, in the order in which transfers first named them.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    accounts: Vec<Account>,
    places: BTreeMap<Box<[u8]>, usize>,
    /// Where the accounts named last are, by a hash of their names: a guess, which the name must bear out.
    guesses: Vec<usize>,
    assets: Vec<Asset>,
    asset_places: BTreeMap<Box<[u8]>, usize>,
    stale: Vec<usize>,
    lines: Tree,
}

impl Books {
    pub(crate) fn new() -> Self {
        Self {
            accounts: Vec::new(),
            places: BTreeMap::new(),
            guesses: vec![0; GUESSES],
            assets: Vec::new(),
            asset_places: BTreeMap::new(),
            stale: Vec::new(),
            lines: Tree::default(),
        }
    }

    /// Applies one transfer of an act that holds `held`.
    pub(crate) fn apply(&mut self, transfer: &Transfer<'_>, held: &mut Vec<Held>) -> Result<(), Fault> {
        let debit = self.account(transfer.debit, transfer.asset)?;
        let credit = self.account(transfer.credit, transfer.asset)?;
        let leg = transfer.leg;
        if debit == credit {
            return Err(Fault::SameAccount(plain(transfer.debit)));
        }
        if transfer.amount < 0 {
            return Err(Fault::Negative(leg));
        }
        if held.iter().any(|held| held.leg == leg) {
            return Err(Fault::LegTaken(leg));
        }
        let amount = transfer.amount;
        let (pending, posted) = match transfer.op {
            Op::Move if amount == 0 => return Err(Fault::Zero(leg)),
            Op::Move => (0, amount),
            Op::Reserve => {
                held.push(Held { leg, debit, credit, amount });
                (amount, 0)
            }
            Op::Post(of) | Op::Void(of) | Op::Lapse(of) => {
                let ended = end(held, of, (debit, credit)).map_err(|why| why(leg))?;
                let (posted, fits) = match transfer.op {
                    Op::Post(_) => (amount, amount <= ended),
                    _ => (0, amount == ended),
                };
                if !fits {
                    return Err(Fault::Amount(leg));
                }
                (ended.saturating_neg(), posted)
            }
        };
        if self.shift((debit, credit), pending, posted).is_none() {
            return Err(Fault::Overflow(plain(transfer.asset)));
        }
        match self.accounts.get(debit) {
            Some(account) if account.is_guarded && !account.sums.is_covered() => {
                Err(Fault::Overdrawn(account.name.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Adds to both sides of a transfer, and to the turnover of their asset.
    fn shift(&mut self, (debit, credit): (usize, usize), pending: i128, posted: i128) -> Option<()> {
        let from = self.accounts.get_mut(debit)?;
        from.sums.debits_pending = from.sums.debits_pending.checked_add(pending)?;
        from.sums.debits_posted = from.sums.debits_posted.checked_add(posted)?;
        if !std::mem::replace(&mut from.is_stale, true) {
            self.stale.push(debit);
        }
        let asset = self.assets.get_mut(from.asset)?;
        asset.turnover = asset.turnover.checked_add(pending)?.checked_add(posted)?;
        let to = self.accounts.get_mut(credit)?;
        to.sums.credits_pending = to.sums.credits_pending.checked_add(pending)?;
        to.sums.credits_posted = to.sums.credits_posted.checked_add(posted)?;
        if !std::mem::replace(&mut to.is_stale, true) {
            self.stale.push(credit);
        }
        Some(())
    }

    /// The place of an account, opened with this asset where it is new.
    #[inline]
    fn account(&mut self, spelled: &[u8], asset: &[u8]) -> Result<usize, Fault> {
        let slot = slot(spelled);
        let guess = self.guesses.get(slot).copied().unwrap_or(0);
        let place = match self.accounts.get(guess) {
            Some(account) if *account.spelled == *spelled => guess,
            _ => {
                let place = match self.places.get(spelled) {
                    Some(place) => *place,
                    None => self.open(spelled, asset),
                };
                if let Some(guess) = self.guesses.get_mut(slot) {
                    *guess = place;
                }
                place
            }
        };
        let account = self.accounts.get(place);
        let holds = account.and_then(|account| self.assets.get(account.asset));
        match holds {
            Some(holds) if *holds.spelled == *asset => Ok(place),
            _ => Err(Fault::Asset {
                account: plain(spelled),
                holds: holds.map(|asset| asset.name.clone()).unwrap_or_default(),
                asset: plain(asset),
            }),
        }
    }

    #[cold]
    fn open(&mut self, spelled: &[u8], asset: &[u8]) -> usize {
        let asset = match self.asset_places.get(asset) {
            Some(place) => *place,
            None => {
                let place = self.assets.len();
                self.asset_places.insert(asset.into(), place);
                self.assets.push(Asset { spelled: asset.into(), name: plain(asset), turnover: 0 });
                place
            }
        };
        let place = self.accounts.len();
        let name = plain(spelled);
        self.accounts.push(Account {
            spelled: spelled.into(),
            is_guarded: is_guarded(&name),
            name,
            asset,
            sums: Sums::default(),
            is_stale: true,
        });
        self.places.insert(spelled.into(), place);
        self.stale.push(place);
        place
    }

    /// What an account has left; nothing if it is not there.
    pub(crate) fn left(&self, spelled: &[u8]) -> i128 {
        let account = self.places.get(spelled).and_then(|place| self.accounts.get(*place));
        account.and_then(|account| account.sums.left()).unwrap_or(0)
    }

    /// What was moved into an account less what was moved out of it; zero where it is not known.
    pub(crate) fn net(&self, spelled: &[u8]) -> i128 {
        let account = self.places.get(spelled).and_then(|place| self.accounts.get(*place));
        account.map_or(0, |account| account.sums.credits_posted.saturating_sub(account.sums.debits_posted))
    }

    /// How many accounts there are, and the root over their lines.
    pub(crate) fn root(&mut self) -> (usize, Hash) {
        self.stale.sort_unstable();
        let mut leaves = Vec::with_capacity(self.stale.len());
        for place in self.stale.drain(..) {
            let Some(account) = self.accounts.get_mut(place) else { continue };
            account.is_stale = false;
            let asset = self.assets.get(account.asset).map_or("", |asset| &asset.name);
            leaves.push((place, leaf_hash(account.line(asset).as_bytes())));
        }
        self.lines.put(&leaves);
        (self.accounts.len(), self.lines.root())
    }

    /// All accounts in the order of their names, each with its asset.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&Account, &str)> {
        self.places.values().filter_map(|place| {
            let account = self.accounts.get(*place)?;
            Some((account, self.assets.get(account.asset)?.name.as_str()))
        })
    }
}

impl Books {
    /// An asset whose debits and credits differ, posted or pending, added up over all accounts once more.
    pub(crate) fn unbalanced(&self) -> Option<&str> {
        let mut totals = vec![Some(Sums::default()); self.assets.len()];
        for account in &self.accounts {
            if let Some(total) = totals.get_mut(account.asset) {
                *total = total.and_then(|total| total.with(&account.sums));
            }
        }
        let differs = |total: &Option<Sums>| !total.is_some_and(|total| total.is_balanced());
        let place = totals.iter().position(differs)?;
        self.assets.get(place).map(|asset| asset.name.as_str())
    }
}

impl Account {
    /// It as the state's digest has it.
    fn line(&self, asset: &str) -> String {
        let Sums { debits_posted, credits_posted, debits_pending, credits_pending } = self.sums;
        let name = &self.name;
        format!("{name}\t{asset}\t{debits_posted}\t{credits_posted}\t{debits_pending}\t{credits_pending}")
    }
}

impl Sums {
    fn with(&self, more: &Self) -> Option<Self> {
        Some(Self {
            debits_posted: self.debits_posted.checked_add(more.debits_posted)?,
            credits_posted: self.credits_posted.checked_add(more.credits_posted)?,
            debits_pending: self.debits_pending.checked_add(more.debits_pending)?,
            credits_pending: self.credits_pending.checked_add(more.credits_pending)?,
        })
    }

    fn is_balanced(&self) -> bool {
        self.debits_posted == self.credits_posted && self.debits_pending == self.credits_pending
    }

    /// Whether debits, posted and pending together, are within credits posted.
    fn is_covered(&self) -> bool {
        self.left().is_some_and(|left| left >= 0)
    }

    /// Credits posted, less debits posted and pending.
    fn left(&self) -> Option<i128> {
        self.credits_posted.checked_sub(self.debits_posted)?.checked_sub(self.debits_pending)
    }
}

/// Takes a reservation off what is held; gives its amount.
fn end(held: &mut Vec<Held>, leg: u16, accounts: (usize, usize)) -> Result<i128, fn(u16) -> Fault> {
    let place = held.iter().position(|held| held.leg == leg).ok_or(Fault::NotHeld as fn(u16) -> Fault)?;
    let ended = held.swap_remove(place);
    if (ended.debit, ended.credit) == accounts { Ok(ended.amount) } else { Err(Fault::Differs) }
}

/// Whether an account may not be overdrawn, as its name says.
fn is_guarded(name: &str) -> bool {
    let stages = [":available", ":undrawn", ":open", ":drawn", ":owed", ":shortfall"];
    stages.iter().any(|stage| name.ends_with(stage)) && !name.starts_with("memo:")
}

/// How many guesses are kept.
const GUESSES: usize = 1024;

/// Where the guess for a name is.
#[inline]
fn slot(name: &[u8]) -> usize {
    let (chunks, rest) = name.as_chunks::<8>();
    let mix = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let sum = chunks.iter().fold(0, |sum, chunk| mix(sum, u64::from_le_bytes(*chunk)));
    let sum = rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)));
    usize::try_from(sum >> 54).unwrap_or(0)
}
