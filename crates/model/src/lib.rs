//! The small built-in language model: a GGUF file in, text out.
//!
//! This crate is *not* an inference engine to grow. It runs one family (`llama` with a byte-level BPE vocabulary, weights in
//! `Q4_1` and `Q8_0`) well enough that a partnership has a model to govern before anyone configures an upstream. Larger
//! models belong behind an OpenAI-compatible upstream. It knows nothing of HTTP, keys, prices or the record, and it has no
//! clock and no source of randomness: a seed is an input.
//!
//! [`Model`] holds the weights and vocabulary, [`Engine`] serves them from a few threads of its own behind a bounded queue.
//!
//! | file | what it holds |
//! |---|---|
//! | `gguf` | the container: metadata and tensors |
//! | `tokenizer`, `words` | text to token ids and back |
//! | `chat` | messages to a prompt; control tokens enter by id, never from text |
//! | `quant` | the two weight formats, repacked for eight rows at a time |
//! | `kernel`, `simd` | the inner loops, in plain Rust and in AVX2 |
//! | `network` | the forward pass and its key-value memory |
//! | `sampling`, `text` | from logits to a token, from tokens to whole characters |
//! | `generate`, `engine` | one answer; several answers side by side |

mod chat;
mod engine;
mod error;
mod generate;
mod gguf;
mod kernel;
mod model;
mod network;
mod quant;
mod sampling;
#[cfg(target_arch = "x86_64")]
mod simd;
mod text;
mod tokenizer;
mod words;

pub use chat::{Message, Role};
pub use engine::{Busy, Engine};
pub use error::ModelError;
pub use generate::{Finish, Flow, Piece, Reason};
pub use model::{Model, Vocabulary};
pub use sampling::Sampling;
