//! Clauses that vest or end by conditions: what is attested counts for the milestone it names, and for no other.

use super::*;
use partnership::ids::ConditionId;
use partnership::memorandum::{Kind, Milestone};
use partnership::state::ClauseState;

const CLAUSES: &str = r#"
```toml clause warrants
kind = "vesting"
force = "binding"
source = "signed"
from = "northwind"
to = "halcyon"
what = "warrants"
quantity = 300
tranches = [
  { quantity = 100, when = { milestone = "the first site is in service", attested_by = ["northwind", "halcyon"], id = "first-site" } },
  { quantity = 200, when = { all_of = [
    { date = 2027-01-01 },
    { milestone = "the second site is in service", attested_by = ["northwind", "halcyon"], id = "second-site" },
  ] } },
]
```

```toml clause weights
kind = "licence"
force = "non-binding"
source = "signed"
from = "halcyon"
to = "northwind"
what = "the weights of joint models"
starts = 2026-12-01
until = { earlier_of = [
  { date = 2032-01-01 },
  { milestone = "the panel has found it", attested_by = ["halcyon"] },
] }
```
"#;

fn house() -> House {
    House::founded_on(&format!("{MEMORANDUM}{CLAUSES}"))
}

impl House {
    pub(super) fn attests(
        &mut self,
        party: &str,
        (clause, condition): (&str, Option<&str>),
        about: &str,
    ) -> Decision {
        let version = self.partnership.state().terms().unwrap().digest();
        let evidence = Digest([4; 32]);
        let signature = self.sign(party, &attestation_bytes(ORIGIN, &version, about, &evidence));
        let condition = condition.map(ConditionId::from);
        let attest = Attest { clause: clause.into(), condition, evidence, party: party.into(), signature };
        self.by(party, Deed::Attest(attest))
    }

    pub(super) fn stands(&self, clause: &str) -> ClauseState {
        let state = self.partnership.state();
        let clause = state.terms().unwrap().memorandum().clause(&ClauseId::from(clause)).unwrap();
        state.clause_state(clause, self.at.date())
    }

    fn vested(&self) -> u64 {
        let state = self.partnership.state();
        let id = ClauseId::from("warrants");
        let clause = state.terms().unwrap().memorandum().clause(&id).unwrap();
        let Kind::Vesting(vesting) = &clause.kind else { panic!("another kind") };
        let is_met = |milestone: &Milestone| state.is_attested(&id, milestone);
        vesting.vested(self.at.date(), &is_met).filter_map(|vest| vest.quantity).sum()
    }
}

pub(super) fn why(decision: Decision) -> String {
    match decision {
        Decision::Deny(refusal) => refusal.remedy,
        other => panic!("it is refused, and not {other:?}"),
    }
}

#[test]
fn each_milestone_of_a_clause_is_attested_by_its_name() {
    let mut house = house();
    let table = [
        (
            ("warrants", None),
            "warrants",
            "`warrants` has several milestones: name one of first-site, second-site",
        ),
        (
            ("warrants", Some("third-site")),
            "warrants/third-site",
            "`warrants` has no milestone `third-site`: name one of first-site, second-site",
        ),
        (
            ("weights", Some("panel")),
            "weights/panel",
            "`weights` has one milestone only: leave the condition's name out",
        ),
        (("launch-credits", None), "launch-credits", "`launch-credits` has no milestone that is attested"),
        (("nothing", None), "nothing", "no clause of the memorandum in force is named `nothing`"),
        (("warrants", Some("second-site")), "warrants/first-site", "the signature"),
        (("weights", None), "weights", "party `northwind` is not among those who attest it"),
    ];
    for (what, signed, said) in table {
        let answer = why(house.attests("northwind", what, signed));
        assert!(answer.contains(said), "{what:?}: {answer}");
    }
    house.replayed();
}

#[test]
fn a_part_vests_when_all_have_attested_its_own_milestone() {
    let mut house = house();
    let first = ("warrants", Some("first-site"));
    let second = ("warrants", Some("second-site"));
    assert!(matches!(house.attests("northwind", first, "warrants/first-site"), Decision::Done(_)));
    assert!(matches!(house.attests("halcyon", second, "warrants/second-site"), Decision::Done(_)));
    assert_eq!(house.vested(), 0, "one party each has attested two milestones by the same evidence");
    assert!(matches!(house.attests("halcyon", first, "warrants/first-site"), Decision::Done(_)));
    assert_eq!((house.vested(), house.stands("warrants")), (100, ClauseState::Active));
    assert!(
        why(house.attests("halcyon", first, "warrants/first-site"))
            .contains("attested this evidence already")
    );
    assert!(matches!(house.attests("northwind", second, "warrants/second-site"), Decision::Done(_)));
    assert_eq!(house.vested(), 100, "the second part also waits for its day");
    house.replayed();
    house.days(60);
    assert_eq!((house.vested(), house.stands("warrants")), (300, ClauseState::Met));
    house.replayed();
}

#[test]
fn a_right_is_proposed_then_active_and_lapses_when_its_end_is_attested() {
    let mut house = house();
    assert_eq!(house.stands("weights"), ClauseState::Proposed);
    house.days(20);
    assert_eq!(house.stands("weights"), ClauseState::Active);
    assert!(matches!(house.attests("halcyon", ("weights", None), "weights"), Decision::Done(_)));
    assert_eq!(house.stands("weights"), ClauseState::Lapsed);
    house.replayed();
}

/// Clauses that survive the end of 2030 by `term`, by a `survival` of two years, by one that binds nobody, and not at all.
#[test]
fn a_binding_survival_has_its_clauses_go_on_for_its_time() {
    let grant = |id: &str| {
        format!(
            "\n```toml clause {id}\nkind = \"compute-credit\"\nforce = \"binding\"\nsource = \"signed\"\nfrom = \"northwind\"\nto = \"halcyon\"\namount = \"1.00 CREDIT\"\nmodels = [\"*\"]\n```\n"
        )
    };
    let survival = |id: &str, force: &str, of: &str, lasts: &str| {
        format!(
            "\n```toml clause {id}\nkind = \"survival\"\nforce = \"{force}\"\nsource = \"signed\"\nclauses = [\"{of}\"]\n{lasts}```\n"
        )
    };
    let (header, _) = MEMORANDUM.split_once("```\n\n").unwrap();
    let grants: String = ["kept", "two-years", "for-ever", "intended", "ended"].map(grant).concat();
    let text = format!(
        "{header}```\n{grants}{}{}{}\n```toml clause years\nkind = \"term\"\nforce = \"binding\"\nsource = \"signed\"\nends = 2030-01-01\nsurvives = [\"kept\"]\n```\n",
        survival("after", "binding", "two-years", "lasts = \"P2Y\"\n"),
        survival("always", "binding", "for-ever", ""),
        survival("meant", "non-binding", "intended", ""),
    );
    let terms = Terms::read(&text).unwrap_or_else(|faults| panic!("{faults:?}"));
    let table = [
        ("2029-12-31", ["kept", "two-years", "for-ever", "intended", "ended"].as_slice()),
        ("2030-01-01", ["kept", "two-years", "for-ever"].as_slice()),
        ("2031-12-31", ["kept", "two-years", "for-ever"].as_slice()),
        ("2032-01-01", ["kept", "for-ever"].as_slice()),
    ];
    for (day, holds) in table {
        let day = day.parse().unwrap();
        for (clause, _) in terms.grants() {
            let ended = terms.has_ended(&clause.id, day);
            assert_eq!(!ended, holds.contains(&clause.id.as_str()), "{} on {day}", clause.id);
        }
    }
}
