//! Names of accounts and assets, the limit of an account, and its balance. Not here: who owns an account, or
//! how many decimals an asset has.

use std::borrow::Borrow;
use std::fmt::{self, Display};
use std::sync::Arc;

use crate::Amount;

/// The name of an account, such as `credit:launch-credits:available`. Cheap to clone; ordered as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Arc<str>);

/// The name of an asset, such as `USD`. Cheap to clone; ordered as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetId(Arc<str>);

/// How far an account may be debited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Without bound.
    None,
    /// Posted and pending debits together stay within posted credits, so the account is never overdrawn.
    DebitsWithinCredits,
}

/// The four sums of an account.
///
/// Units: minor units of the account's asset. Shape: within a [`crate::Book`] each is at least zero, and debits
/// (or credits), posted and pending together, fit in 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Balance {
    /// Reserved out of the account.
    pub debits_pending: Amount,
    /// Reserved for the account; not spendable.
    pub credits_pending: Amount,
    /// Moved out of the account.
    pub debits_posted: Amount,
    /// Moved into the account.
    pub credits_posted: Amount,
}

impl Balance {
    /// What may still be debited under [`Limit::DebitsWithinCredits`]: posted credits less all debits, pending
    /// ones counted. Units: minor units; negative only for an account without limit.
    #[must_use]
    pub const fn available(&self) -> i128 {
        self.net().saturating_sub(self.debits_pending.minor())
    }

    /// Posted credits less posted debits. Units: minor units.
    #[must_use]
    pub const fn net(&self) -> i128 {
        self.credits_posted.minor().saturating_sub(self.debits_posted.minor())
    }
}

macro_rules! text_name {
    ($name:ident) => {
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_name!(AccountId);
text_name!(AssetId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_counts_pending_debits_and_no_pending_credits() {
        let balance = Balance {
            debits_pending: Amount::new(3),
            credits_pending: Amount::new(1000),
            debits_posted: Amount::new(20),
            credits_posted: Amount::new(100),
        };
        assert_eq!((balance.available(), balance.net()), (77, 80));
    }
}
