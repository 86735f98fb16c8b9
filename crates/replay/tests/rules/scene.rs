//! A small record with every kind of entry and of act in it, written by hand as docs/RECORD.md describes it.

use record::hash::{base64, leaf_hash, sha256, sha256_of};
use record::merkle;
use record::note::Signer;
use replay::{Fault, Replay};

pub(super) const ORIGIN: &str = "rules.example/record";
const MEMORANDUM: [u8; 32] = [1; 32];
const AMENDMENT: [u8; 32] = [2; 32];
const ADD: &str = r#"{"do":"application-add","name":"app","party":"south","audience":"business","purpose":"post \"a\\b\"\u001f","market":"eu"}"#;

/// An entry's two halves.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) envelope: String,
    pub(super) parties: String,
}

/// Folds entries in; says where that ended and why.
pub(super) fn folded(entries: &[Text]) -> Result<Replay, (usize, Fault)> {
    let mut replay = Replay::new();
    for (index, entry) in entries.iter().enumerate() {
        replay.entry(entry.envelope.as_bytes(), entry.parties.as_bytes()).map_err(|fault| (index, fault))?;
    }
    Ok(replay)
}

pub(super) fn id(number: u32) -> String {
    format!("019b0000-0000-7000-8000-{number:012x}")
}

/// So many seconds after three.
pub(super) fn at(seconds: u32) -> String {
    format!("2026-11-23T03:{:02}:{:02}.000Z", seconds / 60, seconds % 60)
}

pub(super) fn signer(party: &str) -> Signer {
    let seed = if party == "north" { [3; 32] } else { [4; 32] };
    Signer::generate(&format!("{ORIGIN}/{party}"), seed).unwrap()
}

fn sign(party: &str, message: &[&[u8]]) -> String {
    base64(&signer(party).sign_bytes(&message.concat()))
}

/// A text whose fields are these, each on a line.
fn part(fields: &[(&str, String)]) -> String {
    let salts = base64(&vec![7; 16 * fields.len()]);
    let lines: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{\"salts\":\"{salts}\",\n{}}}", lines.join(",\n"))
}

fn entry(kind: &str, seconds: u32, fields: &[(&str, String)]) -> Text {
    let (hour, body) = (&at(seconds)[..13], base64(&[9; 32]));
    let envelope = format!(r#"{{"v":"1","fold":"1","kind":"{kind}","time":"{hour}Z","body":"{body}"}}"#);
    Text { envelope, parties: part(fields) }
}

fn head(act: u32, seconds: u32, kind: &str) -> String {
    format!(r#"{{"id":"{}","at":"{}","kind":"{kind}"}}"#, id(act), at(seconds))
}

const ANA: &str = r#"{"party":"north","person":"ana"}"#;
const CALLER: &str = r#"{"party":"south","application":"app","key":"k","standing":{"audience":"business","purpose":"p","market":"eu"}}"#;

/// What was decided, in the words of `why`. The last act is the only one under the second version.
fn why(act: u32, decision: &str) -> String {
    let version = if act == LAST { 2 } else { 1 };
    format!(
        r#"{{"memorandum":"{version}","decision":{decision},"clauses":["a","b"],"deviations":[{{"clause":"c","code":"unpriced","why":"w"}}]}}"#
    )
}

/// The last act of the record.
const LAST: u32 = 14;

struct Decision<'a> {
    act: u32,
    at: u32,
    kind: &'a str,
    who: &'a str,
    what: &'a str,
    why: &'a str,
    money: &'a str,
}

impl Decision<'_> {
    fn text(&self) -> Text {
        entry(
            "decided",
            self.at,
            &[
                ("act", head(self.act, self.at, self.kind)),
                ("who", self.who.to_owned()),
                ("what", self.what.to_owned()),
                ("why", why(self.act, self.why)),
                ("money", self.money.to_owned()),
            ],
        )
    }
}

/// A notice that is recorded as undelivered under the second version, after the last entry of the record, and its settlement. `entries` is how
/// many there are before, and `act` no act of the record.
pub(super) fn undelivered(entries: usize, act: u32, who: &str, what: &str) -> [Text; 2] {
    at_once(entries, act, "undelivered", who, what)
}

/// The same for any kind of act that is done at once and moves nothing.
pub(super) fn at_once(entries: usize, act: u32, kind: &str, who: &str, what: &str) -> [Text; 2] {
    let decision = Decision { act, at: 1220, kind, who, what, why: ALLOW, money: NOTHING };
    let Text { envelope, parties } = decision.text();
    let parties = parties.replacen(r#""memorandum":"1""#, r#""memorandum":"2""#, 1);
    [Text { envelope, parties }, settled(act, 1220, kind, &done(entries), NOTHING)]
}

/// A party's word on a reconciliation, in the same place.
pub(super) fn reconciled(entries: usize, act: u32, what: &str) -> [Text; 2] {
    let decision = Decision { act, at: 1220, kind: "reconcile", who: ANA, what, why: ALLOW, money: NOTHING };
    let Text { envelope, parties } = decision.text();
    let parties = parties.replacen(r#""memorandum":"1""#, r#""memorandum":"2""#, 1);
    [Text { envelope, parties }, settled(act, 1220, "reconcile", &done(entries), NOTHING)]
}

/// What a party says of a reconciliation, with its signature.
pub(super) fn reconciliation(report: u8, period: &str, of: Option<&str>, party: &str) -> String {
    let report = base64(&[report; 32]);
    let whose = of.unwrap_or_default();
    let message = format!("countersign/reconciliation/v1\0{ORIGIN}\0{period}\0{whose}\03\0{report}");
    let signature = sign(party, &[message.as_bytes()]);
    let of = of.map(|of| format!(r#","of":"{of}""#)).unwrap_or_default();
    format!(
        r#"{{"report":"{report}","period":"{period}"{of},"differing":"3","party":"{party}","signature":"{signature}"}}"#
    )
}

/// An erasure of this under the second version, after the last entry of the record.
pub(super) fn erasure(what: &str, decision: &str) -> Text {
    let decision =
        Decision { act: 90, at: 1220, kind: "erase", who: ANA, what, why: decision, money: NOTHING };
    let Text { envelope, parties } = decision.text();
    Text { envelope, parties: parties.replacen(r#""memorandum":"1""#, r#""memorandum":"2""#, 1) }
}

const NOTHING: &str = r#"{"transfers":[]}"#;
const ALLOW: &str = r#""allow""#;

fn settled(act: u32, seconds: u32, kind: &str, what: &str, money: &str) -> Text {
    let head = head(act, seconds, kind);
    entry("settled", seconds, &[("act", head), ("what", what.to_owned()), ("money", money.to_owned())])
}

fn done(decided: usize) -> String {
    format!(r#"{{"decided":"{decided}","ended":"done","estimated":false,"attempts":[]}}"#)
}

pub(super) fn transfer(leg: u16, op: &str, from: &str, to: &str, amount: &str) -> String {
    let (op, until) = match op.split_once(' ') {
        Some((op, pending)) => (format!(r#""{op}","pending":"{pending}""#), String::new()),
        None if op == "reserve" => (r#""reserve""#.to_owned(), format!(r#","until":"{}""#, at(900))),
        None => (format!("\"{op}\""), String::new()),
    };
    let (amount, asset) = amount.split_once(' ').unwrap();
    format!(
        r#"{{"leg":"{leg}","op":{op},"debit":"{from}","credit":"{to}","asset":"{asset}","amount":"{amount}"{until}}}"#
    )
}

fn grant(leg: u16, op: &str, amount: &str) -> String {
    transfer(leg, op, "credit:g:available", "credit:g:spent", amount)
}

/// The entries so far.
#[derive(Default)]
struct Pen(Vec<Text>);

impl Pen {
    fn decided(&mut self, decision: &Decision<'_>) {
        self.0.push(decision.text());
    }

    /// An act that is done at once.
    fn at_once(&mut self, decision: &Decision<'_>, money: &str) {
        let (act, at, kind) = (decision.act, decision.at, decision.kind);
        self.decided(decision);
        self.0.push(settled(act, at, kind, &done(self.0.len() - 1), money));
    }

    fn waits(&mut self, act: u32, at: u32, (kind, what): (&str, &str), digest: &[u8; 32]) {
        let why = format!(r#""escalate","digest":"{}","by":["north","south"]"#, base64(digest));
        self.decided(&Decision { act, at, kind, who: ANA, what, why: &why, money: NOTHING });
    }

    fn approval(&mut self, act: u32, at: u32, of: u32, party: &str, (domain, digest): (&[u8], &[u8; 32])) {
        let signature = sign(party, &[domain, digest]);
        let what = format!(
            r#"{{"act":"{}","digest":"{}","party":"{party}","signature":"{signature}"}}"#,
            id(of),
            base64(digest)
        );
        let decision =
            Decision { act, at, kind: "approve", who: ANA, what: &what, why: ALLOW, money: NOTHING };
        self.at_once(&decision, NOTHING);
    }

    fn attestation(&mut self, act: u32, at: u32, party: &str, memorandum: &[u8; 32]) {
        let domain = b"countersign/attestation/v1\0".as_slice();
        let message = [domain, ORIGIN.as_bytes(), b"\0", memorandum, b"t", b"\0", &[5; 32]];
        let what = format!(
            r#"{{"clause":"t","evidence":"{}","party":"{party}","signature":"{}"}}"#,
            base64(&[5; 32]),
            sign(party, &message)
        );
        let decision =
            Decision { act, at, kind: "attest", who: ANA, what: &what, why: ALLOW, money: NOTHING };
        self.at_once(&decision, NOTHING);
    }

    fn call(&mut self, act: u32, at: u32, transfers: &[String]) {
        let (what, lapses) = (call(), self::at(if at < 900 { 900 } else { 2100 }));
        let transfers = transfers.join(",").replace(&self::at(900), &lapses);
        let money = format!(r#"{{"lapses":"{lapses}","transfers":[{transfers}]}}"#);
        self.decided(&Decision {
            act,
            at,
            kind: "infer",
            who: CALLER,
            what: &what,
            why: ALLOW,
            money: &money,
        });
    }

    fn ended(&mut self, act: u32, at: u32, (decided, ended): (usize, &str), money: &str) {
        let what = format!(
            r#"{{"decided":"{decided}","ended":"{ended}","usage":{{"input_tokens":"3","output_tokens":"0"}},"estimated":true,"attempts":[{{"upstream":"u","result":"200"}},{{"upstream":"v","result":"cut"}}],"output":"{}"}}"#,
            base64(&[6; 32])
        );
        self.0.push(settled(act, at, "infer", &what, money));
    }
}

fn call() -> String {
    format!(
        r#"{{"model":"m","surface":"chat","stream":true,"input_bytes":"18446744073709551615","input_tokens_max":"0","output_tokens_max":"10","tools":"0","images":"0","end_user":false,"input":"{}"}}"#,
        base64(&[8; 32])
    )
}

fn genesis() -> Text {
    let both = |value: &dyn Fn(&str) -> String| {
        let line = |party| format!(r#"{{"party":"{party}","value":"{}"}}"#, value(party));
        format!("[{},{}]", line("north"), line("south"))
    };
    let vkeys = both(&|party| signer(party).verifier().vkey());
    let signatures = both(&|party| sign(party, &[b"countersign/memorandum/v1\0", &MEMORANDUM]));
    let founding = format!(
        r#"{{"at":"{}","origin":"{ORIGIN}","memorandum":"{}","vkeys":{vkeys},"signatures":{signatures}}}"#,
        at(0),
        base64(&MEMORANDUM)
    );
    let opened = [
        transfer(0, "move", "credit:g:issued", "credit:g:available", "1000 CREDIT"),
        transfer(1, "move", "commitment:t:pledged", "commitment:t:undrawn", "500 USD"),
    ];
    entry("genesis", 0, &[("genesis", founding), ("money", format!("[{}]", opened.join(",")))])
}

/// The digest of the change that act 1 waits for.
pub(super) fn change() -> [u8; 32] {
    let names = format!("countersign/act/v1\0{ORIGIN}\0{}\0application-add\0", id(1));
    sha256_of(&[names.as_bytes(), ADD.as_bytes()])
}

/// The whole record. The places of entries are named in the table of faults.
pub(super) fn whole() -> Vec<Text> {
    let mut pen = Pen(vec![genesis()]);
    let approval = b"countersign/approval/v1\0".as_slice();
    let signing = b"countersign/memorandum/v1\0".as_slice();
    pen.waits(1, 1, ("application-add", ADD), &change());
    pen.approval(2, 2, 1, "north", (approval, &change()));
    pen.approval(3, 3, 1, "south", (approval, &change()));
    let freed =
        Decision { act: 1, at: 3, kind: "application-add", who: ANA, what: ADD, why: ALLOW, money: NOTHING };
    pen.at_once(&freed, NOTHING);
    let key = format!(
        r#"{{"do":"key-new","id":"k","application":"app","secret":"{}","requests_per_minute":null,"budget":{{"asset":"CREDIT","amount":"100"}},"expires":"{}"}}"#,
        base64(&[8; 32]),
        at(3000)
    );
    let budget = transfer(0, "move", "budget:k:issued", "budget:k:available", "100 CREDIT");
    let new = Decision { act: 4, at: 4, kind: "key-new", who: ANA, what: &key, why: ALLOW, money: NOTHING };
    pen.at_once(&new, &format!(r#"{{"transfers":[{budget}]}}"#));
    calls(&mut pen);
    notes(&mut pen);
    pen.attestation(8, 1201, "north", &MEMORANDUM);
    let draw = Decision {
        act: 9,
        at: 1202,
        kind: "draw",
        who: "{}",
        what: r#"{"clause":"t"}"#,
        why: ALLOW,
        money: NOTHING,
    };
    let drawn = transfer(0, "move", "commitment:t:undrawn", "commitment:t:drawn", "500 USD");
    pen.at_once(&draw, &format!(r#"{{"transfers":[{drawn}]}}"#));
    let amend = format!(r#"{{"version":"2","digest":"{}"}}"#, base64(&AMENDMENT));
    pen.waits(10, 1203, ("amend", &amend), &AMENDMENT);
    pen.approval(11, 1204, 10, "north", (signing, &AMENDMENT));
    pen.approval(12, 1205, 10, "south", (signing, &AMENDMENT));
    let why = ALLOW;
    pen.decided(&Decision { act: 10, at: 1205, kind: "amend", who: ANA, what: &amend, why, money: NOTHING });
    pen.call(13, 1206, &[grant(0, "reserve", "10 CREDIT")]);
    let state = format!(r#"{{"at":"{}","digest":"{}"}}"#, at(1207), base64(&digest()));
    pen.0.push(entry("state-digest", 1207, &[("state", state)]));
    let void = format!(r#"{{"transfers":[{}]}}"#, grant(1, "void 0", "10 CREDIT"));
    pen.ended(13, 1208, (28, "failed"), &void);
    pen.0.push(settled(10, 1209, "amend", &done(27), NOTHING));
    pen.attestation(LAST, 1210, "south", &AMENDMENT);
    pen.0
}

/// Two calls that are allowed and one that is not; one that is done, and one whose time is up.
fn calls(pen: &mut Pen) {
    let held = |leg, amount| transfer(leg, "reserve", "budget:k:available", "budget:k:spent", amount);
    pen.call(5, 5, &[grant(0, "reserve", "50 CREDIT"), held(1, "50 CREDIT")]);
    pen.call(6, 5, &[grant(0, "reserve", "20 CREDIT")]);
    let what = call();
    pen.decided(&Decision {
        act: 7,
        at: 6,
        kind: "infer",
        who: CALLER,
        what: &what,
        why: r#""deny","code":"insufficient-quota","remedy":"less""#,
        money: NOTHING,
    });
    let posted = [
        grant(2, "post 0", "30 CREDIT"),
        transfer(3, "post 1", "budget:k:available", "budget:k:spent", "30 CREDIT"),
        transfer(4, "move", "rounding:payer:CREDIT/10", "rounding:operator:CREDIT/10", "3 CREDIT/10"),
    ];
    let charged = r#""charged":{"asset":"CREDIT","amount":"30"}"#;
    pen.ended(5, 7, (10, "done"), &format!(r#"{{{charged},"transfers":[{}]}}"#, posted.join(",")));
    let lapse = format!(r#"{{"transfers":[{}]}}"#, grant(1, "lapse 0", "20 CREDIT"));
    pen.ended(6, 900, (11, "lapsed"), &lapse);
}

/// What is about no act.
fn notes(pen: &mut Pen) {
    let clock = format!(r#"{{"at":"{}","was":"{}","now":"{}"}}"#, at(901), at(1000), at(800));
    pen.0.push(entry("clock", 901, &[("clock", clock)]));
    let refused = r#"[{"key":"j","count":"1"},{"key":"k","count":"20"}]"#;
    pen.0.push(entry("tally", 902, &[("tally", format!(r#"{{"at":"{}","refused":{refused}}}"#, at(902)))]));
    let amounts = r#"[{"asset":"CREDIT","amount":"9"},{"asset":"USD","amount":"1"}]"#;
    let lease = format!(
        r#"{{"at":"{}","expires":"2026-11-24T03:20:00.000Z","calls":"64","amounts":{amounts}}}"#,
        at(1200)
    );
    pen.0.push(entry("lease", 1200, &[("lease", lease)]));
}

/// The digest that stands at entry 29, its lines worked out on paper.
fn digest() -> [u8; 32] {
    let lines = [
        "credit:g:issued\tCREDIT\t1000\t0\t0\t0",
        "credit:g:available\tCREDIT\t30\t1000\t10\t0",
        "commitment:t:pledged\tUSD\t500\t0\t0\t0",
        "commitment:t:undrawn\tUSD\t500\t500\t0\t0",
        "budget:k:issued\tCREDIT\t100\t0\t0\t0",
        "budget:k:available\tCREDIT\t30\t100\t0\t0",
        "credit:g:spent\tCREDIT\t0\t30\t0\t10",
        "budget:k:spent\tCREDIT\t0\t30\t0\t0",
        "rounding:payer:CREDIT/10\tCREDIT/10\t3\t0\t0\t0",
        "rounding:operator:CREDIT/10\tCREDIT/10\t0\t3\t0\t0",
        "commitment:t:drawn\tUSD\t0\t500\t0\t0",
    ];
    let leaves: Vec<_> = lines.iter().map(|line| leaf_hash(line.as_bytes())).collect();
    let root = base64(&merkle::root(&leaves));
    let text = format!("accounts\t{}\t{root}\nopen\t{}\nopen\t{}\n", lines.len(), id(10), id(13));
    sha256(text.as_bytes())
}
