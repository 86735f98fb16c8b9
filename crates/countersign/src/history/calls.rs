//! The calls of a history, drawn by its seed: more as time goes on, fewer of the business's at weekends, and what came of each.
//!
//! Not here: whether one is allowed; that is decided as for any other.

use super::{HOUR_MS, Span, dates};
use bytes::Bytes;
use jiff::civil::Weekday;
use partnership::act::{Attempt, Ended, Outcome, Usage};
use partnership::ids::{KeyId, Timestamp};
use record::store::chance::Chance;
use serde_json::{Map, Value, json};

/// What all is drawn from.
const SEED: u64 = 0x6e6f_7274_6877_696e;

/// The keys of the applications.
pub(super) const ASSISTANT: &str = "assistant-example";
pub(super) const SEARCH: &str = "search-example";
/// The one on a budget, with which some calls come while it is tried out.
pub(super) const TRIAL: &str = "trial-example";
/// When that key is made and revoked. Units: days of ninety.
const TRIED: (i64, i64) = (3, 33);

/// What stands in the place of an answer.
pub(super) const ANSWER: &str = "example history: nobody answered this";
/// What stands in the place of a question.
const QUESTION: &str = "This is a question of an example history: nobody asked it. ";
/// The upstream that is on the record. None is called by it, and none has its name.
const UPSTREAM: &str = "example";
const MODEL: &str = "smollm2-135m-instruct";

/// How many calls there are in ninety days or more; in fewer, as many a day.
const ASSISTANT_CALLS: u64 = 1_700;
const SEARCH_CALLS: u64 = 2_500;
/// How busy each hour of a day is, in Universal Time.
const OFFICE: [u64; 24] = [0, 0, 0, 0, 0, 1, 3, 8, 12, 14, 12, 9, 10, 13, 13, 10, 6, 3, 2, 1, 1, 0, 0, 0];
const HOME: [u64; 24] = [2, 1, 1, 0, 0, 1, 3, 5, 6, 6, 6, 7, 8, 7, 6, 6, 7, 9, 11, 13, 14, 12, 8, 4];
/// How often each end user of the search comes.
const READERS: [u64; 12] = [22, 15, 11, 9, 8, 7, 6, 6, 5, 4, 4, 3];

/// A call, and what comes of it if it is allowed.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) at: Timestamp,
    pub(super) key: KeyId,
    pub(super) body: Bytes,
    pub(super) ends: Timestamp,
    /// Without the commitment to the answer.
    pub(super) outcome: Outcome,
}

/// Draws the calls of each day.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) chance: Chance,
    /// How busy all days are together, of both applications.
    whole: [u64; 2],
}

impl Calls {
    /// The calls of a history.
    pub(super) fn of(span: &Span) -> Self {
        let sum = |is_search| (0..=span.days).map(|day| weight(span, day, is_search)).sum();
        Self { chance: Chance::new(SEED), whole: [sum(false), sum(true)] }
    }

    /// Those of a day that begins at a moment, in order: none before both applications have their keys, and none that would end after the
    /// history does.
    pub(super) fn of_day(&mut self, span: &Span, day: i64, begins: Timestamp) -> Vec<Call> {
        let mut calls = Vec::new();
        for is_search in [false, true] {
            for _ in 0..self.count(span, day, is_search) {
                calls.push(self.draw(span, (day, begins), is_search));
            }
        }
        let open = span.begins().plus_millis(2 * HOUR_MS);
        calls.retain(|call| call.at >= open && call.ends <= span.end);
        calls.sort_by_key(|call| call.at);
        calls
    }

    fn count(&mut self, span: &Span, day: i64, is_search: bool) -> u64 {
        let calls = if is_search { SEARCH_CALLS } else { ASSISTANT_CALLS };
        let calls = calls.saturating_mul(span.days.clamp(0, dates::DAYS).unsigned_abs());
        let calls = calls.checked_div(dates::DAYS.unsigned_abs()).unwrap_or(0);
        let whole = self.whole.map(|whole| whole.max(1));
        let whole = if is_search { whole[1] } else { whole[0] };
        // What is less than a whole call is one as often.
        let parts =
            calls.saturating_mul(weight(span, day, is_search)).saturating_add(self.chance.below(whole));
        parts.checked_div(whole).unwrap_or(0)
    }

    fn draw(&mut self, span: &Span, (day, begins): (i64, Timestamp), is_search: bool) -> Call {
        let hour = self.weighed(if is_search { &HOME } else { &OFFICE });
        let millis = hour.saturating_mul(HOUR_MS.unsigned_abs());
        let millis = millis.saturating_add(self.chance.below(HOUR_MS.unsigned_abs()));
        let at = begins.plus_millis(millis.cast_signed());
        let tried = self.chance.hits(15, 100) && is_tried(span, day);
        let key = match (is_search, tried) {
            (true, _) => SEARCH,
            (false, true) => TRIAL,
            (false, false) => ASSISTANT,
        };
        let (asked, stream) = if is_search { self.search() } else { self.assistant() };
        let output_max = asked.get("max_tokens").and_then(Value::as_u64).unwrap_or(256);
        let body = Bytes::from(Value::Object(asked).to_string());
        let (outcome, millis) = self.outcome(body.len() as u64, output_max, (stream, is_search));
        Call { at, key: key.into(), body, ends: at.plus_millis(millis.cast_signed()), outcome }
    }

    /// What the office assistant asks, and whether as a stream.
    fn assistant(&mut self) -> (Map<String, Value>, bool) {
        let stream = self.chance.hits(30, 100);
        let words = self.words(5, 15);
        let mut asked = request(json!([{ "role": "user", "content": words }]), stream);
        let bound = match self.chance.below(100) {
            0..2 => Some(1_200),
            2..8 => Some(500),
            8..30 => Some(400),
            30..45 => Some(200),
            _ => None,
        };
        if let Some(bound) = bound {
            asked.insert("max_tokens".to_owned(), json!(bound));
        }
        (asked, stream)
    }

    /// What the search asks, and whether as a stream.
    fn search(&mut self) -> (Map<String, Value>, bool) {
        let stream = self.chance.hits(65, 100);
        let (system, words) = (QUESTION.repeat(3), self.words(1, 4));
        let messages = json!([{ "role": "system", "content": system }, { "role": "user", "content": words }]);
        let mut asked = request(messages, stream);
        if !self.chance.hits(3, 100) {
            let reader = format!("reader-{:02}", self.weighed(&READERS));
            asked.insert("user".to_owned(), json!(reader));
        }
        if self.chance.hits(7, 1_000) {
            let tools = json!([{ "type": "function", "function": { "name": "open_page" } }]);
            asked.insert("tools".to_owned(), tools);
        }
        (asked, stream)
    }

    /// What comes of a call, and after how many milliseconds.
    fn outcome(&mut self, bytes: u64, output_max: u64, (stream, cached): (bool, bool)) -> (Outcome, u64) {
        let input_tokens = (bytes / 4).saturating_add(self.chance.below(24));
        let cached_input_tokens = if cached && self.chance.hits(40, 100) { 44.min(input_tokens) } else { 0 };
        let most = output_max.min(256);
        let output_tokens = (most / 5).saturating_add(self.chance.below(most.saturating_mul(3) / 5));
        let usage = Usage { input_tokens, cached_input_tokens, output_tokens };
        let attempt = |result: &str| Attempt { upstream: UPSTREAM.to_owned(), result: result.to_owned() };
        let took =
            output_tokens.saturating_mul(14).saturating_add(180).saturating_add(self.chance.below(400));
        let (ended, usage, attempts, took) = match self.chance.below(1_000) {
            0..12 => (Ended::Failed, None, vec![attempt("503"), attempt("503")], 900),
            12..22 => (Ended::Failed, None, vec![attempt("timeout")], 60_000),
            22..70 if stream => {
                let left = self.chance.below(output_tokens.saturating_add(1));
                let usage = Usage { output_tokens: left, ..usage };
                (Ended::Cancelled, Some(usage), vec![attempt("200")], took / 2)
            }
            70..90 => {
                (Ended::Done, Some(usage), vec![attempt("503"), attempt("200")], took.saturating_add(700))
            }
            _ => (Ended::Done, Some(usage), vec![attempt("200")], took),
        };
        let estimated = ended == Ended::Cancelled;
        (Outcome { ended, usage, estimated, attempts, output: None, kept: None }, took)
    }

    fn words(&mut self, least: u64, most: u64) -> String {
        let times = least.saturating_add(self.chance.below(most.saturating_sub(least)));
        QUESTION.repeat(usize::try_from(times).unwrap_or(1))
    }

    /// One of these, each as often as it says.
    fn weighed(&mut self, weights: &[u64]) -> u64 {
        let mut left = self.chance.below(weights.iter().sum());
        let mut place = 0;
        for weight in weights {
            if left < *weight {
                break;
            }
            left = left.saturating_sub(*weight);
            place += 1;
        }
        place
    }
}

/// The members that every request has.
fn request(messages: Value, stream: bool) -> Map<String, Value> {
    let members = [("model", json!(MODEL)), ("messages", messages), ("stream", json!(stream))];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// How busy a day is.
fn weight(span: &Span, day: i64, is_search: bool) -> u64 {
    let grown = day.saturating_mul(80).checked_div(span.days).unwrap_or(0).saturating_add(60);
    let date = dates::later(span.first, day).unwrap_or(span.first);
    let is_free = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    let share = match (is_search, is_free) {
        (false, true) => 15,
        (true, true) => 120,
        (_, false) => 100,
    };
    grown.unsigned_abs().saturating_mul(share)
}

/// Whether calls come with the key on trial: from the day after it is made to the one on which it is revoked.
fn is_tried(span: &Span, day: i64) -> bool {
    let (made, revoked) = TRIED;
    dates::within(made, span.days) < day && day < dates::within(revoked, span.days)
}
