//! Why a book refuses. Not here: refusals of acts, which are values made by those who call this crate.

use crate::{AccountId, Amount, AssetId, TransferId};

/// Why an account was not opened or a transfer was refused. Variants stand in order of precedence: the first
/// that holds is returned, the debit account before the credit account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// The account is open already, with another asset or limit. Only from [`crate::Book::open`].
    #[error("account `{0}` is open already with another asset or limit; choose another name")]
    OpenDiffers(AccountId),
    /// The account was never opened.
    #[error("account `{0}` is not open; open it first")]
    NotOpen(AccountId),
    /// The account does not hold the transfer's asset.
    #[error("account `{account}` holds `{holds}`, not `{asset}`; convert by two linked transfers")]
    AssetsDiffer {
        /// The account.
        account: AccountId,
        /// The asset it was opened with.
        holds: AssetId,
        /// The asset of the transfer.
        asset: AssetId,
    },
    /// Debit and credit are one account.
    #[error("account `{0}` cannot be both debited and credited by one transfer")]
    SameAccount(AccountId),
    /// The amount is below zero.
    #[error("an amount of {} minor units is negative; swap debit and credit instead", .0.minor())]
    Negative(Amount),
    /// A move of nothing.
    #[error("a move from `{debit}` to `{credit}` of zero says nothing; leave it out")]
    Zero {
        /// The account to be debited.
        debit: AccountId,
        /// The account to be credited.
        credit: AccountId,
    },
    /// The id is that of a live reservation.
    #[error("transfer id `{0}` names a live reservation; choose another id")]
    IdTaken(TransferId),
    /// No live reservation has the id: it never was, or it ended.
    #[error("`{0}` is not a live reservation; it was never made, or it is posted, void or lapsed")]
    PendingUnknown(TransferId),
    /// The transfer does not repeat what the reservation says.
    #[error("the {field} differs from that of reservation `{pending}`; repeat what was reserved")]
    PendingDiffers {
        /// The reservation.
        pending: TransferId,
        /// Which part differs: `debit account`, `credit account` or `amount`.
        field: &'static str,
    },
    /// More would be posted than was reserved.
    #[error("the amount exceeds reservation `{pending}` by {} minor units; post at most what it holds", by.minor())]
    PostExceedsReserved {
        /// The reservation.
        pending: TransferId,
        /// The excess.
        by: Amount,
    },
    /// A limited account would be overdrawn.
    #[error("account `{account}` would exceed its credits by {} minor units", by.minor())]
    ExceedsCredits {
        /// The account that would be overdrawn.
        account: AccountId,
        /// What it lacks.
        by: Amount,
    },
    /// The asset's posted and pending sums together would not fit in 128 bits.
    #[error("the sums of asset `{0}` would not fit in 128 bits")]
    Overflow(AssetId),
}
