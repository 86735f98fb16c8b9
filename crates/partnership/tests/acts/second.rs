//! The second fold: what `replay`, which shares no code with this crate, makes of the same entries.

#![expect(clippy::indexing_slicing, reason = "places that were found in the same text")]

use super::*;
use partnership::state::ReplayError;
use record::Leaf;
use replay::{Replay, Sums};

/// Where a replay is written down and read back at most.
const CUTS: usize = 60;

/// A replay that was written down and read back.
fn resumed(replay: &Replay) -> Replay {
    let lines = |replay: &Replay| {
        let mut lines = Vec::new();
        let mut add = |line: &[u8]| {
            lines.push(line.to_vec());
            Ok(())
        };
        replay.save(&mut add).unwrap();
        lines
    };
    let text = lines(replay);
    let mut rest = text.iter().cloned();
    let read = Replay::resume(None, &mut || Ok(rest.next())).unwrap();
    assert_eq!(lines(&read), text);
    read
}

/// Whether the second fold comes to the same accounts, open acts, acts that wait, and digest, though it stops and goes on in between.
pub(super) fn check(leaves: &[Leaf], state: &State) {
    let mut replay = Replay::new();
    let every = (leaves.len() / CUTS).max(1);
    for (index, leaf) in leaves.iter().enumerate() {
        if index > 0 && index % every == 0 {
            replay = resumed(&replay);
        }
        let folded = replay.entry(&leaf.envelope, &leaf.parties);
        folded.unwrap_or_else(|fault| {
            panic!("entry {index}: {fault}\n{}", String::from_utf8_lossy(&leaf.parties))
        });
    }
    agree(&replay, state);
    assert_eq!(Digest(replay.digest()), state.digest());
}

/// What the second fold says of these entries with some changed by `edit`.
pub(super) fn said_of(leaves: &[Leaf], edit: impl Fn(&str) -> Option<String>) -> String {
    let mut replay = Replay::new();
    for leaf in leaves {
        let text = String::from_utf8(leaf.parties.clone()).unwrap();
        let text = edit(&text).unwrap_or(text);
        if let Err(fault) = replay.entry(&leaf.envelope, text.as_bytes()) {
            return fault.to_string();
        }
    }
    panic!("nothing is found");
}

fn agree(replay: &Replay, state: &State) {
    let accounts: Vec<_> = state
        .book()
        .accounts()
        .map(|(name, asset, _, balance)| {
            let sums = Sums {
                debits_posted: balance.debits_posted.minor(),
                credits_posted: balance.credits_posted.minor(),
                debits_pending: balance.debits_pending.minor(),
                credits_pending: balance.credits_pending.minor(),
            };
            (name.to_string(), asset.to_string(), sums)
        })
        .collect();
    let found: Vec<_> = replay
        .accounts()
        .map(|account| (account.name.to_owned(), account.asset.to_owned(), account.sums))
        .collect();
    assert_eq!(found, accounts);
    let open: Vec<_> = state.open().map(|(id, open)| (id.as_u128(), open.index)).collect();
    assert_eq!(replay.open().map(|open| (open.id.0, open.index)).collect::<Vec<_>>(), open);
    let waiting: Vec<_> = state.waiting().map(|(id, _)| id.as_u128()).collect();
    assert_eq!(replay.waiting().map(|id| id.0).collect::<Vec<_>>(), waiting);
    let versions: Vec<_> = state.versions().iter().map(|version| version.digest.0).collect();
    assert_eq!(replay.versions().iter().map(|version| version.digest).collect::<Vec<_>>(), versions);
    assert_eq!((replay.entries(), replay.at().millis()), (state.entries(), state.at().as_millis()));
    assert_eq!((replay.origin(), replay.unbalanced()), (state.origin(), None));
}

/// A little of everything: calls that end in each way, an application, attestations, an amendment, an overrun.
fn lived() -> House {
    let mut house = House::founded().with_application();
    let ended = [Ended::Done, Ended::Failed, Ended::Cancelled, Ended::Lost];
    for (round, ended) in (0..).zip(ended.into_iter().cycle().take(12)) {
        let Decision::Allow(warrant) = house.call(50) else { panic!("the call is within the grant") };
        house.run(Command::Settle(warrant, Outcome { ended, ..used(round * 15, round * 4) }));
    }
    house.call(u64::from(u32::MAX));
    let Decision::Allow(warrant) = house.call(100) else { panic!("the call is within the grant") };
    drop(warrant);
    house.at = house.at.plus_millis(16 * 60 * 1000);
    house.run(Command::Tick);
    for (subject, before) in
        [(Some(Digest([5; 32])), None), (None, Some("2026-11-01T00:00:00Z".parse().unwrap()))]
    {
        let application = Some(ApplicationId::from("assistant"));
        let Decision::Allow(warrant) = house
            .by("halcyon", Deed::Erase(Erase { application, before, subject, clause: None, keys: Some(7) }))
        else {
            panic!("it may be erased")
        };
        house.run(Command::Settle(warrant, Outcome { ended: Ended::Done, ..Outcome::lost() }));
    }
    let (was, now) = (house.at, house.at.plus_millis(-5000));
    house.run(Command::Clock { was, now });
    house.run(Command::Tally(vec![partnership::entry::Refused { key: KeyId::from("k1"), count: 3 }]));
    for party in ["northwind", "halcyon"] {
        let clause = ClauseId::from("release-tranche");
        let digest = house.partnership.state().terms().unwrap().digest();
        let bytes = attestation_bytes(ORIGIN, &digest, &clause, &Digest([1; 32]));
        let signature = house.sign(party, &bytes);
        let party_id = PartyId::from(party);
        house.by(
            party,
            Deed::Attest(Attest {
                clause,
                condition: None,
                evidence: Digest([1; 32]),
                party: party_id,
                signature,
            }),
        );
    }
    house.adopt(AMENDMENT);
    house.days(60);
    let Decision::Allow(under_way) = house.call(100) else { panic!("the call is within the grant") };
    drop(under_way);
    // An overrun, which suspends the model.
    let Decision::Allow(warrant) = house.call(100) else { panic!("the call is within the grant") };
    house.run(Command::Settle(warrant, used(10_000, 5)));
    assert!(matches!(house.call(100), Decision::Deny(_)));
    house
}

/// Numbers that follow from each other.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

/// Where the strings of a text are, between their quotes.
fn strings(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let quotes: Vec<_> = (0..text.len()).filter(|place| text[*place] == b'"').collect();
    quotes.chunks_exact(2).map(|pair| pair[0] + 1..pair[1]).collect()
}

/// The text with one thing changed: a byte, a stretch left out or said twice, or a string that stands elsewhere in the record.
fn changed(chance: &mut Chance, text: &[u8], pool: &[Vec<u8>]) -> Vec<u8> {
    let mut text = text.to_vec();
    let from = chance.below(text.len());
    let to = (from + 1 + chance.below(60)).min(text.len());
    match chance.below(6) {
        0 => {
            let bytes = b"0123456789abcdefZ\"\\,:{}[]-+ \n=/";
            text[from] = bytes[chance.below(bytes.len())];
        }
        1 => drop(text.drain(from..to)),
        2 => {
            let twice = text[from..to].to_vec();
            text.splice(from..from, twice);
        }
        3 => {
            let numbers =
                ["0", "1", "2", "-1", "30", "01", "170141183460469231731687303715884105727", "65535"];
            let digits = strings(&text);
            let digits: Vec<_> = digits
                .into_iter()
                .filter(|place| text[place.clone()].iter().all(u8::is_ascii_digit))
                .collect();
            if !digits.is_empty() {
                let place = digits[chance.below(digits.len())].clone();
                text.splice(place, numbers[chance.below(numbers.len())].bytes());
            }
        }
        _ => {
            let places = strings(&text);
            let place = places[chance.below(places.len())].clone();
            text.splice(place, pool[chance.below(pool.len())].iter().copied());
        }
    }
    text
}

/// Whether only the memorandum tells that the entry does not hold.
fn is_of_the_memorandum(error: &ReplayError) -> bool {
    matches!(
        error,
        ReplayError::NoMemorandum(_)
            | ReplayError::BadKey(_)
            | ReplayError::Unsigned { .. }
            | ReplayError::NotYet(_)
    )
}

#[test]
fn what_the_first_fold_refuses_of_a_changed_record_the_second_refuses_too() {
    let house = lived();
    house.replayed();
    let pool: Vec<Vec<u8>> = house
        .leaves
        .iter()
        .flat_map(|leaf| strings(&leaf.parties).into_iter().map(|place| leaf.parties[place].to_vec()))
        .collect();
    let mut chance = Chance(11);
    let (mut state, mut replay) = (State::new(house.documents()), Replay::new());
    let (mut both, mut second_alone, mut neither) = (0_u32, 0_u32, 0_u32);
    for (index, leaf) in (0..).zip(&house.leaves) {
        for round in 0..400_u32 {
            let other = &house.leaves[chance.below(house.leaves.len())];
            let (envelope, parties) = match round {
                0..8 => (other.envelope.clone(), other.parties.clone()),
                8..12 => (other.envelope.clone(), leaf.parties.clone()),
                _ => (leaf.envelope.clone(), changed(&mut chance, &leaf.parties, &pool)),
            };
            let first = Entry::decode(&envelope, &parties).map_err(|error| error.to_string());
            let mut first_state = state.clone();
            let first = first.and_then(|entry| match first_state.apply(&entry, index) {
                Err(error) if is_of_the_memorandum(&error) => Ok(false),
                Err(error) => Err(error.to_string()),
                Ok(()) => Ok(true),
            });
            let mut second_replay = replay.clone();
            match (first, second_replay.entry(&envelope, &parties)) {
                (Err(error), Ok(())) => {
                    panic!(
                        "entry {index}: only the first fold says: {error}\n{}",
                        String::from_utf8_lossy(&parties)
                    )
                }
                (Err(_), Err(_)) => both += 1,
                (Ok(_), Err(_)) => second_alone += 1,
                (Ok(applied), Ok(())) => {
                    neither += 1;
                    if applied {
                        agree(&second_replay, &first_state);
                    }
                }
            }
        }
        let entry = Entry::decode(&leaf.envelope, &leaf.parties).unwrap();
        state.apply(&entry, index).unwrap();
        replay.entry(&leaf.envelope, &leaf.parties).unwrap();
    }
    assert!(both > 1000 && second_alone > 10 && neither > 100, "{both}, {second_alone}, {neither}");
}
