//! Bugs to be found. They are planted at the seams: under the store, between the threads, in who performs and who calls.

use record::store::careless::Slip;
use record::store::simulated::Fault;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    /// The file system is used carelessly.
    Slip(Slip),
    /// Whoever waits is let go before the entries are written.
    EarlyAcknowledgement,
    /// A checkpoint covers entries before they are in the journal.
    PublishedBeforeStored,
    /// A settlement is answered and never written.
    DroppedSettle,
    /// Recovery misses the last settlement and settles once more.
    DoublePost,
    /// Recovery leaves what is in doubt as it is.
    UnresolvedDoubt,
    /// Two acts get one id.
    ReusedId,
    /// Which acts idempotency keys belong to is forgotten with the process.
    ReusedIdempotencyKey,
    /// Entries count against the lease no more, long before they are durable.
    LeaseOverrun,
    /// The door does not wait for the decision before it lets the answer go.
    EarlyFirstByte,
    /// The performer sends the last bytes without waiting for the settlement.
    EarlyLastByte,
    /// A caller who leaves takes the journey with it.
    CutShortByCaller,
    /// Nobody says that a write failed, and whoever waited for it is let go.
    ReleasedAfterError,
}

impl Bug {
    pub(super) fn all() -> Vec<Self> {
        let slips = Slip::ALL.into_iter().map(Self::Slip);
        let own = [
            Self::EarlyAcknowledgement,
            Self::PublishedBeforeStored,
            Self::DroppedSettle,
            Self::DoublePost,
            Self::UnresolvedDoubt,
            Self::ReusedId,
            Self::ReusedIdempotencyKey,
            Self::LeaseOverrun,
            Self::EarlyFirstByte,
            Self::EarlyLastByte,
            Self::CutShortByCaller,
            Self::ReleasedAfterError,
        ];
        slips.chain(own).collect()
    }

    pub(super) fn slip(self) -> Option<Slip> {
        match self {
            Self::Slip(slip) => Some(slip),
            _ => None,
        }
    }

    /// The faults of the disk without which it never shows.
    pub(super) fn shows_by(self) -> &'static [Fault] {
        match self {
            Self::Slip(slip) => slip.shows_by(),
            Self::ReleasedAfterError => &[Fault::Fails, Fault::Torn],
            _ => &[],
        }
    }
}
