use super::*;

#[test]
fn waits_double_up_to_an_hour_and_differ_by_chance_by_no_more_than_a_quarter() {
    for (attempts, wait) in
        [(1, 2_000), (2, 4_000), (3, 8_000), (11, 2_048_000), (12, 3_600_000), (400, 3_600_000)]
    {
        let (least, most) = (wait_ms(attempts, 0), wait_ms(attempts, u8::MAX));
        assert_eq!((least, most), (wait - wait / 4, wait - wait / 4 + wait / 2), "after {attempts}");
    }
}

fn notice(id: &str, parties: &[&str]) -> Notice {
    let parties = parties.iter().copied().map(Into::into).collect();
    Notice { id: id.to_owned(), about: About::Due, clause: None, parties, text: "x".to_owned() }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + millis)
}

#[test]
fn what_was_told_is_not_told_again_after_a_restart_and_what_was_not_is_under_the_same_id() {
    let dir = tempfile::tempdir().unwrap();
    let all = |_: &Notice| true;
    let outbox = Outbox::open(dir.path()).unwrap();
    outbox.note(vec![notice("due/a/1", &[]), notice("due/b/1", &[])], at(0)).unwrap();
    outbox.tried("due/a/1", "board", at(5), None, [0; 32]).unwrap();
    let tried = outbox.tried("due/b/1", "board", at(6), Some(Failure::of("status-500")), [0; 32]).unwrap();
    assert!(!tried.is_last(at(6)));
    let again = Outbox::open(dir.path()).unwrap();
    assert!(again.next("board", at(1_000), all).is_none(), "the one is told, and the other is not due yet");
    let next = again.next("board", at(1_506), all).unwrap();
    assert_eq!((next.notice, next.at), (notice("due/b/1", &[]), at(0)));
    assert_eq!(again.next("other", at(0), all).unwrap().notice.id, "due/a/1", "each receiver is told");
    let last =
        again.tried("due/b/1", "board", at(TRIED_MS + 6), Some(Failure::of("timeout")), [0; 32]).unwrap();
    assert!(last.is_last(at(TRIED_MS + 6)) && last.attempts == 2);
    again.give_up(BTreeSet::from([("due/b/1".to_owned(), "board".to_owned())]));
    assert!(again.next("board", at(10 * TRIED_MS), all).is_none());
    assert!(again.next("board", at(-10 * TRIED_MS), all).is_none());
}

#[test]
fn attempts_that_later_ones_have_overtaken_are_left_out_of_the_file_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notices");
    let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
    let outbox = Outbox::open(dir.path()).unwrap();
    outbox.note(vec![notice("due/a/1", &["halcyon"]), notice("due/b/1", &[])], at(0)).unwrap();
    for attempt in 1..=40 {
        let failure = Some(Failure::of("status-500"));
        outbox.tried("due/a/1", "board", at(attempt), failure, [0; 32]).unwrap();
    }
    outbox.tried("due/b/1", "board", at(41), None, [0; 32]).unwrap();
    let told = |outbox: &Outbox| {
        let all = outbox.all().into_iter();
        all.map(|noted| (noted.notice, noted.at, noted.tried)).collect::<Vec<_>>()
    };
    assert_eq!(lines(), 43);
    let again = Outbox::open(dir.path()).unwrap();
    assert_eq!((lines(), told(&again)), (4, told(&outbox)));
    again.tried("due/a/1", "board", at(50), None, [0; 32]).unwrap();
    let last = Outbox::open(dir.path()).unwrap();
    assert_eq!((lines(), told(&last)), (5, told(&again)), "what is added after it stands behind it");
}

#[test]
fn a_line_that_a_crash_cut_short_is_left_out_and_any_other_damage_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notices");
    let outbox = Outbox::open(dir.path()).unwrap();
    outbox.note(vec![notice("due/a/1", &[])], at(0)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for cut in 1..whole.len() {
        crate::files::replace(&path, &[&whole, &whole[..cut]].concat(), 0o600).unwrap();
        let torn = Outbox::open(dir.path()).unwrap();
        torn.note(vec![notice("due/b/1", &[])], at(1)).unwrap();
        assert_eq!(Outbox::open(dir.path()).unwrap().all().len(), 2, "cut at {cut}");
    }
    crate::files::replace(&path, &[b"{}\n".as_slice(), &whole].concat(), 0o600).unwrap();
    let error = format!("{:#}", Outbox::open(dir.path()).unwrap_err());
    assert!(error.contains("line 1") && error.contains("told again under the same ids"), "{error}");
}

#[test]
fn a_next_attempt_that_a_clock_has_left_far_ahead_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).unwrap();
    outbox.note(vec![notice("due/a/1", &[])], at(0)).unwrap();
    outbox.tried("due/a/1", "board", at(TRIED_MS), Some(Failure::of("timeout")), [0; 32]).unwrap();
    assert!(outbox.next("board", at(0), |_| true).is_some());
    assert!(outbox.next("board", at(TRIED_MS), |_| true).is_none());
}

#[test]
fn what_is_wrong_with_a_receiver_is_said() {
    let parties = ["northwind", "halcyon"].map(Into::into);
    let hook = "name = \"board\"\nkind = \"webhook\"\nurl = \"https://example.com/x\"\nsecret_env = \"NO_SUCH_VARIABLE\"\n";
    let mail = "name = \"board\"\nkind = \"smtp\"\nhost = \"mail.example.com\"\nfrom = \"a@example.com\"\n";
    let to = "to = [\"b@example.com\"]\n";
    let table: [(String, &str); 10] = [
        (hook.to_owned(), "which is not set"),
        (hook.replace("board", "The Board"), "lower-case letters"),
        (hook.replace("secret_env", "party = \"other\"\nsecret_env"), "its parties are northwind, halcyon"),
        (hook.replace("secret_env", "about = [\"weather\"]\nsecret_env"), "there is: expiry, due, used"),
        (hook.replace("secret_env", "host = \"x\"\nsecret_env"), "`host` means nothing"),
        (hook.replace("url = \"https://example.com/x\"\n", ""), "needs a `url`"),
        (mail.to_owned(), "somebody to go to"),
        (format!("{mail}to = [\"b <c@example.com>\"]\n"), "is no mail address"),
        (format!("{mail}{to}user_env = \"U\"\n"), "go together"),
        (format!("{mail}{to}url = \"x\"\n"), "`url` means nothing"),
    ];
    for (text, expected) in table {
        let read: ReceiverText = toml::from_str(&text).unwrap();
        let error = format!("{:#}", Receiver::all(&[read], &parties).unwrap_err());
        assert!(error.contains("`[[notice]]`") && error.contains(expected), "{text}{error}");
    }
    let read: ReceiverText =
        toml::from_str(&format!("{mail}{to}party = \"halcyon\"\nabout = [\"due\"]\n")).unwrap();
    let error = format!("{:#}", Receiver::all(&[read.clone(), read.clone()], &parties).unwrap_err());
    assert!(error.contains("two `[[notice]]`"), "{error}");
    let [receiver] = &Receiver::all(&[read], &parties).unwrap()[..] else { panic!("one is one") };
    assert!(receiver.is_told(&notice("due/a", &[])) && receiver.is_told(&notice("due/a", &["halcyon"])));
    assert!(!receiver.is_told(&notice("due/a", &["northwind"])));
    assert!(!receiver.is_told(&Notice { about: About::Expiry, ..notice("expiry/a", &[]) }));
}

#[test]
fn a_webhooks_secret_is_of_the_form_that_its_specification_asks_for_and_is_never_shown() {
    for (url, secret, holds) in [
        ("https://example.com/", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true),
        ("http://127.0.0.1:1/x?y", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true),
        ("https://example.com/", "whsec_c2hvcnQ=", false),
        ("https://example.com/", "whsec_not base64", false),
        ("ftp://example.com/", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false),
        ("example.com", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false),
    ] {
        match webhook::Webhook::of(url, secret) {
            Ok(webhook) => assert!(holds && !format!("{webhook:?}").contains("MfKQ"), "{url}"),
            Err(error) => assert!(!holds && !format!("{error:#}").contains(secret), "{url}: {error:#}"),
        }
    }
}
