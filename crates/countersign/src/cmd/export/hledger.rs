//! The books as an hledger journal. Accounts keep their names; an account's balance is what was posted into it less what was posted out.

use super::plain_text::{balances, facts, head, plain};
use super::rows::{Books, Format, Posting, Transaction, View};
use jiff::civil::Date;
use ledger::{AccountId, AssetId};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// A journal that is being written.
pub(super) struct Hledger<W> {
    to: W,
    accounts: BTreeSet<AccountId>,
    assets: BTreeSet<AssetId>,
}

impl<W: Write> Hledger<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, accounts: BTreeSet::new(), assets: BTreeSet::new() }
    }

    /// Declares what is named for the first time.
    fn declare(&mut self, books: &Books, account: &AccountId, asset: &AssetId) -> io::Result<()> {
        if self.assets.insert(asset.clone()) {
            let decimals = "0".repeat(usize::from(books.scale(asset)));
            // Without the point hledger takes the comma of another form for it.
            writeln!(self.to, "commodity 1000.{decimals} {}\n", symbol(asset))?;
        }
        if self.accounts.insert(account.clone()) {
            writeln!(self.to, "account {account}\n")?;
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
            self.declare(books, &posting.account, &posting.asset)?;
        }
        writeln!(self.to, "{date} * {}", plain(about))?;
        for (name, value) in facts {
            writeln!(self.to, "    ; {name}: {value}")?;
        }
        for posting in postings {
            writeln!(self.to, "    {}  {}", posting.account, amount(books, &posting.asset, posting.minor))?;
        }
        writeln!(self.to)
    }
}

impl<W: Write> Format for Hledger<W> {
    fn opening(&mut self, view: &View<'_>) -> io::Result<()> {
        for line in head(view, "hledger -f FILE check --strict ordereddates") {
            writeln!(self.to, "; {line}")?;
        }
        writeln!(self.to, "\ndecimal-mark .\n")?;
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
        let books = view.books;
        if books.nets().next().is_none() {
            return Ok(());
        }
        for (account, asset, _) in books.nets() {
            self.declare(books, account, asset)?;
        }
        writeln!(self.to, "{} * closing balances", view.closes())?;
        for (account, asset, minor) in books.nets() {
            let (none, held) = (amount(books, asset, 0), amount(books, asset, minor));
            writeln!(self.to, "    {account}  {none} = {held}")?;
        }
        writeln!(self.to)
    }
}

fn amount(books: &Books, asset: &AssetId, minor: i128) -> String {
    format!("{} {}", books.text(asset, minor), symbol(asset))
}

/// An asset as hledger takes it: in quotes where it has anything but letters.
fn symbol(asset: &AssetId) -> String {
    let name: &str = asset.as_ref();
    if name.bytes().all(|byte| byte.is_ascii_alphabetic()) { name.to_owned() } else { format!("\"{name}\"") }
}
