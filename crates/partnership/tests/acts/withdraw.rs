//! A party withdraws: what binds nobody ends after its notice, what binds or outlives it goes on, and a next version that both sign
//! stands. Under both folds, each entry judged again.

use super::conditions::why;
use super::*;
use jiff::civil::{Date, date};
use partnership::act::{Budget, Declare, Withdraw, declaration_bytes, withdrawal_bytes};
use partnership::state::ClauseState;

const HEAD: &str = r#"
```toml memorandum
title = "What Northwind and Halcyon intend"
version = 1
parties = [
  { id = "northwind", name = "Northwind Cloud", role = "operator" },
  { id = "halcyon", name = "Halcyon Research", role = "research" },
]
effective = 2026-01-01
prevails = "prose"
force = "non-binding"
threshold = 2
```
"#;

/// The notice of 30 days, given on 22 November, runs until 22 December.
const CLAUSES: &str = r#"
```toml clause serving
kind = "service"
source = "signed"
by = "northwind"
to = ["northwind", "halcyon"]
models = ["smollm2-135m-instruct"]
context_tokens = 2048
max_output_tokens = 256
input_overhead_tokens = 96
per_message_tokens = 16
```

```toml clause credits
kind = "compute-credit"
source = "signed"
from = "northwind"
to = "halcyon"
amount = "1.000000000 CREDIT"
models = ["smollm2-135m-instruct"]
starts = 2026-01-01
expires = 2027-01-01
burn_order = 10
```

```toml clause early-credits
kind = "compute-credit"
source = "signed"
from = "halcyon"
to = "northwind"
amount = "1.000000000 CREDIT"
models = ["smollm2-135m-instruct"]
starts = 2026-01-01
expires = 2026-12-21
burn_order = 10
```

```toml clause prices
kind = "rate-card"
source = "signed"
models = ["smollm2-135m-instruct"]
input = "0.50 CREDIT"
output = "1.50 CREDIT"
per = 1000000
from = 2026-01-01
```

```toml clause brief
kind = "policy"
source = "signed"
cedar = '''
forbid (principal, action == Action::"infer", resource)
when { context.max_output_tokens > 100 };
'''
```

```toml clause tranche-in-time
kind = "cash-tranche"
source = "signed"
from = "northwind"
to = "halcyon"
amount = "100.00 USD"
due = 2026-12-21
```

```toml clause tranche-too-late
kind = "cash-tranche"
source = "signed"
from = "northwind"
to = "halcyon"
amount = "100.00 USD"
due = 2026-12-22
```

```toml clause tranche-by-milestone
kind = "cash-tranche"
source = "signed"
from = "northwind"
to = "halcyon"
amount = "100.00 USD"
milestone = "a joint model is offered"
attested_by = ["halcyon"]
lapses = 2028-01-01
```

```toml clause capacity
kind = "capacity"
source = "signed"
from = "northwind"
to = "halcyon"
what = "units"
quantity = 1
price = "10.00 USD"
every = "P10D"
starts = 2026-12-11
ends = 2027-03-01
```

```toml clause share
kind = "revenue-share"
source = "signed"
from = "halcyon"
to = "northwind"
rate = "20%"
asset = "USD"
every = "P10D"
starts = 2026-12-02
ends = 2027-08-01
```

```toml clause know-how
kind = "licence"
source = "signed"
from = "northwind"
to = "halcyon"
what = "what was learnt together"
```

```toml clause secrecy
kind = "licence"
source = "signed"
from = "halcyon"
to = "northwind"
what = "what was told in confidence"
```

```toml clause promise
kind = "cash-tranche"
force = "binding"
source = "signed"
from = "northwind"
to = "halcyon"
amount = "700.00 USD"
due = 2027-02-01
```

```toml clause keeping
kind = "retention"
source = "signed"
keep = "keys"
at_least = "P1Y"
```

```toml clause afterwards
kind = "survival"
source = "signed"
clauses = ["know-how"]
lasts = "P1Y"
```

```toml clause duration
kind = "term"
source = "signed"
starts = 2026-01-01
ends = 2031-01-01
survives = ["secrecy"]
```
"#;

const AT_WILL: &str = r#"
```toml clause way-out
kind = "termination"
source = "signed"
by = ["northwind", "halcyon"]
notice = "P30D"
```
"#;

const ENDS: Date = date(2026, 12, 22);

fn house() -> House {
    House::founded_on(&format!("{HEAD}{CLAUSES}{AT_WILL}")).with_application()
}

impl House {
    /// Withdraws from the version in force.
    fn withdraw(&mut self, party: &str, ends: Date) -> Decision {
        let memorandum = self.partnership.state().terms().unwrap().digest();
        let signature = self.sign(party, &withdrawal_bytes(ORIGIN, &memorandum, ends));
        let party_id = PartyId::from(party);
        self.by(party, Deed::Withdraw(Withdraw { memorandum, ends, party: party_id, signature }))
    }

    fn comes(&mut self, day: Date) {
        self.at = format!("{day}T00:00:00Z").parse().unwrap();
        self.run(Command::Tick);
    }

    fn attest_joint_model(&mut self) -> Decision {
        let (clause, evidence) = (ClauseId::from("tranche-by-milestone"), Digest([1; 32]));
        let version = self.partnership.state().terms().unwrap().digest();
        let signature = self.sign("halcyon", &attestation_bytes(ORIGIN, &version, &clause, &evidence));
        let party = PartyId::from("halcyon");
        self.by("halcyon", Deed::Attest(Attest { clause, condition: None, evidence, party, signature }))
    }

    fn declare_share(&mut self, on: Date) -> Decision {
        let (clause, revenue) = (ClauseId::from("share"), Budget { asset: "USD".to_owned(), amount: 1000 });
        let signature = self.sign("halcyon", &declaration_bytes(ORIGIN, &clause, on, &revenue));
        let party = PartyId::from("halcyon");
        self.by("halcyon", Deed::Declare(Declare { clause, on, revenue, party, signature }))
    }
}

#[test]
fn a_withdrawal_is_told_once_to_all_until_another_version_stands() {
    let mut house = house();
    let told = |house: &House| {
        let notices = house.partnership.state().notices(house.at).into_iter();
        notices.filter(|notice| notice.about.name() == "withdrawal").collect::<Vec<_>>()
    };
    assert_eq!(told(&house), []);
    assert!(is_done(&house.withdraw("halcyon", ENDS)));
    let first = told(&house);
    let [notice] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!((notice.id.as_str(), notice.parties.len()), ("withdrawal/1", 0));
    assert!(notice.text.contains("`halcyon`") && notice.text.contains("2026-12-22"), "{}", notice.text);
    house.comes(date(2027, 12, 22));
    assert_eq!(told(&house), first, "the same for ever, so that whoever is told drops it");
    house.amend("2028-01-01", str::to_owned);
    house.comes(date(2028, 1, 1));
    assert_eq!(told(&house), []);
}

fn is_done(decision: &Decision) -> bool {
    matches!(decision, Decision::Done(_))
}

#[test]
fn each_clause_stands_until_the_notice_has_run_out_and_goes_on_after_it_only_if_it_binds_or_outlives_it() {
    use ClauseState::{Active, Lapsed, Met, Terminated};
    let mut house = house();
    assert!(is_done(&house.withdraw("halcyon", ENDS)));
    // The clause | the day before | the day | a year later
    let table = [
        ("serving", Active, Terminated, Terminated),
        ("credits", Active, Terminated, Terminated),
        ("early-credits", Lapsed, Lapsed, Lapsed),
        ("prices", Active, Terminated, Terminated),
        ("brief", Active, Terminated, Terminated),
        ("tranche-in-time", Met, Met, Met),
        ("tranche-too-late", Active, Terminated, Terminated),
        ("tranche-by-milestone", Active, Terminated, Terminated),
        ("capacity", Active, Terminated, Terminated),
        ("share", Active, Terminated, Terminated),
        ("know-how", Active, Active, Lapsed),
        ("secrecy", Active, Active, Active),
        ("promise", Active, Active, Met),
        ("keeping", Active, Active, Active),
        ("afterwards", Active, Active, Lapsed),
        ("duration", Active, Terminated, Terminated),
        ("way-out", Active, Terminated, Terminated),
    ];
    for (at, day) in [date(2026, 12, 21), ENDS, date(2027, 12, 22)].into_iter().enumerate() {
        house.comes(day);
        for (clause, before, then, later) in table {
            assert_eq!(house.stands(clause), [before, then, later][at], "{clause} on {day}");
        }
    }
    let undrawn = |clause: &str| house.net(&format!("memo:commitment:{clause}:undrawn"));
    assert_eq!((undrawn("tranche-in-time"), undrawn("tranche-too-late")), (0, 10_000));
    assert_eq!(house.net("commitment:promise:drawn"), 70_000, "what binds is drawn on its day");
    assert_eq!(house.net("memo:credit:credits:breakage"), 0, "what had ended does not expire as well");
    house.replayed();
}

#[test]
fn a_server_that_slept_books_what_fell_due_before_the_end_and_nothing_after_it() {
    let mut house = house();
    assert!(is_done(&house.withdraw("northwind", ENDS)));
    house.comes(date(2027, 1, 15));
    let dues = |house: &House| {
        let booked = house.partnership.state().due_booked(&ClauseId::from("capacity"));
        booked.map(|(on, _)| *on).collect::<Vec<_>>()
    };
    assert_eq!(dues(&house), [date(2026, 12, 11), date(2026, 12, 21)]);
    assert_eq!(house.net("memo:commitment:tranche-in-time:undrawn"), 0);
    assert_eq!(house.net("memo:commitment:tranche-too-late:undrawn"), 10_000);
    assert_eq!(house.stands("early-credits"), ClauseState::Lapsed);
    assert!(is_done(&house.declare_share(date(2026, 12, 12))));
    assert!(is_done(&house.declare_share(date(2026, 12, 22))), "its last day is the day before the end");
    let refused = why(house.declare_share(date(2027, 1, 1)));
    assert!(refused.contains("`northwind` has withdrawn, and `share` ended on 2026-12-22"), "{refused}");
    let refused = why(house.attest_joint_model());
    assert!(refused.contains("`northwind` has withdrawn, and `tranche-by-milestone` ended"), "{refused}");
    house.replayed();
}

#[test]
fn calls_go_on_until_the_day_and_are_refused_from_then_on_with_who_has_withdrawn() {
    let mut house = house();
    assert!(is_done(&house.withdraw("halcyon", ENDS)));
    house.comes(date(2026, 12, 21));
    house.at = "2026-12-21T23:55:00Z".parse().unwrap();
    let Decision::Allow(warrant) = house.call(200) else { panic!("the service stands") };
    assert_eq!(warrant.deviations().len(), 1, "and so does what speaks against long answers");
    assert!(house.net("memo:credit:credits:available") > 0);
    house.at = "2026-12-22T00:01:00Z".parse().unwrap();
    let Decision::Deny(refusal) = house.call(200) else { panic!("the service has ended") };
    assert_eq!((refusal.code, refusal.clause), (RefusalCode::OutOfTerm, Some("serving".into())));
    for part in
        ["`halcyon` has withdrawn", "`serving`", "ended on 2026-12-22", "a next version that all sign"]
    {
        assert!(refusal.message.contains(part), "{}", refusal.message);
    }
    let Answer::Settled(settlement) = house.run(Command::Settle(warrant, used(40, 10))) else {
        panic!("it is open")
    };
    assert_eq!(settlement.charged.map(|(amount, _)| amount.minor()), Some(35_000), "at its own price");
    assert_eq!(house.net("memo:credit:credits:spent"), 35_000);
    house.replayed();
}

#[test]
fn a_service_that_outlives_it_is_no_longer_priced_watched_or_spoken_against_by_what_does_not() {
    let survives = CLAUSES.replace("survives = [\"secrecy\"]", "survives = [\"secrecy\", \"serving\"]");
    let mut house = House::founded_on(&format!("{HEAD}{survives}{AT_WILL}")).with_application();
    assert!(is_done(&house.withdraw("halcyon", ENDS)));
    house.comes(ENDS);
    let Decision::Allow(warrant) = house.call(200) else { panic!("the service outlives it") };
    let against: Vec<_> = warrant.deviations().iter().map(|one| one.clause.to_string()).collect();
    assert!(against.iter().all(|clause| clause == "serving"), "{against:?}");
    house.run(Command::Settle(warrant, used(40, 10)));
    assert_eq!(house.net("memo:credit:credits:spent"), 0);
    house.replayed();
}

#[test]
fn a_withdrawal_that_may_not_be_is_refused_with_what_to_do_instead() {
    let binding = HEAD.replace("force = \"non-binding\"", "force = \"binding\"");
    let each = HEAD.replace("force = \"non-binding\"\n", "");
    let bound = CLAUSES.split("```toml clause promise").nth(1).unwrap().split("```\n").next().unwrap();
    let bound = format!("{each}\n```toml clause promise{bound}```\n");
    let grounds = "notice = \"P30D\"\ngrounds = [\"a breach\"]";
    let with_grounds = AT_WILL.replace("notice = \"P30D\"", grounds);
    let bound_way = with_grounds.replace("source =", "force = \"binding\"\nsource =");
    let by_one = AT_WILL.replace(", \"halcyon\"]", "]").replace("source =", "force = \"binding\"\nsource =");
    let all = format!("{HEAD}{CLAUSES}");
    // The memorandum | who | from when on | what is said
    for (text, party, ends, said) in [
        (
            format!("{binding}{CLAUSES}{AT_WILL}"),
            "halcyon",
            ENDS,
            "no party ends it alone: clause `way-out` lets",
        ),
        (format!("{binding}{CLAUSES}"), "halcyon", ENDS, "`countersign memo sign FILE`"),
        (bound, "halcyon", ENDS, "nothing would end"),
        (format!("{all}{bound_way}"), "halcyon", ENDS, "on these grounds: a breach"),
        (format!("{all}{by_one}"), "halcyon", ENDS, "clause `way-out` binds, and lets `northwind` end it"),
        (format!("{all}{AT_WILL}"), "halcyon", date(2026, 12, 21), "runs until 2026-12-22"),
        (format!("{all}{AT_WILL}"), "halcyon", date(2026, 11, 21), "runs until 2026-12-22"),
        (
            all.replace("survives =", "notice = \"P1M\"\nsurvives ="),
            "halcyon",
            date(2026, 12, 21),
            "runs until 2026-12-22",
        ),
        (all.clone(), "halcyon", date(2026, 11, 21), "runs until 2026-11-22"),
    ] {
        let mut house = House::founded_on(&text);
        let refused = why(house.withdraw(party, ends));
        assert!(refused.contains(said), "{said}: {refused}");
        house.replayed();
    }
    // At once, after the term's notice, and against a ground that binds nobody.
    for (text, ends, deviates) in [
        (all.clone(), date(2026, 11, 22), false),
        (all.replace("survives =", "notice = \"P1M\"\nsurvives ="), ENDS, false),
        (format!("{all}{with_grounds}"), ENDS, true),
        (format!("{all}{AT_WILL}"), date(2027, 6, 1), false),
    ] {
        let mut house = House::founded_on(&text);
        assert!(is_done(&house.withdraw("halcyon", ends)), "{ends}");
        assert_eq!(house.deviations("way-out") > 0, deviates);
        house.replayed();
    }
}

#[test]
fn a_withdrawal_is_of_the_version_in_force_by_its_party_and_once() {
    let mut house = house();
    let memorandum = house.partnership.state().terms().unwrap().digest();
    let by = |house: &mut House, memorandum: Digest, party: &str, signer: &str, signed: Date, ends: Date| {
        let signature = house.sign(signer, &withdrawal_bytes(ORIGIN, &memorandum, signed));
        house.by("halcyon", Deed::Withdraw(Withdraw { memorandum, ends, party: party.into(), signature }))
    };
    for (of, party, signer, signed, said) in [
        (Digest([5; 32]), "halcyon", "halcyon", ENDS, "version 1 is in force"),
        (memorandum, "acme", "halcyon", ENDS, "party `acme` is not in the memorandum"),
        (memorandum, "halcyon", "northwind", ENDS, "the signature does not verify"),
        (memorandum, "halcyon", "halcyon", date(2026, 12, 23), "the signature does not verify"),
    ] {
        let refused = why(by(&mut house, of, party, signer, signed, ENDS));
        assert!(refused.contains(said), "{said}: {refused}");
    }
    assert!(is_done(&house.withdraw("halcyon", ENDS)));
    for party in ["halcyon", "northwind"] {
        let refused = why(house.withdraw(party, ENDS));
        assert!(refused.contains("`halcyon` has withdrawn already"), "{refused}");
        assert!(refused.contains("ends on 2026-12-22"), "{refused}");
    }
    house.replayed();
}

#[test]
fn a_next_version_that_both_sign_after_a_withdrawal_stands_and_can_be_withdrawn_from_in_its_turn() {
    for day in [date(2026, 12, 1), date(2027, 1, 10)] {
        let mut house = house();
        assert!(is_done(&house.withdraw("halcyon", ENDS)));
        house.comes(day);
        house.amend("2026-11-01", |text| text.replacen("> 100", "> 150", 1));
        assert_eq!((house.version(), house.partnership.state().withdrawal()), (2, None));
        house.comes(date(2027, 2, 1));
        assert_eq!(house.stands("serving"), ClauseState::Active, "amended on {day}");
        assert!(matches!(house.call(50), Decision::Allow(_)));
        assert!(is_done(&house.withdraw("northwind", date(2027, 3, 3))));
        house.comes(date(2027, 3, 3));
        assert_eq!(house.stands("serving"), ClauseState::Terminated);
        house.replayed();
    }
}

#[test]
fn a_version_that_was_on_its_way_does_not_undo_a_withdrawal_and_another_text_does() {
    // Approved by both and waiting for its day; proposed and approved by one.
    for is_approved in [true, false] {
        let mut house = house();
        let text = house.draft("2026-12-10", |text| text.to_owned());
        let (terms, mut ticket) = (Terms::read(&text).unwrap(), None);
        let digest = terms.digest();
        if is_approved {
            house.adopt(&text);
        } else {
            house.versions.push(text.clone());
            house.run(Command::Know(Box::new(terms)));
            let Decision::Escalate(waits) = house.by("halcyon", Deed::Amend(Amend { version: 2, digest }))
            else {
                panic!("it waits")
            };
            house.approve("halcyon", waits.act, digest, &signing_bytes(&digest.0));
            ticket = Some(waits.act);
        }
        assert!(is_done(&house.withdraw("halcyon", ENDS)));
        if let Some(act) = ticket {
            house.approve("northwind", act, digest, &signing_bytes(&digest.0));
        }
        house.comes(date(2026, 12, 11));
        assert_eq!(house.version(), 1, "halcyon's last word is that it withdraws");
        let refused = why(house.by("northwind", Deed::Amend(Amend { version: 2, digest })));
        assert!(refused.contains("`halcyon` has withdrawn since this version was proposed"), "{refused}");
        assert_eq!(house.partnership.state().open().count(), 0);
        house.amend("2026-12-01", |text| format!("{text}\nHalcyon has come back.\n"));
        assert_eq!(house.version(), 2);
        house.replayed();
    }
}
