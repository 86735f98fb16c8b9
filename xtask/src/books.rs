//! What reads the books that are exported: Beancount, `DuckDB` and pandas for Python, and the validator of FOCUS, which needs Python 3.12.
//!
//! Not here: hledger, which Debian brings, and the test itself (`strangers`).

use crate::environment::{Variables, python_with};
use crate::report;
use std::path::{Path, PathBuf};
use std::process::Command;

const READERS: [&str; 3] = ["beancount==3.2.3", "duckdb==1.5.6", "pandas==2.3.3"];
/// With packages that its newest own dependencies would be too new for. It does not run on an older Python, and these not on a newer one.
const VALIDATOR: [&str; 3] = ["focus_validator==2.2.1", "numpy==1.26.4", "pyarrow==19.0.1"];
const VALIDATOR_RUNS_ON: &str = "3.12";

/// The readers, by the variables in which the test looks for them. Where there is no Python for the validator it says so, and the test counts it.
///
/// Errors: where pip cannot bring them.
pub(crate) fn readers() -> anyhow::Result<Variables> {
    let python = python_with("test-books", Path::new("python3"), &READERS)?;
    let validator = match newer_python() {
        Some(by) => python_with("test-focus", &by, &VALIDATOR)?.with_file_name("focus-validator"),
        None => {
            report(&format!(
                "SKIPPED: focus-validator needs Python {VALIDATOR_RUNS_ON}, which is not here; FOCUS is NOT validated"
            ));
            PathBuf::new()
        }
    };
    Ok(vec![("COUNTERSIGN_BOOKS_PYTHON", python), ("COUNTERSIGN_FOCUS_VALIDATOR", validator)])
}

/// A Python of the version that the validator runs on: on the path, or where pyenv keeps its own.
fn newer_python() -> Option<PathBuf> {
    let name = format!("python{VALIDATOR_RUNS_ON}");
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
    let versions = root.and_then(|root| std::fs::read_dir(root.join("versions")).ok());
    let mut kept: Vec<PathBuf> = versions
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|version| version.path().join("bin").join(&name))
        .filter(|path| path.exists())
        .collect();
    kept.sort();
    [PathBuf::from(&name)].into_iter().chain(kept).find(|python| runs(python))
}

fn runs(python: &Path) -> bool {
    let told = Command::new(python).arg("--version").output();
    told.is_ok_and(|told| {
        String::from_utf8_lossy(&told.stdout).starts_with(&format!("Python {VALIDATOR_RUNS_ON}."))
    })
}
