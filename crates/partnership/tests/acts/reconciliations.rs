//! A party's word on a reconciliation: by its own key, once for each report, and of a month or a year.

use super::*;
use partnership::act::{Reconcile, reconciliation_bytes};

impl House {
    /// What `party` signs of this, by the key of `by`.
    fn reconciliation(&self, said: Reconcile, party: &str, by: &str) -> Deed {
        let signature = self.sign(by, &reconciliation_bytes(ORIGIN, &said));
        Deed::Reconcile(Reconcile { party: party.into(), signature, ..said })
    }

    fn reconciles(&mut self, said: &Reconcile, party: &str) -> Decision {
        let deed = self.reconciliation(said.clone(), party, party);
        self.by(party, deed)
    }
}

fn november() -> Reconcile {
    Reconcile {
        report: Digest([4; 32]),
        period: "2026-11".to_owned(),
        of: None,
        differing: 2,
        party: "northwind".into(),
        signature: String::new(),
    }
}

fn refused(decision: &Decision, why: &str) {
    let Decision::Deny(refusal) = decision else { panic!("{why}: {decision:?}") };
    assert!(refusal.remedy.contains(why), "{}", refusal.remedy);
}

#[test]
fn both_parties_attest_the_same_reconciliation_each_once_and_it_moves_nothing() {
    let mut house = House::founded();
    let before = house.partnership.state().book().clone();
    for party in ["northwind", "halcyon"] {
        assert!(matches!(house.reconciles(&november(), party), Decision::Done(_)), "{party}");
        refused(&house.reconciles(&november(), party), "has attested this reconciliation already");
    }
    let other = Reconcile { report: Digest([5; 32]), of: Some("halcyon".into()), ..november() };
    assert!(
        matches!(house.reconciles(&other, "halcyon"), Decision::Done(_)),
        "another report is another matter"
    );
    let state = house.replayed();
    let given: Vec<_> = state
        .reconciled()
        .iter()
        .map(|given| (given.party.as_str(), given.report, given.differing))
        .collect();
    let (first, second) = (Digest([4; 32]), Digest([5; 32]));
    assert_eq!(given, [("northwind", first, 2), ("halcyon", first, 2), ("halcyon", second, 2)]);
    assert_eq!(state.book().accounts().count(), before.accounts().count());
    assert!(
        state.book().accounts().zip(before.accounts()).all(|(now, was)| now.3.net() == was.3.net()),
        "a word on a reconciliation moves nothing"
    );
}

#[test]
fn a_word_on_a_reconciliation_counts_by_the_partys_own_key_alone_and_of_the_very_thing_that_was_signed() {
    let mut house = House::founded();
    let anothers = house.reconciliation(november(), "northwind", "halcyon");
    refused(&house.by("northwind", anothers), "signature");
    let signature = house.sign("northwind", &reconciliation_bytes(ORIGIN, &november()));
    for said in [
        Reconcile { report: Digest([5; 32]), ..november() },
        Reconcile { period: "2026-10".to_owned(), ..november() },
        Reconcile { of: Some("halcyon".into()), ..november() },
        Reconcile { differing: 0, ..november() },
    ] {
        let changed = Deed::Reconcile(Reconcile { signature: signature.clone(), ..said });
        refused(&house.by("northwind", changed), "signature");
    }
    for period in
        ["", "2026-13", "2026-00", "2026-1", "november", "26-11", "1969", "2026-11-01", "+202-11", "0000"]
    {
        let said = Reconcile { period: period.to_owned(), ..november() };
        refused(&house.reconciles(&said, "northwind"), "is no period");
    }
    let said = Reconcile { of: Some("nobody".into()), ..november() };
    refused(&house.reconciles(&said, "northwind"), "is no party");
    for period in ["2026", "1970-01", "2028-02"] {
        let said = Reconcile { period: period.to_owned(), report: Digest([9; 32]), ..november() };
        let deed = Reconcile { report: Digest(record::hash::sha256(period.as_bytes())), ..said };
        assert!(matches!(house.reconciles(&deed, "northwind"), Decision::Done(_)), "{period}");
    }
    assert_eq!(house.replayed().reconciled().len(), 3, "what was refused is nobody's word");
}
