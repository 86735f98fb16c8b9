//! Calls beside entries, as tables: each way in which they may disagree, and those in which they may not be compared.

use super::*;
use crate::meter::line::{By, Call, Content, Count, Ended};
use ledger::{Amount, AssetId};
use partnership::act::{self, Act, Infer, Usage};
use partnership::decision::RefusalCode;
use partnership::entry::{Decided, Settled};
use partnership::ids::{KeyId, ModelId};

const HASH: Digest = Digest([3; 32]);

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).plus_millis(second * 1000)
}

fn act(number: u8) -> ActId {
    ActId::from_u128((u128::from(number) << 80) | (7 << 76) | (2 << 62))
}

/// A call that was answered with 7 and 5 tokens, in second `number`.
fn call(number: u8) -> Call {
    let second = i64::from(number);
    Call {
        began: at(second),
        at: at(second),
        act: Some(act(number)),
        path: "/v1/chat/completions".to_owned(),
        model: Some("m".to_owned()),
        stream: false,
        input: Content { bytes: 100, sha256: HASH },
        status: Some(200),
        answered: Some("m".to_owned()),
        ended: Ended::Done,
        output: Content { bytes: 9, sha256: HASH },
        counts: vec![count(By::Usage, 7, 5)],
    }
}

fn count(by: By, input_tokens: u64, output_tokens: u64) -> Count {
    Count { by, input_tokens, output_tokens }
}

fn entry(number: u8, body: Body) -> Entry {
    Entry::new(&[number; 32], at(i64::from(number)), body)
}

fn infer() -> Infer {
    Infer {
        model: ModelId::from("m"),
        surface: "chat".to_owned(),
        stream: false,
        input_bytes: 100,
        input_tokens_max: 100,
        output_tokens_max: 100,
        tools: 0,
        images: 0,
        end_user: false,
        input: HASH,
        idempotency: None,
        kept: None,
        pseudonyms: Vec::new(),
    }
}

fn decided(number: u8, infer: Infer, verdict: Verdict) -> Entry {
    let principal = Principal::Application {
        party: PartyId::from("halcyon"),
        application: ApplicationId::from("assistant"),
        key: KeyId::from("k"),
    };
    let act = Act { id: act(number), principal, deed: Deed::Infer(infer) };
    entry(
        number,
        Body::Decided(Box::new(Decided {
            act,
            standing: None,
            memorandum: 1,
            verdict,
            clauses: Vec::new(),
            deviations: Vec::new(),
            lapses: None,
            transfers: Vec::new(),
        })),
    )
}

fn settled(number: u8) -> Settled {
    Settled {
        act: act(number),
        kind: "infer".to_owned(),
        decided: u64::from(number) * 2,
        ended: act::Ended::Done,
        usage: Some(Usage { input_tokens: 7, output_tokens: 5, ..Usage::default() }),
        estimated: false,
        attempts: Vec::new(),
        output: None,
        kept: None,
        charged: Some((Amount::new(12), AssetId::from("CREDIT"))),
        transfers: Vec::new(),
    }
}

/// What one act has on both sides; either may be missing.
struct Row {
    call: Option<Call>,
    infer: Infer,
    verdict: Verdict,
    settled: Option<Settled>,
    is_recorded: bool,
}

impl Row {
    fn plain(number: u8) -> Self {
        let settled = Some(settled(number));
        Self { call: Some(call(number)), infer: infer(), verdict: Verdict::Allow, settled, is_recorded: true }
    }
}

fn scope() -> Scope {
    Scope {
        party: PartyId::from("halcyon"),
        applications: BTreeSet::new(),
        names: Vec::new(),
        slack_ms: 1000,
    }
}

/// Compares rows, whose first is act 1, in this order of the two sides; a start stands before them, and a plain act and a stop behind.
fn compared(scope: Scope, rows: Vec<Row>, lines_first: bool) -> Findings {
    let mut comparison = Comparison::new(scope);
    let journal = "00".to_owned();
    let mut lines = vec![Line::Start { at: at(0), journal, to: "http://o".to_owned() }];
    let mut entries = Vec::new();
    let last = u8::try_from(rows.len() + 10).unwrap();
    for (number, row) in (1..).zip(rows).chain([(last, Row::plain(last))]) {
        lines.extend(row.call.map(|call| Line::Call(Box::new(call))));
        if row.is_recorded {
            entries.push((u64::from(number) * 2, decided(number, row.infer, row.verdict)));
            let settled = row.settled.map(|settled| entry(number, Body::Settled(Box::new(settled))));
            entries.extend(settled.map(|entry| (u64::from(number) * 2 + 1, entry)));
        }
    }
    lines.push(Line::Stop { at: at(i64::from(last)) });
    let mut take = |lines_now: bool| {
        if lines_now {
            lines.drain(..).for_each(|line| comparison.line(0, line));
        } else {
            entries.iter().for_each(|(index, entry)| comparison.entry(*index, entry));
        }
    };
    take(lines_first);
    take(!lines_first);
    comparison.findings(None)
}

fn words(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| finding.json()["what"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_disagreement_is_named_with_its_entry_and_nothing_else_is() {
    type Edit = fn(&mut Row);
    let rows: [(&str, Option<u64>, Edit); 19] = [
        ("", None, |_| {}),
        ("output-tokens", Some(5), |row| {
            row.settled.as_mut().unwrap().usage.as_mut().unwrap().output_tokens += 1
        }),
        ("input-tokens", Some(5), |row| {
            row.settled.as_mut().unwrap().usage.as_mut().unwrap().input_tokens -= 1
        }),
        ("input-tokens", Some(5), |row| row.call.as_mut().unwrap().counts = vec![count(By::Tokenizer, 6, 5)]),
        ("not-recorded", None, |row| row.is_recorded = false),
        ("not-settled", Some(4), |row| row.settled = None),
        ("unnamed", None, |row| {
            row.call.as_mut().unwrap().act = None;
            row.is_recorded = false;
        }),
        ("unseen", Some(5), |row| row.call = None),
        ("model", Some(5), |row| row.infer.model = ModelId::from("small")),
        ("request", Some(5), |row| row.infer.input_bytes = 99),
        ("request", Some(5), |row| row.infer.stream = true),
        ("refused", Some(4), |row| {
            row.verdict =
                Verdict::Deny { code: RefusalCode::Forbidden, remedy: String::new(), refills: None };
            row.settled = None;
        }),
        ("charged", Some(5), |row| row.call.as_mut().unwrap().status = Some(502)),
        ("ended", Some(5), |row| row.settled.as_mut().unwrap().ended = act::Ended::Cancelled),
        ("ended", Some(5), |row| row.settled.as_mut().unwrap().ended = act::Ended::Failed),
        ("", None, |row| {
            row.call.as_mut().unwrap().status = Some(403);
            row.verdict =
                Verdict::Deny { code: RefusalCode::Forbidden, remedy: String::new(), refills: None };
            row.settled = None;
        }),
        ("", None, |row| {
            row.call.as_mut().unwrap().status = Some(502);
            let settled = row.settled.as_mut().unwrap();
            (settled.ended, settled.charged, settled.usage) = (act::Ended::Failed, None, None);
        }),
        ("", None, |row| {
            // Broken off by the operator's upstream, and not charged.
            row.call.as_mut().unwrap().ended = Ended::Unfinished;
            let settled = row.settled.as_mut().unwrap();
            (settled.ended, settled.charged, settled.usage) = (act::Ended::Failed, None, None);
        }),
        ("", None, |row| {
            row.call = None;
            row.settled.as_mut().unwrap().charged = None;
        }),
    ];
    for (number, (word, index, edit)) in rows.into_iter().enumerate() {
        for lines_first in [true, false] {
            let mut all = vec![Row::plain(1), Row::plain(2), Row::plain(3)];
            edit(&mut all[1]);
            let found = compared(scope(), all, lines_first);
            let expected: Vec<_> =
                Some(word.to_owned()).into_iter().filter(|word| !word.is_empty()).collect();
            assert_eq!(words(&found.disagreements), expected, "row {number}");
            for finding in &found.disagreements {
                assert_eq!(finding.index, index, "row {number}");
                let named = finding.act.is_some_and(|named| finding.to_string().contains(&named.to_string()));
                assert!(named || word == "unnamed", "row {number}: {finding}");
            }
            assert_eq!((found.doubts.len(), found.pending), (0, 0), "row {number}");
        }
    }
}

#[test]
fn what_cannot_be_compared_is_said_and_is_no_disagreement() {
    type Edit = fn(&mut Row);
    let rows: [(Why, Edit); 4] = [
        (Why::Cancelled, |row| {
            let call = row.call.as_mut().unwrap();
            (call.ended, call.counts) = (Ended::Left, Vec::new());
            let settled = row.settled.as_mut().unwrap();
            (settled.ended, settled.estimated) = (act::Ended::Cancelled, true);
        }),
        (Why::NoCount, |row| row.call.as_mut().unwrap().counts.clear()),
        (Why::NoAnswer, |row| {
            let call = row.call.as_mut().unwrap();
            (call.act, call.status, call.ended) = (None, None, Ended::Left);
            row.settled.as_mut().unwrap().ended = act::Ended::Cancelled;
        }),
        (Why::Cancelled, |row| {
            let call = row.call.as_mut().unwrap();
            (call.ended, call.counts) = (Ended::Left, Vec::new());
        }),
    ];
    for (number, (why, edit)) in rows.into_iter().enumerate() {
        let mut all = vec![Row::plain(1), Row::plain(2)];
        edit(&mut all[1]);
        let found = compared(scope(), all, true);
        assert_eq!(found.disagreements, [], "row {number}");
        let said: Vec<_> = found.not_compared.iter().map(|one| (one.act, one.index, one.why)).collect();
        assert_eq!(said, [(act(2), 5, why)], "row {number}");
    }
}

#[test]
fn one_call_without_an_answer_excuses_one_charge_of_its_length() {
    let unseen = |number| Row { call: None, ..Row::plain(number) };
    let mut left = Row::plain(2);
    let call = left.call.as_mut().unwrap();
    (call.act, call.status, call.ended) = (None, None, Ended::Left);
    let found = compared(scope(), vec![Row::plain(1), left, unseen(3)], true);
    assert_eq!(words(&found.disagreements), ["unseen"], "two charges, and one call that was left");
    let mut other = Row::plain(1);
    let call = other.call.as_mut().unwrap();
    (call.act, call.status, call.ended, call.input.bytes) = (None, None, Ended::Left, 99);
    let found = compared(scope(), vec![other], true);
    assert_eq!(words(&found.disagreements), ["unseen"], "a call of another length excuses nothing");
}

#[test]
fn an_own_count_of_the_answers_text_is_a_doubt_and_of_an_estimate_no_more() {
    let mut output = Row::plain(1);
    output.call.as_mut().unwrap().counts.push(count(By::Tokenizer, 7, 4));
    let mut estimated = Row::plain(2);
    estimated.call.as_mut().unwrap().counts = vec![count(By::Tokenizer, 8, 5)];
    estimated.settled.as_mut().unwrap().estimated = true;
    let found = compared(scope(), vec![output, estimated], true);
    assert_eq!(found.disagreements, []);
    assert_eq!(words(&found.doubts), ["output-tokens", "input-tokens"]);
}

#[test]
fn a_model_that_answers_by_another_name_is_named_unless_it_is_accepted() {
    let named = |number, name: &str| {
        let mut row = Row::plain(number);
        row.call.as_mut().unwrap().answered = Some(name.to_owned());
        row
    };
    let names = |all: &[&str]| (1..).zip(all).map(|(number, name)| named(number, name)).collect::<Vec<_>>();
    assert_eq!(compared(scope(), names(&["m-2024", "m-2024", "m"]), true).disagreements, []);
    let found = compared(scope(), names(&["m-2024", "small", "m-2024"]), true);
    assert_eq!(words(&found.disagreements), ["name"]);
    assert_eq!(found.disagreements[0].act, Some(act(2)));
    let found = compared(scope(), names(&["m", "small"]), true);
    assert_eq!(words(&found.disagreements), ["name"], "its own name was the first");
    let accepting = Scope { names: vec![("m".to_owned(), "small".to_owned())], ..scope() };
    assert_eq!(compared(accepting, names(&["m", "small"]), true).disagreements, []);
}

#[test]
fn an_act_answers_twice_only_for_an_idempotency_key_and_the_same_request() {
    for (key, other_request, expected) in
        [(false, false, vec!["twice"]), (true, false, vec![]), (true, true, vec!["twice"])]
    {
        let mut first = Row::plain(1);
        first.infer.idempotency = key.then_some(HASH);
        let mut second = call(1);
        if other_request {
            second.input.sha256 = Digest([4; 32]);
        }
        for lines_first in [false, true] {
            let rows = vec![
                Row { infer: first.infer.clone(), ..Row::plain(1) },
                Row { call: Some(second.clone()), is_recorded: false, ..Row::plain(2) },
            ];
            let found = compared(scope(), rows, lines_first);
            assert_eq!(words(&found.disagreements), expected, "{key} {other_request} {lines_first}");
        }
    }
}

#[test]
fn what_the_meter_was_not_there_for_and_what_is_still_to_come_is_no_disagreement() {
    let mut comparison = Comparison::new(scope());
    let start = |second| Line::Start { at: at(second), journal: String::new(), to: String::new() };
    let record = |comparison: &mut Comparison, number: u8| {
        comparison.entry(u64::from(number) * 2, &decided(number, infer(), Verdict::Allow));
        comparison.entry(u64::from(number) * 2 + 1, &entry(number, Body::Settled(Box::new(settled(number)))));
    };
    // Before it began; seen; bypassed; in the second in which it was killed; while it was down; bypassed again.
    comparison.line(0, start(10));
    comparison.line(0, Line::Call(Box::new(call(11))));
    comparison.line(0, Line::Mark { at: at(20) });
    comparison.line(0, start(30));
    comparison.line(0, Line::Mark { at: at(40) });
    for number in [5, 11, 15, 20, 25, 35] {
        record(&mut comparison, number);
    }
    let found = comparison.findings(None);
    let unseen: Vec<_> = found.disagreements.iter().map(|finding| finding.act.unwrap()).collect();
    assert_eq!(unseen, [act(15), act(35)]);
    let outside: Vec<_> = found.not_compared.iter().map(|one| (one.act, one.why)).collect();
    assert_eq!(outside, [5, 20, 25].map(|number| (act(number), Why::Outside)));
    // The record ends at second 35, and whoever follows it knows the time.
    comparison.line(0, Line::Call(Box::new(call(36))));
    assert_eq!(comparison.findings(None).pending, 1);
    assert_eq!(comparison.findings(Some(at(60))).pending, 1);
    assert_eq!(words(&comparison.findings(Some(at(67))).disagreements), ["not-recorded", "unseen", "unseen"]);
    // Another application of the party does not go through this meter.
    let mut other =
        Comparison::new(Scope { applications: [ApplicationId::from("search")].into(), ..scope() });
    other.line(0, start(10));
    other.line(0, Line::Stop { at: at(40) });
    record(&mut other, 15);
    assert_eq!(other.findings(None).disagreements, []);
}
