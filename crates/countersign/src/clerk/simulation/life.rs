//! One simulated process: the clerk's real steps, taken one at a time as a seed has it.

use super::bugs::Bug;
use super::oracle::Oracle;
use super::people::{Caller, Simulated};
use super::place::{self, Disked};
use crate::clerk::{Batch, Clerk, Order, Parts, Proposed, Work};
use crate::clock::Clock;
use crate::office::{Desk, Errand, LogKeys, Opened};
use crate::road::{self, Journey};
use arc_swap::ArcSwap;
use bytes::Bytes;
use cloud::Chat;
use cloud::gateway::Call;
use partnership::act::{
    Act, Administer, Application, Approve, Attest, Budget, BudgetRaise, BudgetSet, Declare, Deed, Digest,
    Infer, Key, Of, PaidIn, Payment, Period, Principal, WitnessKey, approval_bytes, attestation_bytes,
    declaration_bytes, idempotency_digest, payment_bytes, pseudonym, witness_key_bytes,
};
use partnership::decision::{Decision, Settlement};
use partnership::entry::Refused;
use partnership::ids::{ActId, BudgetId, ClauseId, PartyId, Timestamp};
use partnership::{Answer, Entropy, State};
use record::cosignature::CosignerKey;
use record::store::chance::Chance;
use record::store::simulated::Disk;
use record::{Group, StoreError};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// One simulated process.
pub(super) struct Life<'a> {
    disk: Disk,
    house: Arc<Simulated>,
    chance: &'a mut Chance,
    now: &'a mut Timestamp,
    bug: Option<Bug>,
    work: Work<Disked>,
    between: Between,
    tasks: Vec<Task>,
    errand: Errand,
    /// What the next acts are identified by.
    entropy: Entropy,
    /// A number that no other process has.
    process: u64,
    /// Why the process must end.
    failed: Option<String>,
}

/// What lies between the threads, taken out so that the seed says when it goes on.
struct Between {
    orders: Receiver<Order>,
    to_clerk: Sender<Order>,
    batches: Receiver<Batch>,
    to_journal: Sender<Batch>,
    groups: Receiver<Vec<Group>>,
    waiting: VecDeque<Batch>,
}

/// Something that goes on by itself when it is polled.
struct Task {
    work: Pin<Box<dyn Future<Output = ()>>>,
    /// The act of a journey.
    act: Option<String>,
    /// Resolves when its caller has left or has heard all.
    caller: Option<Arc<()>>,
}

impl<'a> Life<'a> {
    /// A process that has opened its record.
    pub(super) fn new(
        disk: Disk,
        opened: Opened<Disked>,
        oracle: Arc<Mutex<Oracle>>,
        (chance, now, bug): (&'a mut Chance, &'a mut Timestamp, Option<Bug>),
    ) -> Self {
        let Opened { partnership, journal, publisher, snapshot: _, erasures: _ } = opened;
        let desk = Desk::of(partnership.state()).unwrap();
        let parts = Parts {
            partnership,
            journal,
            publisher,
            log: Arc::new(LogKeys::of(place::log().clone())),
            desk: Arc::new(ArcSwap::from_pointee(desk)),
            metrics: Arc::default(),
            fatal: Arc::new(|_| ()),
            // Nobody keeps any: each start folds from the first entry.
            snapshots: channel().0,
            unasked: Arc::default(),
        };
        let metrics = Arc::clone(&parts.metrics);
        let (mut clerk, mut work) = parts.assemble(Clock, *now);
        let between = Between::of(&mut clerk, &mut work);
        let own = Mutex::new(chance.fork());
        let house = Arc::new(Simulated { clerk, metrics, oracle, chance: own, bug });
        let (errand, _) = mpsc::channel(1);
        let entropy = Entropy::new(place::seed(chance));
        let (tasks, process, failed) = (Vec::new(), chance.number(), None);
        Self { disk, house, chance, now, bug, work, between, tasks, errand, entropy, process, failed }
    }

    /// Lives for so many steps, or until a write fails and a few more.
    pub(super) fn live(&mut self, steps: u64) {
        let mut left = steps;
        while left > 0 && self.house.oracle().found.is_none() {
            left -= 1;
            if let Err(why) = self.step() {
                self.house.clerk.standing.failed.store(true, std::sync::atomic::Ordering::Release);
                if self.failed.replace(why).is_none() {
                    left = self.chance.below(8);
                }
            }
        }
    }

    /// One thing that somebody does. Errors: why the process must end.
    fn step(&mut self) -> Result<(), String> {
        match self.chance.below(32) {
            0..5 if self.tasks.len() < 16 => self.call(),
            5 => self.administer(),
            6..14 => (0..=self.chance.below(6)).for_each(|_| self.poll()),
            14..18 => return self.decide(),
            18..23 => return self.write(),
            23 => return self.extend(),
            24 if self.chance.hits(1, 2) => return self.publish(),
            25..30 => self.pass_time(),
            30 if self.chance.hits(1, 6) => self.disk.set_full(true),
            31 => self.disk.set_full(false),
            _ => self.poll(),
        }
        Ok(())
    }

    fn act_id(&mut self) -> ActId {
        if self.bug == Some(Bug::ReusedId) {
            self.entropy = Entropy::new([7; 32]);
        }
        self.entropy.act_id(*self.now)
    }

    /// Somebody calls a model.
    fn call(&mut self) {
        let id = self.act_id();
        let principal = Principal::Application {
            party: PartyId::from("south"),
            application: "letters".into(),
            key: "k".into(),
        };
        let output_tokens_max = [100, 300, 500, 501][self.pick(4)];
        let stream = self.chance.hits(1, 2);
        let infer = Infer {
            model: "small".into(),
            surface: "chat".to_owned(),
            stream,
            input_bytes: 100,
            input_tokens_max: 1 + self.chance.below(300),
            output_tokens_max,
            tools: 0,
            images: 0,
            end_user: true,
            input: Digest([2; 32]),
            idempotency: self.idempotency(id),
            kept: None,
            pseudonyms: vec![pseudonym(&[3; 32])],
        };
        let act = Act { id, principal, deed: Deed::Infer(infer) };
        let call = Call {
            chat: chat(stream),
            body: Bytes::new(),
            max_tokens: output_tokens_max,
            deadline: Duration::from_secs(600),
        };
        let (egress, ingress) = cloud::egress::channel();
        let (tells, told) = oneshot::channel();
        let journey = Journey {
            act,
            assessed: None,
            call,
            content_key: [3; 32],
            errand: self.errand.clone(),
            keeping: None,
            lead: None,
        };
        let patience = if self.chance.hits(1, 3) { self.chance.below(4) } else { u64::MAX };
        let caller = Caller { act: id.to_string(), told, ingress, patience, house: Arc::clone(&self.house) };
        let listens = Arc::new(());
        let held = Arc::clone(&listens);
        let listening = Box::pin(async move {
            caller.call().await;
            drop(held);
        });
        let travels = Box::pin(road::travel(Arc::clone(&self.house), journey, egress, tells));
        self.tasks.push(Task { work: listening, act: None, caller: None });
        self.tasks.push(Task { work: travels, act: Some(id.to_string()), caller: Some(listens) });
    }

    /// The idempotency key of a call; few, so that they come again.
    fn idempotency(&mut self, act: ActId) -> Option<Digest> {
        if !self.chance.hits(1, 2) {
            return None;
        }
        let key = self.chance.below(6);
        self.house.oracle().told.keys.insert(act.to_string(), key);
        let mut sent = key.to_string();
        if self.bug == Some(Bug::ReusedIdempotencyKey) {
            sent = format!("{sent} of process {}", self.process);
        }
        Some(idempotency_digest(&"letters".into(), &sent))
    }

    /// Somebody changes something that needs no performance.
    fn administer(&mut self) {
        let party = if self.chance.hits(1, 2) { "north" } else { "south" };
        let name = format!("app{}", self.chance.below(40));
        let deed = match self.chance.below(9) {
            0 => Deed::Administer(Administer::ModelResume { model: "small".into() }),
            1 => {
                let evidence = Digest([self.chance.below(2).to_le_bytes()[0]; 32]);
                let clause = ClauseId::from("tranche");
                let bytes = attestation_bytes(place::ORIGIN, &place::digest(), &clause, &evidence);
                let signature = record::hash::base64(&place::party(party).sign_bytes(&bytes));
                Deed::Attest(Attest { clause, condition: None, evidence, party: party.into(), signature })
            }
            2 => Deed::Administer(Administer::ApplicationRemove { name: name.as_str().into() }),
            3 => return self.tally(),
            4 | 5 => self.budget(),
            6 => self.payment(party),
            7 => self.declaration(party),
            _ => application(&name),
        };
        self.propose(party, deed);
    }

    /// A party gives its word on a payment, of something that is owed or not.
    fn payment(&mut self, party: &str) -> Deed {
        let owed = [("racks", "USD"), ("least-use", "CREDIT"), ("share", "USD"), ("tranche", "USD")];
        let (clause, asset) = owed[self.pick(owed.len())];
        let amount = Budget { asset: asset.to_owned(), amount: i128::from(self.chance.below(40)) + 1 };
        let (clause, reference) = (ClauseId::from(clause), format!("R{}", self.chance.below(30)));
        let of = |amount| PaidIn { asset: "EUR".to_owned(), amount, source: "agreed".to_owned() };
        let paid_in = (self.chance.below(3) == 0).then(|| of(amount.amount.saturating_mul(2)));
        let bytes = payment_bytes(place::ORIGIN, &clause, (&amount, paid_in.as_ref()), &reference);
        let signature = record::hash::base64(&place::party(party).sign_bytes(&bytes));
        Deed::Payment(Payment { clause, amount, paid_in, reference, party: party.into(), signature })
    }

    /// A party declares what it earned on a day that may be over.
    fn declaration(&mut self, party: &str) -> Deed {
        let clause = ClauseId::from("share");
        let on = self.now.plus_millis(-i64::try_from(self.chance.below(3)).unwrap_or(0) * 86_400_000).date();
        let revenue = Budget { asset: "USD".to_owned(), amount: i128::from(self.chance.below(1_000)) };
        let bytes = declaration_bytes(place::ORIGIN, &clause, on, &revenue);
        let signature = record::hash::base64(&place::party(party).sign_bytes(&bytes));
        Deed::Declare(Declare { clause, on, revenue, party: party.into(), signature })
    }

    /// Somebody sets, raises or removes a budget, one of few, so that calls meet them.
    fn budget(&mut self) -> Deed {
        let id: BudgetId = format!("b{}", self.chance.below(8)).into();
        let amount = i128::from(100_000 + self.chance.below(3_000_000));
        Deed::Administer(match self.chance.below(8) {
            0 => Administer::BudgetRemove { id },
            1 | 2 => {
                let lasts = i64::try_from(self.chance.below(90_000_000)).unwrap_or(0);
                Administer::BudgetRaise(BudgetRaise { id, amount, until: self.now.plus_millis(lasts) })
            }
            _ => {
                let scopes = [
                    (Of::Party, "south"),
                    (Of::Application, "letters"),
                    (Of::Key, "k"),
                    (Of::EndUsers, "letters"),
                ];
                let (of, whose) = scopes[self.pick(scopes.len())];
                let periods = [Period::Month, Period::Rolling(1), Period::Rolling(7), Period::Total];
                let period = periods[self.pick(periods.len())];
                let (whose, asset) = (whose.to_owned(), "CREDIT".to_owned());
                Administer::BudgetSet(BudgetSet { id, of, whose, asset, amount, period })
            }
        })
    }

    fn tally(&mut self) {
        let clerk = self.house.clerk.clone();
        let refused = vec![Refused { key: "k".into(), count: 1 + self.chance.below(9) }];
        self.add(async move { drop(clerk.tally(refused).await) });
    }

    fn propose(&mut self, party: &'static str, deed: Deed) {
        let id = self.act_id();
        let house = Arc::clone(&self.house);
        let principal = Principal::Party { party: party.into(), person: "ana".to_owned() };
        let act = Act { id, principal, deed };
        self.add(async move {
            let Ok(Proposed { decision, durable }) = house.clerk.propose(act, None).await else { return };
            if durable.wait().await.is_err() {
                return;
            }
            let told = match decision {
                Decision::Done(settlement) => {
                    let decided = (settlement.decided, "decided", settlement.act.to_string());
                    house.oracle().told.entries.push(decided);
                    (settlement.index, "settled", settlement.act.to_string())
                }
                Decision::Deny(refusal) => (refusal.index, "decided", refusal.act.to_string()),
                Decision::Escalate(ticket) => (ticket.index, "decided", ticket.act.to_string()),
                Decision::Allow(_) | Decision::Repeated(_) => unreachable!("nothing has to be performed"),
            };
            house.oracle().told.entries.push(told);
        });
    }

    /// Registers the application that calls, with the approval of both, and its key. Everything is written.
    pub(super) fn register(&mut self) {
        self.propose("north", application("letters"));
        self.settle_down();
        for party in ["north", "south"] {
            if let Some(approve) = self.approval(party) {
                self.propose(party, approve);
                self.settle_down();
            }
        }
        let key = Key {
            id: "k".into(),
            application: "letters".into(),
            secret: Digest([1; 32]),
            requests_per_minute: None,
            budget: None,
            expires: None,
        };
        self.propose("north", Deed::Administer(Administer::KeyNew(key)));
        self.settle_down();
    }

    /// Has a party's cosignatures by these keys count. Everything is written.
    pub(super) fn cosigned_by(&mut self, party: &'static str, vkeys: &[String]) {
        for vkey in vkeys {
            let bytes = witness_key_bytes(place::ORIGIN, "witness-key-add", vkey);
            let signature = record::hash::base64(&place::party(party).sign_bytes(&bytes));
            let key = WitnessKey { vkey: vkey.clone(), party: party.into(), signature };
            self.propose(party, Deed::Administer(Administer::WitnessKeyAdd(key)));
            self.settle_down();
        }
    }

    /// Whether the process must end.
    pub(super) fn must_end(&self) -> bool {
        self.failed.is_some()
    }

    /// The keys that cosign.
    pub(super) fn cosigners(&self) -> Vec<CosignerKey> {
        self.state().registry().cosigners()
    }

    /// The party's approval of the first act that waits for one.
    fn approval(&self, party: &str) -> Option<Deed> {
        let (id, waiting) = self.state().waiting().next()?;
        let signature = place::party(party).sign_bytes(&approval_bytes(&waiting.digest));
        let signature = record::hash::base64(&signature);
        let (act, digest) = (id.to_string(), waiting.digest);
        Some(Deed::Approve(Approve { act, digest, party: party.into(), signature }))
    }

    fn state(&self) -> &State {
        self.work.decides.partnership.state()
    }

    fn add(&mut self, work: impl Future<Output = ()> + 'static) {
        self.tasks.push(Task { work: Box::pin(work), act: None, caller: None });
    }

    /// Lets one task go on.
    fn poll(&mut self) {
        if self.bug == Some(Bug::CutShortByCaller) {
            self.tasks.retain(|task| task.caller.as_ref().is_none_or(|caller| Arc::strong_count(caller) > 1));
        }
        let at = self.pick(self.tasks.len());
        let mut context = Context::from_waker(Waker::noop());
        if self.tasks.get_mut(at).is_some_and(|task| task.work.as_mut().poll(&mut context).is_ready()) {
            drop(self.tasks.swap_remove(at));
        }
    }

    /// The clerk's turn.
    fn decide(&mut self) -> Result<(), String> {
        for order in self.between.orders.try_iter() {
            let order = match order {
                Order::Settle(warrant, _, answer) if self.bug == Some(Bug::DroppedSettle) => {
                    let settlement = Settlement {
                        act: warrant.act().id,
                        ended: partnership::act::Ended::Done,
                        usage: None,
                        charged: None,
                        index: 0,
                        decided: warrant.index(),
                    };
                    drop(answer.send(Answer::Settled(settlement)));
                    continue;
                }
                order => order,
            };
            drop(self.between.to_clerk.send(order));
        }
        let seed = place::seed(self.chance);
        let turned = self.work.decides.turn(*self.now, seed, None);
        self.between.waiting.extend(self.between.batches.try_iter());
        if self.bug == Some(Bug::LeaseOverrun) {
            let size = self.state().entries();
            self.house.clerk.standing.durable.store(size, std::sync::atomic::Ordering::Release);
        }
        match turned {
            Ok(_) => Ok(()),
            Err(error) => {
                self.house.oracle().finds(&format!("the clerk cannot go on: {error}"));
                Err(error.to_string())
            }
        }
    }

    /// The journal's round, over some of what waits.
    fn write(&mut self) -> Result<(), String> {
        let count = self.pick(self.between.waiting.len() + 1);
        let mut batches: Vec<Batch> = self.between.waiting.drain(..count).collect();
        let leaves: Vec<_> = batches
            .iter()
            .filter_map(|batch| batch.group.as_ref())
            .flat_map(|group| group.leaves.clone())
            .collect();
        let mut released = Vec::new();
        if let Some(Bug::EarlyAcknowledgement | Bug::ReleasedAfterError) = self.bug {
            released = batches.iter_mut().flat_map(|batch| std::mem::take(&mut batch.releases)).collect();
        }
        if self.bug == Some(Bug::EarlyAcknowledgement) {
            released.drain(..).for_each(|release| release());
            (0..20).for_each(|_| self.poll());
        }
        if self.bug == Some(Bug::PublishedBeforeStored) {
            let groups = batches.iter().filter_map(|batch| batch.group.clone()).collect();
            self.work.publishes.absorb(groups);
            self.work.publishes.publish().map_err(|error| error.to_string())?;
        }
        let mut batches = batches.into_iter();
        let Some(first) = batches.next() else { return Ok(()) };
        batches.for_each(|batch| drop(self.between.to_journal.send(batch)));
        let written = self.work.writes.round(first);
        released.into_iter().for_each(|release| release());
        written.map_err(|error| error.to_string())?;
        self.house.oracle().keep(leaves);
        Ok(())
    }

    fn extend(&mut self) -> Result<(), String> {
        self.work.writes.extend().map_err(|error| error.to_string())
    }

    fn publish(&mut self) -> Result<(), String> {
        if self.failed.is_none() {
            for groups in self.between.groups.try_iter() {
                if self.bug != Some(Bug::PublishedBeforeStored) {
                    self.work.publishes.absorb(groups);
                }
            }
        }
        let published: Result<bool, StoreError> = self.work.publishes.publish();
        published.map(drop).map_err(|error| error.to_string())
    }

    /// The machine's clock goes on, or jumps.
    fn pass_time(&mut self) {
        let millis = match self.chance.below(20) {
            0 => 20 * 60 * 1000,
            1 => 13 * 60 * 60 * 1000,
            2 => -90_000,
            3 => -3_000,
            4..8 => 1_000,
            _ => self.chance.below(50).cast_signed(),
        };
        *self.now = self.now.plus_millis(millis);
        self.house.oracle().now = *self.now;
    }

    /// Publishes, and lets everything go on until nothing does; then compares what the process believes with what is on the record.
    pub(super) fn end_well(&mut self) {
        self.settle_down();
        if self.failed.is_none() {
            self.failed = self.publish().err();
            self.compare();
        }
    }

    /// Lets everything go on until nothing does.
    fn settle_down(&mut self) {
        self.disk.set_full(false);
        let mut quiet = 0;
        while quiet < 3 && self.failed.is_none() && self.house.oracle().found.is_none() {
            let before = (self.tasks.len(), self.house.oracle().books.entries.len());
            for _ in 0..40 {
                self.poll();
            }
            let done = self.decide().and_then(|()| self.extend());
            let done = done.and_then(|()| (0..4).try_for_each(|_| self.write()));
            self.failed = done.err();
            let after = (self.tasks.len(), self.house.oracle().books.entries.len());
            let waits = !self.between.waiting.is_empty();
            quiet = if before == after && !waits { quiet + 1 } else { 0 };
        }
    }

    fn compare(&self) {
        let mut oracle = self.house.oracle();
        let accounts = self.state().book().accounts().map(|(account, _, _, balance)| {
            let posted = [balance.debits_posted, balance.credits_posted];
            let sums = [posted, [balance.debits_pending, balance.credits_pending]].concat();
            (account.to_string(), [0, 1, 2, 3].map(|at| sums[at].minor()))
        });
        let live = accounts.collect::<std::collections::BTreeMap<_, _>>();
        let left: Vec<String> = oracle.books.open().cloned().collect();
        let carried = |act: &String| self.tasks.iter().any(|task| task.act.as_ref() == Some(act));
        if live != oracle.books.accounts {
            oracle.finds("the live balances are not those of the record");
        } else if let Some(act) = left.iter().find(|act| !carried(act)) {
            oracle.finds(&format!("act {act} is allowed, not settled, and nobody carries it on"));
        }
    }

    fn pick(&mut self, of: usize) -> usize {
        usize::try_from(self.chance.below(of as u64)).unwrap()
    }
}

impl Between {
    fn of(clerk: &mut Clerk, work: &mut Work<Disked>) -> Self {
        let (new_orders, orders) = channel();
        let (new_batches, batches) = channel();
        let (new_groups, groups) = channel();
        let to_clerk = std::mem::replace(&mut clerk.desk, new_orders);
        let to_journal = std::mem::replace(&mut work.decides.out.batches, new_batches);
        work.writes.groups = new_groups;
        Self { orders, to_clerk, batches, to_journal, groups, waiting: VecDeque::new() }
    }
}

fn application(name: &str) -> Deed {
    Deed::Administer(Administer::ApplicationAdd(Application {
        name: name.into(),
        party: PartyId::from("south"),
        audience: "business".to_owned(),
        purpose: "letters".to_owned(),
        market: "eu".to_owned(),
    }))
}

fn chat(stream: bool) -> Chat {
    let body =
        format!(r#"{{"model":"small","stream":{stream},"messages":[{{"role":"user","content":"x"}}]}}"#);
    Chat::parse(body.as_bytes()).unwrap()
}
