//! The books as lines, and back: each account with its sums, in the order in which they were first named. What else there is follows.

use super::{Books, Sums};
use crate::saved::line::{Expected, Fields, Line};
use std::io;

impl Books {
    pub(crate) fn write(&self, to: crate::saved::ToLine<'_>) -> io::Result<()> {
        for account in &self.accounts {
            let asset = self.assets.get(account.asset).map(|asset| &*asset.spelled).unwrap_or_default();
            let Sums { debits_posted, credits_posted, debits_pending, credits_pending } = account.sums;
            let line = Line::of("account").spelled(&account.spelled).spelled(asset);
            let line = line.field(debits_posted).field(credits_posted);
            line.field(debits_pending).field(credits_pending).end(to)?;
        }
        Ok(())
    }

    /// Reads the next account.
    pub(crate) fn read(&mut self, fields: &mut Fields<'_>) -> Result<(), Expected> {
        let (spelled, asset) = (fields.spelled()?, fields.spelled()?);
        let sums = Sums {
            debits_posted: fields.number()?,
            credits_posted: fields.number()?,
            debits_pending: fields.number()?,
            credits_pending: fields.number()?,
        };
        if self.places.contains_key(&spelled) {
            return Err("an account that was not there before");
        }
        let place = self.open(&spelled, &asset);
        self.restore(place, sums).ok_or("sums that have room together")
    }

    fn restore(&mut self, place: usize, sums: Sums) -> Option<()> {
        let account = self.accounts.get_mut(place)?;
        account.sums = sums;
        // What was moved out of some account was counted once.
        let asset = self.assets.get_mut(account.asset)?;
        asset.turnover = asset.turnover.checked_add(sums.debits_posted)?.checked_add(sums.debits_pending)?;
        Some(())
    }

    /// Whether there is an account at this place.
    pub(crate) fn has(&self, place: usize) -> bool {
        place < self.accounts.len()
    }
}
