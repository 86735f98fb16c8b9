//! A whole record folds; and whatever is changed in it, one thing at a time, is found where it stands.

mod saved;
mod scene;
mod withdrawals;

use record::hash::base64;
use scene::{Text, at, change, folded, id, signer, transfer, whole};

#[test]
fn a_whole_record_is_folded_with_all_that_it_says() {
    let replay = folded(&whole()).unwrap_or_else(|(index, fault)| panic!("entry {index}: {fault}"));
    assert_eq!((replay.entries(), replay.origin()), (34, scene::ORIGIN));
    let counts = replay.counts();
    assert_eq!((counts.allowed, counts.refused, counts.waited), (13, 1, 2));
    assert_eq!((counts.done, counts.failed, counts.lapsed, counts.lost, counts.cancelled), (11, 1, 1, 0, 0));
    assert_eq!((counts.reserved, counts.posted, counts.void, counts.run_out), (4, 2, 1, 1));
    assert_eq!(replay.open().count() + replay.waiting().count(), 0);
    let available = replay.accounts().find(|account| account.name == "credit:g:available").unwrap();
    let sums = available.sums;
    assert_eq!((sums.debits_posted, sums.credits_posted, sums.debits_pending), (30, 1000, 0));
    assert_eq!(replay.unbalanced(), None);
    let versions: Vec<_> = replay.versions().iter().map(|version| (version.index, version.digest)).collect();
    assert_eq!(versions, [(0, [1; 32]), (31, [2; 32])]);
    assert_eq!(replay.versions()[1].signed_by, ["north", "south"]);
    assert_eq!(replay.named().collect::<Vec<_>>(), [(&[1; 32], 0), (&[2; 32], 22)]);
    assert_eq!(replay.lease().unwrap().amounts, [("CREDIT".to_owned(), 9), ("USD".to_owned(), 1)]);
    assert_eq!(replay.at().to_string(), at(1210));
    assert_eq!(replay.vkeys().count(), 2);
}

#[test]
fn an_erasure_that_is_allowed_is_of_an_end_user_or_of_whole_months() {
    let (user, keys) = (format!(r#""subject":"{}","#, base64(&[4; 32])), r#""keys":"2"}"#);
    let before = |moment: &str| format!(r#""before":"{moment}","#);
    let (month, day) = (before("2026-11-01T00:00:00.000Z"), before("2026-11-02T00:00:00.000Z"));
    let later = before("2026-11-01T00:00:00.001Z");
    let application = r#""application":"app","#;
    let said = |what: &str, decision: &str| {
        let mut entries = whole();
        entries.push(scene::erasure(what, decision));
        folded(&entries).map(drop).map_err(|(_, fault)| fault.to_string())
    };
    let refused = r#""deny","code":"invalid","remedy":"r""#;
    for (what, fits) in [
        (format!("{{{user}{keys}"), true),
        (format!("{{{month}{keys}"), true),
        (format!("{{{application}{month}{user}{keys}"), true),
        (format!("{{{keys}"), false),
        (format!("{{{application}{keys}"), false),
        (format!("{{{day}{keys}"), false),
        (format!("{{{later}{user}{keys}"), false),
    ] {
        let found = said(&what, "\"allow\"");
        assert_eq!(found.is_ok(), fits, "{what}: {found:?}");
        if let Err(fault) = found {
            assert!(fault.contains("erases neither what is an end user's nor"), "{fault}");
        }
        assert_eq!(said(&what, refused), Ok(()), "what was refused may be of nothing: {what}");
    }
    for what in [
        format!("{{{user}{month}{keys}"),
        format!(r#"{{{user}"keys":"-1"}}"#),
        format!(r#"{{{user}"keys":2}}"#),
    ] {
        assert!(said(&what, "\"allow\"").unwrap_err().contains("one spelling"), "{what}");
    }
}

#[test]
fn a_notice_is_given_up_by_the_clerk_once_for_each_receiver_and_a_saved_replay_knows_it() {
    let letter = |notice: &str, to: &str, error: &str, attempts: &str| {
        format!(r#"{{"notice":"{notice}","receiver":"{to}","error":"{error}","attempts":"{attempts}"}}"#)
    };
    let clerk = "{}";
    let first = letter("expiry/g/2026-12-01/7d", "board", "status-500", "37");
    let after = |said: &[(&str, &str)]| {
        let mut entries = whole();
        for (act, (who, what)) in (100..).zip(said) {
            entries.extend(scene::undelivered(entries.len(), act, who, what));
        }
        entries
    };
    let replay =
        folded(&after(&[(clerk, &first)])).unwrap_or_else(|(index, fault)| panic!("{index}: {fault}"));
    assert_eq!(replay.undelivered(), 1);
    assert!(saved::resumes_the_same(&replay), "what was given up is saved");
    let other = letter("expiry/g/2026-12-01/7d", "other", "timeout", "1");
    assert_eq!(said(&after(&[(clerk, &first), (clerk, &other)])), "nothing");
    let long = letter(&"x".repeat(513), "board", "timeout", "1");
    for (who, what) in [
        (clerk, first.clone()),
        (r#"{"party":"north","person":"ana"}"#, other.clone()),
        (clerk, letter("", "board", "timeout", "1")),
        (clerk, long),
        (clerk, letter("n", "The Board", "timeout", "1")),
        (clerk, letter("n", "board", "no answer", "1")),
        (clerk, letter("n", "board", "timeout", "0")),
    ] {
        let found = said(&after(&[(clerk, &first), (who, &what)]));
        assert!(found.contains("records a notice as undelivered"), "{who} {what}: {found}");
    }
    assert!(said(&after(&[(clerk, &letter("n", "board", "timeout", "01"))])).contains("one spelling"));
}

#[test]
fn a_reconciliation_is_attested_by_a_party_once_and_of_a_period_and_a_saved_replay_knows_it() {
    let after = |said: &[&str]| {
        let mut entries = whole();
        for (act, what) in (100..).zip(said) {
            entries.extend(scene::reconciled(entries.len(), act, what));
        }
        entries
    };
    let say = scene::reconciliation;
    let first = say(5, "2026-11", None, "north");
    let both = after(&[&first, &say(5, "2026-11", None, "south"), &say(6, "2026", Some("south"), "north")]);
    let replay = folded(&both).unwrap_or_else(|(index, fault)| panic!("{index}: {fault}"));
    assert_eq!(replay.reconciled(), 3);
    assert!(saved::resumes_the_same(&replay), "whose word there is is saved");
    let changed = first.replacen("2026-11", "2026-10", 1);
    let counted = first.replacen(r#""differing":"3""#, r#""differing":"2""#, 1);
    let widened = first.replacen(r#","differing""#, r#","of":"south","differing""#, 1);
    for (what, expected) in [
        (first.clone(), "attests a reconciliation that its party had attested"),
        (say(7, "2026-13", None, "north"), "of no period"),
        (say(7, "1969", None, "north"), "of no period"),
        (say(7, "2026-1", None, "north"), "of no period"),
        (say(7, "+026-11", None, "north"), "of no period"),
        (changed.replacen(&base64(&[5; 32]), &base64(&[8; 32]), 1), "signature"),
        (say(7, "2026-11", None, "north").replacen(&base64(&[7; 32]), &base64(&[8; 32]), 1), "signature"),
        (counted.replacen(&base64(&[5; 32]), &base64(&[8; 32]), 1), "signature"),
        (widened.replacen(&base64(&[5; 32]), &base64(&[8; 32]), 1), "signature"),
        (say(7, "2026-11", None, "north").replacen(r#""3""#, r#""03""#, 1), "one spelling"),
        (say(7, "2026-11", None, "north").replacen(r#""north""#, r#""south""#, 1), "signature"),
    ] {
        let found = said(&after(&[&first, &what]));
        assert!(found.contains(expected), "{what}: {found}");
    }
}

/// What stands in entry `index` becomes something else; what is said of it.
type Change<'a> = (usize, &'a str, &'a str, &'a str);

fn said(entries: &[Text]) -> String {
    match folded(entries) {
        Ok(_) => "nothing".to_owned(),
        Err((_, fault)) => fault.to_string(),
    }
}

fn check(changes: &[Change<'_>], half: fn(&mut Text) -> &mut String) {
    for (index, from, to, expected) in changes {
        let mut entries = whole();
        let text = half(&mut entries[*index]);
        assert!(text.contains(from), "entry {index} has `{from}`: {text}");
        *text = text.replacen(from, to, 1);
        let found = said(&entries);
        assert!(
            found.contains(expected),
            "entry {index}, `{from}` to `{to}`: expected `{expected}`: {found}"
        );
    }
}

fn check_parties(changes: &[Change<'_>]) {
    check(changes, |text| &mut text.parties);
}

#[test]
fn an_envelope_has_one_spelling_and_the_hour_of_its_entry() {
    check(
        &[
            (1, r#""v":"1""#, r#""v":"2""#, "the envelope is not in the format's one spelling"),
            (1, r#""fold":"1""#, r#""fold":"2""#, "the envelope is not"),
            (1, "decided", "orphan", "a kind of entry that fold `1` knows"),
            (1, "decided", "settled", "the `settled` entry is not"),
            (1, r#"","body""#, r#"", "body""#, "the envelope is not"),
            (1, "CQk=", "CQl=", "canonical base64"),
            (1, "=\"}", "=\"}\n", "expected the end"),
            (1, "T03Z", "T04Z", "hour"),
            (1, "T03Z", "T03", "an hour"),
        ],
        |text| &mut text.envelope,
    );
}

#[test]
fn a_value_has_one_spelling() {
    check_parties(&[
        (1, "{\"salts", " {\"salts", "byte 0"),
        (1, "Bwc=\",\n", "Bwc=\",", "expected ,\\n"),
        (1, "Bwc=", "Bwd=", "canonical base64"),
        (1, "Bwc=", "", "base64 of this length"),
        (1, "},\n\"who\"", "},\"who\"", "expected },\\n"),
        (1, "\"who\"", "\"whom\"", "\"who\":"),
        (1, r#"{"id""#, r#"{ "id""#, "expected"),
        (1, "-7000-8000-", "-4000-8000-", "a uuid of version 7"),
        (1, "-7000-8000-", "-7000-0000-", "a uuid of version 7"),
        (1, "019b0000", "019B0000", "a uuid of version 7"),
        (1, "019b0000-0000", "019b00000000", "a uuid of version 7"),
        (1, "2026-11-23", "2026-02-29", "a moment"),
        (1, "2026-11-23", "2026-13-23", "a moment"),
        (1, "2026-11-23", "1969-11-23", "a moment"),
        (1, "03:00:01", "03:00:60", "a moment"),
        (1, "03:00:01", "24:00:01", "a moment"),
        (1, ":01.000Z", ":01.00Z", "a moment"),
        (1, ":01.000Z", ":01.000+", "a moment"),
        (1, r#""kind":"application-add""#, r#""kind":"pay""#, "a kind of act"),
        (1, r#""person":"ana""#, r#""person":"a	na""#, "a string"),
        (1, r#""person":"ana""#, r#""person":"a\u0061""#, "the escapes of the format"),
        (1, r#""person":"ana""#, r#""person":"a\u000a""#, "the escapes of the format"),
        (1, r#""person":"ana""#, r#""person":"a\/""#, "the escapes of the format"),
        (1, r"\u001f", r"\u001F", "the escapes of the format"),
        (1, r#""do":"application-add""#, r#""do":"key-new""#, "application-add"),
        (1, r#""memorandum":"1""#, r#""memorandum":"01""#, "a decimal without leading zeroes"),
        (1, r#""memorandum":"1""#, r#""memorandum":"+1""#, "a decimal without leading zeroes"),
        (1, r#""memorandum":"1""#, r#""memorandum":"""#, "a decimal without leading zeroes"),
        (1, r#""memorandum":"1""#, r#""memorandum":1"#, "expected"),
        (1, r#""clauses":["a","b"]"#, r#""clauses":["a","b",]"#, "expected"),
        (1, r#""code":"unpriced""#, r#""code":"rude""#, "a kind of reason"),
        (1, r#"{"transfers":[]}}"#, r#"{"transfers":[]}} "#, "the end"),
        (1, r#"{"transfers":[]}}"#, r#"{"transfers":[]}}}"#, "the end"),
        (1, r#"{"transfers":[]}}"#, r#"{"transfers":[]}"#, "expected"),
        (10, "18446744073709551615", "18446744073709551616", "a decimal below 2^64"),
        (10, r#""stream":true"#, r#""stream":"true""#, "`true` or `false`"),
        (10, r#""leg":"0""#, r#""leg":"65536""#, "a decimal below 65,536"),
        (10, r#""amount":"50""#, r#""amount":"-0""#, "an integer of 128 bits"),
        (
            10,
            r#""amount":"50""#,
            r#""amount":"170141183460469231731687303715884105728""#,
            "an integer of 128",
        ),
        (10, r#""key":"k""#, r#""keys":"k""#, "\"key\":\""),
        (10, r#","until":"2026-11-23T03:15:00.000Z""#, "", "\"until\""),
        (10, r#""op":"reserve""#, r#""op":"seize""#, "what a transfer does"),
        (12, "insufficient-quota", "forgotten", "a kind of reason"),
        (13, r#""estimated":true"#, r#""estimated":null"#, "`true` or `false`"),
        (13, r#""ended":"done""#, r#""ended":"gone""#, "how an act ends"),
        (13, r#""op":"post","pending":"0""#, r#""op":"post""#, "\"pending\""),
        (13, r#""op":"move""#, r#""op":"move","pending":"0""#, "\"debit\""),
        (16, r#""count":"1""#, r#""count":1"#, "expected"),
    ]);
}

#[test]
fn a_text_that_is_not_utf_8_is_refused() {
    let entries = whole();
    let mut replay = replay::Replay::new();
    replay.entry(entries[0].envelope.as_bytes(), entries[0].parties.as_bytes()).unwrap();
    let mut parties = entries[1].parties.clone().into_bytes();
    let ana = parties.windows(3).position(|window| window == b"ana").unwrap();
    parties[ana] = 0xff;
    let fault = replay.entry(entries[1].envelope.as_bytes(), &parties).unwrap_err();
    assert!(fault.to_string().contains("utf-8"), "{fault}");
}

#[test]
fn every_single_cut_and_every_flipped_bit_of_a_text_is_refused_or_says_something_else() {
    let entries = whole();
    let mut refused = 0_u32;
    for index in [0, 1, 10, 13, 17, 29] {
        let before = folded(&entries[..index]).unwrap_or_else(|(index, fault)| panic!("{index}: {fault}"));
        let Text { envelope, parties } = &entries[index];
        for end in 0..parties.len() {
            assert!(
                before.clone().entry(envelope.as_bytes(), &parties.as_bytes()[..end]).is_err(),
                "cut at {end}"
            );
        }
        for bit in 0..parties.len() * 8 {
            let mut changed = parties.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            refused += u32::from(before.clone().entry(envelope.as_bytes(), &changed).is_err());
        }
    }
    assert!(refused > 10_000, "most of it is structure: {refused}");
}

#[test]
fn a_record_begins_once_and_its_time_goes_on() {
    let entries = whole();
    assert!(said(&entries[1..]).contains("begins with one genesis"));
    assert!(said(&[entries[0].clone(), entries[0].clone()]).contains("begins with one genesis"));
    check_parties(&[
        (1, &at(1), "2026-11-23T02:59:59.999Z", "hour"),
        (4, &at(3), &at(1), "before the time of the entry before it"),
    ]);
}

#[test]
fn the_first_entry_is_signed_with_keys_of_their_own() {
    let (north, south) = (signer("north"), signer("south"));
    let renamed = record::note::Signer::generate("another", [3; 32]).unwrap().verifier().vkey();
    let keys = [north.verifier().vkey(), south.verifier().vkey()];
    let signed = |by: &record::note::Signer, memorandum: [u8; 32]| {
        base64(&by.sign_bytes(&[b"countersign/memorandum/v1\0".as_slice(), &memorandum].concat()))
    };
    let line = |party: &str, value: &str| format!(r#"{{"party":"{party}","value":"{value}"}}"#);
    let good = signed(&south, [1; 32]);
    check_parties(&[
        (0, &keys[1], "nobody", "the key of `south` is not a vkey"),
        (0, &keys[1], &keys[0], "the key of `south` is not one of its own"),
        (0, &keys[1], &renamed, "the key of `south` is not one of its own"),
        (0, r#"{"party":"south""#, r#"{"party":"north""#, "the key of `north` is not one of its own"),
        (0, &good, &signed(&north, [1; 32]), "the signature of `south` under the memorandum"),
        (0, &good, &signed(&south, [2; 32]), "the signature of `south` under the memorandum"),
        (0, &good, &good[4..], "the signature of `south` under the memorandum"),
        (0, &line("south", &good), &line("north", &signed(&north, [1; 32])), "the signature of `north`"),
        (0, &line("south", &good), &line("east", &good), "the signature of `east`"),
    ]);
    let mut entries = whole();
    let founding = &mut entries[0].parties;
    let from = founding.find(r#""signatures":["#).unwrap() + 14;
    let to = founding.find("]},\n").unwrap();
    founding.replace_range(from..to, "");
    assert!(said(&entries).contains("nobody has signed"), "{}", said(&entries));
    let opened = transfer(1, "move", "commitment:t:pledged", "commitment:t:undrawn", "500 USD");
    let reserved = transfer(1, "reserve", "commitment:t:pledged", "commitment:t:undrawn", "500 USD");
    check_parties(&[(0, &opened, &reserved, "reserves nothing")]);
}

#[test]
fn an_act_is_decided_once_and_goes_on_when_all_have_approved() {
    let entries = whole();
    let without = |gone: &[usize]| {
        let kept = entries.iter().enumerate().filter(|(index, _)| !gone.contains(index));
        said(&kept.map(|(_, entry)| entry.clone()).collect::<Vec<_>>())
    };
    assert!(without(&[4, 5]).contains("went on without the approval of south"), "{}", without(&[4, 5]));
    let twice = [&entries[..2], &entries[1..2]].concat();
    assert!(said(&twice).contains("made to wait twice"));
    let again = [&entries[..13], &entries[12..13]].concat();
    assert!(said(&again).contains("was decided before"), "{}", said(&again));
    check_parties(&[
        (6, r#""name":"app""#, r#""name":"apt""#, "is not the act that waited"),
        (6, r#""person":"ana""#, r#""person":"ann""#, "is not the act that waited"),
        (1, r#""by":["north","south"]"#, r#""by":[]"#, "waits for nobody"),
        (1, r#""name":"app""#, r#""name":"apt""#, "a digest that is not its own"),
        (22, r#","digest":"AgI"#, r#","digest":"AwI"#, "a digest that is not its own"),
        (27, &id(10), &id(77), "an amendment that nobody was asked to approve"),
        (
            12,
            r#"{"transfers":[]}"#,
            &format!(r#"{{"lapses":"{}","transfers":[]}}"#, at(900)),
            "lapses at some time",
        ),
        (10, &format!(r#""lapses":"{}","#, at(900)), "", "lapses at some time"),
    ]);
}

#[test]
fn an_approval_is_of_what_waits_by_who_is_asked_over_its_digest() {
    let other = base64(&[0; 32]);
    let wrong = base64(&signer("north").sign_bytes(b"something else"));
    let right = |party: &str| {
        base64(&signer(party).sign_bytes(&[b"countersign/approval/v1\0".as_slice(), &change()].concat()))
    };
    check_parties(&[
        (2, &id(1), &id(9), "approves what does not wait"),
        (2, &base64(&change()), &other, "approves what does not wait"),
        (2, r#""party":"north","signature""#, r#""party":"east","signature""#, "approves what does not wait"),
        (2, &right("north"), &wrong, "the signature does not verify with the key of party `north`"),
        (
            4,
            r#""party":"south","signature""#,
            r#""party":"north","signature""#,
            "approves what does not wait",
        ),
        (1, r#"["north","south"]"#, r#"["north","south","east"]"#, "without the approval of east"),
        (3, r#""ended":"done""#, r#""ended":"failed""#, "went on without the approval of north"),
        (18, r#""clause":"t""#, r#""clause":"u""#, "the signature does not verify"),
        (
            18,
            r#""party":"north","signature""#,
            r#""party":"south","signature""#,
            "the signature does not verify",
        ),
        (
            31,
            r#""ended":"done""#,
            r#""ended":"failed""#,
            "the signature does not verify with the key of party `south`",
        ),
    ]);
}

#[test]
fn a_settlement_closes_an_open_act_under_its_decision() {
    let entries = whole();
    let interrupted: Vec<_> = entries[..19].iter().chain(&entries[20..]).cloned().collect();
    assert!(said(&interrupted).contains("another entry stands between"), "{}", said(&interrupted));
    let twice: Vec<_> = [&entries[..14], &entries[13..14]].concat();
    assert!(said(&twice).contains("is settled but was not open"));
    check_parties(&[
        (13, &id(5), &id(7), "is settled but was not open"),
        (13, r#""decided":"10""#, r#""decided":"11""#, "another decision"),
        (13, r#""kind":"infer""#, r#""kind":"amend""#, "an act of another kind"),
        (3, &id(2), &id(1), "another entry stands between"),
        (14, &at(900), &at(899), "cannot have ended as `lapsed`"),
        (31, r#""ended":"done""#, r#""ended":"lapsed""#, "cannot have ended as `lapsed`"),
        (
            13,
            r#""charged":{"asset":"CREDIT","amount":"30"}"#,
            r#""charged":{"asset":"CREDIT","amount":"31"}"#,
            "what it is charged",
        ),
        (13, r#""charged":{"asset":"CREDIT","amount":"30"},"#, "", "what it is charged"),
        (13, r#""ended":"done""#, r#""ended":"lost""#, "what it is charged"),
    ]);
}

#[test]
fn a_call_reserves_what_is_available_to_it_until_its_warrant_lapses() {
    let held = transfer(1, "reserve", "budget:k:available", "budget:k:spent", "50 CREDIT");
    let reserved = |from: &str, to: &str| transfer(1, "reserve", from, to, "50 CREDIT");
    let other_asset = transfer(1, "reserve", "memo:credit:h:available", "memo:credit:h:spent", "50 USD");
    let expected = "a call reserves what is available";
    check_parties(&[
        (10, &held, &reserved("credit:h:issued", "credit:h:spent"), expected),
        (10, &held, &reserved("credit:g:available", "credit:g:pocket"), expected),
        (10, &held, &reserved("credit:g:available", "credit:h:spent"), expected),
        (10, &held, &reserved("memo:budget:k:available", "memo:budget:k:spent"), expected),
        (10, r#""key":"k""#, r#""key":"j""#, expected),
        (10, &held, &other_asset, expected),
        (
            10,
            r#","until":"2026-11-23T03:15:00.000Z""#,
            r#","until":"2026-11-23T03:15:00.001Z""#,
            "until its warrant lapses",
        ),
        (
            10,
            &format!(r#""lapses":"{}""#, at(900)),
            &format!(r#""lapses":"{}""#, at(5)),
            "until its warrant lapses",
        ),
    ]);
}

#[test]
fn a_settlement_moves_only_what_an_act_of_its_kind_and_ending_moves() {
    let rest = transfer(4, "move", "rounding:payer:CREDIT/10", "rounding:operator:CREDIT/10", "3 CREDIT/10");
    let moved = |from: &str, to: &str, amount: &str| transfer(4, "move", from, to, amount);
    let (nothing, expected) = (r#"{"transfers":[]}"#, "is nothing that a settlement of this kind");
    let alone = |transfer: &str| format!(r#"{{"transfers":[{transfer}]}}"#);
    let theft = alone(&moved("credit:g:available", "credit:g:spent", "1 CREDIT"));
    for other in [
        moved("credit:g:available", "credit:g:spent", "3 CREDIT"),
        moved("credit:g:spent", "credit:g:available", "3 CREDIT"),
        moved("credit:g:issued", "credit:g:available", "3 CREDIT"),
        moved("budget:k:available", "budget:k:spent", "3 CREDIT"),
        moved("memo:credit:h:available", "memo:credit:h:spent", "3 CREDIT"),
        moved("north:overrun:CREDIT", "credit:g:available", "3 CREDIT"),
        moved(":overrun:CREDIT", "credit:g:spent", "3 CREDIT"),
        moved("north:overrun:USD", "credit:h:spent", "3 USD"),
        moved("rounding:payer:CREDIT/10", "rounding:payer:CREDIT/10x", "3 CREDIT/10"),
        moved("rounding:x", "rounding:y", "3 CREDIT/10"),
        moved("rounding:payer:USD/10", "rounding:operator:USD/10", "3 USD/10"),
        format!("{rest},{}", rest.replacen("\"4\"", "\"5\"", 1)),
    ] {
        check_parties(&[(13, &rest, &other, expected)]);
    }
    check_parties(&[
        (
            13,
            &rest,
            &moved("north:overrun:CREDIT", "credit:g:spent", "3 CREDIT"),
            "the state's digest differs",
        ),
        (3, nothing, &theft, expected),
        (5, nothing, &theft, expected),
        (7, nothing, &theft, expected),
        (19, nothing, &theft, expected),
        (31, nothing, &theft, expected),
    ]);
    let raised = alone(&moved("credit:g:issued", "credit:g:available", "1 CREDIT"));
    let mut entries = whole();
    entries[31].parties = entries[31].parties.replace(nothing, &raised);
    assert_eq!(said(&entries), "nothing", "an amendment raises a grant");
    entries[31].parties = entries[31].parties.replace(r#""ended":"done""#, r#""ended":"failed""#);
    assert!(said(&entries).contains(expected), "one that failed does not: {}", said(&entries));
    check_parties(&[
        (9, "budget:k:issued", "budget:j:issued", expected),
        (9, r#""amount":"100""#, r#""amount":"101""#, expected),
        (9, r#""ended":"done""#, r#""ended":"failed""#, expected),
        (21, "commitment:t:undrawn", "commitment:u:undrawn", "overdrawn"),
        (21, "commitment:t:drawn", "commitment:t:pledged", expected),
        (21, r#""amount":"500""#, r#""amount":"499""#, "does not move all that it books"),
        (14, r#""op":"lapse""#, r#""op":"void""#, expected),
        (30, r#""op":"void""#, r#""op":"lapse""#, expected),
    ]);
    let budget = transfer(0, "move", "budget:k:issued", "budget:k:available", "100 CREDIT");
    check_parties(&[(9, &budget, "", "does not move all that it books")]);
}

#[test]
fn what_is_charged_is_what_was_posted_in_its_asset() {
    let charged = r#""charged":{"asset":"CREDIT","amount":"30"}"#;
    let in_dollars = r#""charged":{"asset":"USD","amount":"30"}"#;
    let of_ten = r#"{"charged":{"asset":"CREDIT","amount":"10"},"transfers":"#;
    check_parties(&[
        (13, charged, in_dollars, "what it is charged"),
        (
            13,
            r#""pending":"1","debit":"budget:k:available","credit":"budget:k:spent","asset":"CREDIT","amount":"30""#,
            r#""pending":"1","debit":"budget:k:available","credit":"budget:k:spent","asset":"CREDIT","amount":"29""#,
            "what it is charged",
        ),
        (21, r#"{"transfers":"#, of_ten, "what it is charged"),
    ]);
    // Priced by an intention: what its memo counts is what is charged, also beyond what it reserved.
    let memo =
        |leg, op, amount: &str| transfer(leg, op, "memo:credit:h:available", "memo:credit:h:spent", amount);
    let priced = |charged: &str, transfers: &[String]| {
        let mut entries = whole();
        entries.truncate(12);
        let grant = transfer(0, "reserve", "credit:g:available", "credit:g:spent", "20 CREDIT");
        entries[11].parties = entries[11].parties.replace(&grant, &memo(0, "reserve", "20 CREDIT"));
        let mut end = whole()[14].clone();
        let lapse = transfer(1, "lapse 0", "credit:g:available", "credit:g:spent", "20 CREDIT");
        end.parties = end
            .parties
            .replace(r#""ended":"lapsed""#, r#""ended":"done""#)
            .replace(&lapse, &transfers.join(","));
        end.parties = end.parties.replace(r#""money":{"#, &format!(r#""money":{{{charged}"#));
        entries.push(end);
        said(&entries)
    };
    let (ten, thirty) =
        (r#""charged":{"asset":"CREDIT","amount":"10"},"#, r#""charged":{"asset":"CREDIT","amount":"30"},"#);
    assert_eq!(priced(ten, &[memo(1, "post 0", "10 CREDIT")]), "nothing");
    assert_eq!(priced(thirty, &[memo(1, "post 0", "20 CREDIT"), memo(2, "move", "10 CREDIT")]), "nothing");
    assert_eq!(priced("", &[memo(1, "void 0", "20 CREDIT")]), "nothing");
    for (charged, transfers) in [
        (thirty, vec![memo(1, "post 0", "20 CREDIT")]),
        (ten, vec![memo(1, "post 0", "9 CREDIT")]),
        ("", vec![memo(1, "post 0", "10 CREDIT")]),
    ] {
        assert!(
            priced(charged, &transfers).contains("what it is charged"),
            "{}",
            priced(charged, &transfers)
        );
    }
    assert!(priced(ten, &[memo(1, "void 0", "20 CREDIT")]).contains("is nothing that a settlement"));
}

#[test]
fn the_version_in_force_decides_and_an_amendment_is_the_next() {
    let entries = whole();
    let mut again = [&entries[..22], &entries[20..21]].concat();
    again[22].parties = again[22].parties.replace(&id(9), &id(99));
    assert!(said(&again).contains("books `t`, which was drawn"), "{}", said(&again));
    check_parties(&[
        (10, r#""memorandum":"1""#, r#""memorandum":"2""#, "another version of the memorandum"),
        (32, r#""memorandum":"2""#, r#""memorandum":"1""#, "another version of the memorandum"),
        (22, r#""version":"2""#, r#""version":"3""#, "not the one after"),
    ]);
    let replay = folded(&entries).unwrap();
    let asked: Vec<_> = replay
        .asked()
        .map(|(asked, index)| (asked.kind.name(), asked.went_on, asked.by.len(), index))
        .collect();
    assert_eq!(
        asked,
        [
            ("amend", false, 2, 22),
            ("amend", true, 2, 27),
            ("application-add", false, 2, 1),
            ("application-add", true, 2, 6),
            ("key-new", false, 0, 8),
        ]
    );
    let drawn = &replay.drawn()[0];
    assert_eq!(
        (drawn.index, drawn.clause.as_str(), &drawn.attested[..]),
        (20, "t", &[vec!["north".to_owned()]][..])
    );
    let proposed = replay.proposed()[0];
    assert_eq!((proposed.index, proposed.under, proposed.number, proposed.digest), (22, 0, 2, [2; 32]));
}

#[test]
fn a_state_digest_stands_where_one_was_due() {
    let whole = whole();
    let refused = |number: u32| Text {
        envelope: whole[12].envelope.clone(),
        parties: whole[12].parties.replace(&id(7), &id(1000 + number)),
    };
    let entries: Vec<_> = whole[..1].iter().cloned().chain((0..1024).map(refused)).collect();
    let (index, fault) = folded(&entries).unwrap_err();
    assert_eq!((index, fault.to_string().as_str()), (1024, "a state-digest was due before this entry"));
    assert!(folded(&entries[..1024]).is_ok());
}

#[test]
fn transfers_follow_the_rules_of_accounts() {
    check_parties(&[
        (0, r#""amount":"500""#, r#""amount":"0""#, "leg 1 is a move of nothing"),
        (0, r#""amount":"500""#, r#""amount":"-500""#, "leg 1 moves less than nothing"),
        (0, "commitment:t:undrawn", "commitment:t:pledged", "both debited and credited"),
        (0, "commitment:t:undrawn", "credit:g:available", "holds `CREDIT`, not `USD`"),
        (10, r#""op":"reserve""#, r#""op":"move""#, "expected }"),
        (10, r#""leg":"1""#, r#""leg":"0""#, "the number of a reservation that is alive"),
        (10, r#""amount":"50""#, r#""amount":"1001""#, "account `credit:g:available` is overdrawn"),
        (11, r#""amount":"20""#, r#""amount":"951""#, "account `credit:g:available` is overdrawn"),
        (
            10,
            "budget:k:spent\",\"asset\":\"CREDIT\",\"amount\":\"50",
            "budget:k:spent\",\"asset\":\"CREDIT\",\"amount\":\"101",
            "account `budget:k:available` is overdrawn",
        ),
        (13, r#""pending":"0""#, r#""pending":"7""#, "leg 2 ends a reservation that is not alive"),
        (13, r#""pending":"1""#, r#""pending":"0""#, "leg 3 ends a reservation that is not alive"),
        (13, r#""leg":"2""#, r#""leg":"0""#, "the number of a reservation that is alive"),
        (13, "credit:g:spent", "budget:k:spent", "does not repeat the accounts"),
        (13, "credit:g:available", "budget:k:available", "does not repeat the accounts"),
    ]);
    let post = transfer(2, "post 0", "credit:g:available", "credit:g:spent", "30 CREDIT");
    let changed = |op: &str, amount: &str| transfer(2, op, "credit:g:available", "credit:g:spent", amount);
    check_parties(&[
        (13, &post, &changed("post 0", "51 CREDIT"), "another amount than it may"),
        (13, &post, &changed("void 0", "49 CREDIT"), "another amount than it may"),
        (13, &format!("{post},"), "", "still holds a reservation"),
        (13, &post, &changed("reserve", "30 CREDIT"), "leg 2 is nothing that a settlement"),
        (21, r#""amount":"500""#, r#""amount":"501""#, "account `commitment:t:undrawn` is overdrawn"),
        (21, "commitment:t:drawn", "credit:g:spent", "holds `CREDIT`, not `USD`"),
    ]);
    let theft = transfer(0, "move", "credit:g:issued", "credit:g:available", "1 CREDIT");
    let held = transfer(0, "reserve", "credit:g:issued", "credit:g:available", "1 CREDIT");
    let moved = |transfer: &str| format!(r#"{{"transfers":[{transfer}]}}"#);
    check_parties(&[
        (12, r#"{"transfers":[]}"#, &moved(&held), "only a model call that is allowed reserves"),
        (1, r#"{"transfers":[]}"#, &moved(&theft), "only a model call that is allowed reserves"),
        (2, r#"{"transfers":[]}"#, &moved(&held), "only a model call that is allowed reserves"),
        (
            11,
            &transfer(0, "reserve", "credit:g:available", "credit:g:spent", "20 CREDIT"),
            &theft,
            "its decision does nothing else",
        ),
    ]);
}

#[test]
fn a_name_guards_its_account_unless_it_is_a_memo() {
    for (name, is_guarded) in [
        ("credit:g:available", true),
        ("commitment:t:undrawn", true),
        ("x:available", true),
        ("memo:credit:g:available", false),
        ("available", false),
        ("credit:g:availability", false),
        ("credit:g:spent", false),
    ] {
        let mut entries = whole();
        entries.truncate(1);
        let opened = transfer(1, "move", "commitment:t:pledged", "commitment:t:undrawn", "500 USD");
        let other = transfer(1, "move", name, "somewhere", "5000 CREDIT");
        let other = if name.starts_with("commitment") { other.replace("CREDIT", "USD") } else { other };
        entries[0].parties = entries[0].parties.replace(&opened, &other);
        assert_eq!(said(&entries).contains("is overdrawn"), is_guarded, "{name}: {}", said(&entries));
    }
}

#[test]
fn sums_beyond_128_bits_are_refused_whatever_accounts_they_are_spread_over() {
    let most = i128::MAX.to_string();
    let opened = transfer(1, "move", "commitment:t:pledged", "commitment:t:undrawn", "500 USD");
    let on_one = transfer(1, "move", "credit:g:issued", "elsewhere", &format!("{most} CREDIT"));
    let on_others = transfer(1, "move", "nowhere", "elsewhere", &format!("{most} CREDIT"));
    let expected = "the sums of asset `CREDIT` do not fit in 128 bits";
    check_parties(&[(0, &opened, &on_one, expected), (0, &opened, &on_others, expected)]);
}

#[test]
fn what_is_about_no_act_keeps_its_rules() {
    let digest = |entries: &[Text]| {
        let text = &entries[29].parties;
        let from = text.find(r#""digest":""#).unwrap() + 10;
        text[from..from + 44].to_owned()
    };
    let entries = whole();
    check_parties(&[
        (15, &at(800), &at(1000), "the clock did not step back"),
        (16, r#""count":"1""#, r#""count":"0""#, "a tally counts above zero"),
        (16, r#""key":"j""#, r#""key":"k""#, "a tally counts above zero"),
        (17, "2026-11-24T03:20:00.000Z", "2026-11-24T03:20:00.001Z", "a lease lasts a day at most"),
        (17, "2026-11-24T03:20:00.000Z", &at(1200), "a lease lasts a day at most"),
        (17, r#""calls":"64""#, r#""calls":"0""#, "a lease lasts a day at most"),
        (17, r#""amount":"9""#, r#""amount":"0""#, "a lease lasts a day at most"),
        (17, r#"{"asset":"USD""#, r#"{"asset":"CREDIT""#, "a lease lasts a day at most"),
        (17, r#"{"asset":"USD""#, r#"{"asset":"BITS""#, "a lease lasts a day at most"),
        (29, &digest(&entries), &base64(&[0; 32]), "the state's digest differs"),
    ]);
}

#[test]
fn an_idempotency_key_belongs_to_one_act_unless_that_came_to_nothing() {
    let input = format!(r#""input":"{}""#, base64(&[8; 32]));
    let with = |key: u8| format!(r#"{input},"idempotency":"{}""#, base64(&[key; 32]));
    // The first call is done, the second lapses, the third is refused, and the last comes after all of them.
    for (keyed, expected) in [
        (vec![(10, 1), (11, 2), (28, 3)], "nothing"),
        (vec![(10, 1), (11, 1)], "is allowed with the idempotency key of act"),
        (vec![(10, 1), (28, 1)], "is allowed with the idempotency key of act"),
        (vec![(10, 1), (12, 1)], "nothing"),
        (vec![(12, 1), (28, 1)], "nothing"),
        (vec![(11, 1), (28, 1)], "nothing"),
    ] {
        let mut entries = whole();
        for (index, key) in &keyed {
            assert!(entries[*index].parties.contains(&input), "entry {index} is a call");
            entries[*index].parties = entries[*index].parties.replace(&input, &with(*key));
        }
        assert!(said(&entries).contains(expected), "{keyed:?}: {}", said(&entries));
    }
    check_parties(&[(
        10,
        &input,
        &format!(r#"{input},"idempotency":"short""#),
        "not in the format's one spelling",
    )]);
}
