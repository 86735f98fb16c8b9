//! `countersign content`: what was asked in a call, or answered, where a clause has had it kept.

use super::client::{self, Place};
use super::said::Said;
use clap::{Args, Subcommand};
use http::StatusCode;
use record::hash::base64;
use serde_json::json;
use std::time::Duration;

/// How often content is asked for until its act is published, once a second.
const TRIES: u32 = 5;

/// Content of calls.
#[derive(Debug, Args)]
pub(crate) struct Content {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prints what was asked in a call, or answered, byte by byte, once it is checked against the record. It says so where it was not kept,
    /// and where it was erased by which act.
    Show {
        /// The act's id.
        act: String,
        /// What was asked: the request's body. This is what is shown unless the answer is asked for.
        #[arg(long, conflicts_with = "output")]
        input: bool,
        /// What was answered: the bytes that left.
        #[arg(long)]
        output: bool,
    },
}

/// Runs one verb.
pub(crate) fn run(content: &Content) -> anyhow::Result<Said> {
    let Content { place, verb: Verb::Show { act, input: _, output } } = content;
    let part = if *output { "output" } else { "input" };
    let path = format!("/api/content/{act}?part={part}");
    let answer = client::with(place, async |client| {
        let mut answer = client.get(&path).await?;
        for _ in 1..TRIES {
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            answer = client.get(&path).await?;
        }
        Ok(answer)
    })?;
    if !answer.status.is_success() {
        return Ok(client::outcome(place, &answer, |_| String::new()));
    }
    let body = answer.body.to_vec();
    Ok(if place.json {
        let text = std::str::from_utf8(&body).ok();
        Said::Done(json!({ "act": act, "part": part, "text": text, "base64": base64(&body) }).to_string())
    } else {
        Said::Bytes(body)
    })
}
