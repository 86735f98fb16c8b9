//! Investment: what calls cost, what was promised, and which accounts that moves.
//!
//! Not here: double entry itself (`ledger`), or who may call (`governance`).

pub mod chart;
pub mod dues;
pub mod funds;
pub mod tariff;
