//! The record: an append-only log that survives crashes and that a stranger can check.
//!
//! It is a C2SP tlog-tiles log of public envelopes; beside each envelope lies the parties' part, which the
//! envelope commits to. This crate is *not* a state machine: it knows no act, no money and no memorandum, and
//! it reads no clock. It touches files in [`store::files`] and nowhere else.
//!
//! Where to start: [`log::load`] opens a record and hands out its three owners ([`log::Log`] for the thread
//! that appends, [`log::Journal`] for the one that syncs, [`log::Publisher`] for the one that publishes);
//! [`audit::audit`] checks one from nothing, and through [`store::frozen`] while it grows; [`proof::Receipt`] is
//! what a client takes home; [`mirror::Mirror`] and [`witness::Witness`] are the other
//! side's: its copy, and its word that there is one history.

#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

pub mod audit;
pub mod bundle;
pub mod checkpoint;
pub mod commitment;
pub mod cosignature;
pub mod envelope;
pub mod handover;
pub mod hash;
mod json;
pub mod log;
pub mod merkle;
pub mod mirror;
pub mod note;
pub mod proof;
pub mod quorum;
pub mod store;
pub mod tile;
pub mod witness;

pub use audit::{Audited, Fault, audit, audit_published, audit_published_since, audit_since};
pub use checkpoint::Checkpoint;
pub use cosignature::{Cosigned, Cosigner, CosignerKey};
pub use envelope::Envelope;
pub use handover::Handover;
pub use hash::Hash;
pub use log::{
    Entries, Group, Journal, Leaf, LoadError, Loaded, Log, LogError, Prefix, Publisher, Torn, load,
};
pub use mirror::{Mirror, MirrorError};
pub use proof::Receipt;
pub use quorum::Quorum;
pub use store::{Store, StoreError};
pub use witness::{AddCheckpoint, Witness};
