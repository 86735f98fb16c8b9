//! The OpenAI chat format, as far as a gateway must read it. Pure: bytes in, facts and bytes out.
//!
//! Not a model of the format: what is not needed for a decision or a bound is neither parsed nor kept, and passes through as
//! the bytes it came in.

pub mod chat;
pub(crate) mod chunk;
mod object;
pub(crate) mod problem;
pub mod sse;
