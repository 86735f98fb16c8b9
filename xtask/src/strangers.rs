//! `cargo xtask test --strangers [GROUP]`: programs of others that read what ours writes, in groups, each with what it needs.
//!
//! Not here: the tests themselves, and those strangers without whom no test runs (`environment`).

use crate::books;
use crate::environment::{self, Environment, Variables, succeeds};
use crate::report;
use anyhow::{Context as _, bail};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

/// How it is called.
pub(crate) const USAGE: &str = "cargo xtask test [--strangers [GROUP] [--minutes N]]";

/// Programs of others, and the test that has them read what is ours.
struct Group {
    name: &'static str,
    /// Programs, how each tells its version, and the Debian packages that bring them.
    programs: &'static [(&'static str, &'static str, &'static str)],
    /// Folders that must be there, and the Debian packages that bring them.
    folders: &'static [(&'static str, &'static str)],
    /// What else it needs, and the variables by which the test finds it.
    more: Option<fn() -> anyhow::Result<Variables>>,
    /// A test of the house that is passed over unless it is asked for.
    test: &'static str,
}

const GROUPS: &[Group] = &[
    Group {
        name: "tlog",
        programs: &[("go", "version", "golang-go")],
        folders: &[("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog", "golang-golang-x-mod-dev")],
        more: None,
        test: "strangers::go_reads_the_record_and_its_receipts_and_finds_a_flipped_bit_in_any_file",
    },
    Group {
        name: "books",
        programs: &[("hledger", "--version", "hledger")],
        folders: &[],
        more: Some(books::readers),
        test: "bookkeepers::strangers_accept_every_month_of_the_books_come_to_the_same_and_reject_what_is_off_by_a_unit",
    },
    Group {
        name: "notices",
        programs: &[("openssl", "version", "openssl")],
        folders: &[],
        more: Some(mailroom),
        test: "mailroom::strangers_verify_each_webhook_and_take_mail_behind_tls_and_a_login_but_none_under_a_certificate_of_nobody",
    },
];

/// A Python with the verifier of Standard Webhooks and an SMTP server, by the variable in which the test looks for it.
fn mailroom() -> anyhow::Result<Variables> {
    let packages = ["aiosmtpd==1.4.6", "standardwebhooks==1.1.0"];
    let python = environment::python_with("test-notices", std::path::Path::new("python3"), &packages)?;
    Ok(vec![("COUNTERSIGN_NOTICES_PYTHON", python)])
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Wanted {
    group: Option<String>,
    minutes: Option<u64>,
}

/// Runs one group, or all; or as many as can begin within so many minutes, another one first each day.
///
/// Errors: the words are not understood, or a group does not hold. It says which groups were not run.
pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let wanted = Wanted::of(words)?;
    let groups = match &wanted.group {
        Some(name) => vec![named(name)?],
        None if wanted.minutes.is_some() => in_rotation(today()),
        None => GROUPS.iter().collect(),
    };
    let (begun, within) =
        (now(), wanted.minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60))));
    let (mut failed, mut left) = (Vec::new(), Vec::new());
    for group in groups {
        if within.is_some_and(|within| begun.elapsed() >= within) {
            left.push(group.name);
            continue;
        }
        match group.run() {
            Ok(()) => report(&format!("group `{}` holds", group.name)),
            Err(error) => {
                report(&format!("group `{}` FAILED: {error:#}", group.name));
                failed.push(group.name);
            }
        }
    }
    if !left.is_empty() {
        report(&format!(
            "not run for want of time: {}; `cargo xtask test --strangers` runs all",
            left.join(", ")
        ));
    }
    if failed.is_empty() { Ok(()) } else { bail!("does not hold: {}", failed.join(", ")) }
}

impl Wanted {
    fn of(words: &[&str]) -> anyhow::Result<Self> {
        Ok(match words {
            [] => Self::default(),
            ["--minutes", number] => {
                let minutes = number.parse();
                let minutes =
                    minutes.with_context(|| format!("`{number}` is no number of minutes; usage: {USAGE}"))?;
                Self { minutes: Some(minutes), ..Self::default() }
            }
            [name] if !name.starts_with('-') => Self { group: Some((*name).to_owned()), ..Self::default() },
            _ => bail!("`{}` is not known; usage: {USAGE}", words.join(" ")),
        })
    }
}

impl Group {
    fn run(&self) -> anyhow::Result<()> {
        for (program, version, package) in self.programs {
            environment::program(program, version, package)?;
        }
        for (folder, package) in self.folders {
            if !std::path::Path::new(folder).is_dir() {
                environment::install(package)
                    .with_context(|| format!("`{folder}` is missing; install `{package}` by hand"))?;
            }
        }
        let more = self.more.map(|more| more()).transpose()?.unwrap_or_default();
        let mut cargo = Command::new("cargo");
        cargo.envs(more);
        cargo.args(["test", "--release", "--package", "countersign", "--test", "house", "--"]);
        cargo.args(["--exact", self.test, "--include-ignored", "--nocapture"]);
        succeeds(Environment::default().lend(&mut cargo))
    }
}

fn named(name: &str) -> anyhow::Result<&'static Group> {
    let names = || GROUPS.iter().map(|group| group.name).collect::<Vec<_>>().join(", ");
    let found = GROUPS.iter().find(|group| group.name == name);
    found.with_context(|| format!("there is no group `{name}`; there are: {}", names()))
}

/// All groups, from another one on each day.
fn in_rotation(day: u64) -> Vec<&'static Group> {
    let first = usize::try_from(day).unwrap_or(0).checked_rem(GROUPS.len()).unwrap_or(0);
    GROUPS.iter().cycle().skip(first).take(GROUPS.len()).collect()
}

#[expect(clippy::disallowed_methods, reason = "which group comes first is told by the day")]
fn today() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_secs() / (24 * 60 * 60)
}

#[expect(clippy::disallowed_methods, reason = "the automation keeps to the time it is given")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_or_refused() {
        assert_eq!(Wanted::of(&[]).unwrap(), Wanted::default());
        assert_eq!(Wanted::of(&["tlog"]).unwrap().group.as_deref(), Some("tlog"));
        assert_eq!(Wanted::of(&["--minutes", "7"]).unwrap().minutes, Some(7));
        for words in [&["--minutes"][..], &["--minutes", "soon"], &["a", "b"], &["--all"]] {
            assert!(Wanted::of(words).is_err(), "{words:?}");
        }
        assert!(named("nobody").err().is_some_and(|error| error.to_string().contains("tlog")));
    }

    #[test]
    fn each_group_comes_first_on_some_day_and_none_is_left_out() {
        for day in 0..GROUPS.len() as u64 {
            let names: Vec<&str> = in_rotation(day).iter().map(|group| group.name).collect();
            assert_eq!(names.len(), GROUPS.len());
            assert_eq!(names.first(), GROUPS.get(usize::try_from(day).unwrap()).map(|group| &group.name));
        }
    }
}
