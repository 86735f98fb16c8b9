//! What was erased, and by which act: `vault/erased`, a line for each application, month and act, so that whoever asks for content that
//! is gone hears since when.
//!
//! Not here: who the end users were. A line says only whether the content named one.

use super::about;
use super::keys::{Name, month_of};
use crate::files;
use jiff::civil::Date;
use partnership::ids::{ActId, ApplicationId, Timestamp};
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// The file of what was erased.
#[derive(Debug)]
pub(super) struct Erased {
    path: PathBuf,
}

/// What the file begins with.
const HEAD: &str = "countersign/erased/v1\n";

/// A line: what was erased, by which act, and when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    application: ApplicationId,
    month: Date,
    end_user: bool,
    act: ActId,
    at: Timestamp,
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (application, month, whose) = (parts.next()?, parts.next()?, parts.next()?);
        let (act, at) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let end_user = whose == "user";
        let line = Self { application: application.into(), month: month_of(month)?, end_user, act, at };
        parts.next().is_none().then_some(line)
    }

    fn render(&self) -> String {
        let Self { application, month, end_user, act, at } = self;
        let whose = if *end_user { "user" } else { "-" };
        format!("{application} {:04}-{:02} {whose} {act} {at}\n", month.year(), month.month())
    }

    fn is_of(&self, act: ActId, name: &Name) -> bool {
        let Self { application, month, end_user, .. } = self;
        self.act == act
            && (application, month, *end_user) == (&name.application, &name.month, name.end_user.is_some())
    }
}

impl Erased {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Writes down that `act` erases the keys with these names; durable when this returns, and once is enough.
    ///
    /// Errors: where the file cannot be read or written, or holds something else.
    pub(super) fn add<'a>(
        &self,
        act: ActId,
        names: impl Iterator<Item = &'a Name>,
        at: Timestamp,
    ) -> io::Result<()> {
        let mut lines = self.read()?;
        let before = lines.len();
        for name in names {
            if !lines.iter().any(|line| line.is_of(act, name)) {
                let (application, month) = (name.application.clone(), name.month);
                lines.insert(Line { application, month, end_user: name.end_user.is_some(), act, at });
            }
        }
        if lines.len() == before {
            return Ok(());
        }
        let text: String = std::iter::once(HEAD.to_owned()).chain(lines.iter().map(Line::render)).collect();
        files::replace(&self.path, text.as_bytes(), 0o600).map_err(|error| about(&self.path, &error))
    }

    /// Which acts have erased content of an application and month that named an end user, or that named none, and when.
    ///
    /// Errors: where the file cannot be read, or holds something else.
    pub(super) fn of(
        &self,
        application: &ApplicationId,
        month: Date,
        end_user: bool,
    ) -> io::Result<Vec<(ActId, Timestamp)>> {
        let is_of =
            |line: &Line| (&line.application, line.month, line.end_user) == (application, month, end_user);
        Ok(self.read()?.into_iter().filter(is_of).map(|line| (line.act, line.at)).collect())
    }

    fn read(&self) -> io::Result<BTreeSet<Line>> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(about(&self.path, &error)),
        };
        let lines = text.strip_prefix(HEAD).and_then(|text| text.lines().map(Line::parse).collect());
        lines.ok_or_else(|| {
            io::Error::other(format!(
                "`{}` does not say what was erased; put back a copy of it",
                self.path.display()
            ))
        })
    }
}
