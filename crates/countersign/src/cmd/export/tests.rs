//! What each form looks like, from one transaction and three acts.

use super::rows::{Books, Cost, Format, Posting, Row, Scope, Seal, Transaction, View};
use super::{beancount, charge, csv, focus, hledger, jsonl, statement};
use ledger::{AccountId, AssetId};
use partnership::State;
use partnership::act::Usage;
use partnership::decision::{Deviation, RefusalCode};
use partnership::entry::Standing;
use partnership::ids::{ActId, ApplicationId, ClauseId, KeyId, ModelId, PartyId, Timestamp};
use std::io;

/// A month in which one transaction is posted over an opening balance, and three acts end.
struct Month {
    state: State,
    scope: Scope,
    before: Books,
    after: Books,
    transaction: Transaction,
    rows: Vec<Row>,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn posting(account: &str, asset: &str, minor: i128) -> Posting {
    Posting { account: AccountId::from(account), asset: AssetId::from(asset), minor }
}

fn row(number: u128) -> Row {
    Row {
        act: ActId::from_u128(number),
        kind: "infer".to_owned(),
        about: "small, \"new\"".to_owned(),
        decided: (at("2026-11-30T23:59:58.000Z"), 40),
        settled: Some((at("2026-11-30T23:59:59.500Z"), 41)),
        party: Some(PartyId::from("halcyon")),
        application: Some(ApplicationId::from("search")),
        key: Some(KeyId::from("k1")),
        standing: Some(Standing {
            audience: "consumer".to_owned(),
            purpose: "=free, text".to_owned(),
            market: "eu".to_owned(),
        }),
        model: Some(ModelId::from("small, \"new\"")),
        surface: Some("chat".to_owned()),
        verdict: "allowed",
        refusal: None,
        ended: Some("done"),
        clauses: vec![ClauseId::from("prices"), ClauseId::from("x-grant")],
        deviations: Vec::new(),
        memorandum: 2,
        usage: Some(Usage { input_tokens: 7, cached_input_tokens: 0, output_tokens: 3 }),
        estimated: false,
        price: Some(ClauseId::from("prices")),
        cost: Cost {
            asset: Some(AssetId::from("CREDIT")),
            paid: vec![(ClauseId::from("x-grant"), 1_500_000_000)],
            remainder: Some((-1, 7)),
            ..Cost::default()
        },
        entries: [vec![("what".to_owned(), "{\"n\":\"1\"}".to_owned())], Vec::new()],
    }
}

impl Month {
    fn new() -> Self {
        let mut before = Books::default();
        before.know(&[(AssetId::from("CREDIT"), 9), (AssetId::from("USD"), 2)].into());
        let opening = [
            posting("credit:x-grant:issued", "CREDIT", -5_000_000_000),
            posting("credit:x-grant:available", "CREDIT", 5_000_000_000),
        ];
        before.post(&opening).unwrap();
        let transaction = Transaction {
            at: at("2026-11-30T23:59:59.500Z"),
            index: 41,
            act: Some(ActId::from_u128(1)),
            about: "infer small, \"new\" by search".to_owned(),
            party: Some(PartyId::from("halcyon")),
            application: Some(ApplicationId::from("search")),
            clauses: vec![ClauseId::from("prices"), ClauseId::from("x-grant")],
            postings: vec![
                posting("credit:x-grant:available", "CREDIT", -1_500_000_000),
                posting("credit:x-grant:spent", "CREDIT", 1_500_000_000),
                posting("rounding:operator:CREDIT/7", "CREDIT/7", -1),
                posting("rounding:payer:CREDIT/7", "CREDIT/7", 1),
            ],
        };
        let mut after = before.clone();
        after.post(&transaction.postings).unwrap();
        let refused = Row {
            settled: None,
            verdict: "refused",
            refusal: Some("forbidden"),
            ended: None,
            usage: None,
            cost: Cost::default(),
            deviations: vec![Deviation {
                clause: ClauseId::from("brief"),
                code: RefusalCode::Forbidden,
                why: "too long".to_owned(),
            }],
            ..row(2)
        };
        let expired = Row {
            kind: "expire".to_owned(),
            about: "x-grant".to_owned(),
            party: None,
            application: None,
            key: None,
            standing: None,
            model: None,
            surface: None,
            usage: None,
            price: None,
            clauses: vec![ClauseId::from("x-grant")],
            cost: Cost {
                moved: vec![(AccountId::from("credit:x-grant:breakage"), AssetId::from("CREDIT"), 70)],
                ..Cost::default()
            },
            ..row(3)
        };
        let scope = Scope { period: Some("2026-11".parse().unwrap()), party: Some(PartyId::from("halcyon")) };
        Self {
            state: State::new([]),
            scope,
            before,
            after,
            transaction,
            rows: vec![row(1), refused, expired],
        }
    }

    fn written(&self, format: impl FnOnce(&mut Vec<u8>) -> Box<dyn Format + '_>) -> String {
        let mut text = Vec::new();
        self.write(&mut *format(&mut text)).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn write(&self, format: &mut dyn Format) -> io::Result<()> {
        let view = |books| View { state: &self.state, books, scope: &self.scope };
        format.opening(&view(&self.before))?;
        format.transaction(&self.transaction, &view(&self.after))?;
        self.rows.iter().try_for_each(|row| format.row(row, &view(&self.after)))?;
        format.closing(&view(&self.after))?;
        format.sealed(&Seal { entries: 42, root: "R00T=".to_owned(), place: "partnership".to_owned() })
    }
}

#[test]
fn a_journal_has_opening_balances_transactions_and_assertions() {
    let text = Month::new().written(|to| Box::new(hledger::Hledger::new(to)));
    let (_, text) = text.split_once("decimal-mark .\n\n").unwrap();
    // The state of the scene has seen no entry, so that closing balances hold by its first day.
    let text = text.replace("1970-01-01", "CLOSE");
    assert_eq!(
        text,
        r#"commodity 1000.000000000 CREDIT

account credit:x-grant:available

account credit:x-grant:issued

2026-11-01 * opening balances
    credit:x-grant:available  5.000000000 CREDIT
    credit:x-grant:issued  -5.000000000 CREDIT

account credit:x-grant:spent

commodity 1000. "CREDIT/7"

account rounding:operator:CREDIT/7

account rounding:payer:CREDIT/7

2026-11-30 * infer small? ?new? by search
    ; act: 00000000-0000-0000-0000-000000000001
    ; entry: 41
    ; party: halcyon
    ; application: search
    ; clauses: prices x-grant
    credit:x-grant:available  -1.500000000 CREDIT
    credit:x-grant:spent  1.500000000 CREDIT
    rounding:operator:CREDIT/7  -1 "CREDIT/7"
    rounding:payer:CREDIT/7  1 "CREDIT/7"

CLOSE * closing balances
    credit:x-grant:available  0.000000000 CREDIT = 3.500000000 CREDIT
    credit:x-grant:issued  0.000000000 CREDIT = -5.000000000 CREDIT
    credit:x-grant:spent  0.000000000 CREDIT = 1.500000000 CREDIT
    rounding:operator:CREDIT/7  0 "CREDIT/7" = -1 "CREDIT/7"
    rounding:payer:CREDIT/7  0 "CREDIT/7" = 1 "CREDIT/7"

"#
    );
}

#[test]
fn a_beancount_file_opens_what_it_names_and_asserts_the_next_day() {
    let text = Month::new().written(|to| Box::new(beancount::Beancount::new(to)));
    for part in [
        "option \"tolerance_multiplier\" \"0\"\n",
        "2026-11-01 commodity CREDIT\n  name: \"CREDIT\"\n",
        "2026-11-01 open Assets:Credit:X-x-grant:Available CREDIT\n  name: \"credit:x-grant:available\"\n",
        "2026-11-01 * \"opening balances\"\n  Assets:Credit:X-x-grant:Available  5.000000000 CREDIT\n",
        "2026-11-30 commodity CREDIT_7\n  name: \"CREDIT/7\"\n",
        "2026-11-30 * \"infer small? ?new? by search\"\n  act: \"00000000-0000-0000-0000-000000000001\"\n  entry: \"41\"\n",
        "  Equity:Rounding:Payer:X-CREDITX2f7  1 CREDIT_7\n",
        "1970-01-02 balance Expenses:Credit:X-x-grant:Spent  1.500000000 CREDIT\n",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn each_act_is_one_row_with_as_many_values_as_there_are_columns() {
    let text = Month::new().written(|to| Box::new(csv::Csv::new(to)));
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "00000000-0000-0000-0000-000000000001,infer,\"small, \"\"new\"\"\",2026-11-30T23:59:58.000Z,40,2026-11-30T23:59:59.500Z,41,halcyon,search,k1,consumer,eu,\"small, \"\"new\"\"\",chat,allowed,,done,prices,prices x-grant,,2,7,3,false,prices,x-grant,CREDIT,1.500000000,1500000000,0,0,-1,7,,",
            "00000000-0000-0000-0000-000000000002,infer,\"small, \"\"new\"\"\",2026-11-30T23:59:58.000Z,40,,,halcyon,search,k1,consumer,eu,\"small, \"\"new\"\"\",chat,refused,forbidden,,prices,prices x-grant,brief,2,,,false,prices,,,,0,0,0,,,,",
            "00000000-0000-0000-0000-000000000003,expire,x-grant,2026-11-30T23:59:58.000Z,40,2026-11-30T23:59:59.500Z,41,,,,,,,,allowed,,done,x-grant,x-grant,,2,,,false,,,,,0,0,0,,,credit:x-grant:breakage,0.000000070 CREDIT",
        ]
    );
}

#[test]
fn json_lines_keep_what_the_entries_say() {
    let text = Month::new().written(|to| Box::new(jsonl::Jsonl::new(to)));
    let acts: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(acts.len(), 3);
    assert_eq!(acts[0]["cost"]["grants"][0]["paid"]["minor"], "1500000000");
    assert_eq!(
        (&acts[0]["cost"]["rounding"]["numerator"], &acts[0]["decided"]["what"]["n"]),
        (&"-1".into(), &"1".into())
    );
    assert_eq!((acts[1]["settled"].is_null(), &acts[1]["deviations"][0]["why"]), (true, &"too long".into()));
    assert_eq!(acts[2]["cost"]["moved"][0]["moved"]["amount"], "0.000000070");
}

#[test]
fn a_charge_is_burned_and_not_billed_and_what_expired_is_unused() {
    let text = Month::new().written(|to| Box::new(focus::Focus::new(to)));
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let [heads, used, unused] = &lines[..] else { panic!("a refused call is no charge: {text}") };
    let of = |line: &[&str], column: &str| {
        // Counted from either end, since a name with a comma stands in between.
        let place = heads.iter().position(|head| *head == column).unwrap();
        let from_end = heads.len() - place;
        if place < 9 { line[place].to_owned() } else { line[line.len() - from_end].to_owned() }
    };
    assert_eq!(
        [of(used, "BilledCost"), of(used, "BillingCurrency"), of(used, "BillingPeriodEnd")],
        ["0.0", "XXX", "2026-12-01T00:00:00Z"]
    );
    assert_eq!(
        [of(used, "x_ClauseId"), of(used, "x_CostMinor"), of(used, "x_Surface")],
        ["x-grant", "1500000000", "chat"]
    );
    assert!(text.contains(",1.500000000,Used,compute-credit,CREDIT,10.0,Tokens,1.500000000,"), "{text}");
    every_value_has_a_column(&Month::new());
    assert_eq!([of(unused, "x_CostMinor"), of(unused, "x_Asset")], ["70", "CREDIT"]);
    assert!(text.contains(",0.000000070,Unused,compute-credit,CREDIT,,,0.000000070,"), "{text}");
}

#[test]
fn a_statement_says_what_was_spent_and_refused_and_what_it_was_made_from() {
    let text = Month::new().written(|to| Box::new(statement::Statement::new(to)));
    for part in [
        "Statement of halcyon for November 2026",
        "small, &quot;new&quot;",
        "1.500000000 CREDIT",
        "<td>prices</td><td></td><td class=\"n\">1</td><td class=\"n\">0</td>",
        "<td>brief</td><td></td><td class=\"n\">0</td><td class=\"n\">1</td>",
        "5.000000000",
        "record of 42 entries with the root <code>R00T=</code>",
        "countersign verify partnership",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("<script") && !text.contains("http"), "it loads nothing");
}

fn every_value_has_a_column(month: &Month) {
    let view = View { state: &month.state, books: &month.after, scope: &month.scope };
    let (row, asset) = (&month.rows[0], AssetId::from("CREDIT"));
    let charge = charge::Charge { row, clause: "x-grant", asset: &asset, minor: 1, is_used: true };
    let known: Vec<&str> = charge.values(&view).into_keys().collect();
    let empty = ["ChargeClass", "InvoiceId", "SkuPriceDetails"];
    let wanted: Vec<&str> = focus::COLUMNS.into_iter().filter(|name| !empty.contains(name)).collect();
    assert_eq!(known, wanted, "and every column but three has a value");
}
