//! What an erasure is to destroy, written down before the act is proposed: a file for each, `vault/erasing/<act>`, gone when the act is settled.
//!
//! So whoever goes on after a crash knows it, though the record tells of an end user only a commitment. Not here: the destroying (`vault`).

use super::keys::Name;
use crate::files;
use partnership::ids::ActId;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// The erasures that are intended and not settled.
#[derive(Debug)]
pub(super) struct Intentions {
    dir: PathBuf,
}

/// What a file begins with.
const HEAD: &str = "countersign/erasing/v1\n";

impl Intentions {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Writes down what `act` is to destroy; durable when this returns.
    ///
    /// Errors: those of the file system.
    pub(super) fn write(&self, act: ActId, names: &BTreeSet<Name>) -> io::Result<()> {
        if !self.dir.is_dir() {
            files::new_directory(&self.dir, 0o700)?;
        }
        let mut text = HEAD.to_owned();
        names.iter().try_for_each(|name| writeln!(text, "{name}")).unwrap_or_default();
        files::write_new(&self.path(act), text.as_bytes(), 0o600)
    }

    /// What `act` is to destroy; none where nothing is written down.
    ///
    /// Errors: where the file cannot be read, or holds something else.
    pub(super) fn read(&self, act: ActId) -> io::Result<Option<BTreeSet<Name>>> {
        let path = self.path(act);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(super::about(&path, &error)),
        };
        let names = text.strip_prefix(HEAD).map(|text| text.lines().map(Name::parse));
        let names: Option<BTreeSet<Name>> = names.and_then(Iterator::collect);
        let damaged = || io::Error::other(format!("`{}` does not say what is to be erased", path.display()));
        names.map(Some).ok_or_else(damaged)
    }

    /// The act is settled, or never was.
    ///
    /// Errors: those of the file system.
    pub(super) fn remove(&self, act: ActId) -> io::Result<()> {
        files::remove(&self.path(act))
    }

    /// Removes whatever is of none of these acts.
    ///
    /// Errors: those of the file system.
    pub(super) fn keep_only(&self, acts: &BTreeSet<ActId>) -> io::Result<()> {
        if !self.dir.is_dir() {
            return Ok(());
        }
        let kept: BTreeSet<_> = acts.iter().map(ToString::to_string).collect();
        for file in std::fs::read_dir(&self.dir)? {
            let file = file?;
            if !file.file_name().to_str().is_some_and(|name| kept.contains(name)) {
                files::remove(&file.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, act: ActId) -> PathBuf {
        self.dir.join(act.to_string())
    }
}
