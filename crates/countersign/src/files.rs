//! Files that last: written whole or not at all, and the keys that lie among them.
//!
//! Not here: the record's own files (`record::store::directory`).

use anyhow::{Context as _, bail};
use record::cosignature::Cosigner;
use record::note::{Signer, Verifier};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file that must not be there yet; whole and durable when this returns, or not there.
///
/// Errors: [`ErrorKind::AlreadyExists`] where the name is taken; those of the file system.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_new_by(path, mode, |file| file.write_all(bytes))
}

/// As [`write_new`], of bytes that `write` writes one after the other.
///
/// Errors: those of `write` too; nothing is then there.
pub(crate) fn write_new_by(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let staged = stage_by(path, mode, write)?;
    let linked = fs::hard_link(&staged, path);
    fs::remove_file(&staged)?;
    linked?;
    sync_directory(parent(path))
}

/// Writes a file in the place of the one with its name, if any; readers see the old bytes or the new.
///
/// Errors: those of the file system; the old file is then untouched, or already replaced but perhaps not durably so.
#[expect(clippy::disallowed_methods, reason = "this module knows how to make a rename last")]
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let staged = stage(path, bytes, mode)?;
    fs::rename(&staged, path).inspect_err(|_| drop(fs::remove_file(&staged)))?;
    sync_directory(parent(path))
}

/// As [`replace`], of bytes that `write` writes one after the other.
///
/// Errors: those of `write` too; the old file is then untouched.
#[expect(clippy::disallowed_methods, reason = "this module knows how to make a rename last")]
pub(crate) fn replace_by(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let staged = stage_by(path, mode, write)?;
    fs::rename(&staged, path).inspect_err(|_| drop(fs::remove_file(&staged)))?;
    sync_directory(parent(path))
}

/// A file to write to and read from that has no name, in the folder for temporary files. It is gone with the process.
///
/// Errors: those of the file system.
pub(crate) fn unnamed() -> io::Result<File> {
    let path = std::env::temp_dir().join("countersign");
    let staged = fresh(&path)?;
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&staged)?;
    fs::remove_file(&staged)?;
    Ok(file)
}

/// Removes a file for good; not there is as good.
///
/// Errors: those of the file system.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => sync_directory(parent(path)),
    }
}

/// Removes what was staged for a path and never came to its place, since its process ended. No other process may be writing there.
///
/// Errors: those of the file system.
pub(crate) fn remove_staged(path: &Path) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = format!(".{name}.");
    let folder = parent(path);
    let about = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", folder.display()));
    for file in fs::read_dir(folder).map_err(about)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with(&stem) {
            remove(&file.path())?;
        }
    }
    Ok(())
}

/// Makes a directory that must not be there yet. Its parent must be.
///
/// Errors: [`ErrorKind::AlreadyExists`] where the name is taken; those of the file system.
pub(crate) fn new_directory(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(mode).create(path)?;
    sync_directory(parent(path))
}

/// Moves a finished file or directory to its name on the same file system; a directory may take the place of an empty one.
///
/// Errors: those of the file system.
#[expect(clippy::disallowed_methods, reason = "this module knows how to make a rename last")]
pub(crate) fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    File::open(from)?.sync_all()?;
    fs::rename(from, to)?;
    sync_directory(parent(to))
}

/// Lets only the owner use a file that is there.
///
/// Errors: those of the file system.
pub(crate) fn owner_only(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// The directory that holds a path; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Writes bytes to a synced file of a fresh name beside `path`.
fn stage(path: &Path, bytes: &[u8], mode: u32) -> io::Result<PathBuf> {
    stage_by(path, mode, |file| file.write_all(bytes))
}

/// A name beside `path` that no other file of this process has.
fn fresh(path: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "a path without a file name"))?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Ok(parent(path).join(format!(".{}.{}.{number}", name.to_string_lossy(), std::process::id())))
}

/// As [`stage`], of what `write` writes.
fn stage_by(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<PathBuf> {
    let staged = fresh(path)?;
    let written =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&staged).and_then(|mut file| {
            write(&mut file)?;
            file.sync_all()
        });
    match written {
        Ok(()) => Ok(staged),
        Err(error) => {
            if error.kind() != ErrorKind::AlreadyExists {
                drop(fs::remove_file(&staged));
            }
            Err(error)
        }
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The keys of a partnership, each in two files: `<name>.key`, which only its owner reads, and `<name>.vkey`.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    dir: PathBuf,
}

impl Keys {
    /// The keys that lie in `dir`.
    pub(crate) fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The private key of `log` or of a party.
    ///
    /// Errors: where there is none, or it does not parse; never with a word of the key.
    pub(crate) fn signer(&self, name: &str) -> anyhow::Result<Signer> {
        let path = self.path(name, "key")?;
        let text = fs::read_to_string(&path).with_context(|| {
            format!("the private key `{}` cannot be read; name its folder with `--keys DIR`", path.display())
        })?;
        Signer::parse(text.trim_end()).with_context(|| format!("`{}` holds no private key", path.display()))
    }

    /// The public key of `log` or of a party.
    ///
    /// Errors: where there is none, or it does not parse.
    pub(crate) fn verifier(&self, name: &str) -> anyhow::Result<Verifier> {
        let path = self.path(name, "vkey")?;
        let text = fs::read_to_string(&path).with_context(|| {
            format!("the public key `{}` cannot be read; name its folder with `--keys DIR`", path.display())
        })?;
        Verifier::parse(text.trim_end()).with_context(|| format!("`{}` holds no public key", path.display()))
    }

    /// The two files of a key: its private half, and its public one.
    ///
    /// Errors: where `name` is not the name of a key.
    pub(crate) fn paths(&self, name: &str) -> anyhow::Result<[PathBuf; 2]> {
        Ok([self.path(name, "key")?, self.path(name, "vkey")?])
    }

    /// Makes a key from 32 random bytes and writes both its files. `key_name` is the name inside it: the origin for `log`,
    /// `<origin>/<party>` for a party.
    ///
    /// Errors: where a key of this name exists, or the files cannot be written.
    pub(crate) fn mint(&self, name: &str, key_name: &str, seed: [u8; 32]) -> anyhow::Result<Signer> {
        let signer = Signer::generate(key_name, seed)?;
        self.write(name, "key", &signer.private_key(), 0o600)?;
        self.write(name, "vkey", &signer.verifier().vkey(), 0o644)?;
        Ok(signer)
    }

    /// The private key by which a party cosigns, `w1` or `w2`; made from 32 random bytes where there is none.
    ///
    /// Errors: where it cannot be read or written, or has another name than `key_name`.
    pub(crate) fn cosigner(&self, name: &str, key_name: &str, seed: [u8; 32]) -> anyhow::Result<Cosigner> {
        let path = self.path(name, "key")?;
        let cosigner = match fs::read_to_string(&path) {
            Ok(text) => Cosigner::parse(text.trim_end())
                .with_context(|| format!("`{}` holds no private key that cosigns", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let cosigner = Cosigner::generate(key_name, seed)?;
                self.write(name, "key", &cosigner.private_key(), 0o600)?;
                self.write(name, "vkey", &cosigner.key().vkey(), 0o644)?;
                cosigner
            }
            Err(error) => {
                return Err(error).with_context(|| format!("`{}` cannot be read", path.display()));
            }
        };
        if cosigner.name() != key_name {
            bail!("the key in `{}` is `{}`, not `{key_name}`", path.display(), cosigner.name());
        }
        Ok(cosigner)
    }

    fn write(&self, name: &str, end: &str, text: &str, mode: u32) -> anyhow::Result<()> {
        let path = self.path(name, end)?;
        write_new(&path, format!("{text}\n").as_bytes(), mode)
            .with_context(|| format!("the key `{}` cannot be written", path.display()))
    }

    fn path(&self, name: &str, end: &str) -> anyhow::Result<PathBuf> {
        let is_plain =
            !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !is_plain {
            bail!("`{name}` is not the name of a key; use `log` or a party's id");
        }
        Ok(self.dir.join(format!("{name}.{end}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_keeps_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_new(&path, b"first", 0o600).unwrap();
        assert_eq!(write_new(&path, b"second", 0o600).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        replace(&path, b"third", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing staged is left behind");
    }

    #[test]
    fn a_private_key_is_read_back_and_only_its_owner_may() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::new(dir.path());
        let minted = keys.mint("halcyon", "example/record/halcyon", [7; 32]).unwrap();
        assert_eq!(keys.signer("halcyon").unwrap().private_key(), minted.private_key());
        assert_eq!(keys.verifier("halcyon").unwrap(), minted.verifier());
        let mode = fs::metadata(dir.path().join("halcyon.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            keys.mint("halcyon", "example/record/halcyon", [8; 32]).is_err(),
            "a key is never written over"
        );
        assert!(keys.signer("../halcyon").is_err(), "a name is not a path");
    }

    #[test]
    fn an_error_about_a_key_shows_nothing_of_it() {
        let dir = tempfile::tempdir().unwrap();
        write_new(&dir.path().join("log.key"), b"PRIVATE+KEY+secret", 0o600).unwrap();
        let error = format!("{:#}", Keys::new(dir.path()).signer("log").unwrap_err());
        assert!(!error.contains("secret"), "{error}");
    }
}
