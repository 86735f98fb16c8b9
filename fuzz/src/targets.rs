//! The targets: one for each parser, with what holds for every input.
//!
//! A new parser is a function here or in a file below, and one line of [`ALL`].

mod decides;
mod remembers;
pub(crate) mod scene;
mod serves;
mod vouches;

pub(crate) use remembers::{ENTRIES as FOLDER_ENTRIES, written};

use anyhow::Context as _;

/// A parser, and what holds for it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Panics for an input that it does not hold for.
    pub(crate) run: fn(&[u8]),
    /// What it may allocate at once. Units: bytes.
    pub(crate) heap: Bound,
    /// What may be counted in our crates. Units: branches taken.
    pub(crate) steps: Bound,
    /// What its language is made of.
    pub(crate) words: &'static [&'static str],
}

/// A bound in the length of the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) fixed: u64,
    pub(crate) for_each_byte: u64,
}

/// All targets. The bounds are a few times what searches ever took.
pub(crate) const ALL: &[Target] = &[
    target("note", remembers::note, (64 << 10, 64), (50_000, 100), &["\n\n", "\u{2014} ", "\n"]),
    target("vkey", remembers::vkey, (32 << 10, 64), (20_000, 100), &["PRIVATE+KEY+", "+"]),
    target("checkpoint", remembers::checkpoint, (32 << 10, 64), (20_000, 100), &["\n\n", "\u{2014} "]),
    target("path", remembers::path, (32 << 10, 64), (20_000, 100), PATHS),
    target("bundle", remembers::bundle, (64 << 10, 128), (20_000, 100), &["\0\0", "\0\u{1}"]),
    target("bundle-file", remembers::bundle_file, (4 << 20, 600), (20_000, 100), &["\u{4}\"M\u{18}xP"]),
    target("envelope", remembers::envelope, (32 << 10, 64), (20_000, 100), ENTRIES),
    target("parts", remembers::parts, (32 << 10, 64), (20_000, 200), ENTRIES),
    target(
        "receipt",
        remembers::receipt,
        (32 << 10, 64),
        (20_000, 100),
        &["\n\n", "extra ", "index ", "\u{2014} "],
    ),
    target("cosignature", vouches::cosignature, (64 << 10, 128), (100_000, 400), NOTES),
    target("request", vouches::request, (128 << 10, 128), (200_000, 400), NOTES),
    target("memory", vouches::memory, (128 << 10, 256), (200_000, 400), NOTES),
    target("policy", vouches::policy, (256 << 10, 1_000), (1_000_000, 10_000), POLICIES),
    target("journal", remembers::journal, (4 << 20, 64), (8_000_000, 1_000), &["\u{1}", "\u{2}"]),
    target("folder", remembers::folder, (4 << 20, 64), (8_000_000, 1_000), PATHS),
    target("entry", decides::entry, (16 << 20, 200), (2_000_000, 1_000), ENTRIES),
    target("snapshot", decides::snapshot, (4 << 20, 200), (2_000_000, 1_000), ENTRIES),
    target("memorandum", decides::memorandum, (32 << 20, 4_000), (10_000_000, 10_000), MEMORANDA),
    target(
        "signatures",
        decides::signatures,
        (1 << 20, 200),
        (100_000, 1_000),
        &["[[signature]]", "party = \"\""],
    ),
    target("chat", serves::chat, (1 << 20, 200), (100_000, 1_000), CHATS),
    target(
        "stream",
        serves::stream,
        (1 << 20, 200),
        (100_000, 1_000),
        &["\r\n", "\r\n\r\n", "data:", "data: ", "\n\n"],
    ),
];

/// The target of this name.
///
/// Errors: there is none.
pub(crate) fn by_name(name: &str) -> anyhow::Result<&'static Target> {
    let names = || ALL.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
    let found = ALL.iter().find(|target| target.name == name);
    found.with_context(|| format!("no target is named `{name}`; there are {}", names()))
}

const fn target(
    name: &'static str,
    run: fn(&[u8]),
    heap: (u64, u64),
    steps: (u64, u64),
    words: &'static [&'static str],
) -> Target {
    let (heap, steps) = (bound(heap), bound(steps));
    Target { name, run, heap, steps, words }
}

const fn bound((fixed, for_each_byte): (u64, u64)) -> Bound {
    Bound { fixed, for_each_byte }
}

const NOTES: &[&str] = &[
    "\n\n",
    "\u{2014} ",
    "old 0\n",
    "time 0\n",
    "northwind-halcyon.example/record",
    "northwind-halcyon.example/record/halcyon/w1",
    "PRIVATE+KEY+",
    "+",
    "countersign/witness/v1 ",
    "countersign/fork/v1 ",
];

const POLICIES: &[&str] =
    &["log ", "witness ", "group ", "quorum ", "any ", "all ", "none", "1 ", "2 ", "#", "\t", "https://"];

const PATHS: &[&str] = &[
    "tile/",
    "tile/entries/",
    "parties/entries/",
    "memorandum/",
    "journal/0000000",
    ".p/",
    "x001/",
    "checkpoint",
    "vkeys",
    "tmp/",
    "../",
    "\n=== ",
];

const ENTRIES: &[&str] = &[
    "\"optional\":null,",
    "\"transfers\":[]",
    ",\n",
    "genesis",
    "decided",
    "settled",
    "clock",
    "tally",
    "state-digest",
    "lease",
    "infer",
    "amend",
    "approve",
    "attest",
    "draw",
    "expire",
    "erase",
    "application-add",
    "application-remove",
    "key-new",
    "key-revoke",
    "model-resume",
    "witness-key-add",
    "witness-key-revoke",
    "allow",
    "deny",
    "escalate",
    "done",
    "failed",
    "cancelled",
    "lost",
    "lapsed",
    "move",
    "reserve",
    "post",
    "void",
    "lapse",
    "\"until\":\"2026-11-22T23:45:12.345Z\"",
    "9999-12-31T23:59:59.999Z",
    "-9999-01-01T00:00:00.000Z",
    "\"pending\":\"0\"",
    "170141183460469231731687303715884105727",
    "-170141183460469231731687303715884105728",
    "commitment:",
    "credit:",
    ":available",
];

const MEMORANDA: &[&str] = &[
    "```toml memorandum\n",
    "```toml clause\n",
    "```",
    "~~~",
    "\n## ",
    "{#",
    "}",
    "<!-- ",
    "-->",
    "kind = \"service\"",
    "force = \"binding\"",
    "force = \"non-binding\"",
    "kind = \"policy\"",
    "kind = \"requirement\"",
    "kind = \"term\"",
    "kind = \"amendment\"",
    "cedar = '''\npermit(principal, action, resource);\n'''",
    "'''",
    "\"\"\"",
    "2026-11-22",
    "9999-12-31",
    "P1D",
    "P9999999Y",
    "[[",
    "]]",
    "forbid(principal, action == Action::\"infer\", resource) when { context.input_tokens_max > 9223372036854775807 };",
    "\u{feff}",
    "\u{202e}",
    "\u{1f600}",
];

const CHATS: &[&str] = &[
    "\"model\":",
    "\"messages\":[{\"role\":\"user\",\"content\":\"\"}]",
    "\"stream\":true",
    "\"stream_options\":{}",
    "\"include_usage\":false",
    "\"max_tokens\":",
    "\"max_completion_tokens\":",
    "\"n\":",
    "\"tools\":[{}]",
    "\"functions\":[]",
    "\"user\":\"\"",
    "\"image_url\"",
    "\"input_audio\"",
    "\"MODEL\":",
    "\"\\u006dodel\":",
    "null",
    "1e3",
    "\"type\":\"text\"",
    "\u{2028}",
];
