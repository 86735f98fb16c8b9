//! The transfer: one debit and one credit of one asset. Not here: why it is made, or whether it may be.

use std::fmt::{self, Display};

use crate::{AccountId, Amount, AssetId};

/// The name of a transfer: the act that makes it, and which of that act's transfers it is.
///
/// Shown as the act's UUID, a slash and the leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId {
    /// The act's id, a UUID as one number.
    pub act: u128,
    /// The place among the act's transfers, from 0.
    pub leg: u16,
}

/// What a transfer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Moves the amount at once; the amount is more than zero.
    Move,
    /// Holds the amount until it is posted, void or lapsed. The transfer's id is the name of the reservation.
    Reserve {
        /// When the reservation may lapse. Units: milliseconds of the record's time.
        expires_at: i64,
    },
    /// Moves up to the reserved amount, possibly nothing; the rest is given back.
    Post {
        /// The reservation that ends.
        pending: TransferId,
    },
    /// Gives the whole reserved amount back, since the act was not performed.
    Void {
        /// The reservation that ends.
        pending: TransferId,
    },
    /// Gives the whole reserved amount back, since its time is over. See [`crate::Book::lapsed`].
    Lapse {
        /// The reservation that ends.
        pending: TransferId,
    },
}

/// One movement, or one step of a reservation, between two accounts of one asset.
///
/// Shape: a transfer that ends a reservation names the same accounts and asset; the amount is what is posted
/// (at most what was reserved), or for void and lapse exactly what was reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Its own id; never that of a live reservation, not even the one it ends.
    pub id: TransferId,
    /// What it does.
    pub operation: Operation,
    /// The account the amount leaves.
    pub debit: AccountId,
    /// The account the amount reaches.
    pub credit: AccountId,
    /// The asset of both accounts.
    pub asset: AssetId,
    /// How much. Units: minor units of the asset.
    pub amount: Amount,
}

impl Transfer {
    /// When a reservation may lapse, in milliseconds of the record's time; `None` for every other operation.
    #[must_use]
    pub const fn expires_at(&self) -> Option<i64> {
        match self.operation {
            Operation::Reserve { expires_at } => Some(expires_at),
            _ => None,
        }
    }
}

impl Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let act = self.act;
        let (low, mid, high) = (act >> 96, (act >> 80) & 0xffff, (act >> 64) & 0xffff);
        let (sequence, node) = ((act >> 48) & 0xffff, act & 0xffff_ffff_ffff);
        write!(f, "{low:08x}-{mid:04x}-{high:04x}-{sequence:04x}-{node:012x}/{}", self.leg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shown_as_the_uuid_of_its_act() {
        let id = TransferId { act: 0x019a_b123_4567_789a_bcde_f012_3456_789a, leg: 7 };
        assert_eq!(id.to_string(), "019ab123-4567-789a-bcde-f0123456789a/7");
    }
}
