//! Settlements that add up and are not what the rate card makes of their usage: the entries by themselves do not tell, prices do.

use super::checks::{Checks, Founded};
use super::*;
use crate::cmd::verify::tests::Scene;
use partnership::act::{Ended, Outcome, Usage};
use partnership::entry::{Body, Settled};
use record::Fault;

/// What the follower of the second party says of the record in a scene.
fn checked(scene: &mut Scene) -> Result<(), Fault> {
    checked_as(scene, |_| {})
}

/// The same, where it expects what `other` makes of its first entry.
fn checked_as(scene: &mut Scene, other: impl FnOnce(&mut Founded)) -> Result<(), Fault> {
    scene.publish();
    let store = Arc::new(Directory::new(scene.folder().join("record")));
    let mut founded = Founded::of(&scene.log(), &*store, scene.second()).unwrap();
    other(&mut founded);
    let mut checks = Checks::over(&store, founded, Depth::Entries, None);
    let log = scene.log();
    let visit = |index: u64, envelope: &[u8], parties: &[u8]| checks.entry(&store, index, envelope, parties);
    record::audit(&*store, log.name(), &log, visit)?;
    Ok(())
}

#[test]
fn what_an_honest_clerk_settles_is_what_the_card_makes_of_it() {
    let mut scene = Scene::found();
    for (ended, usage) in [
        (Ended::Done, Some((20, 30))),
        (Ended::Done, Some((0, 0))),
        (Ended::Cancelled, Some((20, 1))),
        (Ended::Failed, None),
        (Ended::Done, Some((4_000, 9_000))),
    ] {
        let usage = usage.map(|(input_tokens, output_tokens)| Usage {
            input_tokens,
            output_tokens,
            ..Usage::default()
        });
        scene.settled(Outcome { ended, usage, ..Outcome::lost() });
    }
    checked(&mut scene).unwrap();
}

#[test]
fn a_settlement_that_is_priced_otherwise_is_named_with_its_act_and_both_amounts() {
    // What was charged for 20 tokens of input and 30 of output, told of other numbers of them.
    for (input_tokens, output_tokens, owed) in
        [(20, 29, 53_500), (20, 31, 56_500), (19, 30, 54_500), (0, 0, 0)]
    {
        let mut scene = Scene::found();
        let honest =
            scene.honest_settlement(Usage { input_tokens: 20, output_tokens: 30, ..Usage::default() });
        let told =
            Settled { usage: Some(Usage { input_tokens, output_tokens, ..Usage::default() }), ..honest };
        let act = told.act;
        scene.write(Body::Settled(Box::new(told)));
        let fault = checked(&mut scene).unwrap_err();
        assert_eq!(fault.place, format!("entry {}", scene.entries() - 1));
        let said = format!(
            "act `{act}` (decided at entry {}) used {input_tokens} tokens of input and {output_tokens} of output, which rate card `model-prices` prices at {owed} minor units of CREDIT; the record says 55000 of CREDIT",
            scene.entries() - 2
        );
        assert_eq!(fault.what, said);
        // By the entries alone there is nothing wrong with it.
        scene.verify_entries().unwrap();
    }
}

#[test]
fn a_record_that_was_founded_with_another_key_for_this_party_is_not_its_record() {
    /// What is said of it, and how it differs.
    type Other = (&'static str, fn(&mut Founded));
    let change: [Other; 3] = [
        ("another key for the party", |founded| {
            founded.own = Signer::generate("o/halcyon", [9; 32]).unwrap().verifier().vkey();
        }),
        ("of another origin", |founded| founded.origin.push('x')),
        ("not those that are served", |founded| drop(founded.vkeys.pop_last())),
    ];
    for (told, change) in change {
        let fault = checked_as(&mut Scene::found(), change).unwrap_err();
        assert!(fault.place == "entry 0" && fault.what.contains(told), "{told}: {fault}");
    }
}
