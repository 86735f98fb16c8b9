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

/// `libfaketime` as it is preloaded into a program with threads; the Debian package `faketime` brings it.
pub(crate) fn faketime() -> PathBuf {
    let places = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let below = |place: &PathBuf| std::fs::read_dir(place).into_iter().flatten().filter_map(Result::ok);
    let folders =
        places.iter().flat_map(|place| below(place).map(|entry| entry.path()).chain([place.clone()]));
    let files = folders.flat_map(|folder| {
        ["libfaketimeMT.so.1", "faketime/libfaketimeMT.so.1"].map(|file| folder.join(file))
    });
    files.into_iter().find(|file| file.exists()).unwrap_or_else(|| {
        panic!("`libfaketimeMT.so.1` is not there; install the package `faketime`, or run `cargo xtask test`")
    })
}

fn from(variable: &str, what: &str) -> PathBuf {
    match std::env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => panic!("set {variable} to {what}, or run `cargo xtask test`"),
    }
}
