//! Commitments to content: what was asked and answered, provable while its key is kept, and nothing once it is destroyed.
//!
//! Not here: the content itself, which is not kept.

use crate::clock::Clock;
use crate::files;
use partnership::act::Digest;
use partnership::ids::{ActId, ApplicationId, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The content keys of a partnership: one for each application and month, under `vault/`.
#[derive(Debug)]
pub(crate) struct Content {
    vault: PathBuf,
    clock: Clock,
    keys: Mutex<BTreeMap<(ApplicationId, String), Kept>>,
}

/// A content key in memory.
#[derive(Debug, Clone, Copy)]
struct Kept {
    key: [u8; 32],
    /// When this process made it, which it does where there is none, or none any more. None where it was there.
    made: Option<Timestamp>,
}

impl Content {
    /// The content keys that lie under `vault`.
    pub(crate) fn new(vault: PathBuf, clock: Clock) -> Self {
        Self { vault, clock, keys: Mutex::new(BTreeMap::new()) }
    }

    /// The key of an application for the month of `at`; made, and durable, when it is first needed.
    ///
    /// Errors: where the key cannot be read or written.
    pub(crate) fn key(&self, application: &ApplicationId, at: Timestamp) -> std::io::Result<[u8; 32]> {
        let name = (application.clone(), month(at));
        let mut keys = self.keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(kept) = keys.get(&name) {
            return Ok(kept.key);
        }
        let (folder, path) = self.place(&name);
        let kept = match read(&path)? {
            Some(key) => Kept { key, made: None },
            None => {
                let key = self.clock.random();
                if !folder.is_dir() {
                    files::new_directory(&folder, 0o700)?;
                }
                files::write_new(&path, &key, 0o600)?;
                Kept { key, made: Some(at) }
            }
        };
        keys.insert(name, kept);
        Ok(kept.key)
    }

    /// The key of an application for the month of `at`, if there is one and it was not made later, in the place of one that was destroyed.
    ///
    /// Errors: where it cannot be read.
    pub(crate) fn kept(
        &self,
        application: &ApplicationId,
        at: Timestamp,
    ) -> std::io::Result<Option<[u8; 32]>> {
        let name = (application.clone(), month(at));
        let keys = self.keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match keys.get(&name) {
            Some(kept) => Ok(kept.made.is_none_or(|made| made <= at).then_some(kept.key)),
            None => read(&self.place(&name).1),
        }
    }

    /// The folder and the file of a key.
    fn place(&self, (application, month): &(ApplicationId, String)) -> (PathBuf, PathBuf) {
        let folder = self.vault.join(application.as_str());
        let path = folder.join(format!("{month}.key"));
        (folder, path)
    }
}

fn month(at: Timestamp) -> String {
    let date = at.date();
    format!("{:04}-{:02}", date.year(), date.month())
}

/// The key in a file; none where there is no file.
fn read(path: &Path) -> std::io::Result<Option<[u8; 32]>> {
    match std::fs::read(path) {
        Ok(bytes) => bytes
            .try_into()
            .map(Some)
            .map_err(|_| std::io::Error::other(format!("`{}` is not a key of 32 bytes", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

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
