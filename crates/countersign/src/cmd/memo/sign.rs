//! `countersign memo sign`: a party's signature over a version of the memorandum.
//!
//! A proposed version goes to the server with the signature: the first to sign it proposes it, the others approve it. The version
//! that a folder was founded on gets its signature in the file beside it.

use crate::clock::Clock;
use crate::cmd::client::{self, Place, Signing};
use crate::cmd::said::{Said, cell};
use crate::files;
use anyhow::{Context as _, anyhow};
use partnership::Terms;
use partnership::memorandum::{Signature, Signatures};
use record::hash::base64;
use record::note::Signer;
use serde_json::{Value, json};
use std::path::Path;

/// Signs `file` for a party.
pub(crate) fn sign(place: &Place, file: &Path, signing: &Signing) -> anyhow::Result<Said> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    let terms = Terms::read(&text)
        .map_err(|_| anyhow!("`{0}` is not sound; `countersign memo check {0}` shows why", file.display()))?;
    let signer = signing.signer(place)?;
    let founded = std::fs::read(place.dir.join("memorandum.md")).ok();
    if founded.is_some_and(|founded| founded == text.as_bytes()) {
        return beside(place, &terms, signing, &signer);
    }
    let signature = Signature::sign(signing.party.as_str().into(), &signer, terms.digest().0, Clock.now());
    let act = json!({
        "kind": "amend", "text": text, "party": signing.party, "signature": base64(&signature.signature),
    });
    let answer = client::with(place, async |client| client.propose(Some(&signing.party), &act).await)?;
    Ok(client::outcome(place, &answer, |answer| signed(&terms, &signing.party, answer)))
}

fn signed(terms: &Terms, party: &str, answer: &Value) -> String {
    format!(
        "version {} is signed by {party}, entry {}; `countersign memo status` shows who has signed",
        terms.version(),
        cell(answer, "index")
    )
}

/// Puts the signature in `memorandum.sigs`.
fn beside(place: &Place, terms: &Terms, signing: &Signing, signer: &Signer) -> anyhow::Result<Said> {
    let path = place.dir.join("memorandum.sigs");
    let mut signatures = match std::fs::read_to_string(&path) {
        Ok(text) => Signatures::parse(&text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Signatures::default(),
        Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    };
    signatures.insert(Signature::sign(signing.party.as_str().into(), signer, terms.digest().0, Clock.now()));
    files::replace(&path, signatures.render().as_bytes(), 0o644)
        .with_context(|| format!("`{}` cannot be written", path.display()))?;
    let signed_by: Vec<_> = signatures.signatures.iter().map(|one| one.party.as_str()).collect();
    Ok(Said::Done(if place.json {
        json!({ "version": terms.version(), "digest": terms.digest().hex(), "signed_by": signed_by })
            .to_string()
    } else {
        format!(
            "version {} is signed by {}, in `{}`",
            terms.version(),
            signed_by.join(" and "),
            path.display()
        )
    }))
}
