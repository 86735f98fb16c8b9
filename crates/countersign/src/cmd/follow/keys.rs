//! The two keys by which a party cosigns: made where they are missing, and put on the record by the party's own signature.

use crate::clock::Clock;
use crate::cmd::verify::Served;
use crate::files::Keys;
use anyhow::Context as _;
use partnership::act::witness_key_bytes;
use record::cosignature::{Cosigner, Statement};
use record::hash::base64;
use record::note::Signer;
use serde_json::{Value, json};
use std::path::Path;

/// The keys of one party.
#[derive(Debug)]
pub(crate) struct WitnessKeys {
    /// `w1`: the log only grew.
    pub(crate) grew: Cosigner,
    /// `w2`: every entry is held and was replayed.
    pub(crate) replayed: Cosigner,
}

impl WitnessKeys {
    /// The keys in `folder`, made where they are missing.
    ///
    /// Errors: where one cannot be read or written, or is of another record.
    pub(super) fn of(folder: &Path, origin: &str, party: &str) -> anyhow::Result<Self> {
        let keys = Keys::new(folder);
        let key = |says: Statement| keys.cosigner(says.word(), &says.key_name(origin, party), Clock.random());
        Ok(Self { grew: key(Statement::Grew)?, replayed: key(Statement::Replayed)? })
    }

    /// Puts on the record those that are not on it.
    ///
    /// Errors: where the operator does not take one, or does not answer.
    pub(super) fn register(
        &self,
        served: &mut Served,
        signer: &Signer,
        origin: &str,
        party: &str,
    ) -> anyhow::Result<()> {
        let known: Value = served.ask("/api/witnesses")?.json()?;
        let known = known.as_array().cloned().unwrap_or_default();
        for cosigner in [&self.grew, &self.replayed] {
            let vkey = cosigner.key().vkey();
            if known.iter().any(|key| key.get("vkey").and_then(Value::as_str) == Some(&vkey)) {
                continue;
            }
            let act = added(signer, origin, party, &vkey);
            let answer = served.propose(party, &act)?.json();
            let answer = answer
                .with_context(|| format!("the key `{}` cannot be put on the record", cosigner.name()))?;
            if answer.get("decision").and_then(Value::as_str) == Some("waiting") {
                tracing::warn!(key = cosigner.name(), "a new key that cosigns waits for approvals");
            } else {
                tracing::info!(key = cosigner.name(), "a new key that cosigns is on the record");
            }
        }
        Ok(())
    }
}

/// The act by which a party has a key cosign.
fn added(signer: &Signer, origin: &str, party: &str, vkey: &str) -> Value {
    let signature = signer.sign_bytes(&witness_key_bytes(origin, "witness-key-add", vkey));
    json!({ "kind": "witness-key-add", "vkey": vkey, "party": party, "signature": base64(&signature) })
}
