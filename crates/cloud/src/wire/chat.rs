//! A chat request: the facts a decision needs, and the few bytes that change on the way to an upstream.
//!
//! Not a parser of the whole format. Unknown members, tools, schemas and their order are forwarded as the bytes they came in;
//! only the model's name, a missing token bound and the wish for usage are spliced in.

use super::object::{Object, Text, clip, span};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;

/// The facts of a chat request. Private besides: where in the body the spliced members stand.
#[derive(Debug, Clone)]
pub struct Chat {
    /// The model's public id, as asked for.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the caller wants usage in the stream.
    pub include_usage: bool,
    /// How many answers are asked for (`n`). Range: 1 to 128.
    pub choices: u64,
    /// The caller's own bound on output, for each choice; the larger if both `max_tokens` and `max_completion_tokens` are
    /// given, since upstreams differ in which they obey. Units: tokens.
    pub max_tokens: Option<u64>,
    /// How many tools (and functions of the older form) are offered.
    pub tools: u64,
    /// How many `image_url` parts there are.
    pub images: u64,
    /// A part or member for which no bound is known: `input_audio`, `file`, `web_search_options`.
    pub unbounded: Option<String>,
    /// How many messages there are.
    pub messages: u64,
    /// The end user that the request names, by a text that is not empty: `safety_identifier` before `user`, which callers also give
    /// to say what may share a cache.
    pub end_user: Option<String>,
    places: Places,
}

/// The member that carries a bound on output where the caller gave none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputMember {
    /// `max_tokens`, which nearly all upstreams know.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, which the reasoning models of OpenAI and Azure take alone.
    MaxCompletionTokens,
}

/// A request that cannot be understood; answered with status 400 in OpenAI's shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadRequest {
    /// What is wrong and what to do.
    pub message: String,
    /// The member at fault.
    pub param: Option<String>,
    /// A code that clients know.
    pub code: Option<String>,
}

/// Something in the request has no bound before it runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` has no bound that is known before the call; leave it out")]
pub struct Unbounded {
    /// The part or member.
    pub part: String,
}

/// Where the spliced members stand. Units: byte offsets into the body.
#[derive(Debug, Clone)]
struct Places {
    body_len: usize,
    /// The closing brace of the body. What is inserted here starts with a comma: `model` at least stands before it.
    end: usize,
    model: Range<usize>,
    max_tokens: Option<Bound>,
    max_completion_tokens: Option<Bound>,
    usage: UsagePlace,
}

/// A bound that is written in the body; no tokens means `null`.
#[derive(Debug, Clone)]
struct Bound {
    place: Range<usize>,
    tokens: Option<u64>,
}

/// How a stream is made to report its usage.
#[derive(Debug, Clone)]
enum UsagePlace {
    /// It does already, or is no stream.
    Settled,
    /// `stream_options` is missing.
    Absent,
    /// Replace what stands here by `true` (`include_usage`).
    Flag(Range<usize>),
    /// Replace what stands here by a whole object (`stream_options: null`).
    Whole(Range<usize>),
    /// Insert into the object, right after its opening brace; it has members or not.
    Inside { after_brace: usize, has_members: bool },
}

impl Chat {
    /// Reads what is needed of a request's body.
    ///
    /// `null` is as good as absent for every optional member. A known member given twice, or in another case, is refused:
    /// upstreams would differ in what they make of it.
    ///
    /// # Errors
    /// [`BadRequest`] if it is not a JSON object in UTF-8, or a member that is read has the wrong type.
    pub fn parse(body: &[u8]) -> Result<Self, BadRequest> {
        let text =
            std::str::from_utf8(body).map_err(|_| BadRequest::new("the body is not UTF-8".to_owned()))?;
        let mut object: Object<'_> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        if let Some(fault) = object.fault.take() {
            return Err(fault);
        }
        let stream = optional::<bool>("stream", object.stream, "a boolean")?.unwrap_or(false);
        let (include_usage, usage) = usage_place(text, object.stream_options, stream)?;
        let max_tokens = bound(text, "max_tokens", object.max_tokens)?;
        let max_completion_tokens = bound(text, "max_completion_tokens", object.max_completion_tokens)?;
        let (model, model_place) = model(text, object.model)?;
        let conversation = Conversation::read(object.messages)?;
        let tools = tools(object.tools)?;
        let functions =
            optional::<Vec<&RawValue>>("functions", object.functions, "an array")?.unwrap_or_default();
        Ok(Self {
            model,
            stream,
            include_usage,
            choices: choices(object.n)?,
            max_tokens: tokens(max_tokens.as_ref()).max(tokens(max_completion_tokens.as_ref())),
            tools: count(tools.count.saturating_add(functions.len())),
            images: conversation.images,
            unbounded: object.unbounded.or(conversation.unbounded).or(tools.unbounded),
            messages: conversation.messages,
            end_user: [object.safety_identifier, object.user].into_iter().flatten().find_map(name),
            places: Places {
                body_len: body.len(),
                end: text.rfind('}').unwrap_or_default(),
                model: model_place,
                max_tokens,
                max_completion_tokens,
                usage,
            },
        })
    }

    /// The body as an upstream gets it: the model by the name it is served under, every bound at most `max_tokens` (added
    /// as `member` where there is none), and usage asked for on a stream. Every other byte stays.
    ///
    /// `body` must be what this was parsed from. Units of `max_tokens`: tokens, for each choice.
    #[must_use]
    pub fn forward(&self, body: &Bytes, served_model: &str, max_tokens: u64, member: OutputMember) -> Bytes {
        assert_eq!(body.len(), self.places.body_len, "the body is not the one that was parsed");
        let mut splices = Vec::new();
        if served_model != self.model {
            splices.push(Splice::new(
                self.places.model.clone(),
                serde_json::Value::from(served_model).to_string(),
            ));
        }
        self.splice_bounds(max_tokens, member, &mut splices);
        self.splice_usage(&mut splices);
        if splices.is_empty() {
            return body.clone();
        }
        splices.sort_by_key(|splice| splice.place.start);
        spliced(body, &splices)
    }

    /// The most tokens the prompt can be: one for each byte of the body, `per_message` for what the template puts around
    /// each message, `overhead` once, `image_tokens` for each image. Counted once, whatever the number of choices.
    ///
    /// # Errors
    /// [`Unbounded`] if a part has no bound, or there are images and `image_tokens` is none.
    pub fn input_tokens_max(
        &self,
        body_len: u64,
        per_message: u64,
        overhead: u64,
        image_tokens: Option<u64>,
    ) -> Result<u64, Unbounded> {
        if let Some(part) = &self.unbounded {
            return Err(Unbounded { part: part.clone() });
        }
        let images = match (self.images, image_tokens) {
            (0, _) => 0,
            (images, Some(tokens)) => images.saturating_mul(tokens),
            (_, None) => return Err(Unbounded { part: "image_url".to_owned() }),
        };
        let messages = self.messages.saturating_mul(per_message);
        Ok(body_len.saturating_add(messages).saturating_add(overhead).saturating_add(images))
    }

    fn splice_bounds(&self, max_tokens: u64, member: OutputMember, splices: &mut Vec<Splice>) {
        let given = [&self.places.max_tokens, &self.places.max_completion_tokens];
        for bound in given.into_iter().flatten().filter(|bound| bound.tokens.is_some_and(|t| t > max_tokens))
        {
            splices.push(Splice::new(bound.place.clone(), max_tokens.to_string()));
        }
        if self.max_tokens.is_some() {
            return;
        }
        let (name, place) = match member {
            OutputMember::MaxTokens => ("max_tokens", &self.places.max_tokens),
            OutputMember::MaxCompletionTokens => {
                ("max_completion_tokens", &self.places.max_completion_tokens)
            }
        };
        splices.push(match place {
            Some(null) => Splice::new(null.place.clone(), max_tokens.to_string()),
            None => Splice::insert(self.places.end, format!(r#","{name}":{max_tokens}"#)),
        });
    }

    fn splice_usage(&self, splices: &mut Vec<Splice>) {
        let whole = r#"{"include_usage":true}"#;
        splices.push(match &self.places.usage {
            UsagePlace::Settled => return,
            UsagePlace::Absent => Splice::insert(self.places.end, format!(r#","stream_options":{whole}"#)),
            UsagePlace::Flag(place) => Splice::new(place.clone(), "true".to_owned()),
            UsagePlace::Whole(place) => Splice::new(place.clone(), whole.to_owned()),
            UsagePlace::Inside { after_brace, has_members } => {
                let comma = if *has_members { "," } else { "" };
                Splice::insert(*after_brace, format!(r#""include_usage":true{comma}"#))
            }
        });
    }
}

/// A request's body with `model` as its model, whatever it says itself: for an address that names the model. What is no JSON object
/// is given back as it is, for [`Chat::parse`] to refuse.
#[must_use]
pub fn addressed(body: Bytes, model: &str) -> Bytes {
    let Some(splice) = std::str::from_utf8(&body).ok().and_then(|text| naming(text, model)) else {
        return body;
    };
    spliced(&body, &[splice])
}

/// What puts `model` into a body; none where it is there, or where there is no place for it.
fn naming(text: &str, model: &str) -> Option<Splice> {
    let object: Object<'_> = serde_json::from_str(text).ok()?;
    let name = serde_json::Value::from(model).to_string();
    match object.model {
        Some(raw) if serde_json::from_str::<String>(raw.get()).is_ok_and(|said| said == model) => None,
        Some(raw) => Some(Splice::new(span(text, raw.get()), name)),
        None => {
            let after_brace = text.find('{')?.checked_add(1)?;
            let rest = text.get(after_brace..)?.trim_ascii_start();
            let comma = if rest.starts_with('}') { "" } else { "," };
            Some(Splice::insert(after_brace, format!(r#""model":{name}{comma}"#)))
        }
    }
}

impl BadRequest {
    /// A request wrong as a whole.
    pub(crate) fn new(message: String) -> Self {
        Self { message, param: None, code: None }
    }

    /// A request wrong in one member.
    pub(crate) fn about(param: &str, message: String) -> Self {
        Self { message, param: Some(param.to_owned()), code: None }
    }

    /// The same with a code that clients know.
    pub(crate) fn with_code(self, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..self }
    }
}

/// Bytes that replace what stands at `place`.
struct Splice {
    place: Range<usize>,
    bytes: String,
}

impl Splice {
    fn new(place: Range<usize>, bytes: String) -> Self {
        Self { place, bytes }
    }

    fn insert(at: usize, bytes: String) -> Self {
        Self { place: at..at, bytes }
    }
}

/// `body` with the splices, which are in order and do not overlap.
fn spliced(body: &Bytes, splices: &[Splice]) -> Bytes {
    let added: usize = splices.iter().map(|splice| splice.bytes.len()).sum();
    let mut out = Vec::with_capacity(body.len() + added);
    let mut from = 0;
    for splice in splices {
        out.extend_from_slice(body.get(from..splice.place.start).unwrap_or_default());
        out.extend_from_slice(splice.bytes.as_bytes());
        from = splice.place.end;
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    out.into()
}

/// The bounded and the unbounded of `messages`.
#[derive(Default)]
struct Conversation {
    messages: u64,
    images: u64,
    unbounded: Option<String>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
}

impl Conversation {
    fn read(messages: Option<&RawValue>) -> Result<Self, BadRequest> {
        let shape = "an array of message objects";
        let messages = optional::<Vec<Message<'_>>>("messages", messages, shape)?.unwrap_or_default();
        if messages.is_empty() {
            return Err(BadRequest::about(
                "messages",
                "`messages` must hold at least one message".to_owned(),
            ));
        }
        let mut conversation = Self { messages: count(messages.len()), ..Self::default() };
        for message in &messages {
            if message.audio.is_some() {
                conversation.unbounded.get_or_insert_with(|| "audio".to_owned());
            }
            conversation.content(message.content)?;
        }
        Ok(conversation)
    }

    fn content(&mut self, content: Option<&RawValue>) -> Result<(), BadRequest> {
        let Some(content) = content.filter(|content| !content.get().starts_with('"')) else { return Ok(()) };
        let parts: Vec<Typed<'_>> = serde_json::from_str(content.get()).map_err(|_| {
            BadRequest::about("messages", "`content` must be a string or an array of parts".to_owned())
        })?;
        for part in parts {
            self.part(part.kind);
        }
        Ok(())
    }

    fn part(&mut self, kind: Option<Text<'_>>) {
        let kind = kind.map_or(Cow::Borrowed("a part without type"), |Text(kind)| kind);
        match &*kind {
            "text" | "refusal" => {}
            "image_url" => self.images = self.images.saturating_add(1),
            other => {
                self.unbounded.get_or_insert_with(|| clip(other).into_owned());
            }
        }
    }
}

struct Tools {
    count: usize,
    unbounded: Option<String>,
}

/// Tools that the caller runs are bounded by their bytes; one that the upstream runs itself is not.
fn tools(tools: Option<&RawValue>) -> Result<Tools, BadRequest> {
    let tools = optional::<Vec<Typed<'_>>>("tools", tools, "an array of tool objects")?.unwrap_or_default();
    let kinds = tools.iter().map(|tool| tool.kind.as_ref().map_or("a tool without type", |Text(kind)| kind));
    let foreign = kinds.filter(|kind| !matches!(*kind, "function" | "custom")).map(clip).next();
    Ok(Tools { count: tools.len(), unbounded: foreign.map(Cow::into_owned) })
}

fn model(text: &str, model: Option<&RawValue>) -> Result<(String, Range<usize>), BadRequest> {
    let missing = || BadRequest::about("model", "`model` must name a model".to_owned());
    let raw = model.ok_or_else(missing)?;
    let name = optional::<String>("model", model, "a string")?.filter(|name| !name.is_empty());
    Ok((name.ok_or_else(missing)?, span(text, raw.get())))
}

fn choices(n: Option<&RawValue>) -> Result<u64, BadRequest> {
    match optional::<u64>("n", n, "an integer from 1 to 128")?.unwrap_or(1) {
        n @ 1..=128 => Ok(n),
        _ => Err(BadRequest::about("n", "`n` must be an integer from 1 to 128".to_owned())),
    }
}

fn bound(text: &str, name: &str, value: Option<&RawValue>) -> Result<Option<Bound>, BadRequest> {
    let tokens = optional::<u64>(name, value, "a positive integer")?;
    if tokens == Some(0) {
        return Err(BadRequest::about(name, format!("`{name}` must be a positive integer")));
    }
    Ok(value.map(|value| Bound { place: span(text, value.get()), tokens }))
}

fn tokens(bound: Option<&Bound>) -> Option<u64> {
    bound.and_then(|bound| bound.tokens)
}

/// Whether the caller wants usage, and what to splice so that the upstream reports it.
fn usage_place(
    text: &str,
    options: Option<&RawValue>,
    stream: bool,
) -> Result<(bool, UsagePlace), BadRequest> {
    let parsed = optional::<StreamOptions<'_>>("stream_options", options, "an object")?;
    let flag = parsed.as_ref().and_then(|options| options.include_usage);
    let asked = optional::<bool>("stream_options", flag, "an object whose `include_usage` is a boolean")?;
    if !stream || asked == Some(true) {
        return Ok((stream && asked == Some(true), UsagePlace::Settled));
    }
    let place = match (options, parsed, flag) {
        (None, _, _) => UsagePlace::Absent,
        (Some(null), None, _) => UsagePlace::Whole(span(text, null.get())),
        (Some(_), Some(_), Some(flag)) => UsagePlace::Flag(span(text, flag.get())),
        (Some(object), Some(_), None) => UsagePlace::Inside {
            after_brace: span(text, object.get()).start + 1,
            has_members: object.get().bytes().skip(1).find(|byte| !byte.is_ascii_whitespace()) != Some(b'}'),
        },
    };
    Ok((false, place))
}

#[derive(Deserialize)]
struct StreamOptions<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    include_usage: Option<&'a RawValue>,
}

/// A member that is there, be it `null`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The member's value; none if it is absent or `null`.
fn optional<'a, T: Deserialize<'a>>(
    name: &str,
    value: Option<&'a RawValue>,
    shape: &str,
) -> Result<Option<T>, BadRequest> {
    let Some(value) = value else { return Ok(None) };
    serde_json::from_str(value.get())
        .map_err(|_| BadRequest::about(name, format!("`{name}` must be {shape}")))
}

/// Whether a member names somebody: a text that is not empty.
fn name(value: &RawValue) -> Option<String> {
    let Text(name) = serde_json::from_str(value.get()).ok()?;
    (!name.is_empty()).then(|| name.into_owned())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn malformed(error: &serde_json::Error) -> BadRequest {
    BadRequest::new(format!("the body is not a JSON object as expected: {error}"))
}
