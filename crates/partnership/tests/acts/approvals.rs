//! Approvals: of one act and no other, and by all whom the clauses name.

use super::*;

fn resume() -> Administer {
    Administer::ModelResume { model: ModelId::from(MODEL) }
}

/// A call whose upstream reports more than was reserved, after which the model is out of service.
fn overrun(house: &mut House) {
    let Decision::Allow(warrant) = house.call(10) else { panic!("it is within the grant") };
    house.run(Command::Settle(warrant, used(5000, 5000)));
    assert!(matches!(house.call(10), Decision::Deny(refusal) if refusal.code == RefusalCode::Suspended));
}

#[test]
fn an_approval_of_one_act_does_not_approve_the_same_change_again() {
    let mut house = House::founded().with_application();
    overrun(&mut house);
    let Decision::Escalate(first) = house.by("northwind", Deed::Administer(resume())) else {
        panic!("it waits")
    };
    let signatures = ["northwind", "halcyon"].map(|party| house.sign(party, &approval_bytes(&first.digest)));
    for (party, signature) in ["northwind", "halcyon"].into_iter().zip(&signatures) {
        house.by(party, approval(&first.act, first.digest, party, signature));
    }
    overrun(&mut house);
    let Decision::Escalate(second) = house.by("northwind", Deed::Administer(resume())) else {
        panic!("it waits")
    };
    assert_ne!(first.digest, second.digest);
    for (party, signature) in ["northwind", "halcyon"].into_iter().zip(&signatures) {
        let replayed = house.by("northwind", approval(&second.act, second.digest, party, signature));
        assert!(matches!(replayed, Decision::Deny(_)), "{party} signed another act");
    }
    house.replayed();
}

fn approval(act: &ActId, digest: Digest, party: &str, signature: &str) -> Deed {
    let (party, signature) = (PartyId::from(party), signature.to_owned());
    Deed::Approve(Approve { act: act.to_string(), digest, party, signature })
}

#[test]
fn all_whom_any_requirement_names_must_approve() {
    let one = "```toml clause new-applications\nkind = \"requirement\"\nsource = \"signed\"\nacts = [\"application-add\"]\napproved_by = [\"northwind\", \"halcyon\"]\n```";
    let two = one.replace("[\"northwind\", \"halcyon\"]", "[\"northwind\"]")
        + "\n\n"
        + &one
            .replace("new-applications", "new-applications-2")
            .replace("[\"northwind\", \"halcyon\"]", "[\"halcyon\"]");
    assert!(MEMORANDUM.contains(one));
    let mut house = House::founded_on(&MEMORANDUM.replace(one, &two));
    let add = Administer::ApplicationAdd(Application {
        name: ApplicationId::from("assistant"),
        party: PartyId::from("halcyon"),
        audience: "business".to_owned(),
        purpose: "office".to_owned(),
        market: "eu".to_owned(),
    });
    let Decision::Escalate(ticket) = house.by("northwind", Deed::Administer(add)) else { panic!("it waits") };
    assert_eq!(ticket.missing, ["northwind", "halcyon"].map(PartyId::from));
}
