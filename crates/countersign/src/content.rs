//! Commitments to content: what was asked and answered, provable while its key is kept, and nothing once it is destroyed.
//!
//! Not here: the keys, or the content itself where it is kept (`vault`).

use partnership::act::Digest;
use partnership::ids::ActId;

/// The commitment to content whose SHA-256 is `content`, under a content key.
pub(crate) fn commitment(key: &[u8; 32], what: &str, nonce: &[u8; 32], content: &[u8; 32]) -> Digest {
    let salt = record::hash::sha256(&[b"countersign/content-salt/v1\n".as_slice(), key, nonce].concat());
    Digest(record::hash::sha256(
        &[b"countersign/content/v1\n".as_slice(), &salt, what.as_bytes(), b"\n", content].concat(),
    ))
}

/// The nonce of an act's content: its id.
pub(crate) fn nonce(act: ActId) -> [u8; 32] {
    record::hash::sha256(&act.as_u128().to_be_bytes())
}
