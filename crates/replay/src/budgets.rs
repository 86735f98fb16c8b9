//! Budgets: which ones stand, and what a call must reserve of each. Not here: what settlements post (`settling`).

use crate::act_id::ActId;
use crate::books::Books;
use crate::entry::{Op, Transfer};
use crate::moment::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// The budgets that stand, and the ids of those that do no more. Names are as they are spelled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budgets {
    pub(crate) standing: BTreeMap<Box<[u8]>, Budget>,
    pub(crate) removed: BTreeSet<Box<[u8]>>,
}

/// A budget that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) of: Of,
    pub(crate) whose: Box<[u8]>,
    pub(crate) asset: Box<[u8]>,
    pub(crate) amount: i128,
    pub(crate) period: Period,
    /// What was added, and until when.
    pub(crate) raises: Vec<(i128, Moment)>,
}

/// Whose spending a budget limits, in the order in which a call reserves of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Of {
    Party,
    Application,
    Key,
    EndUsers,
}

/// In which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    Month,
    Rolling(u16),
    Total,
}

/// What an act changes of the budgets.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Set(Box<[u8]>, Budget),
    Raise(Box<[u8]>, i128, Moment),
    Remove(Box<[u8]>),
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) party: &'a [u8],
    pub(crate) application: &'a [u8],
    pub(crate) key: &'a [u8],
}

impl Of {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Party => "party",
            Self::Application => "application",
            Self::Key => "key",
            Self::EndUsers => "end-users",
        }
    }

    pub(crate) fn read(name: &[u8]) -> Option<Self> {
        [Self::Party, Self::Application, Self::Key, Self::EndUsers]
            .into_iter()
            .find(|of| of.name().as_bytes() == name)
    }
}

impl Period {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Month => "month".to_owned(),
            Self::Rolling(days) => format!("rolling-{days}"),
            Self::Total => "total".to_owned(),
        }
    }

    pub(crate) fn read(name: &[u8]) -> Option<Self> {
        let name = str::from_utf8(name).ok()?;
        let period = match name {
            "month" => Self::Month,
            "total" => Self::Total,
            _ => Self::Rolling(name.strip_prefix("rolling-")?.parse().ok()?),
        };
        (period.name() == name).then_some(period)
    }
}

impl Budget {
    fn limit(&self, at: Moment) -> Option<i128> {
        let raises = self.raises.iter().filter(|(_, until)| until.millis() > at.millis());
        raises.map(|(amount, _)| *amount).try_fold(self.amount, i128::checked_add)
    }

    /// Whether it may be set, where `before` stands under its id.
    fn is_sound(&self, before: Option<&Self>) -> bool {
        let fits = match (self.period, self.of) {
            (Period::Month, _) | (Period::Rolling(1..=28), _) => true,
            (Period::Rolling(1..=92) | Period::Total, of) => of != Of::EndUsers,
            (Period::Rolling(_), _) => false,
        };
        let is_same = |before: &Self| {
            (before.of, before.period) == (self.of, self.period)
                && (&before.whose, &before.asset) == (&self.whose, &self.asset)
        };
        fits && self.amount > 0 && before.is_none_or(is_same)
    }
}

impl Budgets {
    /// Whether a change may be made at `at`.
    pub(crate) fn fits(&self, change: &Change, at: Moment) -> bool {
        match change {
            Change::Set(id, budget) => {
                let is_name = id.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
                let is_free = !id.is_empty() && is_name && !self.removed.contains(id);
                is_free && budget.is_sound(self.standing.get(id))
            }
            Change::Raise(id, amount, until) => {
                self.standing.contains_key(id) && *amount > 0 && until.millis() > at.millis()
            }
            Change::Remove(id) => self.standing.contains_key(id),
        }
    }

    /// Makes a change at `at`.
    pub(crate) fn change(&mut self, change: Change, at: Moment) {
        match change {
            Change::Set(id, budget) => {
                let raises = self.standing.get(&id).map(|before| before.raises.clone()).unwrap_or_default();
                self.standing.insert(id, Budget { raises, ..budget });
            }
            Change::Raise(id, amount, until) => {
                if let Some(budget) = self.standing.get_mut(&id) {
                    budget.raises.retain(|(_, before)| before.millis() > at.millis());
                    budget.raises.push((amount, until));
                }
            }
            Change::Remove(id) => {
                self.standing.remove(&id);
                self.removed.insert(id);
            }
        }
    }

    /// What limits a call of `id`, decided at `at`.
    pub(crate) fn over<'a>(
        &'a self,
        caller: Option<Caller<'_>>,
        id: ActId,
        at: Moment,
        (end_user, pseudonyms): (bool, Vec<Box<[u8]>>),
    ) -> Limits<'a> {
        let mut all = Vec::new();
        if let Some(Caller { party, application, key }) = caller.filter(|_| !self.standing.is_empty()) {
            let limits = |budget: &Budget| match budget.of {
                Of::Party => *budget.whose == *party,
                Of::Application | Of::EndUsers => *budget.whose == *application,
                Of::Key => *budget.whose == *key,
            };
            all.extend(
                self.standing.iter().filter(|(_, budget)| limits(budget)).map(|(id, budget)| (&**id, budget)),
            );
            // In order of id they are already, and that order stays.
            all.sort_by_key(|(_, budget)| budget.of);
        }
        Limits { id, at, end_user, pseudonyms, all, next: 0, granted: 0, is_filled: false, has_begun: false }
    }
}

/// The budgets that limit one call, as its reservations come to them: after all grants, each in its turn.
#[derive(Debug)]
pub(crate) struct Limits<'a> {
    id: ActId,
    at: Moment,
    end_user: bool,
    pseudonyms: Vec<Box<[u8]>>,
    all: Vec<(&'a [u8], &'a Budget)>,
    next: usize,
    /// What is reserved of grants.
    granted: i128,
    /// Whether the purse that comes next was brought to what its limit leaves.
    is_filled: bool,
    has_begun: bool,
}

/// Where the money of a budget lies for one who asks at one time.
struct Purse {
    issued: Vec<u8>,
    available: Vec<u8>,
    spent: Vec<u8>,
}

impl Limits<'_> {
    /// Whether a transfer is of a purse, and not of a key's own budget, whose accounts have no period.
    pub(crate) fn is_of_purse(transfer: &Transfer<'_>) -> bool {
        let is = |account: &[u8]| {
            account
                .strip_prefix(b"budget:".as_slice())
                .is_some_and(|rest| rest.iter().filter(|byte| **byte == b':').count() > 1)
        };
        is(transfer.debit) || is(transfer.credit)
    }

    /// Counts what a grant reserves, if that may come now.
    pub(crate) fn grants(&mut self, amount: i128) -> Option<()> {
        self.granted = self.granted.checked_add(amount).filter(|_| !self.has_begun)?;
        Some(())
    }

    /// Whether a transfer of a purse, which is not applied yet, is the one that must come now.
    pub(crate) fn takes(&mut self, transfer: &Transfer<'_>, books: &Books) -> Option<()> {
        self.has_begun = true;
        self.skip_other_than(transfer.asset);
        let (id, budget) = *self.all.get(self.next)?;
        let purse = self.purse(id, budget, self.at.day())?;
        if !std::mem::replace(&mut self.is_filled, true) {
            let missing = self.left(id, budget, books)?.checked_sub(books.left(&purse.available))?;
            if missing != 0 {
                let (from, to) = if missing > 0 {
                    (&purse.issued, &purse.available)
                } else {
                    (&purse.available, &purse.issued)
                };
                let is_it = transfer.op == Op::Move && transfer.debit == from && transfer.credit == to;
                return (is_it && transfer.amount.unsigned_abs() == missing.unsigned_abs()).then_some(());
            }
        }
        let is_it = transfer.op == Op::Reserve
            && transfer.debit == purse.available
            && transfer.credit == purse.spent
            && transfer.amount == self.granted
            && self.granted > 0;
        (self.next, self.is_filled) = (self.next.saturating_add(1), false);
        is_it.then_some(())
    }

    /// Whether something was reserved of every budget in this asset, if anything was of grants.
    pub(crate) fn are_met(mut self, asset: Option<&[u8]>) -> bool {
        let Some(asset) = asset.filter(|_| self.granted > 0) else { return !self.has_begun };
        self.skip_other_than(asset);
        !self.is_filled && self.next >= self.all.len()
    }

    fn skip_other_than(&mut self, asset: &[u8]) {
        while self.all.get(self.next).is_some_and(|(_, budget)| *budget.asset != *asset) {
            self.next = self.next.saturating_add(1);
        }
    }

    /// What a limit leaves of all that was reserved and spent in the time that it is for.
    fn left(&self, id: &[u8], budget: &Budget, books: &Books) -> Option<i128> {
        let mut left = budget.limit(self.at)?;
        let length = if let Period::Rolling(days) = budget.period { days } else { 1 };
        let mut day = Some(self.at.day());
        for _ in 0..length {
            let Some(this) = day else { break };
            if let Some(purse) = self.purse(id, budget, this) {
                left = left.checked_sub(books.used(&purse.spent))?;
            }
            day = this.before();
        }
        Some(left)
    }

    /// The purse of a day; none where the end user has no pseudonym of its month.
    fn purse(&self, id: &[u8], budget: &Budget, day: Day) -> Option<Purse> {
        let period = match budget.period {
            Period::Month => day.month_text(),
            Period::Rolling(_) => day.text(),
            Period::Total => "total".to_owned(),
        };
        let stem = [b"budget:", id, b":", period.as_bytes()].concat();
        let of_one = match budget.of {
            Of::EndUsers => [&stem, b":".as_slice(), self.whose(day)?].concat(),
            _ => stem.clone(),
        };
        let stage = |stem: &[u8], stage: &str| [stem, stage.as_bytes()].concat();
        let (issued, available) = (stage(&stem, ":issued"), stage(&of_one, ":available"));
        Some(Purse { issued, available, spent: stage(&of_one, ":spent") })
    }

    /// What names the end user on a day: a pseudonym for each month, good in the month of the act's own id.
    fn whose(&self, day: Day) -> Option<&[u8]> {
        let is_hex = |name: &[u8]| name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_sound = self.pseudonyms.iter().all(|name| name.len() == 32 && is_hex(name));
        let is_this_month = day.is_in_month_of(self.at.day());
        match &*self.pseudonyms {
            [] => (!self.end_user).then_some(b"-".as_slice()),
            _ if !self.end_user || !is_sound || !self.at.is_in_month_of(self.id.millis()) => None,
            [now] | [now, _] if is_this_month => Some(now),
            [_, before] => Some(before),
            _ => None,
        }
    }
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

impl Day {
    /// The day before; none before 1970.
    pub(crate) fn before(self) -> Option<Self> {
        let Self { year, month, day } = self;
        if day > 1 {
            return Some(Self { day: day.saturating_sub(1), ..self });
        }
        let (year, month) =
            if month > 1 { (year, month.saturating_sub(1)) } else { (year.saturating_sub(1), 12) };
        let last = (28..=31).rev().find(|last| crate::moment::is_day(year, month, *last))?;
        Some(Self { year, month, day: last })
    }

    fn is_in_month_of(self, other: Self) -> bool {
        (self.year, self.month) == (other.year, other.month)
    }

    fn text(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    fn month_text(self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }
}
