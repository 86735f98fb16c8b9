//! A chat request as the built-in model takes it.
//!
//! Not lenient: what the model cannot do and the caller relies on (a forced tool, a schema, several answers, log
//! probabilities) is refused by name. What merely shades an answer (penalties, a reasoning effort) is ignored.

use crate::wire::chat::BadRequest;
use model::{Message, Role, Sampling};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// What the model is asked.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) messages: Vec<Message>,
    temperature: f32,
    top_p: f32,
    seed: Option<u64>,
    stop: Vec<String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    messages: Vec<Turn<'a>>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    seed: Option<Number>,
    stop: Option<Stop>,
    n: Option<u64>,
    tool_choice: Option<Value>,
    function_call: Option<Value>,
    response_format: Option<Value>,
    logprobs: Option<Value>,
    top_logprobs: Option<Value>,
    logit_bias: Option<Value>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    role: String,
    content: Option<Content>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Several(Vec<String>),
}

impl Request {
    pub(super) fn parse(body: &[u8]) -> Result<Self, BadRequest> {
        let body: Body<'_> = serde_json::from_slice(body).map_err(|error| {
            BadRequest::new(format!("the built-in model cannot read the request: {error}"))
        })?;
        possible(&body)?;
        let stop = match body.stop {
            None => Vec::new(),
            Some(Stop::One(text)) => vec![text],
            Some(Stop::Several(texts)) => texts,
        };
        let messages = body.messages.into_iter().map(Turn::into_message).collect::<Result<_, _>>()?;
        Ok(Self {
            messages,
            temperature: within("temperature", body.temperature.unwrap_or(TEMPERATURE), 2.0)?,
            top_p: within("top_p", body.top_p.unwrap_or(TOP_P), 1.0)?,
            seed: body.seed.and_then(|seed| seed.as_u64().or_else(|| seed.as_i64().map(i64::cast_unsigned))),
            stop: stop.into_iter().filter(|text| !text.is_empty()).collect(),
        })
    }

    pub(super) fn sampling(&self, max_tokens: u32) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            seed: self.seed,
            stop: self.stop.clone(),
            max_tokens,
        }
    }
}

impl Turn<'_> {
    fn into_message(self) -> Result<Message, BadRequest> {
        let role = match self.role.as_str() {
            "system" | "developer" => Role::System,
            "assistant" => Role::Assistant,
            "user" | "tool" | "function" => Role::User,
            other => {
                let message = format!("`{other}` is no role; use `system`, `user`, `assistant` or `tool`");
                return Err(BadRequest::about("messages", message));
            }
        };
        let called = || self.tool_calls.or(self.function_call).map(|calls| calls.get().to_owned());
        let content = match self.content {
            Some(content) => content.into_text()?,
            None => called().unwrap_or_default(),
        };
        Ok(Message { role, content })
    }
}

impl Content {
    fn into_text(self) -> Result<String, BadRequest> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Parts(parts) => {
                parts.into_iter().map(|part| part.text.or(part.refusal).ok_or_else(textual)).collect()
            }
        }
    }
}

/// Refuses what the model cannot do.
fn possible(body: &Body<'_>) -> Result<(), BadRequest> {
    let forced = |choice: &Value| choice.is_object() || choice == "required";
    let format = |format: &Value| format.get("type").is_none_or(|kind| kind != "text");
    let wanted = |value: &Value| !matches!(value, Value::Bool(false)) && value.as_u64() != Some(0);
    let biased = |bias: &Value| bias.as_object().is_none_or(|bias| !bias.is_empty());
    let cannot = [
        ("n", body.n.is_some_and(|n| n > 1), "gives one answer to a request; leave `n` out"),
        (
            "tool_choice",
            body.tool_choice.as_ref().is_some_and(forced),
            "has no tools and cannot be made to call one",
        ),
        (
            "function_call",
            body.function_call.as_ref().is_some_and(Value::is_object),
            "has no functions to call",
        ),
        ("response_format", body.response_format.as_ref().is_some_and(format), "answers in plain text only"),
        ("logprobs", body.logprobs.as_ref().is_some_and(wanted), "gives no log probabilities"),
        ("top_logprobs", body.top_logprobs.as_ref().is_some_and(wanted), "gives no log probabilities"),
        ("logit_bias", body.logit_bias.as_ref().is_some_and(biased), "takes no biases"),
    ];
    match cannot.into_iter().find(|(_, asked, _)| *asked) {
        Some((param, _, why)) => Err(BadRequest::about(param, format!("this model {why}"))),
        None => Ok(()),
    }
}

fn within(name: &str, value: f32, max: f32) -> Result<f32, BadRequest> {
    if (0.0..=max).contains(&value) {
        Ok(value)
    } else {
        Err(BadRequest::about(name, format!("`{name}` must be from 0 to {max}")))
    }
}

fn textual() -> BadRequest {
    BadRequest::about("messages", "this model reads text only; leave other parts out".to_owned())
}

/// Where the caller says nothing: what SmolLM2's authors recommend. A model this small strays at OpenAI's default of 1.
const TEMPERATURE: f32 = 0.2;
const TOP_P: f32 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(members: &str) -> Result<Request, BadRequest> {
        Request::parse(
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{members}}}"#).as_bytes(),
        )
    }

    #[test]
    fn what_the_model_cannot_do_is_refused_by_name() {
        for (members, param) in [
            (r#","n":2"#, "n"),
            (r#","tool_choice":"required""#, "tool_choice"),
            (r#","tool_choice":{"type":"function","function":{"name":"f"}}"#, "tool_choice"),
            (r#","function_call":{"name":"f"}"#, "function_call"),
            (r#","response_format":{"type":"json_object"}"#, "response_format"),
            (r#","response_format":{"type":"json_schema","json_schema":{}}"#, "response_format"),
            (r#","logprobs":true"#, "logprobs"),
            (r#","top_logprobs":3"#, "top_logprobs"),
            (r#","logit_bias":{"5":1}"#, "logit_bias"),
            (r#","temperature":2.5"#, "temperature"),
            (r#","top_p":-1"#, "top_p"),
        ] {
            assert_eq!(parse(members).unwrap_err().param.as_deref(), Some(param), "{members}");
        }
    }

    #[test]
    fn what_is_not_forced_or_is_null_is_taken() {
        for members in [
            r#","n":1,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto""#,
            r#","tool_choice":"none","response_format":{"type":"text"},"logprobs":false,"top_logprobs":0"#,
            r#","temperature":null,"top_p":null,"seed":null,"stop":null,"n":null,"tool_choice":null,"response_format":null"#,
            r#","presence_penalty":0.5,"logit_bias":{},"unknown":{"deep":[1]},"seed":-7"#,
        ] {
            parse(members).unwrap();
        }
    }

    #[test]
    fn stop_is_a_string_or_a_list() {
        assert_eq!(parse(r#","stop":"x""#).unwrap().stop, ["x"]);
        assert_eq!(parse(r#","stop":["x","","y"]"#).unwrap().stop, ["x", "y"]);
    }

    #[test]
    fn history_of_every_role_becomes_messages() {
        let request = Request::parse(
            br#"{"messages":[
            {"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
            {"role":"user","name":"x","content":"c"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},
            {"role":"tool","tool_call_id":"1","content":"d"},
            {"role":"assistant"}]}"#,
        )
        .unwrap();
        let read: Vec<_> = request.messages.iter().map(|m| (m.role, m.content.as_str())).collect();
        assert_eq!(
            read,
            [
                (Role::System, "ab"),
                (Role::User, "c"),
                (Role::Assistant, r#"[{"id":"1"}]"#),
                (Role::User, "d"),
                (Role::Assistant, "")
            ]
        );
    }

    #[test]
    fn an_image_and_a_strange_role_are_refused() {
        for message in [
            r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,"}}]}"#,
            r#"{"role":"king","content":"hi"}"#,
        ] {
            let fault = Request::parse(format!(r#"{{"messages":[{message}]}}"#).as_bytes()).unwrap_err();
            assert_eq!(fault.param.as_deref(), Some("messages"));
        }
    }
}
