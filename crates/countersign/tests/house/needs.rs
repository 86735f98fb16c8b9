//! What tests need from outside, by path in an environment variable; `cargo xtask test` sets them.
//!
//! Not here: fetching any of it. A test that lacks something fails and says so; it is never passed over.

use std::path::PathBuf;

/// The built-in model's file.
pub(crate) fn model() -> PathBuf {
    from("COUNTERSIGN_MODEL", "the built-in model's .gguf file")
}

/// A Python that has `cryptography`, `openai` and `xllamacpp`.
pub(crate) fn python() -> PathBuf {
    from("COUNTERSIGN_PYTHON", "a Python that has `cryptography`, `openai` and `xllamacpp`")
}

/// A folder `node_modules` that has `openai`, for the `node` on the path.
pub(crate) fn node_modules() -> PathBuf {
    from("COUNTERSIGN_NODE_MODULES", "a folder `node_modules` that has `openai`, beside a `node` on the path")
}

fn from(variable: &str, what: &str) -> PathBuf {
    match std::env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => panic!("set {variable} to {what}, or run `cargo xtask test`"),
    }
}
