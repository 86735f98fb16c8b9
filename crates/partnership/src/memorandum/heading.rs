//! Reading the header's block, and what the clauses may refer to from it.
//!
//! Not here: the header's type (`header`).

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil::Date;
use ledger::AssetId;
use toml::de::DeValue;

use super::clause::Force;
use super::fields::HEADER;
use super::header::{Header, OPERATOR, Party, Prevails};
use super::read::{Found, Reader, Scope};
use crate::ids::PartyId;

const BUILT_IN: &[(&str, u8)] = &[("CREDIT", 9), ("EUR", 2), ("GBP", 2), ("USD", 2)];

/// The assets that every memorandum knows.
pub(super) fn built_in_assets() -> BTreeMap<AssetId, u8> {
    BUILT_IN.iter().map(|(name, scale)| (AssetId::from(*name), *scale)).collect()
}

/// What clauses are read by where the header is missing or unsound: nothing is asked that it would have said.
pub(super) fn unknown_scope() -> Scope {
    let effective = Date::constant(1970, 1, 1);
    Scope {
        parties: None,
        operator: None,
        assets: built_in_assets(),
        effective,
        force: Some(Force::NonBinding),
    }
}

/// Reads the header. The scope holds what could be read even where the header as a whole could not.
pub(super) fn read(reader: &mut Reader<'_>) -> (Option<Header>, Scope) {
    reader.expect("the header", HEADER.iter());
    let title = reader.text("title");
    let version = reader.count("version", 1, u64::MAX);
    let parties = signatories(reader);
    let effective = reader.date("effective");
    let prevails = match reader.word("prevails", &["prose", "blocks"]) {
        Some("blocks") => Prevails::Blocks,
        _ => Prevails::Prose,
    };
    let force = force(reader);
    let assets = assets(reader);
    let previous = previous(reader, version);
    let vkeys = keys(reader, "vkeys", parties.as_deref(), &BTreeMap::new());
    let recovery = keys(reader, "recovery", parties.as_deref(), &vkeys);
    let threshold = threshold(reader, parties.as_deref());
    // A force that cannot be read is one fault, and not another one at each clause.
    let unread = reader.found("force").filter(|_| force.is_none()).map(|_| Force::NonBinding);
    let scope = scope(parties.as_deref(), &assets, effective, force.or(unread));
    let header = || {
        let (title, version, parties, effective) = (title?, version?, parties?, effective?);
        Some(Header {
            title,
            version,
            parties,
            effective,
            prevails,
            force,
            threshold,
            assets,
            previous,
            vkeys,
            recovery,
        })
    };
    (header(), scope)
}

fn scope(
    parties: Option<&[Party]>,
    assets: &BTreeMap<AssetId, u8>,
    effective: Option<Date>,
    force: Option<Force>,
) -> Scope {
    Scope {
        parties: parties.map(|parties| parties.iter().map(|party| party.id.clone()).collect()),
        operator: parties
            .and_then(|parties| parties.iter().find(|party| party.role == OPERATOR))
            .map(|party| party.id.clone()),
        assets: assets.clone(),
        effective: effective.unwrap_or(Date::constant(1970, 1, 1)),
        force,
    }
}

fn force(reader: &mut Reader<'_>) -> Option<Force> {
    match reader.word("force", &["binding", "non-binding"])? {
        "binding" => Some(Force::Binding),
        _ => Some(Force::NonBinding),
    }
}

fn signatories(reader: &mut Reader<'_>) -> Option<Vec<Party>> {
    let items = reader.items("parties")?;
    let mut parties: Vec<Party> = Vec::new();
    for item in items {
        let (party, span) = signatory(reader, item)?;
        if parties.iter().any(|other| other.id == party.id) {
            reader.fault(
                "memorandum::twice",
                format!("the party `{}` stands twice", party.id),
                span,
                "again",
            );
            return None;
        }
        parties.push(party);
    }
    let operators = parties.iter().filter(|party| party.role == OPERATOR).count();
    let span = reader.found("parties")?.span();
    if parties.len() < 2 {
        reader.fault("memorandum::parties", "a memorandum needs two parties or more", span, "too few");
        return None;
    }
    if operators != 1 {
        let message = format!("exactly one party has the role `operator`, not {operators}");
        reader.fault("memorandum::parties", message, span, "who runs the service?");
        return None;
    }
    Some(parties)
}

fn signatory(reader: &mut Reader<'_>, item: Found<'_>) -> Option<(Party, Range<usize>)> {
    let Some(table) = item.value.as_table() else {
        reader.wrong_item("parties", item);
        return None;
    };
    if let Some((key, _)) =
        table.iter().find(|(key, _)| !matches!(key.get_ref().as_ref(), "id" | "name" | "role"))
    {
        let fault = reader.fault(
            "memorandum::unknown-field",
            format!("a party has no field `{}`", key.get_ref()),
            item.span(),
            "in this party",
        );
        fault.help = Some("its fields are `id`, `name`, `role`".to_owned());
        return None;
    }
    let text = |name: &str| match table.get(name).map(toml::Spanned::get_ref) {
        Some(DeValue::String(text)) if !text.trim().is_empty() => Some(text.to_string()),
        _ => None,
    };
    let (Some(id), Some(name), Some(role)) = (text("id"), text("name"), text("role")) else {
        reader.fault(
            "memorandum::missing-field",
            "a party needs `id`, `name` and `role`, all as text",
            item.span(),
            "not all are here",
        );
        return None;
    };
    if !super::is_kebab_case(&id) {
        let fault = reader.fault("memorandum::id", format!("`{id}` is no id"), item.span(), "in this party");
        fault.help = Some(super::ID_HELP.to_owned());
        return None;
    }
    Some((Party { id: PartyId::from(id), name, role }, item.span()))
}

fn assets(reader: &mut Reader<'_>) -> BTreeMap<AssetId, u8> {
    let mut assets = built_in_assets();
    for (name, span, at) in reader.entries("assets").unwrap_or_default() {
        let Some(scale) = reader.entry_count("assets", at, 18).and_then(|scale| u8::try_from(scale).ok())
        else {
            continue;
        };
        if !is_asset(name) {
            let fault = reader.fault(
                "memorandum::asset",
                format!("`{name}` is no name of an asset"),
                span,
                "cannot be used",
            );
            fault.help = Some("use 2 to 12 capital letters and digits, a letter first".to_owned());
        } else if assets.insert(AssetId::from(name), scale).is_some_and(|before| before != scale) {
            reader.fault(
                "memorandum::asset",
                format!("`{name}` is built in with other decimals"),
                span,
                "cannot be changed",
            );
        }
    }
    assets
}

fn is_asset(name: &str) -> bool {
    let sound = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    sound && (2..=12).contains(&name.len()) && name.starts_with(|c: char| c.is_ascii_uppercase())
}

fn previous(reader: &mut Reader<'_>, version: Option<u64>) -> Option<[u8; 32]> {
    let version = version?;
    let Some((text, span)) = reader.text_at("previous") else {
        if version > 1 && reader.found("previous").is_none() {
            let span = reader.block();
            let fault = reader.fault(
                "memorandum::previous",
                format!("version {version} needs `previous`"),
                span,
                "what does it follow?",
            );
            fault.help = Some("give the SHA-256 of the version before, in hexadecimal".to_owned());
        }
        return None;
    };
    if version == 1 {
        reader.fault(
            "memorandum::previous",
            "version 1 follows nothing",
            span,
            "leave this out, or raise `version`",
        );
        return None;
    }
    let digest = super::digest_from_hex(text);
    if digest.is_none() {
        let fault = reader.fault(
            "memorandum::digest",
            format!("`{text}` is no SHA-256 digest"),
            span,
            "cannot be read",
        );
        fault.help = Some("write 64 lower-case hexadecimal digits".to_owned());
    }
    digest
}

/// A table of keys, each of which is nobody's else, here or in `taken`.
fn keys(
    reader: &mut Reader<'_>,
    name: &str,
    parties: Option<&[Party]>,
    taken: &BTreeMap<PartyId, String>,
) -> BTreeMap<PartyId, String> {
    let mut keys: BTreeMap<PartyId, String> = BTreeMap::new();
    for (party, span, at) in reader.entries(name).unwrap_or_default() {
        let id = PartyId::from(party);
        if parties.is_some_and(|parties| !parties.iter().any(|known| known.id == id)) {
            reader.fault(
                "memorandum::unknown-party",
                format!("`{party}` is no party"),
                span,
                "not in `parties`",
            );
            continue;
        }
        let Some(vkey) = reader.entry_text(name, at) else { continue };
        if super::sign::is_vkey(vkey) {
            if taken.values().chain(keys.values()).any(|other| super::sign::is_same_key(other, vkey)) {
                let message = format!("the key of `{party}` stands here twice, under whatever names");
                let fault = reader.fault("memorandum::shared-key", message, at.span(), "again");
                fault.help = Some(
                    "give each party a key of its own, and make its recovery key another one, kept elsewhere"
                        .to_owned(),
                );
            }
            keys.insert(id, vkey.to_owned());
        } else {
            let fault = reader.fault(
                "memorandum::vkey",
                format!("the key of `{party}` is no vkey"),
                at.span(),
                "cannot be read",
            );
            fault.help = Some("write name, key id and key as one vkey: `name+1a2b3c4d+AT…`".to_owned());
        }
    }
    keys
}

fn threshold(reader: &mut Reader<'_>, parties: Option<&[Party]>) -> u32 {
    let most = parties.map_or(u32::MAX, |parties| u32::try_from(parties.len()).unwrap_or(u32::MAX));
    match reader.count("threshold", 1, u64::from(most)) {
        Some(threshold) => u32::try_from(threshold).unwrap_or(most),
        None => most,
    }
}
