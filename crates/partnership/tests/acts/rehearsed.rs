//! A rehearsal signs anew what parties signed: attestations, payments, declarations and budgets, and whole histories of a memorandum.
//!
//! Not here: calls under other terms (`simulated`).

use super::simulated::{house, simulated};
use super::*;
use jiff::civil::{Date, date};
use partnership::act::{
    Budget, BudgetSet, Declare, Of, PaidIn, Payment, Period, attestation_bytes, declaration_bytes,
    payment_bytes,
};
use partnership::simulation::Report;
use partnership::state::Library;

type Version = (String, Library);

fn version(text: String) -> Version {
    let terms = Arc::new(Terms::read(&text).unwrap_or_else(|faults| panic!("{faults:?}")));
    (text, [(terms.digest(), terms)].into())
}

/// Acts of parties by ids of a script, so that a house draws from its own randomness just as a rehearsal does.
struct Script<'a> {
    house: &'a mut House,
    ids: Entropy,
}

impl Script<'_> {
    fn by(&mut self, party: &str, deed: Deed) -> Decision {
        let principal = Principal::Party { party: PartyId::from(party), person: "ana".to_owned() };
        let act = Act { id: self.ids.act_id(self.house.at), principal, deed };
        self.house.decided(act)
    }

    fn attests(&mut self, party: &str, clause: &str) -> Decision {
        let version = self.house.partnership.state().terms().unwrap().digest();
        let evidence = Digest([4; 32]);
        let signed = attestation_bytes(ORIGIN, &version, clause, &evidence);
        let signature = self.house.sign(party, &signed);
        let (clause, condition) = (clause.into(), None);
        self.by(party, Deed::Attest(Attest { clause, condition, evidence, party: party.into(), signature }))
    }

    fn pays(&mut self, party: &str, amount: i128, paid_in: Option<PaidIn>, reference: &str) -> Decision {
        let (clause, amount) = (ClauseId::from("throughput"), Budget { asset: "USD".to_owned(), amount });
        let signed = payment_bytes(ORIGIN, &clause, (&amount, paid_in.as_ref()), reference);
        let signature = self.house.sign(party, &signed);
        let (reference, name) = (reference.to_owned(), PartyId::from(party));
        self.by(party, Deed::Payment(Payment { clause, amount, paid_in, reference, party: name, signature }))
    }

    fn declares(&mut self, party: &str, clause: &str, on: Date, amount: i128) -> Decision {
        let (clause, revenue) = (ClauseId::from(clause), Budget { asset: "USD".to_owned(), amount });
        let signature = self.house.sign(party, &declaration_bytes(ORIGIN, &clause, on, &revenue));
        self.by(party, Deed::Declare(Declare { clause, on, revenue, party: party.into(), signature }))
    }
}

/// A hundred days: an application with a budget, a milestone that both attest, a month's capacity that is paid in two assets, and a quarter's
/// revenue.
fn hundred_days(house: &mut House) {
    let mut script = Script { house, ids: Entropy::new([9; 32]) };
    for change in [
        Administer::ApplicationAdd(Application {
            name: ApplicationId::from("assistant"),
            party: PartyId::from("halcyon"),
            audience: "business".to_owned(),
            purpose: "office".to_owned(),
            market: "eu".to_owned(),
        }),
        Administer::BudgetSet(BudgetSet {
            id: "office".into(),
            of: Of::Application,
            whose: "assistant".to_owned(),
            asset: "CREDIT".to_owned(),
            amount: 1_000_000,
            period: Period::Month,
        }),
    ] {
        let Script { house, ids } = &mut script;
        house.change_as(ids, change);
    }
    for party in ["northwind", "halcyon"] {
        assert!(matches!(script.attests(party, "release-tranche"), Decision::Done(_)));
    }
    script.house.pass(50 * 24);
    let other = PaidIn { asset: "EUR".to_owned(), amount: 92_300, source: "agreed".to_owned() };
    for (party, amount, paid_in, reference) in [
        ("halcyon", 100_000, Some(other.clone()), "R1"),
        ("northwind", 100_000, Some(other), "R1"),
        ("northwind", 200_000, None, "R2"),
    ] {
        assert!(matches!(script.pays(party, amount, paid_in, reference), Decision::Done(_)), "{reference}");
    }
    script.house.pass(50 * 24);
    let declared = script.declares("halcyon", "share", date(2027, 3, 1), 1_234_567);
    assert!(matches!(declared, Decision::Done(_)), "{declared:?}");
}

#[test]
fn what_parties_signed_is_signed_anew_and_comes_to_what_a_real_run_writes() {
    let base = format!("{MEMORANDUM}\n{}", dues::CLAUSES);
    let edits = [("rate = \"20%\"", "rate = \"15%\""), ("price = \"260.00 USD\"", "price = \"300.00 USD\"")];
    let edited = edits.iter().fold(base.clone(), |text, (find, put)| {
        assert!(text.contains(find), "{find}");
        text.replacen(find, put, 1)
    });
    let (old, new) = (version(base), version(edited));
    let (mut recorded, mut real) = (house(&old), house(&new));
    hundred_days(&mut recorded);
    hundred_days(&mut real);
    let (found, simulation) = simulated(&recorded.entries(), &old.1, &new.1);
    let expected = real.entries();
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "entry {index}");
    }
    assert_eq!(found.len(), expected.len());
    let report = simulation.report();
    assert!(report.flips.is_empty() && report.left_out.is_empty(), "{report:?}");
    let moved: Vec<_> = report
        .accounts
        .iter()
        .map(|account| (account.account.as_str(), account.before.as_str(), account.after.as_str()))
        .collect();
    // Three months of fifteen units, of which 3,000.00 are paid; and 20 or 15 per cent of 12,345.67, of 5,000.00 at most.
    assert_eq!(
        moved,
        [
            ("capacity:throughput:billed", "-11700.00", "-13500.00"),
            ("capacity:throughput:owed", "8700.00", "10500.00"),
            ("revenue:share:open", "2530.87", "3148.15"),
            ("revenue:share:owed", "2469.13", "1851.85"),
        ]
    );
}

fn history(day: &str) -> Version {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/microsoft-openai/history")
        .join(format!("{day}.md"));
    version(std::fs::read_to_string(path).unwrap())
}

/// Two years under one version of the public history, with made-up revenue, simulated under the next.
fn step(before: &str, after: &str, attested: bool) -> Report {
    let (old, new) = (history(before), history(after));
    let effective = old.1.values().next().unwrap().memorandum().header.effective;
    let mut house = House::founded_over(&old.0, old.1.clone(), Timestamp::start_of(effective));
    let mut script = Script { house: &mut house, ids: Entropy::new([9; 32]) };
    for on in [date(2026, 1, 21), date(2027, 1, 21), date(2028, 1, 21)] {
        let days = script.house.at.date().until((jiff::Unit::Day, on)).unwrap().get_days();
        script.house.pass(i64::from(days) * 24);
        let declared = script.declares("openai", "revenue-share", on, 1_000_000_000_000);
        let ends = attested && on > date(2027, 1, 21);
        assert_eq!(matches!(declared, Decision::Done(_)), !ends, "{before}, {on}: {declared:?}");
        if attested && on == date(2026, 1, 21) {
            // On the day after, so that the period that has begun is shared.
            script.house.pass(24);
            for party in ["microsoft", "openai"] {
                assert!(matches!(script.attests(party, "revenue-share"), Decision::Done(_)));
            }
        }
    }
    simulated(&house.entries(), &old.1, &new.1).1.report()
}

/// In October 2025 the share came to end with what a panel finds, and in April 2026 no more.
#[test]
fn each_step_of_the_public_history_is_simulated() {
    for (before, after) in [("2025-01", "2025-09"), ("2025-09", "2025-10"), ("2025-10", "2026-04")] {
        let report = step(before, after, false);
        let is_still = report.flips.is_empty() && report.accounts.is_empty() && report.left_out.is_empty();
        assert!(is_still, "{before} to {after}: {report:?}");
    }
    let report = step("2025-10", "2026-04", true);
    let [flip] = report.flips.as_slice() else { panic!("{report:?}") };
    assert_eq!((flip.kind, flip.before, flip.after, flip.count), ("attest", "allowed", "refused", 2));
    assert_eq!(report.left_out.get("declare"), Some(&1), "what its party was refused is not signed for it");
}
