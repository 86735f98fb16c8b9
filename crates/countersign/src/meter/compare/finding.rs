//! What a comparison finds, in words.

use crate::meter::line::{By, Ended};
use partnership::act::{self, Usage};
use partnership::ids::{ActId, ApplicationId, ModelId, Timestamp};
use serde_json::{Value, json};
use std::fmt;

/// One disagreement between the meter and the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The act, where the answer named one.
    pub(crate) act: Option<ActId>,
    /// The entry of the record that says otherwise, where there is one.
    pub(crate) index: Option<u64>,
    /// When the meter saw it, or the record has it.
    pub(crate) at: Timestamp,
    /// What disagrees.
    pub(crate) what: What,
}

/// What disagrees: what the meter measured first, then what is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A count of tokens.
    Count { of: Of, by: By, measured: u64, settled: u64 },
    /// An answer that named no act.
    Unnamed { path: String, model: Option<String> },
    /// An answer whose act is not on the record.
    NotRecorded { path: String, model: Option<String> },
    /// An answer that came whole, whose act has no end on the record.
    NotSettled,
    /// An answer to a call that the record says was refused.
    Refused,
    /// A charge for a call that the meter never saw.
    Unseen { application: ApplicationId, model: ModelId, usage: Option<Usage> },
    /// A charge for an answer that was an error.
    Charged { status: u16, usage: Option<Usage> },
    /// Another model than was asked for.
    Model { asked: String, recorded: ModelId },
    /// A model that answers by another name than before.
    Name { asked: String, answered: String, known: String },
    /// Another request than was sent.
    Request { measured: (u64, bool), recorded: (u64, bool) },
    /// Another end than the answer's.
    Ended { measured: Ended, settled: act::Ended },
    /// One act for two calls.
    Twice { same_request: bool },
}

/// Which tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// Those of the request.
    Input,
    /// Those of the answer.
    Output,
}

/// An act that cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotCompared {
    /// The act.
    pub(crate) act: ActId,
    /// Its entry.
    pub(crate) index: u64,
    /// Why not.
    pub(crate) why: Why,
}

/// Why an act cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The caller left, or the answer was cut: what is charged is an estimate of what was made until then.
    Cancelled,
    /// The answer showed no usage, and the meter has no tokenizer for its model.
    NoCount,
    /// A call of this length to this model was under way, whose answer never came here.
    NoAnswer,
    /// The meter was not running, or not all the time.
    Outside,
}

impl Finding {
    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        let (measured, recorded) = self.what.values();
        json!({
            "act": self.act.map(|act| act.to_string()),
            "entry": self.index,
            "at": self.at.to_string(),
            "what": self.what.word(),
            "measured": measured,
            "recorded": recorded,
            "says": self.to_string(),
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.act, self.index) {
            (Some(act), Some(index)) => write!(f, "act {act}, entry {index}: ")?,
            (Some(act), None) => write!(f, "act {act}: ")?,
            (None, _) => write!(f, "a call that ended at {}: ", self.at)?,
        }
        let model = |model: &Option<String>| model.clone().unwrap_or_else(|| "no model".to_owned());
        match &self.what {
            What::Count { of, by, measured, settled } => {
                let of = if *of == Of::Input { "input" } else { "output" };
                let by = if *by == By::Usage {
                    "the usage that the answer showed"
                } else {
                    "the meter's own tokenizer"
                };
                write!(f, "{measured} tokens of {of} by {by}, and {settled} are settled")
            }
            What::Unnamed { path, model: asked } => {
                write!(
                    f,
                    "`{path}` for {} was answered with 200 and named no act: served and not recorded",
                    model(asked)
                )
            }
            What::NotRecorded { path, model: asked } => {
                write!(
                    f,
                    "`{path}` for {} was answered with 200, and the act is not on the record",
                    model(asked)
                )
            }
            What::NotSettled => f.write_str("the answer came whole, and the act is not settled"),
            What::Refused => {
                f.write_str("the call was answered with 200, and the record says that it was refused")
            }
            What::Unseen { application, model, usage } => {
                write!(
                    f,
                    "a call of `{application}` to {model} is charged{}, and the meter never saw it",
                    used(*usage)
                )
            }
            What::Charged { status, usage } => {
                write!(f, "the call was answered with {status}, and is charged{}", used(*usage))
            }
            What::Model { asked, recorded } => write!(f, "{asked} was asked for, and {recorded} is recorded"),
            What::Name { asked, answered, known } => {
                write!(f, "{asked} was asked for, and `{answered}` answered, which was `{known}` before")
            }
            What::Request { measured, recorded } => {
                let (sent, kept) = (request(*measured), request(*recorded));
                write!(f, "the request was {sent}, and is recorded as {kept}")
            }
            What::Ended { measured, settled } => {
                write!(f, "the answer ended as {}, and is settled as {}", word(measured), word(settled))
            }
            What::Twice { same_request: true } => f.write_str(
                "a second answer to the same request names it, which came with no idempotency key",
            ),
            What::Twice { same_request: false } => {
                f.write_str("a second answer names it, which was to another request")
            }
        }
    }
}

impl What {
    /// The kind of disagreement, for programs.
    fn word(&self) -> &'static str {
        match self {
            Self::Count { of: Of::Input, .. } => "input-tokens",
            Self::Count { of: Of::Output, .. } => "output-tokens",
            Self::Unnamed { .. } => "unnamed",
            Self::NotRecorded { .. } => "not-recorded",
            Self::NotSettled => "not-settled",
            Self::Refused => "refused",
            Self::Unseen { .. } => "unseen",
            Self::Charged { .. } => "charged",
            Self::Model { .. } => "model",
            Self::Name { .. } => "name",
            Self::Request { .. } => "request",
            Self::Ended { .. } => "ended",
            Self::Twice { .. } => "twice",
        }
    }

    /// What was measured, and what is recorded.
    fn values(&self) -> (Value, Value) {
        let tokens =
            |usage: &Option<Usage>| json!(usage.map(|usage| [usage.input_tokens, usage.output_tokens]));
        match self {
            Self::Count { measured, settled, .. } => (json!(measured), json!(settled)),
            Self::Unnamed { model, .. } | Self::NotRecorded { model, .. } => (json!(model), Value::Null),
            Self::NotSettled | Self::Refused => (json!(200), Value::Null),
            Self::Unseen { usage, .. } => (Value::Null, tokens(usage)),
            Self::Charged { status, usage } => (json!(status), tokens(usage)),
            Self::Model { asked, recorded } => (json!(asked), json!(recorded)),
            Self::Name { answered, known, .. } => (json!(answered), json!(known)),
            Self::Request { measured, recorded } => (json!(measured.0), json!(recorded.0)),
            Self::Ended { measured, settled } => (json!(measured), json!(settled)),
            Self::Twice { .. } => (json!(2), json!(1)),
        }
    }
}

impl Why {
    /// In words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Cancelled => "ended early, so that what is charged is an estimate",
            Self::NoCount => "showed no usage, and the meter has no tokenizer for the model",
            Self::NoAnswer => "charged for a call whose answer never came",
            Self::Outside => "charged while the meter was not running",
        }
    }

    /// For programs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::NoCount => "no-count",
            Self::NoAnswer => "no-answer",
            Self::Outside => "outside",
        }
    }
}

fn used(usage: Option<Usage>) -> String {
    usage.map_or_else(String::new, |usage| {
        format!(" for {} tokens of input and {} of output", usage.input_tokens, usage.output_tokens)
    })
}

fn request((bytes, stream): (u64, bool)) -> String {
    format!("{bytes} bytes{}", if stream { ", for a stream" } else { "" })
}

/// The word that the format has for a value.
fn word(value: &impl serde::Serialize) -> String {
    let word = serde_json::to_value(value).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}
