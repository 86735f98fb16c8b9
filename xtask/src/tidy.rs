//! The layers: which crate may depend on which, and on what else the pure ones may.

use crate::{report, sizes};
use anyhow::{Context as _, bail};
use std::process::Command;

/// Each crate with the crates of this workspace that it may name.
const EDGES: &[(&str, &[&str])] = &[
    ("ledger", &[]),
    ("record", &[]),
    ("model", &[]),
    ("replay", &["record"]),
    ("partnership", &["ledger", "record"]),
    ("cloud", &["model", "partnership"]),
    ("countersign", &["cloud", "ledger", "model", "partnership", "record", "replay"]),
    ("xtask", &[]),
    ("bench", &["ledger", "partnership", "record"]),
    ("fuzz", &["cloud", "ledger", "partnership", "record", "replay"]),
];

/// The pure crates with all that they may depend on; each name is a promise, so a new one is a decision.
const PURE: &[(&str, &[&str])] = &[
    ("ledger", &["thiserror"]),
    ("record", &["base64", "crc32c", "ed25519-dalek", "lz4_flex", "memchr", "sha2", "thiserror"]),
    ("replay", &["record", "thiserror"]),
    (
        "partnership",
        &[
            "base64",
            "cedar-policy",
            "curve25519-dalek",
            "jiff",
            "ledger",
            "pulldown-cmark",
            "record",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "toml",
            "uuid",
        ],
    ),
];

/// Reads `cargo metadata` and fails on an edge or a dependency that is not allowed.
pub(crate) fn run() -> anyhow::Result<()> {
    let output = Command::new("cargo").args(["metadata", "--format-version=1", "--no-deps"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let packages = metadata.get("packages").and_then(|packages| packages.as_array()).context("packages")?;
    let mut faults = Vec::new();
    for package in packages {
        let name = text(package, "name");
        let dependencies =
            package.get("dependencies").and_then(|list| list.as_array()).context("dependencies")?;
        let named = dependencies.iter().filter(|dependency| text(dependency, "kind").is_empty());
        for dependency in named.map(|dependency| text(dependency, "name")) {
            faults.extend(fault(name, dependency));
        }
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    report(&format!("tidy: {} crates keep to their layers", packages.len()));
    report(&sizes::line()?);
    Ok(())
}

fn fault(name: &str, dependency: &str) -> Option<String> {
    let allowed = |table: &[(&str, &[&str])]| {
        table.iter().find(|(of, _)| *of == name).map(|(_, names)| names.contains(&dependency))
    };
    let is_ours = EDGES.iter().any(|(ours, _)| *ours == dependency);
    if is_ours && allowed(EDGES) != Some(true) {
        return Some(format!("`{name}` may not depend on `{dependency}`: arrows point down only"));
    }
    (allowed(PURE) == Some(false))
        .then(|| format!("`{name}` has a new dependency `{dependency}`; its list is a promise"))
}

fn text<'a>(value: &'a serde_json::Value, field: &str) -> &'a str {
    value.get(field).and_then(|value| value.as_str()).unwrap_or_default()
}
