//! A simulation is what really running the same script under the other terms is, byte for byte; and what it tells of flips and costs.
//!
//! Not here: whether the terms themselves are judged rightly, which the other tests of this folder are about.

use super::*;
use partnership::simulation::{Report, Simulation};
use partnership::state::Library;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// The seed that a house makes its keys from.
const SEED: [u8; 32] = [7; 32];

const RULE: &str = "\n```toml clause no-tools\nkind = \"policy\"\nforce = \"FORCE\"\nsource = \"signed\"\ncedar = '''\nforbid (principal, action == Action::\"infer\", resource) when { context.tools > 0 };\n'''\n```\n";

/// The example with a minimum and with a grant so small that some calls find it spent.
fn base() -> String {
    let small =
        MEMORANDUM.replacen("amount = \"1000.000000000 CREDIT\"", "amount = \"0.000400000 CREDIT\"", 1);
    assert_ne!(small, MEMORANDUM);
    format!(
        "{small}\n```toml clause least-use\nkind = \"minimum-consumption\"\nsource = \"signed\"\nby = \"halcyon\"\nto = \"northwind\"\namount = \"0.000300000 CREDIT\"\nstarts = 2026-11-01\nends = 2026-12-20\nmilestones = [{{ by = 2026-11-26, amount = \"0.000150000 CREDIT\" }}]\n```\n"
    )
}

/// Terms that differ in what calls cost, who pays, what is refused and what falls due.
fn versions() -> &'static [(String, Library)] {
    static VERSIONS: OnceLock<Vec<(String, Library)>> = OnceLock::new();
    VERSIONS.get_or_init(|| {
        let base = base();
        let edited = |find: &str, put: &str| {
            assert!(base.contains(find), "{find}");
            base.replacen(find, put, 1)
        };
        let texts = [
            base.clone(),
            edited("output = \"1.50 CREDIT\"", "output = \"3.00 CREDIT\""),
            edited("amount = \"0.000400000 CREDIT\"", "amount = \"0.000150000 CREDIT\""),
            edited("amount = \"0.000400000 CREDIT\"", "amount = \"0.004000000 CREDIT\""),
            format!("{base}{}", RULE.replace("FORCE", "binding")),
            format!("{base}{}", RULE.replace("FORCE", "non-binding")),
            edited("amount = \"0.000150000 CREDIT\" }", "amount = \"0.000020000 CREDIT\" }"),
            edited("expires = 2031-01-01", "expires = 2026-11-25"),
        ];
        let read = |text: String| {
            let terms = Arc::new(Terms::read(&text).unwrap());
            (text, [(terms.digest(), terms)].into())
        };
        texts.map(read).into()
    })
}

/// One call of a script, so many hours after the one before it.
#[derive(Debug, Clone)]
struct Call {
    hours: i64,
    output_max: u64,
    tools: u64,
    used: (u64, u64),
    /// How it ends; nobody settles it, if none.
    ended: Option<Ended>,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let ended = prop::sample::select(vec![
        Some(Ended::Done),
        Some(Ended::Done),
        Some(Ended::Done),
        Some(Ended::Cancelled),
        Some(Ended::Failed),
        Some(Ended::Lost),
        None,
    ]);
    let hours = prop_oneof![3 => Just(0_i64), 2 => 1_i64..60, 1 => 60_i64..300];
    let call = (hours, 1_u64..120, 0_u64..2, (0_u64..200, 0_u64..120), ended);
    let call = call.prop_map(|(hours, output_max, tools, used, ended)| Call {
        hours,
        output_max,
        tools,
        used,
        ended,
    });
    prop::collection::vec(call, 1..12)
}

impl House {
    /// Lets hours go by, the clerk looking at what is due at each midnight.
    pub(super) fn pass(&mut self, hours: i64) {
        let until = self.at.plus_millis(hours * 3_600_000);
        while let Some(midnight) = self.at.date().tomorrow().ok().map(Timestamp::start_of) {
            if midnight > until {
                break;
            }
            self.at = midnight;
            self.run(Command::Tick);
        }
        self.at = until;
    }

    /// Proposes and approves a change by acts whose ids are `ids`'.
    pub(super) fn change_as(&mut self, ids: &mut Entropy, change: Administer) {
        let by = |party: &str| Principal::Party { party: PartyId::from(party), person: "ana".to_owned() };
        let deed = Deed::Administer(change);
        let act = Act { id: ids.act_id(self.at), principal: by("northwind"), deed };
        let Decision::Escalate(ticket) = self.decided(act) else { return };
        for party in ticket.missing {
            let signature = self.sign(party.as_str(), &approval_bytes(&ticket.digest));
            let (act, principal) = (ticket.act.to_string(), by(party.as_str()));
            let deed = Deed::Approve(Approve { act, digest: ticket.digest, party, signature });
            self.decided(Act { id: ids.act_id(self.at), principal, deed });
        }
    }

    /// Runs a script. A call that was `refused` elsewhere has no outcome of its own and uses all that it reserves.
    fn script(&mut self, calls: &[Call], refused: &BTreeSet<ActId>) {
        let mut ids = Entropy::new([9; 32]);
        self.change_as(
            &mut ids,
            Administer::ApplicationAdd(Application {
                name: ApplicationId::from("assistant"),
                party: PartyId::from("halcyon"),
                audience: "business".to_owned(),
                purpose: "office".to_owned(),
                market: "eu".to_owned(),
            }),
        );
        self.change_as(
            &mut ids,
            Administer::KeyNew(Key {
                id: KeyId::from("k1"),
                application: ApplicationId::from("assistant"),
                secret: Digest([1; 32]),
                requests_per_minute: None,
                budget: None,
                expires: None,
            }),
        );
        for call in calls {
            self.pass(call.hours);
            let drawn = self.entropy.clone();
            let mut act = self.proposal(call.output_max, None);
            (self.entropy, act.id) = (drawn, ids.act_id(self.at));
            if let Deed::Infer(infer) = &mut act.deed {
                infer.tools = call.tools;
            }
            let id = act.id;
            let Decision::Allow(warrant) = self.decided(act) else { continue };
            if refused.contains(&id) {
                self.run(Command::Settle(
                    warrant,
                    Outcome { attempts: Vec::new(), ..used(200, call.output_max) },
                ));
            } else if let Some(ended) = call.ended {
                let (input, output) = call.used;
                self.run(Command::Settle(warrant, Outcome { ended, ..used(input, output) }));
            }
        }
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.leaves.iter().map(|leaf| Entry::decode(&leaf.envelope, &leaf.parties).unwrap()).collect()
    }
}

/// A house under these terms in which nothing has happened yet. The ids of scripted acts are drawn from elsewhere, so that a house
/// draws from its own randomness just as a rehearsal does.
pub(super) fn house((text, library): &(String, Library)) -> House {
    House::founded_over(text, library.clone(), "2026-11-22T23:00:00Z".parse().unwrap())
}

fn refused(entries: &[Entry]) -> BTreeSet<ActId> {
    calls_of(entries).filter(|(_, allowed)| !allowed).map(|(id, _)| id).collect()
}

/// Each call with whether it was allowed.
fn calls_of(entries: &[Entry]) -> impl Iterator<Item = (ActId, bool)> {
    entries.iter().filter_map(|entry| match &entry.body {
        Body::Decided(decided) if matches!(decided.act.deed, Deed::Infer(_)) => {
            Some((decided.act.id, decided.verdict == partnership::entry::Verdict::Allow))
        }
        _ => None,
    })
}

fn run(mut simulation: Simulation, recorded: &[Entry], before: &Library) -> Simulation {
    simulation.know(terms(before));
    for (index, entry) in (0..).zip(recorded) {
        simulation.entry(index, entry).unwrap();
    }
    simulation
}

fn terms(library: &Library) -> Terms {
    Terms::of(library.values().next().unwrap().memorandum().clone()).unwrap()
}

/// A record simulated under other terms: what the rehearsal wrote, and what is told of it.
pub(super) fn simulated(recorded: &[Entry], before: &Library, after: &Library) -> (Vec<Entry>, Simulation) {
    let mut simulation = run(Simulation::new(terms(after), SEED).keeping(), recorded, before);
    let written = simulation.written();
    let entries = written.iter().map(|leaf| Entry::decode(&leaf.envelope, &leaf.parties).unwrap()).collect();
    (entries, simulation)
}

/// The same without keeping what the rehearsal writes, as `memo simulate` does it.
fn counted(recorded: &[Entry], before: &Library, after: &Library) -> Simulation {
    run(Simulation::new(terms(after), SEED), recorded, before)
}

fn count(entries: &[Entry]) -> u64 {
    calls_of(entries).filter(|(_, allowed)| *allowed).count() as u64
}

fn check(before: usize, after: usize, script: &[Call]) -> Result<Report, TestCaseError> {
    let version = |at: usize| versions().get(at).unwrap();
    let (old, new) = (version(before), version(after));
    let (mut recorded, mut real) = (house(old), house(new));
    recorded.script(script, &BTreeSet::new());
    let recorded = recorded.entries();
    let refused = refused(&recorded);
    real.script(script, &refused);
    let expected = real.entries();
    let (found, simulation) = simulated(&recorded, &old.1, &new.1);
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        prop_assert_eq!(found, expected, "entry {}", index);
    }
    prop_assert_eq!(found.len(), expected.len());
    let counted = counted(&recorded, &old.1, &new.1);
    prop_assert_eq!(counted.state().unwrap().digest(), simulation.state().unwrap().digest());
    prop_assert_eq!(counted.report(), simulation.report());
    let (state, real_state) = (simulation.state().unwrap(), real.partnership.state());
    prop_assert_eq!(state.digest(), real_state.digest());
    let balances = |state: &State| format!("{:?}", state.book().accounts().collect::<Vec<_>>());
    prop_assert_eq!(balances(state), balances(real_state));
    let report = simulation.report();
    prop_assert_eq!(report.calls, script.len() as u64);
    prop_assert_eq!(report.calls_allowed_before, count(&recorded));
    prop_assert_eq!(report.calls_allowed_after, count(&expected));
    let assumed = calls_of(&expected).filter(|(id, allowed)| *allowed && refused.contains(id)).count();
    prop_assert_eq!(report.assumed, assumed as u64);
    if before == after {
        let is_still = report.flips.is_empty() && report.costs.is_empty() && report.accounts.is_empty();
        prop_assert!(is_still && report.clauses.is_empty(), "{:?}", report);
    }
    Ok(report)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_simulation_equals_a_real_run_under_the_other_terms_byte_for_byte(
        before in 0_usize..8,
        after in 0_usize..8,
        script in calls(),
    ) {
        check(before, after, &script)?;
    }
}

fn call(hours: i64, tools: u64, used: (u64, u64)) -> Call {
    Call { hours, output_max: 100, tools, used, ended: Some(Ended::Done) }
}

#[test]
fn what_flips_is_told_by_clause_with_the_first_act_and_what_it_costs() {
    let script = [call(0, 1, (40, 10)), call(1, 0, (40, 10)), call(1, 1, (40, 10))];
    let report = check(0, 4, &script).unwrap();
    let [flip] = report.flips.as_slice() else { panic!("{report:?}") };
    assert_eq!(
        (flip.before, flip.after, flip.code, flip.count),
        ("allowed", "refused", Some("forbidden"), 2)
    );
    assert_eq!(flip.clause, Some(ClauseId::from("no-tools")));
    let [cost] = report.costs.as_slice() else { panic!("{report:?}") };
    // Three calls, or one, of 40 tokens of input at 0.50 and 10 of output at 1.50 a million.
    assert_eq!((cost.before.as_str(), cost.after.as_str()), ("0.000105000", "0.000035000"));
    let rule = report.clauses.iter().find(|clause| clause.clause.as_str() == "no-tools").unwrap();
    assert_eq!((rule.refused, rule.deviated), ((0, 2), (0, 0)));
}

#[test]
fn what_a_clause_only_speaks_against_deviates_and_costs_the_same() {
    let report = check(0, 5, &[call(0, 1, (40, 10)), call(1, 0, (40, 10))]).unwrap();
    assert!(report.flips.is_empty() && report.costs.is_empty() && report.accounts.is_empty(), "{report:?}");
    let rule = report.clauses.iter().find(|clause| clause.clause.as_str() == "no-tools").unwrap();
    assert_eq!((rule.refused, rule.deviated), ((0, 0), (0, 1)));
}

#[test]
fn a_call_that_was_refused_and_is_allowed_costs_all_that_it_reserves() {
    let report = check(4, 0, &[call(0, 1, (40, 10))]).unwrap();
    let [flip] = report.flips.as_slice() else { panic!("{report:?}") };
    assert_eq!((flip.before, flip.after, flip.count), ("refused", "allowed", 1));
    assert_eq!(report.assumed, 1);
    // 200 tokens of input at 0.50 and 100 of output at 1.50 a million.
    assert_eq!(report.costs[0].after, "0.000250000");
}

#[test]
fn terms_that_begin_later_are_taken_as_effective_since_the_record_began() {
    let recorded = {
        let mut house = house(&versions()[0]);
        house.script(&[call(0, 0, (40, 10))], &BTreeSet::new());
        house.entries()
    };
    let later = versions()[0].0.replacen("effective = 2026-01-01", "effective = 2027-01-01", 1);
    let terms = Arc::new(Terms::read(&later).unwrap());
    let library: Library = [(terms.digest(), terms)].into();
    let (_, simulation) = simulated(&recorded, &versions()[0].1, &library);
    let report = simulation.report();
    assert_eq!((report.calls, report.calls_allowed_after), (1, 1), "{report:?}");
    assert!(report.flips.is_empty() && report.costs.is_empty(), "{report:?}");
}

/// How many acts a second are simulated, told on stderr. A record in a file costs its reading and verification on top.
#[test]
#[ignore = "measures"]
#[expect(clippy::disallowed_methods, reason = "what is measured is time itself")]
fn simulated_acts_a_second() {
    use std::io::Write as _;
    let calls: Vec<Call> =
        (0..50_000).map(|number| call(i64::from(number % 100 == 0), 0, (40, 10))).collect();
    let roomy = |text: &str| {
        let text = text.replacen("amount = \"0.000400000 CREDIT\"", "amount = \"1000.000000000 CREDIT\"", 1);
        let terms = Arc::new(Terms::read(&text).unwrap());
        (text, Library::from([(terms.digest(), terms)]))
    };
    let (old, new) = (roomy(&versions()[0].0), roomy(&versions()[1].0));
    let mut recorded = house(&old);
    recorded.script(&calls, &BTreeSet::new());
    let entries = recorded.entries();
    let mut simulation = Simulation::new(Terms::read(&new.0).unwrap(), SEED);
    simulation.know(Terms::read(&old.0).unwrap());
    let started = std::time::Instant::now();
    for (index, entry) in (0..).zip(&entries) {
        simulation.entry(index, entry).unwrap();
    }
    let took = started.elapsed();
    let each = took / 50_000;
    writeln!(std::io::stderr(), "50,000 calls in {took:?}, {each:?} each").unwrap();
    assert_eq!(simulation.report().calls_allowed_after, 50_000);
}
