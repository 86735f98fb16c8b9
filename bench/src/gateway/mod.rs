//! `bench gateway`: the server beside nginx, LiteLLM and no gateway at all, before the same upstream, on the same core, in turns; and the
//! consumer's own meter likewise.
//!
//! What is measured runs on one core; the callers and the upstream, which are ours, on another. CPU is that of the whole process
//! tree, as the kernel counts it: of all figures it is the one that a busy machine moves least.

mod cosign;
mod driver;
mod lease;
mod mock;
mod parts;
mod peers;
mod rounds;
mod server;

use crate::options::{Disk, Rounds};
use crate::process::{OTHER_CORE, pin};
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How the server is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Who is measured.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Who>,
    /// What is measured; everything, or `compare` where `--only` is given.
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    #[command(flatten)]
    rounds: Rounds,
    /// How long each load lasts.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Connections that ask as fast as they are answered.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// Requests a second where the time of an answer is looked at.
    #[arg(long, default_value_t = 200)]
    pace: u32,
    /// Streams at once.
    #[arg(long, default_value_t = 64)]
    streams: usize,
    /// Acts over which memory is looked at.
    #[arg(long, default_value_t = 100_000)]
    acts: u64,
    /// Acts a round of which the time to a cosigned receipt is looked at.
    #[arg(long, default_value_t = 200)]
    samples: u32,
    #[command(flatten)]
    disk: Disk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Who {
    Direct,
    Nginx,
    Litellm,
    Countersign,
    /// The consumer's own meter, which is before its applications and not before an upstream.
    Meter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Beside the peers.
    Compare,
    /// On a disk that costs nothing.
    Disk,
    /// With calls that start while their decisions are being written, and without.
    Lease,
    /// With 1, 50 and 500 policy clauses.
    Clauses,
    /// With 1 to 10,000 keys.
    Keys,
    /// Memory over many acts.
    Memory,
    /// The consumer's own meter beside nginx.
    Meter,
    /// From an answer to a receipt that both parties have cosigned.
    Cosign,
}

impl Who {
    const ALL: [Self; 4] = [Self::Direct, Self::Nginx, Self::Litellm, Self::Countersign];

    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Litellm => "litellm",
            Self::Countersign => "countersign",
            Self::Meter => "meter",
        }
    }
}

/// What all parts share.
struct Rig<'a> {
    options: &'a Options,
    upstream: SocketAddr,
    /// The folder on the disk under measurement.
    place: PathBuf,
}

/// Measures, and gives the report.
///
/// Errors: where anything does not start, or one answer is not the right one.
pub(crate) fn run(options: &Options) -> anyhow::Result<String> {
    pin(OTHER_CORE)?;
    let place = options.disk.place()?;
    let rig = Rig { options, upstream: mock::start(Duration::ZERO)?, place };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tables = runtime.block_on(rig.run())?;
    Ok(options.rounds.report(&tables))
}

impl Options {
    fn measures(&self, part: Part) -> bool {
        match self.parts.as_slice() {
            [] => self.only.is_empty() || part == Part::Compare,
            parts => parts.contains(&part),
        }
    }

    fn who(&self) -> Vec<Who> {
        Who::ALL.into_iter().filter(|who| self.only.is_empty() || self.only.contains(who)).collect()
    }
}
