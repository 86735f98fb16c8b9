//! An operator that lies: whoever sees it finds it at its place, cosigns nothing of it, and goes on as before where it was not signed.

use super::super::place;
use super::files::{FILES, Shows, Tampered, path, place_in};
use super::flaws::Flaw;
use super::history::{Histories, published};
use super::honest::{roots, seconds};
use super::lies::{LIES, Lie};
use super::party::Party;
use crate::cmd::follow::LOOKS;
use record::store::chance::Chance;
use record::{Hash, Leaf, Store};
use std::sync::Arc;

/// One run: who follows, and what it may cosign.
struct Stage {
    party: Party,
    now: u64,
    roots: Vec<Hash>,
}

/// What was told, to say which lie was not found.
type Outcome = Result<(), String>;

/// Runs a seed; gives how many points were looked at, and what was found.
pub(super) fn run(mut chance: Chance, flaw: Option<Flaw>) -> (u64, Option<String>) {
    let histories = Histories::live(&mut chance);
    let mut stage = Stage::set(&histories, &mut chance, flaw);
    let outcome = match chance.below(8) {
        0..4 => {
            let lie = &LIES[usize::try_from(chance.below(LIES.len() as u64)).unwrap()];
            stage.entries(&histories, &mut chance, lie).map(drop)
        }
        4..7 => {
            let tampered = &FILES[usize::try_from(chance.below(FILES.len() as u64)).unwrap()];
            stage.files(&histories.one, &mut chance, tampered)
        }
        _ => stage.forks(&histories, &mut chance, flaw),
    };
    let found = stage.party.wire.state().found.clone().or_else(|| outcome.err());
    (stage.party.points(), found)
}

/// The first entry that two histories do not share.
fn parting(one: &[Leaf], other: &[Leaf]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

impl Stage {
    fn set(histories: &Histories, chance: &mut Chance, flaw: Option<Flaw>) -> Self {
        let party = Party::new("south", chance.fork(), flaw);
        let roots = roots(histories.one.iter().map(|leaf| leaf.envelope.as_slice()));
        Self { party, now: seconds(histories.at), roots }
    }

    /// A lie in the entries that are signed: new to the follower, or a rewriting of what it has. Gives whether there was occasion for it.
    fn entries(
        &mut self,
        histories: &Histories,
        chance: &mut Chance,
        (name, lie): &Lie,
    ) -> Result<bool, String> {
        let honest = &histories.one;
        let Some(twist) = lie(honest, chance) else { return Ok(false) };
        let told = |why: String| format!("{name}, first at entry {}: {why}", twist.first);
        let (first, shows) = (twist.first as u64, twist.shows as u64);
        let size = twist.leaves.len() as u64;
        // A parties' part is in no tree, so what is held of it stays as it is.
        let is_in_tree = parting_envelopes(honest, &twist.leaves) < twist.leaves.len();
        let is_new = !is_in_tree || chance.hits(1, 2) || first + 1 >= honest.len() as u64;
        let held = if is_new {
            chance.below(first + 1)
        } else {
            first + 1 + chance.below(honest.len() as u64 - first)
        };
        self.holds(honest, held).map_err(told)?;
        let shown = if is_new {
            shows + 1 + chance.below(size - shows)
        } else {
            (first + 1 + chance.below(size - first)).min(size)
        };
        let lying = published(&twist.leaves[..usize::try_from(shown).unwrap()]);
        self.show(lying);
        let place = if is_new { format!("entry {shows}") } else { "checkpoint".to_owned() };
        self.finds(&place).map_err(told)?;
        self.has_cosigned(if is_new { u64::MAX } else { first }).map_err(told)?;
        // Whoever is started again finds it again.
        self.party.restarted();
        self.finds(&place).map_err(|why| told(format!("started again: {why}")))?;
        self.has_cosigned(if is_new { u64::MAX } else { first }).map_err(told)?;
        Ok(true)
    }

    /// A lie in the files.
    fn files(&mut self, honest: &[Leaf], chance: &mut Chance, tampered: &Tampered) -> Outcome {
        let told = |why: String| format!("{}: {why}", tampered.name);
        let size = honest.len() as u64;
        let held = chance.below(size - 2);
        self.holds(honest, held).map_err(told)?;
        let at = place_in(chance, held, size);
        let store = published(honest);
        (tampered.by)(&store, size, at);
        self.show(store);
        match tampered.shows {
            Shows::Entry => self.finds(&format!("entry {at}")),
            Shows::File(kind) => self.finds(&path(kind, size, at)),
            Shows::Checkpoint => self.finds("checkpoint"),
            Shows::Missing(kind) => self.waits(&path(kind, size, at), held),
            Shows::Keys => {
                self.party.restarted();
                self.waits(if held > 0 { "the keys that are served" } else { "log" }, held)
            }
        }
        .map_err(told)?;
        // Whatever was signed follows on nothing, and `w1` says no more.
        let is_signed = tampered.name == "a checkpoint with another root";
        self.has_cosigned(if is_signed && held == 0 { u64::MAX } else { 0 }).map_err(told)?;
        if is_signed && held == 0 {
            return Ok(());
        }
        if tampered.shows == Shows::Keys && held == 0 {
            return Ok(());
        }
        // Nothing of it was kept: with the honest files all of it is cosigned.
        self.show(published(honest));
        self.party.restarted();
        self.comes_to(size).map_err(|why| told(format!("afterwards: {why}")))
    }

    /// Two histories, each of which holds by itself: shown to one follower after the other, cut back, or each to its own follower.
    fn forks(&mut self, histories: &Histories, chance: &mut Chance, flaw: Option<Flaw>) -> Outcome {
        let (one, other) = (&histories.one, &histories.other);
        let parting = parting(one, other) as u64;
        if parting >= one.len().min(other.len()) as u64 {
            return Ok(());
        }
        let beyond =
            |leaves: &[Leaf], chance: &mut Chance| parting + 1 + chance.below(leaves.len() as u64 - parting);
        let (held, shown) = (beyond(one, chance), beyond(other, chance));
        self.holds(one, held)?;
        match chance.below(3) {
            0 => {
                self.show(published(&other[..usize::try_from(shown).unwrap()]));
                self.finds("checkpoint").map_err(|why| format!("forked: {why}"))?;
            }
            1 => {
                let back = 1 + chance.below(held - 1);
                self.show(published(&one[..usize::try_from(back).unwrap()]));
                self.finds("checkpoint").map_err(|why| format!("rolled back: {why}"))?;
            }
            _ => {
                let mut second = Stage {
                    party: Party::new("north", chance.fork(), flaw),
                    now: self.now,
                    roots: roots(other.iter().map(|leaf| leaf.envelope.as_slice())),
                };
                second.holds(other, shown)?;
                // Each has cosigned one, and neither the other's when it comes to see it.
                second.show(published(&one[..usize::try_from(held).unwrap()]));
                second.finds("checkpoint").map_err(|why| format!("a split view: {why}"))?;
                second.has_cosigned(0)?;
                self.show(published(&other[..usize::try_from(shown).unwrap()]));
                self.finds("checkpoint").map_err(|why| format!("a split view: {why}"))?;
                if let Some(found) = second.party.wire.state().found.clone() {
                    return Err(found);
                }
            }
        }
        self.has_cosigned(0)
    }

    fn show(&self, store: Arc<dyn Store>) {
        self.party.wire.state().shown = Some(store);
        self.party.wire.state().takes = Some(Box::new(|_| Ok(())));
    }

    fn turn(&mut self) {
        self.now += 1;
        self.party.turn(self.now);
    }

    /// Follows what is honest up to some size, on a wire that loses.
    fn holds(&mut self, honest: &[Leaf], size: u64) -> Outcome {
        if size == 0 {
            return Ok(());
        }
        let early = published(&honest[..usize::try_from(size.div_ceil(2)).unwrap()]);
        self.show(early);
        (0..6).for_each(|_| self.turn());
        self.show(published(&honest[..usize::try_from(size).unwrap()]));
        self.comes_to(size)
    }

    fn comes_to(&mut self, size: u64) -> Outcome {
        for turn in 0..TURNS {
            self.turn();
            let state = self.party.wire.state();
            if self.party.accuses.is_some() || state.found.is_some() {
                break;
            }
            if state.latest(1).0 >= size && self.party.told >= size {
                return Ok(());
            }
            drop(state);
            self.party.is_lucky |= turn > TURNS / 2;
        }
        let (told, said) = (self.party.told, &self.party.complains);
        let accuses = self.party.accuses.as_ref().map(ToString::to_string);
        Err(format!("it has come to {told} of {size}: {}", accuses.unwrap_or_else(|| said.clone())))
    }

    /// It is found, at this place.
    fn finds(&mut self, place: &str) -> Outcome {
        for _ in 0..TURNS {
            self.turn();
            if let Some(fault) = &self.party.accuses {
                let is_there = fault.place == place;
                return if is_there {
                    Ok(())
                } else {
                    Err(format!("expected at {place}, was told: {fault}"))
                };
            }
        }
        Err(format!("it was not found at {place}; the follower said: {}", self.party.complains))
    }

    /// Nobody is accused, and nothing above `held` is cosigned by `w2`; what is missing is named.
    fn waits(&mut self, names: &str, held: u64) -> Outcome {
        self.party.is_lucky = true;
        self.party.wire.state().is_whole = true;
        self.party.restarted();
        (0..u64::from(LOOKS)).for_each(|_| self.turn());
        self.party.is_lucky = false;
        self.party.wire.state().is_whole = false;
        let said = &self.party.complains;
        match &self.party.accuses {
            Some(fault) if names != "log" => Err(format!("what is missing is taken for a fault: {fault}")),
            _ if self.party.wire.state().latest(1).0 > held => {
                Err("what nobody could hold is cosigned".into())
            }
            None if !said.contains(names) => Err(format!("`{names}` is not named: {said}")),
            _ => Ok(()),
        }
    }

    /// By `w2` nothing but the one history, and by `w1` nothing else from `size` on.
    fn has_cosigned(&self, size: u64) -> Outcome {
        let state = self.party.wire.state();
        for (key, from) in [(0, size), (1, 0)] {
            for (size, root) in state.sworn[key].range(from.saturating_add(u64::from(from > 0))..) {
                if self.roots.get(usize::try_from(*size).unwrap()) != Some(root) {
                    return Err(format!("w{} has cosigned a lie of size {size}", key + 1));
                }
            }
        }
        match self.party.held() {
            Some(held) if held >= self.roots.len() as u64 => Err("more is held than there is".into()),
            _ => Ok(()),
        }
    }
}

/// The first envelope that differs.
fn parting_envelopes(one: &[Leaf], other: &[Leaf]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one.envelope == other.envelope).count()
}

/// In how many turns anything must be found.
const TURNS: u32 = 12 * LOOKS;

/// Tells each lie some times, by seeds in their order.
#[test]
fn each_lie_has_its_occasion_and_is_found_at_its_place() {
    let of = |seed: u64| {
        let mut chance = Chance::new(seed);
        let histories = Histories::live(&mut chance);
        let stage = Stage::set(&histories, &mut chance, None);
        (histories, stage, chance)
    };
    for lie in &LIES {
        let mut told = 0;
        for seed in 0..40 {
            let (histories, mut stage, mut chance) = of(seed);
            let outcome = stage.entries(&histories, &mut chance, lie);
            told += u64::from(outcome.unwrap_or_else(|why| panic!("seed {seed}: {why}")));
            assert_eq!(stage.party.wire.state().found, None, "{}, seed {seed}", lie.0);
            if told == 2 {
                break;
            }
        }
        assert!(told == 2, "{} was told {told} times", lie.0);
    }
    for tampered in &FILES {
        let (histories, mut stage, mut chance) = of(1);
        let outcome = stage.files(&histories.one, &mut chance, tampered);
        outcome.unwrap_or_else(|why| panic!("{}: {why}", tampered.name));
        assert_eq!(stage.party.wire.state().found, None, "{}", tampered.name);
    }
}

/// The log's key is what all of this is signed by; a test that forgot it would find nothing.
#[test]
fn what_is_published_for_a_follower_is_what_an_auditor_takes() {
    let histories = Histories::live(&mut Chance::new(3));
    for leaves in [&histories.one, &histories.other] {
        let store = published(leaves);
        let audited = record::audit(&*store, place::ORIGIN, &place::log().verifier(), |_, _, _| Ok(()));
        assert_eq!(audited.unwrap().entries, leaves.len() as u64);
    }
    assert!(parting(&histories.one, &histories.other) > 5);
    assert!(histories.one != histories.other);
}
