//! Requests of a party, each signed with the party's own key: nothing has to be handed out to it first, and the operator cannot keep
//! it away by handing out nothing.
//!
//! The token is a signed note in base64, good for one record and a few minutes. Not here: what a party may do.

use partnership::ids::{PartyId, Timestamp};
use record::hash::{base64, from_base64};
use record::note::{self, Signer, Verifier};
use std::collections::BTreeMap;

/// How far a token's time may lie from the server's. Units: milliseconds.
const FRESH_MS: u64 = 300_000;
const DOMAIN: &str = "countersign/request/v1";

/// A token of `party`, whose key is `signer`, for the record `origin`.
pub(crate) fn token(signer: &Signer, origin: &str, party: &str, now: Timestamp) -> String {
    let text = format!("{origin}\n{DOMAIN}\nparty {party}\ntime {}\n", now.as_millis());
    let signed = signer.sign(&text).unwrap_or_else(|error| unreachable!("a request is a note: {error}"));
    base64(signed.as_bytes())
}

/// Whose the token is; none where it is no such token, of another record, of another time, or not signed by the party.
pub(crate) fn party_of(
    token: &str,
    vkeys: &BTreeMap<PartyId, Verifier>,
    origin: &str,
    now: Timestamp,
) -> Option<PartyId> {
    let signed = from_base64(token)?;
    let (text, _) = note::split(&signed).ok()?;
    let rest = text.strip_prefix(origin)?.strip_prefix('\n')?.strip_prefix(DOMAIN)?;
    let (party, time) = rest.strip_prefix("\nparty ")?.strip_suffix('\n')?.split_once("\ntime ")?;
    let time: i64 = time.parse().ok()?;
    let (party, key) = vkeys.get_key_value(&PartyId::from(party))?;
    note::open(&signed, &[key]).ok()?;
    (now.as_millis().abs_diff(time) <= FRESH_MS).then(|| party.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_party_its_record_and_a_few_minutes() {
        let key = |party: &str, seed| Signer::generate(&format!("o.example/{party}"), [seed; 32]).unwrap();
        let (a, b) = (key("a", 1), key("b", 2));
        let vkeys: BTreeMap<PartyId, Verifier> =
            [("a", &a), ("b", &b)].map(|(party, key)| (PartyId::from(party), key.verifier())).into();
        let now = Timestamp::from_millis(1_800_000_000_000);
        let good = token(&a, "o.example", "a", now);
        let who =
            |token: &str, origin: &str, later: i64| party_of(token, &vkeys, origin, now.plus_millis(later));
        assert_eq!(who(&good, "o.example", 0), Some("a".into()));
        for later in [299_000, -299_000] {
            assert_eq!(who(&good, "o.example", later), Some("a".into()));
        }
        for later in [301_000, -301_000] {
            assert_eq!(who(&good, "o.example", later), None);
        }
        assert_eq!(who(&good, "other.example", 0), None, "another record");
        assert_eq!(who(&token(&a, "o.example", "b", now), "o.example", 0), None, "another's name");
        assert_eq!(who(&token(&a, "o.example", "c", now), "o.example", 0), None, "nobody's name");
        let text = String::from_utf8(from_base64(&good).unwrap()).unwrap().replace("party a", "party b");
        assert_eq!(who(&base64(text.as_bytes()), "o.example", 0), None, "changed");
        for other in ["", "x", "AAAA"] {
            assert_eq!(who(other, "o.example", 0), None);
        }
    }
}
