//! The wrapping key: without it, no copy of the vault says anything.
//!
//! It lies outside the vault, in a file of its own, and another takes its place at each erasure. Not here: what it wraps (`keys`), or
//! when it changes (`erasing`).

use crate::files;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use record::hash::{base64, from_base64, sha256_of};
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// A wrapping key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Wrapping([u8; 32]);

impl fmt::Debug for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrapping({})", self.id())
    }
}

/// The length of a nonce; long enough to be random. Units: bytes.
const NONCE: usize = 24;
/// What the file of a wrapping key begins with.
const HEAD: &str = "countersign/wrapping-key/v1 ";

impl Wrapping {
    /// The wrapping key with these bytes.
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A name that says nothing of the key. Shape: 24 characters of base64.
    pub(super) fn id(&self) -> String {
        let digest = sha256_of(&[b"countersign/wrapping-key-id/v1\n", &self.0]);
        base64(digest.split_at(16).0)
    }

    /// Wraps a key; what unwraps it must say the same `about` it. `random` must be fresh.
    pub(super) fn wrap(&self, about: &str, key: &[u8; 32], random: &[u8; 32]) -> String {
        let nonce: [u8; NONCE] = *random.first_chunk().unwrap_or_else(|| unreachable!("32 bytes have 24"));
        let payload = Payload { msg: key, aad: about.as_bytes() };
        let wrapped = XChaCha20Poly1305::new(&self.0.into()).encrypt(&XNonce::from(nonce), payload);
        let wrapped = wrapped.unwrap_or_else(|_| unreachable!("32 bytes are not too long to be encrypted"));
        base64(&[nonce.as_slice(), &wrapped].concat())
    }

    /// Unwraps a key; none where it was wrapped under another key, is about something else, or is damaged.
    pub(super) fn unwrap(&self, about: &str, wrapped: &str) -> Option<[u8; 32]> {
        let wrapped = from_base64(wrapped)?;
        let (nonce, wrapped) = wrapped.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: wrapped, aad: about.as_bytes() };
        let key = XChaCha20Poly1305::new(&self.0.into()).decrypt(&XNonce::from(*nonce), payload).ok()?;
        key.try_into().ok()
    }
}

/// Where the wrapping key lies, and beside it for a moment the one that takes its place.
#[derive(Debug, Clone)]
pub(super) struct WrappingFile {
    path: PathBuf,
    next: PathBuf,
}

impl WrappingFile {
    pub(super) fn new(path: PathBuf) -> Self {
        let mut next = OsString::from(&path);
        next.push(".next");
        Self { path, next: next.into() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The key; none where there is no file, or no key in it any more.
    ///
    /// Errors: where the file cannot be read, or holds something else.
    pub(super) fn read(&self) -> io::Result<Option<Wrapping>> {
        read(&self.path)
    }

    /// The key that is to take its place, if one is there whole.
    ///
    /// Errors: as above.
    pub(super) fn read_next(&self) -> io::Result<Option<Wrapping>> {
        read(&self.next)
    }

    /// Lays a key beside the one in use, if any; durable when this returns.
    ///
    /// Errors: those of the file system.
    pub(super) fn stage(&self, key: &Wrapping) -> io::Result<()> {
        files::replace(&self.next, text(key).as_bytes(), 0o600)
            .map_err(|error| super::about(&self.path, &error))
    }

    /// Takes the key away again that was to take its place; nothing may be wrapped under it.
    ///
    /// Errors: those of the file system.
    pub(super) fn unstage(&self) -> io::Result<()> {
        files::remove(&self.next)
    }

    /// Destroys the key in use and puts the next one in its place; may be cut off and done again at any point. What was wrapped under
    /// the old one must be durable under the new one.
    ///
    /// Errors: those of the file system.
    pub(super) fn retire(&self) -> io::Result<()> {
        match fs::metadata(&self.path) {
            Ok(old) => overwrite(&self.path, old.len())?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(super::about(&self.path, &error)),
        }
        files::put_in_place(&self.next, &self.path)
    }
}

/// Zeros in the place of what a file holds. The file system or the disk may keep the old bytes elsewhere all the same.
fn overwrite(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    let zeros = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX).min(1 << 10)];
    file.write_all(&zeros)?;
    file.sync_all()
}

fn text(key: &Wrapping) -> String {
    format!("{HEAD}{}\n", base64(&key.0))
}

fn read(path: &Path) -> io::Result<Option<Wrapping>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(super::about(path, &error)),
    };
    if text.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let key = std::str::from_utf8(&text).ok().and_then(|text| text.strip_prefix(HEAD)?.strip_suffix('\n'));
    let key = key.and_then(from_base64).and_then(|key| key.try_into().ok()).map(Wrapping);
    key.map(Some).ok_or_else(|| io::Error::other(format!("`{}` holds no wrapping key", path.display())))
}
