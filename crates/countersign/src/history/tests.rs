use super::*;

#[test]
fn a_length_is_some_days_and_what_is_none_is_told_why() {
    let cases = [
        ("90d", Ok(Length(90))),
        ("7d", Ok(Length(7))),
        ("365d", Ok(Length(365))),
        ("6d", Err(BadLength::Range)),
        ("0d", Err(BadLength::Range)),
        ("-1d", Err(BadLength::Range)),
        ("4000d", Err(BadLength::Range)),
        ("99999999999999999999d", Err(BadLength::Range)),
        ("90", Err(BadLength::Unit)),
        ("3m", Err(BadLength::Unit)),
        ("d", Err(BadLength::Unit)),
        ("9 0d", Err(BadLength::Unit)),
        ("", Err(BadLength::Unit)),
    ];
    for (text, length) in cases {
        assert_eq!(text.parse::<Length>(), length, "{text}");
    }
}

fn span(days: i64, end: &str) -> Span {
    Span::of(Length(days), end.parse().unwrap()).unwrap()
}

#[test]
fn days_within_a_history_are_moved_in_proportion_and_later_ones_as_long_after_its_end() {
    let moved = |text: &str, days| dates::moved(text, &span(days, "2027-06-10T09:00:00.000Z"));
    assert_eq!(moved("from 2026-01-01, until 2026-04-01.", 90), "from 2027-03-12, until 2027-06-10.");
    assert_eq!(moved("(2026-01-31)", 9), "(2027-06-04)");
    assert_eq!(moved("2026-05-01", 9), "2027-07-10");
    for text in ["2025-12", "x2026-01-01", "2026-02-30", "einst im März, 12345678901"] {
        assert_eq!(moved(text, 9), text);
    }
}

#[test]
fn the_memoranda_are_sound_at_every_length_and_the_second_follows_the_first() {
    for days in SHORTEST..=LONGEST {
        let span = span(days, "2028-02-29T23:59:59.999Z");
        let first = terms(&span.memorandum()).unwrap_or_else(|error| panic!("{days}d: {error}"));
        let second = terms(&span.amendment().unwrap()).unwrap_or_else(|error| panic!("{days}d: {error}"));
        assert_eq!(second.memorandum().header.previous, Some(first.digest().0), "{days}d");
        assert!(first.memorandum().header.title.contains(BANNER));
        assert!(first.memorandum().header.effective <= span.begins().date(), "{days}d");
    }
}

#[test]
fn a_seed_draws_the_same_calls_and_none_that_ends_after_the_history() {
    let drawn = || {
        let span = span(90, "2027-06-10T14:30:00.000Z");
        let mut calls = calls::Calls::of(&span);
        let days = (0..=span.days).flat_map(move |day| {
            let begins = span.day(day).unwrap();
            calls.of_day(&span, day, begins)
        });
        days.map(|call| (call.at, call.key.to_string(), call.body, call.ends, call.outcome.ended))
            .collect::<Vec<_>>()
    };
    let calls = drawn();
    assert_eq!(calls, drawn());
    assert!((4_000..4_400).contains(&calls.len()), "{}", calls.len());
    let end = "2027-06-10T14:30:00.000Z".parse().unwrap();
    assert!(calls.iter().all(|(at, _, _, ends, _)| at < ends && *ends <= end));
    let on_weekday = |key: &str, is_free: bool| {
        let of = calls.iter().filter(|(_, by, ..)| by == key);
        of.filter(|(at, ..)| (at.date().weekday().to_monday_one_offset() > 5) == is_free).count()
    };
    assert!(on_weekday("assistant-example", false) > 10 * on_weekday("assistant-example", true));
    assert!(on_weekday("search-example", false) < 3 * on_weekday("search-example", true));
}

/// What was decided and how it ended, without what is random: ids, keys, salts and commitments.
fn acts(dir: &Path) -> Vec<String> {
    let key = std::fs::read_to_string(dir.join("keys/log.vkey")).unwrap();
    let log = record::note::Verifier::parse(key.trim_end()).unwrap();
    let store = std::sync::Arc::new(record::store::directory::Directory::new(dir.join("record")));
    let loaded = record::load(store, log.name(), 16 << 20, &log).unwrap();
    let mut acts = Vec::new();
    let each = |_, _: &[u8], parties: &[u8]| {
        let entry: serde_json::Value = serde_json::from_slice(parties).unwrap();
        let told = |path: &str| entry.pointer(path).map(ToString::to_string).unwrap_or_default();
        let paths = [
            "/act/at",
            "/act/kind",
            "/who/key",
            "/why/decision",
            "/why/code",
            "/why/clauses",
            "/what/ended",
            "/what/usage",
            "/what/input_tokens_max",
            "/money/charged",
            "/what/amount",
        ];
        acts.push(paths.map(told).join(" "));
        Ok(())
    };
    loaded.for_each_entry(each).unwrap();
    acts
}

#[test]
fn the_same_days_have_the_same_acts_whenever_they_are_made() {
    let end = "2027-06-10T14:30:00.000Z".parse().unwrap();
    let history = || {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("partnership");
        let new = crate::cmd::New::of(Default::default(), Some(Length(30)), end).unwrap();
        crate::cmd::create(&dir, new, &mut || crate::clock::Clock.random(), end).unwrap();
        acts(&dir)
    };
    let made = history();
    assert_eq!(made, history());
    let last = made.iter().filter_map(|act| act.get(1..25)).max().unwrap();
    assert!(made.len() > 2_500 && last <= "2027-06-10T14:30:00.000Z", "{} {last}", made.len());
}
