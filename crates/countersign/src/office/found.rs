//! Founding a record: what its first entry says, taken from the folder as the parties have signed it.
//!
//! Not here: making the folder (`cmd::init`).

use crate::files::Keys;
use anyhow::{Context as _, anyhow, ensure};
use partnership::Terms;
use partnership::act::Digest;
use partnership::entry::Genesis;
use partnership::ids::PartyId;
use partnership::memorandum::Signatures;
use record::Store;
use record::hash::base64;
use record::note::Verifier;
use record::store::directory::Directory;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads memorandum, signatures and public keys, and puts beside the record what it serves of them; gives the first entry, with
/// the terms that it names. May be tried again as long as the record has no entry.
///
/// Errors: where the memorandum is not sound, or not signed by as many parties as it asks for.
pub(super) fn prepare(dir: &Path, store: &Directory, log: &Verifier) -> anyhow::Result<(Terms, Genesis)> {
    let terms = read(dir)?;
    let memorandum = terms.memorandum();
    let keys = Keys::new(dir.join("keys"));
    let parties = memorandum.header.parties.iter();
    let vkeys: BTreeMap<PartyId, Verifier> = parties
        .map(|party| Ok((party.id.clone(), keys.verifier(party.id.as_str())?)))
        .collect::<anyhow::Result<_>>()?;
    let signatures = signed(dir, &terms, &vkeys)?;
    let lines: Vec<String> =
        std::iter::once(log).chain(vkeys.values()).map(|key| format!("{key}\n")).collect();
    store.create("vkeys", lines.concat().as_bytes()).context(
        "the record was begun with other keys; put those back, or remove the folder `record`, which has no entry yet",
    )?;
    store.create(&format!("memorandum/{}", memorandum.digest_hex()), memorandum.text.as_bytes())?;
    let genesis = Genesis {
        origin: log.name().to_owned(),
        memorandum: terms.digest(),
        vkeys: vkeys.into_iter().map(|(party, key)| (party, key.vkey())).collect(),
        signatures,
        transfers: Vec::new(),
    };
    Ok((terms, genesis))
}

/// Every version of the memorandum that the record keeps.
///
/// Errors: a file that is no memorandum, or whose name is not its digest.
pub(crate) fn library(store: &impl Store) -> anyhow::Result<Vec<Terms>> {
    let digest = |path: &String| path.strip_prefix("memorandum/").and_then(Digest::from_hex);
    let paths = store.list("memorandum")?;
    paths.iter().filter_map(digest).map(|digest| document(store, &digest)).collect()
}

/// The version of the memorandum that has this digest.
///
/// Errors: it is not there, is no memorandum, or has another digest.
pub(crate) fn document(store: &impl Store, digest: &Digest) -> anyhow::Result<Terms> {
    let path = format!("memorandum/{}", digest.hex());
    let bytes = store.read(&path)?.with_context(|| format!("{path}: it is missing"))?;
    let text = String::from_utf8(bytes).map_err(|_| anyhow!("{path}: it is not utf-8"))?;
    let terms = Terms::read(&text).map_err(|faults| {
        let first = faults.first().map(|fault| fault.message.clone()).unwrap_or_default();
        anyhow!("{path}: it is no sound memorandum: {first}")
    })?;
    ensure!(terms.digest() == *digest, "{path}: its name is not its digest");
    Ok(terms)
}

fn read(dir: &Path) -> anyhow::Result<Terms> {
    let path = dir.join("memorandum.md");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    Terms::read(&text)
        .map_err(|_| anyhow!("`{0}` is not sound; `countersign memo check {0}` shows why", path.display()))
}

/// The signatures over the memorandum, with those who made them.
fn signed(
    dir: &Path,
    terms: &Terms,
    vkeys: &BTreeMap<PartyId, Verifier>,
) -> anyhow::Result<Vec<(PartyId, String)>> {
    let path = dir.join("memorandum.sigs");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    };
    let signatures = Signatures::parse(&text).with_context(|| format!("`{}`", path.display()))?;
    let keys = vkeys.iter().map(|(party, key)| (party.clone(), key.vkey())).collect();
    let memorandum = terms.memorandum();
    let have = signatures.signatories(memorandum, &keys)?;
    let header = &memorandum.header;
    ensure!(
        signatures.suffice(memorandum, &keys)?,
        "the memorandum is signed by {} of its parties and asks for {}; missing: {}. Each signs with `countersign memo sign {} --party PARTY --dir {}`",
        have.len(),
        header.threshold,
        header
            .parties
            .iter()
            .filter(|party| !have.contains(&party.id))
            .map(|party| party.id.as_str())
            .collect::<Vec<_>>()
            .join(", "),
        dir.join("memorandum.md").display(),
        dir.display()
    );
    let of_this = signatures.signatures.into_iter().filter(|one| one.digest == memorandum.digest);
    Ok(of_this.map(|one| (one.party, base64(&one.signature))).collect())
}
