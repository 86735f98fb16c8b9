//! Performers: what carries out an act that the partnership has allowed. Today that is the serving gateway.
//!
//! This crate decides nothing and remembers nothing. It sees neither the record nor a balance: it is given a
//! [`Warrant`](partnership::decision::Warrant), works, and gives back an [`Outcome`](partnership::act::Outcome). The last
//! bytes of an answer are not its to send either; it returns them, and they leave when the settlement is durable.
//!
//! | module | what it holds |
//! |---|---|
//! | [`gateway`] | upstreams, routing, one performance from request to outcome |
//! | [`egress`] | the way of an answer to the caller, and the caller's leaving |
//! | [`wire`] | what must be read of requests and answers; pure, no IO |

pub mod egress;
pub mod gateway;
pub mod wire;

pub use egress::{Egress, Event, Gone, Head, Ingress};
pub use gateway::{Call, ConfigError, Gateway, Kind, Last, Performed, Served, UpstreamConfig};
pub use wire::chat::{BadRequest, Chat, OutputMember, Unbounded, addressed};
pub use wire::problem::Problem;
