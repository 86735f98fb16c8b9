//! Founding a record for whoever says its moments: by the parts that every office has, and without its threads.
//!
//! Not here: what is then done (`history`).

use super::{Desk, LogKeys, Opened, Opening, found};
use crate::clerk::{ByHand, Parts};
use crate::clock::Clock;
use crate::config::RecordConfig;
use anyhow::Context as _;
use arc_swap::ArcSwap;
use partnership::ids::Timestamp;
use record::store::directory::Directory;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

/// Begins the record of a new partnership's folder at a moment. The folder must be nobody else's until the record is ended.
///
/// Errors: the folder is not that of a new partnership, or cannot be written.
pub(crate) fn by_hand(dir: &Path, origin: &str, at: Timestamp) -> anyhow::Result<ByHand<Directory>> {
    let clock = Clock;
    let store = Arc::new(Directory::new(dir.join("record")));
    let log = LogKeys::open(dir, origin, &store)?;
    let verifier = log.first().clone();
    let segment_bytes = RecordConfig::default().segment_bytes;
    let opening =
        Opening { origin, segment_bytes, log: &verifier, now: at, seed: clock.random(), snapshots: None };
    let opened = Opened::of(&store, opening, || found::prepare(dir, &store, &verifier))?;
    let Opened { partnership, journal, publisher, snapshot: _, erasures: _ } = opened;
    let desk = Desk::of(partnership.state()).context("the partnership has not begun")?;
    let parts = Parts {
        partnership,
        journal,
        publisher,
        log: Arc::new(log),
        desk: Arc::new(ArcSwap::from_pointee(desk)),
        metrics: Arc::default(),
        fatal: Arc::new(|_| ()),
        // Nobody keeps any: the first start of a server folds from the first entry, and keeps one.
        snapshots: channel().0,
        unasked: Arc::default(),
    };
    Ok(ByHand::of(parts, clock, at))
}
