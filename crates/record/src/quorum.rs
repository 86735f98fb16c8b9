//! Which cosigners must stand under a checkpoint for it to count: chosen here, or read from the text of a C2SP
//! tlog-policy. Not a policy of the memorandum; those are clauses.

use std::collections::BTreeSet;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::cosignature::{Cosigned, CosignerKey, Statement};
use crate::note::Verifier;

mod text;

/// The logs and cosigners that are known, and which of the cosigners are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    logs: Vec<Verifier>,
    cosigners: Vec<CosignerKey>,
    /// The names that the text has for the cosigners, in their order.
    names: Vec<String>,
    /// Each has members that stand before it only.
    groups: Vec<Group>,
    /// `None`: the log's own signature is enough.
    asked: Option<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    /// So many members are enough. Shape: 1 to the number of members.
    enough: usize,
    members: Vec<Member>,
}

/// A cosigner or a group, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Cosigner(usize),
    Group(usize),
}

/// Why a quorum could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// A line of the text is not one of a tlog-policy.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A public key stands twice, under one name or two.
    #[error("`{0}` has a public key that stands here before; each log and cosigner needs a key of its own")]
    SharedKey(String),
    /// A cosigner that is asked for has no key here.
    #[error("there is no public key of a cosigner `{0}`; add it")]
    NoKey(String),
    /// The text does not say what is asked for.
    #[error("the text has no `quorum` line")]
    NoQuorum,
}

/// Why a checkpoint does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// Its log is none of those that are known.
    #[error("the checkpoint is of log `{0}`, of which no public key is known; check the keys")]
    Log(String),
    /// It is malformed, or a signature by a known key is missing or wrong.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// It is right as far as it goes, and more cosigners are asked for. They may come later.
    #[error("the checkpoint is not cosigned by {}", names(.0))]
    Cosigners(Vec<String>),
}

impl Quorum {
    /// The log's own signature is enough. `cosigners` are verified where they have signed, and not asked for.
    ///
    /// # Errors
    /// [`QuorumError::SharedKey`].
    pub fn log(log: Verifier, cosigners: &[CosignerKey]) -> Result<Self, QuorumError> {
        let mut quorum = Self::empty();
        quorum.add_log(log)?;
        for key in cosigners {
            let taken = key.name() == NONE || quorum.names.iter().any(|name| name == key.name());
            let name = if taken { key.vkey() } else { key.name().to_owned() };
            quorum.add_cosigner(name, key.clone())?;
        }
        Ok(quorum)
    }

    /// Everyone among `cosigners` whose key says `statement` of the log must have cosigned.
    ///
    /// Several keys of one name are a key and those that took its place: any one of them will do.
    ///
    /// # Errors
    /// [`QuorumError::NoKey`] if there is nobody, since a checkpoint that nobody cosigned would then do;
    /// [`QuorumError::SharedKey`].
    pub fn all(log: Verifier, cosigners: &[CosignerKey], statement: Statement) -> Result<Self, QuorumError> {
        let (first, last) = (format!("{}/", log.name()), format!("/{}", statement.word()));
        let says = |name: &str| name.strip_prefix(&first).and_then(|rest| rest.strip_suffix(&last)).is_some();
        let mut wanted: Vec<String> =
            cosigners.iter().map(|key| key.name().to_owned()).filter(|name| says(name)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Err(QuorumError::NoKey(statement.key_name(log.name(), "*")));
        }
        Self::named(log, cosigners, &wanted)
    }

    /// Each of `parties` must have cosigned by its key that says `statement` of the log.
    ///
    /// # Errors
    /// [`QuorumError::NoKey`] if the key of one is not among `cosigners`, or there is no party;
    /// [`QuorumError::SharedKey`].
    pub fn parties(
        log: Verifier,
        cosigners: &[CosignerKey],
        statement: Statement,
        parties: &[&str],
    ) -> Result<Self, QuorumError> {
        let mut wanted: Vec<String> =
            parties.iter().map(|party| statement.key_name(log.name(), party)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Err(QuorumError::NoKey(statement.key_name(log.name(), "*")));
        }
        Self::named(log, cosigners, &wanted)
    }

    /// Opens `signed` and sees that everyone who is asked for has cosigned it.
    ///
    /// # Errors
    /// [`Unmet`].
    pub fn check(&self, signed: &[u8]) -> Result<Cosigned, Unmet> {
        let origin = Checkpoint::read(signed)?.origin;
        let logs: Vec<&Verifier> = self.logs.iter().filter(|log| log.name() == origin).collect();
        if logs.is_empty() {
            return Err(Unmet::Log(origin));
        }
        let cosigned = Cosigned::open(signed, &logs, &self.cosigners)?;
        let there: Vec<bool> = self.cosigners.iter().map(|key| cosigned.is_by(key)).collect();
        let met = self.met(&there);
        match self.asked {
            Some(asked) if !met.contains(&asked) => Err(Unmet::Cosigners(self.missing(asked, &met))),
            _ => Ok(cosigned),
        }
    }

    /// The same, where checkpoints by this key count too: another one of a log that is known, or another log's.
    ///
    /// # Errors
    /// [`QuorumError::SharedKey`].
    pub fn with_log(mut self, log: Verifier) -> Result<Self, QuorumError> {
        self.add_log(log)?;
        Ok(self)
    }

    /// The keys of the logs.
    pub fn logs(&self) -> &[Verifier] {
        &self.logs
    }

    /// The keys of the cosigners that are known, asked for or not.
    pub fn cosigners(&self) -> &[CosignerKey] {
        &self.cosigners
    }

    fn empty() -> Self {
        let (logs, cosigners, names, groups) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { logs, cosigners, names, groups, asked: None }
    }

    /// Asks for all of `wanted`, which are names of keys. The names of its groups have a `+`, which no key's name has.
    fn named(log: Verifier, cosigners: &[CosignerKey], wanted: &[String]) -> Result<Self, QuorumError> {
        let mut quorum = Self::log(log, cosigners)?;
        let mut members = Vec::new();
        for name in wanted {
            let keys = quorum.cosigners.iter().enumerate().filter(|(_, key)| key.name() == name);
            let keys: Vec<Member> = keys.map(|(place, _)| Member::Cosigner(place)).collect();
            members.push(match *keys.as_slice() {
                [] => return Err(QuorumError::NoKey(name.clone())),
                [key] => key,
                _ => quorum.add_group(format!("any+{name}"), 1, keys),
            });
        }
        quorum.asked = Some(match *members.as_slice() {
            [member] => member,
            _ => quorum.add_group("all+".to_owned(), members.len(), members),
        });
        Ok(quorum)
    }

    fn add_log(&mut self, log: Verifier) -> Result<(), QuorumError> {
        self.check_fresh(log.public_key(), log.name())?;
        self.logs.push(log);
        Ok(())
    }

    fn add_cosigner(&mut self, name: String, key: CosignerKey) -> Result<Member, QuorumError> {
        self.check_fresh(key.public_key(), key.name())?;
        self.cosigners.push(key);
        self.names.push(name);
        Ok(Member::Cosigner(self.cosigners.len().saturating_sub(1)))
    }

    fn add_group(&mut self, name: String, enough: usize, members: Vec<Member>) -> Member {
        self.groups.push(Group { name, enough, members });
        Member::Group(self.groups.len().saturating_sub(1))
    }

    fn check_fresh(&self, key: &[u8; 32], name: &str) -> Result<(), QuorumError> {
        let logs = self.logs.iter().map(Verifier::public_key);
        let mut all = logs.chain(self.cosigners.iter().map(CosignerKey::public_key));
        if all.any(|other| other == key) { Err(QuorumError::SharedKey(name.to_owned())) } else { Ok(()) }
    }

    /// The members that have cosigned, groups included.
    fn met(&self, there: &[bool]) -> BTreeSet<Member> {
        let cosigners = there.iter().enumerate().filter(|(_, there)| **there);
        let mut met: BTreeSet<Member> = cosigners.map(|(place, _)| Member::Cosigner(place)).collect();
        for (place, group) in self.groups.iter().enumerate() {
            if group.members.iter().filter(|member| met.contains(member)).count() >= group.enough {
                met.insert(Member::Group(place));
            }
        }
        met
    }

    /// The names of the keys that are looked for in vain below `asked`, each once.
    fn missing(&self, asked: Member, met: &BTreeSet<Member>) -> Vec<String> {
        let (mut missing, mut next) = (Vec::new(), vec![asked]);
        while let Some(member) = next.pop() {
            if met.contains(&member) {
                continue;
            }
            match member {
                Member::Group(place) => {
                    let members = self.groups.get(place).map_or(&[][..], |group| &group.members);
                    next.extend(members.iter().rev());
                }
                Member::Cosigner(place) => {
                    let name = self.cosigners.get(place).map_or("", CosignerKey::name);
                    if !missing.iter().any(|other| other == name) {
                        missing.push(name.to_owned());
                    }
                }
            }
        }
        missing
    }
}

fn names(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The name that asks for no cosigner.
const NONE: &str = "none";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosignature::{Cosigner, attach};
    use crate::note::{NoteError, Signer};

    const ORIGIN: &str = "northwind.example/record";

    fn log() -> Signer {
        Signer::generate(ORIGIN, [1; 32]).unwrap()
    }

    fn cosigner(name: &str, seed: u8) -> Cosigner {
        Cosigner::generate(name, [seed; 32]).unwrap()
    }

    /// The four keys of two parties.
    fn four() -> Vec<Cosigner> {
        let names = [
            ("northwind", Statement::Grew),
            ("northwind", Statement::Replayed),
            ("halcyon", Statement::Grew),
            ("halcyon", Statement::Replayed),
        ];
        let named = (2..).zip(names);
        named.map(|(seed, (party, says))| cosigner(&says.key_name(ORIGIN, party), seed)).collect()
    }

    fn keys(cosigners: &[Cosigner]) -> Vec<CosignerKey> {
        cosigners.iter().map(Cosigner::key).collect()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: ORIGIN.into(), size: 7, root: [3; 32] }
    }

    fn signed_by<'a>(cosigners: impl IntoIterator<Item = &'a Cosigner>) -> Vec<u8> {
        let cosigners: Vec<&Cosigner> = cosigners.into_iter().collect();
        let signed = checkpoint().sign(&log()).unwrap();
        if cosigners.is_empty() {
            return signed;
        }
        let lines: String = cosigners.iter().map(|cosigner| cosigner.cosign(&checkpoint(), 9)).collect();
        let keys: Vec<CosignerKey> = cosigners.iter().map(|cosigner| cosigner.key()).collect();
        attach(&signed, lines.as_bytes(), &[&log().verifier()], &keys).unwrap()
    }

    #[test]
    fn each_way_of_asking_is_met_by_those_it_names_and_nobody_else() {
        let all = four();
        let keys = keys(&all);
        let log = log().verifier();
        let both = ["northwind", "halcyon"];
        // A bit for each of the four keys: what must be there.
        let asked = [
            (Quorum::log(log.clone(), &keys), 0b0000_u8),
            (Quorum::all(log.clone(), &keys, Statement::Grew), 0b0101),
            (Quorum::all(log.clone(), &keys, Statement::Replayed), 0b1010),
            (Quorum::parties(log.clone(), &keys, Statement::Grew, &both), 0b0101),
            (Quorum::parties(log.clone(), &keys, Statement::Replayed, &both), 0b1010),
            (Quorum::parties(log.clone(), &keys, Statement::Grew, &both[1..]), 0b0100),
            (Quorum::all(log, &keys[..2], Statement::Replayed), 0b0010),
        ];
        for (quorum, wanted) in asked {
            let quorum = quorum.unwrap();
            assert_eq!(Quorum::parse(&quorum.text()).as_ref(), Ok(&quorum), "{}", quorum.text());
            for there in 0..16_u8 {
                let who = all.iter().enumerate().filter(|(bit, _)| there & (1 << bit) != 0);
                let checked = quorum.check(&signed_by(who.map(|(_, cosigner)| cosigner)));
                assert_eq!(checked.is_ok(), there & wanted == wanted, "{wanted:b} of {there:b}");
                if let Err(unmet) = checked {
                    let missing = wanted & !there;
                    let names = all.iter().enumerate().filter(|(bit, _)| missing & (1 << bit) != 0);
                    let mut names: Vec<_> = names.map(|(_, cosigner)| cosigner.name().to_owned()).collect();
                    let Unmet::Cosigners(mut told) = unmet else { panic!("{unmet}") };
                    names.sort();
                    told.sort();
                    assert_eq!(told, names);
                }
            }
        }
    }

    #[test]
    fn nobody_is_not_everybody() {
        let keys = keys(&four());
        let log = log().verifier();
        let none = |quorum: Result<Quorum, QuorumError>| matches!(quorum, Err(QuorumError::NoKey(_)));
        assert!(none(Quorum::all(log.clone(), &keys[..1], Statement::Replayed)));
        assert!(none(Quorum::all(log.clone(), &[], Statement::Grew)));
        assert!(none(Quorum::parties(log.clone(), &keys, Statement::Grew, &[])));
        assert!(none(Quorum::parties(log.clone(), &keys, Statement::Grew, &["northwind", "contoso"])));
        let elsewhere = cosigner("other.example/record/halcyon/w1", 9).key();
        assert!(none(Quorum::all(log, &[elsewhere], Statement::Grew)), "a key of another record");
    }

    #[test]
    fn one_key_never_stands_for_two() {
        let (first, second) = (Statement::Grew, Statement::Replayed);
        let name = |statement: Statement| statement.key_name(ORIGIN, "halcyon");
        let shared = [cosigner(&name(first), 5).key(), cosigner(&name(second), 5).key()];
        let refused = Quorum::all(log().verifier(), &shared, first);
        assert_eq!(refused, Err(QuorumError::SharedKey(name(second))));
        let of_the_log = [cosigner(&name(first), 1).key()];
        let refused = Quorum::all(log().verifier(), &of_the_log, first);
        assert_eq!(refused, Err(QuorumError::SharedKey(name(first))));
    }

    #[test]
    fn a_key_that_took_the_place_of_another_will_do() {
        let name = Statement::Grew.key_name(ORIGIN, "halcyon");
        let (old, new) = (cosigner(&name, 5), cosigner(&name, 6));
        let quorum = Quorum::all(log().verifier(), &[old.key(), new.key()], Statement::Grew).unwrap();
        assert_eq!(Quorum::parse(&quorum.text()), Ok(quorum.clone()));
        for who in [&[&old][..], &[&new], &[&old, &new]] {
            assert!(quorum.check(&signed_by(who.iter().copied())).is_ok());
        }
        assert_eq!(quorum.check(&signed_by([])), Err(Unmet::Cosigners(vec![name])));
    }

    #[test]
    fn other_logs_and_wrong_signatures_are_told_apart_from_what_is_missing() {
        let all = four();
        let quorum = Quorum::all(log().verifier(), &keys(&all), Statement::Grew).unwrap();
        let other = Checkpoint { origin: "other.example".into(), ..checkpoint() };
        let other = other.sign(&Signer::generate("other.example", [1; 32]).unwrap()).unwrap();
        assert_eq!(quorum.check(&other), Err(Unmet::Log("other.example".into())));
        let forged = checkpoint().sign(&Signer::generate(ORIGIN, [9; 32]).unwrap()).unwrap();
        assert!(matches!(quorum.check(&forged), Err(Unmet::Checkpoint(_))));
        // A wrong line of a known key that is not asked for.
        let mut wrong = signed_by([&all[0], &all[2]]);
        wrong.extend(all[1].cosign(&other_size(), 9).bytes());
        let refused = quorum.check(&wrong);
        assert!(matches!(refused, Err(Unmet::Checkpoint(CheckpointError::Note(NoteError::Invalid(_))))));
    }

    fn other_size() -> Checkpoint {
        Checkpoint { size: 8, ..checkpoint() }
    }

    /// The example of C2SP tlog-policy, with keys.
    fn example() -> (String, Vec<Cosigner>) {
        let witnesses: Vec<Cosigner> =
            (10..16).map(|seed| cosigner(&format!("w{seed}.example"), seed)).collect();
        let mut text = format!("log {}\n\n", log().verifier());
        for (name, witness) in ["X1", "X2", "X3", "Y1", "Y2", "Y3"].iter().zip(&witnesses) {
            text.push_str(&format!("witness {name} {}\n", witness.key()));
        }
        text.push_str("group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n\n");
        text.push_str("group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n");
        (text, witnesses)
    }

    #[test]
    fn the_example_of_the_specification_asks_for_what_it_says() {
        let (text, witnesses) = example();
        let quorum = Quorum::parse(&text).unwrap();
        assert_eq!(Quorum::parse(&quorum.text()), Ok(quorum.clone()));
        for there in 0..64_u32 {
            let who = witnesses.iter().enumerate().filter(|(bit, _)| there & (1 << bit) != 0);
            let checked = quorum.check(&signed_by(who.map(|(_, witness)| witness)));
            let wanted = (there & 0b111).count_ones() >= 2 && (there >> 3).count_ones() >= 1;
            assert_eq!(checked.is_ok(), wanted, "{there:b}");
        }
    }

    #[test]
    fn the_text_may_be_laid_out_as_the_specification_allows() {
        let (text, _) = example();
        let quorum = Quorum::parse(&text);
        let spread = text.replace(' ', " \t ").replace('\n', "\t\n  # é comment\n\n");
        assert_eq!(Quorum::parse(&spread), quorum);
        let with_addresses = text.replace("\nwitness X2", " https://x1.example/\nwitness X2");
        assert_eq!(Quorum::parse(&with_addresses), quorum);
        let none = Quorum::parse("quorum none\n").unwrap();
        assert_eq!(none.check(&signed_by([])), Err(Unmet::Log(ORIGIN.into())));
        let none = Quorum::parse(&format!("quorum none\nlog {}\n", log().verifier())).unwrap();
        assert!(none.check(&signed_by([])).is_ok());
    }

    #[test]
    fn texts_that_are_no_policy_are_refused() {
        let (text, witnesses) = example();
        let changed = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        };
        let plain = Signer::generate("w10.example", [10; 32]).unwrap().verifier();
        let bad = [
            String::new(),
            changed("quorum X-and-Y\n", ""),
            changed("quorum X-and-Y\n", "quorum X-and-Y"),
            changed("quorum X-and-Y\n", "quorum X-and-Y\nquorum none\n"),
            changed("quorum X-and-Y", "quorum Z"),
            changed("quorum X-and-Y", "quorum"),
            changed("quorum X-and-Y", "quorum X1 X2"),
            changed("X-witnesses 2", "X-witnesses 0"),
            changed("X-witnesses 2", "X-witnesses 4"),
            changed("X-witnesses 2", "X-witnesses 02"),
            changed("X-witnesses 2", "X-witnesses some"),
            changed("X-witnesses 2 X1 X2 X3", "X-witnesses 2"),
            changed("2 X1 X2 X3", "2 X1 X2 X2"),
            changed("any Y1 Y2 Y3", "any Y1 Y2 X3"),
            changed("any Y1 Y2 Y3", "any Y1 Y2 none"),
            changed("any Y1 Y2 Y3", "any Y1 Y2 X-and-Y"),
            changed("group Y-witnesses", "group X-witnesses"),
            changed("group Y-witnesses", "group X1"),
            changed("witness X2", "witness X1"),
            changed("witness X2", "witness none"),
            changed("witness X2", "witnesses X2"),
            changed("log ", "log\r "),
            changed("log ", "log"),
            changed(&witnesses[0].key().vkey(), &plain.vkey()),
            changed(&witnesses[1].key().vkey(), &witnesses[0].key().vkey()),
            changed(&witnesses[1].key().vkey(), &cosigner("w0.example", 10).key().vkey()),
            changed(&log().verifier().vkey(), &witnesses[0].key().vkey()),
        ];
        for text in bad {
            assert!(Quorum::parse(&text).is_err(), "{text}");
        }
        let wrong = changed("X-witnesses 2", "X-witnesses 9");
        assert!(matches!(Quorum::parse(&wrong), Err(QuorumError::Line { line: 9, .. })));
    }
}
