//! The consumer's own meter: a proxy before its applications that passes every byte on, and signs what it saw of each call.
//!
//! Not a judge of the operator, and no part of the operator's server: it needs the party's key and an address, and knows neither the record nor the
//! memorandum. What it saw is held against a record by [`compare`], which asks nobody.
//!
//! | module | what it holds |
//! |---|---|
//! | `proxy` | a request on its way to the operator, and what a caller is told when there is no answer |
//! | `body`, `call` | bytes as they pass, and the line that is written before the last of them |
//! | `passing`, `members` | digests, models and usage, read without holding a body |
//! | `counting` | the meter's own count, for models whose tokenizer it has |
//! | `line`, `journal` | what is written down, and how it is kept from being changed |
//! | `compare` | what it saw beside what the operator recorded |

mod body;
mod call;
pub(crate) mod compare;
mod counting;
mod journal;
mod line;
mod members;
mod passing;
mod proxy;

pub(crate) use counting::{Source, Tokenizers};
pub(crate) use journal::{Journal, Reader};
pub(crate) use line::Line;
pub(crate) use proxy::{Operator, client};

use crate::clock::Clock;
use std::sync::Arc;

/// A meter that runs.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) operator: Operator,
    pub(crate) client: proxy::Client,
    pub(crate) journal: Journal,
    /// Those of the models that are counted here; none where there are none.
    pub(crate) tokenizers: Option<Arc<Tokenizers>>,
    pub(crate) clock: Clock,
}

impl Meter {
    /// Whether the tokens of a model are counted here.
    fn counts(&self, model: Option<&str>) -> bool {
        self.tokenizers.as_ref().is_some_and(|tokenizers| model.is_some_and(|model| tokenizers.has(model)))
    }
}
