//! Why a model could not be opened or a prompt not be taken.

use std::path::PathBuf;

/// Why a model could not be opened, or a prompt not be taken.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file could not be read.
    #[error("cannot read the model file `{path}`: {source}")]
    Read {
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a whole GGUF file of version 2 or 3.
    #[error("`{path}` is not a whole GGUF file: {detail}; fetch it again and compare its SHA-256")]
    Malformed {
        /// The path as given.
        path: PathBuf,
        /// Which part failed.
        detail: String,
    },
    /// The file is sound but holds a model this crate does not run.
    #[error(
        "the built-in engine cannot run `{path}`: {detail}; serve it with an OpenAI-compatible upstream instead"
    )]
    Unsupported {
        /// The path as given.
        path: PathBuf,
        /// What is not supported.
        detail: String,
    },
    /// The prompt alone is longer than the context.
    #[error(
        "the prompt has {prompt_tokens} tokens and the context holds {context_tokens}; shorten the messages"
    )]
    ContextExceeded {
        /// Tokens in the prompt, template included.
        prompt_tokens: u32,
        /// Tokens the context holds.
        context_tokens: u32,
    },
}
