//! `countersign memo withdraw`: a party ends by its word alone what the memorandum has that binds nobody.
//!
//! Not here: whether it may, which the partnership judges; what is shown here of clauses follows from the version in force.

use crate::clock::Clock;
use crate::cmd::client::{self, Answer, Place, Signing};
use crate::cmd::said::{Said, cell};
use anyhow::{Context as _, anyhow};
use jiff::civil::Date;
use partnership::Terms;
use partnership::act::withdrawal_bytes;
use partnership::ids::Timestamp;
use partnership::memorandum::Clause;
use serde_json::{Value, json};

/// Withdraws for a party, on `day` or when its notice has run out.
pub(crate) fn withdraw(place: &Place, day: Option<&str>, signing: &Signing) -> anyhow::Result<Said> {
    let day = day.map(|day| {
        day.parse::<Date>().ok().with_context(|| format!("`{day}` is no day such as `2026-04-01`"))
    });
    let day = day.transpose()?;
    let signer = signing.signer(place)?;
    let (terms, ends, answer) = client::with(place, async |client| {
        let status = client.get("/api/status").await?.json()?;
        let text = client.get("/api/memorandum").await?.text()?;
        let terms = Terms::read(&text).map_err(|_| anyhow!("the version in force cannot be read"))?;
        let ends = match day {
            Some(day) => day,
            None => earliest(&terms, &status, &signing.party)?,
        };
        let bytes = withdrawal_bytes(&cell(&status, "name"), &terms.digest(), ends);
        let act = json!({
            "kind": "withdraw", "memorandum": terms.digest().to_string(), "ends": ends.to_string(),
            "party": signing.party, "signature": record::hash::base64(&signer.sign_bytes(&bytes)),
        });
        Ok((terms, ends, client.propose(Some(&signing.party), &act).await?))
    })?;
    Ok(said(place, &terms, ends, &answer))
}

/// The first day that the notice leaves, by this machine's clock or by the record's where that is ahead. Where the party may not
/// withdraw, today: the partnership says why, and has it on the record.
fn earliest(terms: &Terms, status: &Value, party: &str) -> anyhow::Result<Date> {
    let recorded: Timestamp = cell(status, "at").parse().map_err(|_| anyhow!("the server tells no time"))?;
    let today = recorded.max(Clock.now()).date();
    Ok(terms.leave(&party.into(), today).map_or(today, |leave| leave.from))
}

fn said(place: &Place, terms: &Terms, ends: Date, answer: &Answer) -> Said {
    let Ok(mut done) = answer.json() else {
        return client::outcome(place, answer, |_| String::new());
    };
    let clauses = &terms.memorandum().clauses;
    let (ending, staying): (Vec<&Clause>, Vec<&Clause>) =
        clauses.iter().partition(|clause| terms.goes(clause, ends, ends));
    if place.json {
        if let Some(fields) = done.as_object_mut() {
            let ids: Vec<&str> = ending.iter().map(|clause| clause.id.as_str()).collect();
            let goes_on = |clause: &&Clause| json!({ "id": clause.id.as_str(), "why": why(clause) });
            fields.insert("ends".to_owned(), ends.to_string().into());
            fields.insert("ending".to_owned(), ids.into());
            fields.insert("staying".to_owned(), staying.iter().map(goes_on).collect());
        }
        return Said::Done(done.to_string());
    }
    let ending: Vec<&str> = ending.iter().map(|clause| clause.id.as_str()).collect();
    let mut lines = vec![
        client::plain(&done),
        format!("until {ends} every clause stands; on that day these end: {}", ending.join(", ")),
    ];
    lines.extend(staying.iter().map(|clause| format!("goes on: {}, {}", clause.id, why(clause))));
    Said::Done(lines.join("\n"))
}

/// Why a clause goes on after a withdrawal.
fn why(clause: &Clause) -> &'static str {
    use partnership::memorandum::Kind;
    match clause.kind {
        _ if clause.force.is_binding() => "which binds until its own end",
        Kind::Retention(_) => "since what is kept is there still",
        Kind::Amendment(_) => "since it says how a next version comes about",
        Kind::Survival(_) => "which says what outlives the memorandum",
        _ => "which outlives the memorandum by its own words",
    }
}
