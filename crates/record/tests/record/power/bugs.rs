//! Bugs to be found, planted at the seam to the file system or in who calls the owners.

use record::store::careless::Slip;
use record::store::simulated::Fault;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The file system is used carelessly.
    Slip(Slip),
    /// Entries are told durable before they are written.
    EarlyAcknowledgement,
    /// A checkpoint is published before its entries are in the journal.
    PublishedBeforeStored,
    /// Segments go before a checkpoint covers their bundles.
    EarlyRetirement,
}

impl Bug {
    pub(crate) fn all() -> Vec<Self> {
        let slips = Slip::ALL.into_iter().map(Self::Slip);
        slips
            .chain([Self::EarlyAcknowledgement, Self::PublishedBeforeStored, Self::EarlyRetirement])
            .collect()
    }

    pub(crate) fn slip(self) -> Option<Slip> {
        match self {
            Self::Slip(slip) => Some(slip),
            _ => None,
        }
    }

    /// The faults of the disk without which it never shows.
    pub(crate) fn shows_by(self) -> &'static [Fault] {
        self.slip().map_or(&[], Slip::shows_by)
    }
}
