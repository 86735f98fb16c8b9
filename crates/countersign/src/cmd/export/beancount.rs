//! The books as a Beancount file. Accounts and assets have the names of `names`; each is told with its own.

use super::names;
use super::plain_text::{balances, facts, head, plain};
use super::rows::{Books, Format, Posting, Transaction, View};
use jiff::civil::Date;
use ledger::{AccountId, AssetId};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// A file that is being written.
pub(super) struct Beancount<W> {
    to: W,
    accounts: BTreeSet<AccountId>,
    assets: BTreeSet<AssetId>,
}

impl<W: Write> Beancount<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, accounts: BTreeSet::new(), assets: BTreeSet::new() }
    }

    /// Opens what is named for the first time.
    fn declare(&mut self, date: Date, account: &AccountId, asset: &AssetId) -> io::Result<()> {
        let (named, currency) = (names::account(account.as_ref()), names::asset(asset.as_ref()));
        if self.assets.insert(asset.clone()) {
            writeln!(self.to, "{date} commodity {currency}\n  name: \"{asset}\"\n")?;
        }
        if self.accounts.insert(account.clone()) {
            writeln!(self.to, "{date} open {named} {currency}\n  name: \"{account}\"\n")?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        books: &Books,
        (date, about): (Date, &str),
        facts: &[(&str, String)],
        postings: &[Posting],
    ) -> io::Result<()> {
        for posting in postings {
            self.declare(date, &posting.account, &posting.asset)?;
        }
        writeln!(self.to, "{date} * \"{}\"", plain(about))?;
        for (name, value) in facts {
            writeln!(self.to, "  {name}: \"{value}\"")?;
        }
        for posting in postings {
            let (account, amount) =
                (names::account(posting.account.as_ref()), amount(books, &posting.asset, posting.minor));
            writeln!(self.to, "  {account}  {amount}")?;
        }
        writeln!(self.to)
    }
}

impl<W: Write> Format for Beancount<W> {
    fn opening(&mut self, view: &View<'_>) -> io::Result<()> {
        for line in head(view, "bean-check FILE") {
            writeln!(self.to, "; {line}")?;
        }
        writeln!(self.to, "\noption \"title\" \"{}\"", plain(&view.about()))?;
        // Nothing may be off by anything.
        writeln!(self.to, "option \"tolerance_multiplier\" \"0\"\n")?;
        let postings = balances(view.books);
        match view.scope.period {
            Some(period) if !postings.is_empty() => {
                self.entry(view.books, (period.first, "opening balances"), &[], &postings)
            }
            _ => Ok(()),
        }
    }

    fn transaction(&mut self, transaction: &Transaction, view: &View<'_>) -> io::Result<()> {
        let what = (transaction.at.date(), transaction.about.as_str());
        self.entry(view.books, what, &facts(transaction), &transaction.postings)
    }

    fn closing(&mut self, view: &View<'_>) -> io::Result<()> {
        // A balance is asserted at the beginning of its day.
        let last = view.closes();
        let date = last.tomorrow().unwrap_or(last);
        for (account, asset, minor) in view.books.nets() {
            self.declare(last, account, asset)?;
            let (account, amount) = (names::account(account.as_ref()), amount(view.books, asset, minor));
            writeln!(self.to, "{date} balance {account}  {amount}")?;
        }
        Ok(())
    }
}

fn amount(books: &Books, asset: &AssetId, minor: i128) -> String {
    format!("{} {}", books.text(asset, minor), names::asset(asset.as_ref()))
}
