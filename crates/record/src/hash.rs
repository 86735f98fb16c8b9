//! SHA-256 and the two domain-separated hashes of an RFC 6962 tree. Not a general digest library.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// A SHA-256 digest. Shape: 32 bytes.
pub type Hash = [u8; 32];

/// The root of a tree without leaves: the digest of nothing. Source: RFC 6962, section 2.1.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// The SHA-256 digest of `bytes`. Source: FIPS 180-4.
pub fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The SHA-256 digest of the concatenation of `parts`.
pub fn sha256_of(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The hash of a leaf: `SHA-256(0x00 || entry)`. Source: RFC 6962, section 2.1.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256_of(&[&[0], entry])
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`. Source: RFC 6962, section 2.1.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut block = [1_u8; 65];
    let (_, children) = block.split_at_mut(1);
    let (first, second) = children.split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    sha256(&block)
}

/// `bytes` in standard base64 with padding. Source: RFC 4648, section 4.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads canonical base64: padded, no stray bits, no white space, so that one text stands for one value.
///
/// Shape: `None` for any other text.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Reads a digest from its 44 characters of canonical base64.
///
/// Shape: `None` for any other text.
pub fn hash_from_base64(text: &str) -> Option<Hash> {
    let mut bytes = [0_u8; 33];
    let length = STANDARD.decode_slice(text, &mut bytes).ok()?;
    bytes.get(..length)?.try_into().ok()
}

/// `bytes` in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hex(&empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(leaf_hash(b"x"), sha256(b"\0x"));
        assert_eq!(node_hash(&[2; 32], &[3; 32]), sha256_of(&[&[1], &[2; 32], &[3; 32]]));
    }

    #[test]
    fn only_canonical_base64_is_read() {
        let text = base64(&[7; 32]);
        assert_eq!(hash_from_base64(&text), Some([7; 32]));
        for other in [text.trim_end_matches('=').to_owned(), format!("{text}\n"), text.replace("c=", "d=")] {
            assert_eq!(hash_from_base64(&other), None, "`{other}`");
        }
        assert_eq!(hash_from_base64(&base64(&[7; 31])), None);
        assert_eq!(hash_from_base64(&base64(&[7; 33])), None);
    }
}
