//! The command line: a noun, then a verb. Exit 0 done, 1 refused or found wrong, 2 bad usage, 3 the record cannot be written.

mod act;
mod app;
mod backup;
mod balance;
mod client;
mod content;
mod erase;
mod export;
pub(crate) mod follow;
mod fund;
mod init;
mod key;
mod log;
mod memo;
mod meter;
mod model;
mod notice;
mod party;
mod receipt;
mod said;
mod up;
pub(crate) mod verify;
mod witness;

use crate::history::Length;
use clap::{Parser, Subcommand};
#[cfg(test)]
pub(crate) use init::{New, create};
use said::Said;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs an AI partnership between organisations, and proves it to both.
#[derive(Debug, Parser)]
#[command(name = "countersign", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Runs a partnership; makes it from a built-in example where it is missing.
    Up(up::Up),
    /// Writes a new partnership from a built-in example, without running it.
    Init(Init),
    /// The memorandum: what was agreed.
    Memo(memo::Memo),
    /// Applications that may call models.
    App(app::App),
    /// API keys of applications.
    Key(key::Key),
    /// Models served under the memorandum.
    Model(model::Model),
    /// Commitments of money and credits.
    Fund(fund::Fund),
    /// Acts, and approving those that wait.
    Act(act::Act),
    /// Accounts and what is in them.
    Balance(balance::Balance),
    /// Content of calls that a clause has had kept.
    Content(content::Content),
    /// Destroys the content keys of an application's months, or of an end user.
    Erase(erase::Erase),
    /// Books, charges, acts and statements in the forms of others.
    Export(export::Export),
    /// Replays a record from nothing, and says what was checked and whether it holds.
    Verify(verify::Verify),
    /// The consumer's own count: a proxy before its applications that signs what it saw of each call.
    Meter(meter::Meter),
    /// Proofs that acts are on the record.
    Receipt(receipt::Receipt),
    /// Copies a partnership as it stands at one moment, also while a server runs it, and verifies the copy.
    Backup(backup::Backup),
    /// Keeps a copy of another's record, replays every entry, and cosigns what holds.
    Follow(follow::Follow),
    /// A party's own key, by which it signs: making one, and having one give way to another.
    Party(party::Party),
    /// The log's own key, which signs checkpoints: having it give way to another.
    Log(log::Log),
    /// Warnings, deadlines and alarms, and who was told of them.
    Notice(notice::Notice),
    /// The keys by which parties cosign the record.
    Witness(witness::Witness),
}

#[derive(Debug, clap::Args)]
struct Init {
    /// The folder to make.
    #[arg(default_value = "partnership")]
    dir: PathBuf,
    /// The example to begin from.
    #[arg(long, value_enum, default_value_t)]
    example: init::Example,
    /// Make up a history of so many days up to now, such as 90d: an example to look at, and marked as one.
    #[arg(long, value_name = "DAYS", allow_hyphen_values = true)]
    with_history: Option<Length>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs one command.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let said = match cli.noun {
        Noun::Up(up) => return up::run(&up),
        Noun::Init(asked) => asked.run(),
        Noun::Memo(memo) => memo::run(memo),
        Noun::App(app) => app::run(app),
        Noun::Key(key) => key::run(key),
        Noun::Model(model) => model::run(model),
        Noun::Fund(fund) => fund::run(fund),
        Noun::Act(act) => act::run(act),
        Noun::Balance(balance) => balance::run(&balance),
        Noun::Content(content) => content::run(&content),
        Noun::Erase(asked) => erase::run(&asked),
        Noun::Export(asked) => export::run(&asked),
        Noun::Verify(asked) => verify::run(&asked),
        Noun::Meter(meter) => return meter::run(meter),
        Noun::Receipt(receipt) => receipt::run(receipt),
        Noun::Backup(asked) => backup::run(&asked),
        Noun::Follow(asked) => follow::run(&asked),
        Noun::Party(party) => party::run(party),
        Noun::Log(log) => log::run(log),
        Noun::Notice(notice) => notice::run(notice),
        Noun::Witness(witness) => witness::run(witness),
    };
    said.unwrap_or_else(|error| Said::Refused(said::reason(&error))).print()
}

impl Init {
    fn run(&self) -> anyhow::Result<Said> {
        let clock = crate::clock::Clock;
        let now = clock.now();
        let new = init::New::of(self.example, self.with_history, now)?;
        init::create(&self.dir, new, &mut || clock.random(), now)?;
        let dir = self.dir.display();
        if let Some(length) = self.with_history.filter(|_| !self.json) {
            return Ok(Said::Done(format!(
                "`{dir}` holds the example `{}` with {length} of an example history, which is made up and was not lived
look at it with `countersign fund list --dir {dir}` or run it with `countersign up {dir} --new-key`",
                self.example.name()
            )));
        }
        Ok(Said::Done(if self.json {
            let history = self.with_history.map(|length| length.to_string());
            serde_json::json!({ "dir": self.dir, "example": self.example.name(), "history": history })
                .to_string()
        } else {
            format!(
                "`{dir}` holds the example `{}`, signed with demonstration keys of all its parties\nchange {dir}/memorandum.md and sign it again with `countersign memo sign {dir}/memorandum.md --party PARTY --dir {dir}`, then run it with `countersign up {dir}`",
                self.example.name()
            )
        }))
    }
}
