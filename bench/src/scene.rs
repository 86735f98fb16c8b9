//! The core and the record without a server around them: a partnership whose entries lie in a folder, and calls made to order.
//!
//! Time here is counted and not read, and randomness begins at the same seed, so that two runs write the same bytes.

use crate::memorandum::{self, MODEL, PARTIES};
use anyhow::{Context as _, bail};
use partnership::act::{
    Act, Administer, Application, Deed, Digest, Ended, Infer, Key, Outcome, Principal, Usage,
};
use partnership::decision::{Decision, Warrant};
use partnership::entry::Genesis;
use partnership::ids::{ApplicationId, KeyId, ModelId, PartyId, Timestamp};
use partnership::judge::admit::facts;
use partnership::memorandum::signing_bytes;
use partnership::partnership::Assessed;
use partnership::{Answer, Command, Entropy, Partnership, State, Terms};
use record::note::Signer;
use record::store::directory::Directory;
use record::{Group, Journal, Publisher, Store as _};
use std::path::Path;
use std::sync::Arc;

/// The log's name.
pub(crate) const ORIGIN: &str = "bench.example/record";
/// The size of the journal's segments, as a server has it by default. Units: bytes.
pub(crate) const SEGMENT_BYTES: u32 = 16 << 20;
/// When it begins: 1 December 2026. Units: milliseconds.
const BEGINS: i64 = 1_796_083_200_000;
const APPLICATION: &str = "bench";
const KEY: &str = "0123456789abcdef";
/// What a call may use, and what it then uses. Units: tokens of input, of output.
const BOUNDS: (u64, u64) = (600, 100);
const USED: (u64, u64) = (80, 40);

/// A partnership, and the three owners of its record.
pub(crate) struct Scene {
    pub(crate) core: Core,
    pub(crate) journal: Journal<Directory>,
    pub(crate) publisher: Publisher<Directory>,
    pub(crate) log: Signer,
}

/// What decides: all that the clerk's thread owns.
pub(crate) struct Core {
    pub(crate) partnership: Partnership,
    entropy: Entropy,
    at: Timestamp,
    /// What the policies say of each call; found beforehand, as the server's doors do.
    assessed: Option<Assessed>,
}

impl Scene {
    /// Founds a partnership with its record in `folder`, and registers the application that calls.
    ///
    /// Errors: where the memorandum or the folder is not right.
    pub(crate) fn found(folder: &Path, clauses: usize) -> anyhow::Result<Self> {
        let at = Timestamp::from_millis(BEGINS);
        let mut entropy = Entropy::new([7; 32]);
        let mut signer = |name: &str| Signer::generate(name, entropy.seed());
        let log = signer(ORIGIN)?;
        let parties =
            PARTIES.map(|party| signer(&format!("{ORIGIN}/{party}")).map(|key| (PartyId::from(party), key)));
        let parties = parties.into_iter().collect::<Result<Vec<_>, _>>()?;
        let text = memorandum::text(clauses);
        let terms = Terms::read(&text).map_err(|faults| anyhow::anyhow!("the memorandum: {faults:?}"))?;
        let digest = terms.digest();
        let store = Arc::new(Directory::new(folder));
        let keys = std::iter::once(&log).chain(parties.iter().map(|(_, key)| key));
        let vkeys: String = keys.map(|key| format!("{}\n", key.verifier())).collect();
        store.create("vkeys", vkeys.as_bytes())?;
        store.create(&format!("memorandum/{}", digest.hex()), text.as_bytes())?;
        let signed = |key: &Signer| record::hash::base64(&key.sign_bytes(&signing_bytes(&digest.0)));
        let genesis = Genesis {
            origin: ORIGIN.to_owned(),
            memorandum: digest,
            vkeys: parties.iter().map(|(party, key)| (party.clone(), key.verifier().vkey())).collect(),
            signatures: parties.iter().map(|(party, key)| (party.clone(), signed(key))).collect(),
            transfers: Vec::new(),
        };
        let loaded = record::load(store, ORIGIN, SEGMENT_BYTES, &log.verifier())?;
        let partnership = Partnership::found(State::new([terms]), loaded.log, at, genesis, &mut entropy)?;
        let mut core = Core { partnership, entropy, at, assessed: None };
        core.register()?;
        Ok(Self { core, journal: loaded.journal, publisher: loaded.publisher, log })
    }

    /// Makes all that was decided durable and publishes it.
    ///
    /// Errors: those of the disk.
    pub(crate) fn publish(&mut self) -> anyhow::Result<()> {
        let groups: Vec<Group> = self.core.seal().into_iter().collect();
        self.journal.write(&groups)?;
        groups.into_iter().for_each(|group| self.publisher.absorb(group));
        self.publisher.publish(&self.log)?;
        self.journal.retire(self.publisher.durable_bundles())?;
        Ok(())
    }

    /// Lets so many calls be made and settled, a batch at a time, and publishes them now and then.
    ///
    /// Errors: where one is refused, or the disk fails.
    pub(crate) fn live(&mut self, calls: usize, batch: usize) -> anyhow::Result<()> {
        let mut made = 0_usize;
        let mut warrants = Vec::new();
        while made < calls {
            warrants =
                self.core.turn(std::mem::take(&mut warrants), batch.min(calls.saturating_sub(made)))?;
            made = made.saturating_add(warrants.len());
            self.publish()?;
        }
        self.core.turn(warrants, 0)?;
        self.publish()
    }
}

impl Core {
    /// One turn: settles these calls and decides so many new ones; gives their warrants.
    ///
    /// Errors: where a call is not allowed, or not settled.
    pub(crate) fn turn(&mut self, settles: Vec<Warrant>, proposes: usize) -> anyhow::Result<Vec<Warrant>> {
        let mut commands: Vec<Command> =
            settles.into_iter().map(|warrant| Command::Settle(warrant, outcome())).collect();
        commands.extend(std::iter::repeat_with(|| self.proposal()).take(proposes));
        let mut warrants = Vec::with_capacity(proposes);
        for answer in self.run(commands)? {
            match answer {
                Answer::Decided(Decision::Allow(warrant)) => warrants.push(warrant),
                Answer::Settled(settlement) if settlement.charged.is_some() => {}
                other => bail!("a call was neither allowed nor charged: {other:?}"),
            }
        }
        Ok(warrants)
    }

    /// Takes what was appended since the last time.
    pub(crate) fn seal(&mut self) -> Option<Group> {
        self.partnership.log().seal()
    }

    fn run(&mut self, commands: Vec<Command>) -> anyhow::Result<Vec<Answer>> {
        self.at = self.at.plus_millis(3);
        let replies = self.partnership.turn(self.at, &mut self.entropy, commands)?;
        Ok(replies.into_iter().map(|reply| reply.answer).collect())
    }

    fn proposal(&mut self) -> Command {
        let act = self.act(application(), Deed::Infer(infer()));
        Command::Propose(Box::new(act), self.assessed.clone())
    }

    fn act(&mut self, principal: Principal, deed: Deed) -> Act {
        Act { id: self.entropy.act_id(self.at), principal, deed }
    }

    fn register(&mut self) -> anyhow::Result<()> {
        let changes = [
            Administer::ApplicationAdd(Application {
                name: ApplicationId::from(APPLICATION),
                party: PartyId::from("halcyon"),
                audience: "business".to_owned(),
                purpose: "measuring".to_owned(),
                market: "eu".to_owned(),
            }),
            Administer::KeyNew(Key {
                id: KeyId::from(KEY),
                application: ApplicationId::from(APPLICATION),
                secret: Digest([1; 32]),
                requests_per_minute: None,
                budget: None,
                expires: None,
            }),
        ];
        for change in changes {
            let by = Principal::Party { party: PartyId::from("northwind"), person: "bench".to_owned() };
            let act = self.act(by, Deed::Administer(change));
            match self.run(vec![Command::Propose(Box::new(act), None)])?.pop() {
                Some(Answer::Decided(Decision::Done(_))) => {}
                other => bail!("the register was not changed: {other:?}"),
            }
        }
        let act = self.act(application(), Deed::Infer(infer()));
        let state = self.partnership.state();
        let facts = facts(state.registry(), &ApplicationId::from(APPLICATION), &infer(), act.id)
            .context("the application is not registered")?;
        let terms = state.terms().context("no terms are in force")?;
        self.assessed = Some(Assessed { epoch: state.epoch(), assessment: terms.policies().assess(&facts) });
        Ok(())
    }
}

fn application() -> Principal {
    Principal::Application {
        party: PartyId::from("halcyon"),
        application: ApplicationId::from(APPLICATION),
        key: KeyId::from(KEY),
    }
}

/// The call that is made.
pub(crate) fn infer() -> Infer {
    Infer {
        model: ModelId::from(MODEL),
        surface: "chat".to_owned(),
        stream: false,
        input_bytes: 450,
        input_tokens_max: BOUNDS.0,
        output_tokens_max: BOUNDS.1,
        tools: 0,
        images: 0,
        end_user: false,
        input: Digest([2; 32]),
        idempotency: None,
        kept: None,
        pseudonyms: Vec::new(),
    }
}

fn outcome() -> Outcome {
    Outcome {
        ended: Ended::Done,
        usage: Some(Usage { input_tokens: USED.0, output_tokens: USED.1, ..Usage::default() }),
        estimated: false,
        attempts: Vec::new(),
        output: Some(Digest([3; 32])),
        kept: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_charged_and_the_record_holds() {
        let folder = tempfile::tempdir().unwrap();
        let mut scene = Scene::found(folder.path(), 3).unwrap();
        scene.live(100, 30).unwrap();
        assert_eq!(scene.core.partnership.state().open().count(), 0);
        let entries = scene.core.partnership.state().entries();
        assert!(entries >= 200, "{entries} entries");
        let store = Directory::new(folder.path());
        let audited = record::audit(&store, ORIGIN, &scene.log.verifier(), |_, _, _| Ok(())).unwrap();
        assert_eq!(audited.entries, entries);
        assert_eq!(audited.checkpoint.unwrap().size, entries);
    }
}
