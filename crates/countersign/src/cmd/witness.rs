//! `countersign witness`: the keys by which parties cosign checkpoints of the record.
//!
//! Not here: cosigning, which `countersign follow` does; it also makes and adds a party's keys by itself.

use super::client::{self, Place, Signing};
use super::said::{Said, table_of};
use clap::{Args, Subcommand};
use partnership::act::witness_key_bytes;
use record::cosignature::CosignerKey;
use record::hash::base64;
use serde_json::json;

/// Keys that cosign.
#[derive(Debug, Args)]
pub(crate) struct Witness {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists the keys, and how far each has cosigned.
    List,
    /// Has a party's cosignatures by a key count from now on.
    Add {
        #[command(flatten)]
        signing: Signing,
        /// The public key, a vkey of type 0x04.
        vkey: String,
    },
    /// Has cosignatures by a key count no more: it was lost, stolen or replaced.
    Revoke {
        #[command(flatten)]
        signing: Signing,
        /// The public key.
        vkey: String,
    },
}

/// Runs one verb.
pub(crate) fn run(witness: Witness) -> anyhow::Result<Said> {
    let place = &witness.place;
    match witness.verb {
        Verb::List => client::list(place, "/api/witnesses", |list| {
            let columns = [
                ("party", "party"),
                ("key", "name"),
                ("cosigned", "size"),
                ("at", "at"),
                ("missing", "missing"),
            ];
            table_of(list, &columns)
        }),
        Verb::Add { signing, vkey } => change(place, &signing, "witness-key-add", &vkey),
        Verb::Revoke { signing, vkey } => change(place, &signing, "witness-key-revoke", &vkey),
    }
}

fn change(place: &Place, signing: &Signing, kind: &str, vkey: &str) -> anyhow::Result<Said> {
    let signer = signing.signer(place)?;
    let key = CosignerKey::parse(vkey)?;
    // A party's key is named after the origin, as all its keys are.
    let origin = signer.name().strip_suffix(&format!("/{}", signing.party)).unwrap_or_else(|| key.name());
    let signature = base64(&signer.sign_bytes(&witness_key_bytes(origin, kind, vkey)));
    let act = json!({ "kind": kind, "vkey": vkey, "party": signing.party, "signature": signature });
    client::propose(place, Some(&signing.party), &act)
}
