//! Invoices with a difference in each, found and explained; and what cannot be read, with its place.

use super::columns::{Columns, Form};
use super::exact::Exact;
use super::invoice::Invoice;
use super::matching::{Charged, DIFFERENCES_MAX, Findings, Found, Matching, Of};
use super::report::{Kind, Sums, Why};
use ledger::AssetId;
use partnership::act::Usage;
use partnership::ids::ActId;

/// What the record charges: three acts of one model on one day, and one of another that ran over midnight.
fn charged() -> Vec<Charged> {
    let of = |number: u32, model: &str, days: [&str; 2]| Charged {
        act: id(number),
        entry: u64::from(number) * 10,
        days: days.map(|day| day.parse().unwrap()),
        model: model.to_owned(),
        asset: AssetId::from("CREDIT"),
        scale: 9,
        cost: Exact::of_minor(i128::from(number) * 100_000 + 7, 9).unwrap(),
        usage: Some(Usage { input_tokens: 40, cached_input_tokens: 8, output_tokens: 10 }),
    };
    let day = "2026-11-22";
    vec![
        of(1, "small", [day, day]),
        of(2, "small", [day, day]),
        of(3, "small", [day, day]),
        of(4, "large", [day, "2026-11-23"]),
    ]
}

fn id(number: u32) -> ActId {
    text(number).parse().unwrap()
}

fn text(number: u32) -> String {
    format!("019b0000-0000-7000-8000-{number:012x}")
}

const HEADS: &str = "act,amount,asset,date,model,quantity,unit,note\n";

/// An invoice that asks for what the record charges. Act 2 stands in two rows, as where two grants paid.
fn honest() -> String {
    format!(
        "{HEADS}{},0.000100007,CREDIT,2026-11-22,small,50,Tokens,\n{},0.000150007,CREDIT,2026-11-22T23:59:59Z,small,50,Tokens,\"a, b\"\n\
         {},0.000050000,CREDIT,2026-11-23T00:30:00+01:00,small,50,Tokens,\n{},0.000300007,CREDIT,2026-11-22,small,10,output_tokens,\n\
         {},4.00007E-4,CREDIT,2026-11-23,large,1,Requests,\n",
        text(1),
        text(2),
        text(2),
        text(3),
        text(4)
    )
}

fn read(csv: &str) -> anyhow::Result<Invoice> {
    read_as(
        csv,
        &[
            "act=act",
            "amount=amount",
            "asset=asset",
            "date=date",
            "model=model",
            "quantity=quantity",
            "unit=unit",
        ],
    )
}

fn read_as(csv: &str, columns: &[&str]) -> anyhow::Result<Invoice> {
    let columns: Vec<_> = columns.iter().map(|column| column.parse().unwrap()).collect();
    Invoice::of(csv.as_bytes(), &Columns::of(None, &columns).map_err(anyhow::Error::msg)?, None)
}

fn against(invoice: Invoice) -> Findings {
    let mut matching = Matching::of(invoice).unwrap();
    for charged in charged() {
        matching.charged(&charged).unwrap();
    }
    let stands = |act| (act == id(8)).then(|| Why::new("open", "it is under way"));
    matching.end(stands).unwrap()
}

fn shown(sums: &Sums) -> String {
    let all: Vec<String> =
        sums.iter().map(|(asset, amount)| format!("{} {asset}", amount.display(9))).collect();
    all.join(" ")
}

/// In a word what was found, on which lines, and what it makes.
fn told(found: &Found) -> (Kind, String, Vec<u64>, String) {
    let codes: Vec<&str> = found.why.iter().map(|why| why.code).collect();
    (found.kind, codes.join(" "), found.lines.clone(), shown(&found.money))
}

/// All differences together are that of the totals, worked out here from the rows and the acts alone.
fn adds_up(invoice: &Invoice, findings: &Findings) {
    let mut totals = Sums::new();
    for row in &invoice.rows {
        let sum = totals.entry(row.asset.clone()).or_default();
        *sum = sum.plus(row.amount).unwrap();
    }
    for act in charged() {
        let sum = totals.entry(act.asset).or_default();
        *sum = sum.minus(act.cost).unwrap();
    }
    for (asset, amount) in findings.differences.iter().flat_map(|found| &found.money) {
        let sum = totals.entry(asset.clone()).or_default();
        *sum = sum.minus(*amount).unwrap();
    }
    assert!(totals.values().all(|left| left.is_zero()), "{totals:?}");
}

#[test]
fn an_invoice_that_asks_for_what_the_record_charges_differs_in_nothing() {
    let findings = against(read(&honest()).unwrap());
    assert_eq!(findings.differences, []);
    assert_eq!((findings.matched.acts, findings.matched.groups), (4, 0));
    assert_eq!(findings.ours, findings.theirs);
    assert_eq!(shown(&findings.ours), "0.001000028 CREDIT");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table: a row for each way in which an invoice may differ")]
fn each_difference_is_found_and_explained_and_together_they_are_the_difference_of_the_totals() {
    use Kind::{Differing, OursOnly, TheirsOnly};
    let line = |number: usize| format!("{}\n", honest().lines().nth(number - 1).unwrap());
    let (third, act_1, act_2, act_9) = (line(3), text(1), text(2), text(9));
    let twice = [line(2), line(2)].concat();
    let thrice = [line(6), line(6), line(6)].concat();
    let both = [third.clone(), line(4), third.clone(), line(4)].concat();
    let unknown = line(5).replace(&text(3), &act_9);
    let open = [line(6), line(6).replace(&text(4), &text(8))].concat();
    let nothing = [line(6), line(6).replace(&text(4), &act_9).replace("4.00007E-4", "0.00")].concat();
    let back = [line(6), line(6).replace("4.00007E-4", "-0.000000007")].concat();
    type Expected<'a> = &'a [(Kind, &'a str, &'a [u64], &'a str)];
    let rows: &[(&str, &str, &str, Expected<'_>)] = &[
        ("an act is missing", &line(2), "", &[(OursOnly, "not-asked", &[], "-0.000100007 CREDIT")]),
        ("an act stands twice", &line(2), &twice, &[(Differing, "twice", &[2, 3], "0.000100007 CREDIT")]),
        (
            "an act stands thrice",
            &line(6),
            &thrice,
            &[(Differing, "twice", &[6, 7, 8], "0.000800014 CREDIT")],
        ),
        (
            "both rows of an act twice",
            &[third, line(4)].concat(),
            &both,
            &[(Differing, "twice", &[3, 4, 5, 6], "0.000200007 CREDIT")],
        ),
        (
            "a price is a unit up",
            "0.000100007",
            "0.000100008",
            &[(Differing, "amount", &[2], "0.000000001 CREDIT")],
        ),
        (
            "a price is a unit down",
            "0.000100007",
            "0.000100006",
            &[(Differing, "amount", &[2], "-0.000000001 CREDIT")],
        ),
        (
            "a price has another sign",
            "0.000100007",
            "-0.000100007",
            &[(Differing, "amount", &[2], "-0.000200014 CREDIT")],
        ),
        (
            "a price is rounded",
            "0.000100007",
            "0.0001",
            &[(Differing, "rounding", &[2], "-0.000000007 CREDIT")],
        ),
        (
            "a price is finer",
            "0.000100007",
            "0.0001000074",
            &[(Differing, "rounding", &[2], "0.0000000004 CREDIT")],
        ),
        (
            "something is given back",
            &line(6),
            &back,
            &[(Differing, "amount", &[6, 7], "-0.000000007 CREDIT")],
        ),
        (
            "a date is off",
            "CREDIT,2026-11-22,small,50",
            "CREDIT,2026-11-23,small,50",
            &[(Differing, "date", &[2], "")],
        ),
        ("a moment is off", "T23:59:59Z", "T23:59:59-01:00", &[(Differing, "date", &[3, 4], "")]),
        (
            "another asset",
            "0.000100007,CREDIT",
            "0.000100007,USD",
            &[(Differing, "asset", &[2], "-0.000100007 CREDIT 0.000100007 USD")],
        ),
        (
            "an asset of two",
            "0.000050000,CREDIT",
            "0.000050000,USD",
            &[(Differing, "asset amount", &[3, 4], "-0.000050000 CREDIT 0.000050000 USD")],
        ),
        ("another model", "-22,small,50", "-22,large,50", &[(Differing, "model", &[2], "")]),
        ("more tokens", "small,50", "small,51", &[(Differing, "quantity", &[2], "")]),
        (
            "fewer tokens of output",
            "10,output_tokens",
            "9,completion tokens",
            &[(Differing, "quantity", &[5], "")],
        ),
        (
            "two things of one act",
            "0.000100007,CREDIT,2026-11-22",
            "0.000100010,CREDIT,2026-11-21",
            &[(Differing, "amount date", &[2], "0.000000003 CREDIT")],
        ),
        (
            "an act of nobody's",
            &line(5),
            &unknown,
            &[
                (TheirsOnly, "unknown", &[5], "0.000300007 CREDIT"),
                (OursOnly, "not-asked", &[], "-0.000300007 CREDIT"),
            ],
        ),
        ("an act that is under way", &line(6), &open, &[(TheirsOnly, "open", &[7], "0.000400007 CREDIT")]),
        ("nothing is asked for nothing", &line(6), &nothing, &[]),
        (
            "two rows of three change places",
            &act_1,
            &act_2,
            &[
                (Differing, "amount", &[2, 3, 4], "0.000100007 CREDIT"),
                (OursOnly, "not-asked", &[], "-0.000100007 CREDIT"),
            ],
        ),
    ];
    for (what, from, to, expected) in rows {
        let csv = honest().replacen(from, to, 1);
        assert_ne!(csv, honest(), "{what}");
        let invoice = read(&csv).unwrap_or_else(|error| panic!("{what}: {error}"));
        let findings = against(invoice.clone());
        let found: Vec<_> = findings.differences.iter().map(told).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(kind, code, lines, money)| {
                (*kind, (*code).to_owned(), lines.to_vec(), (*money).to_owned())
            })
            .collect();
        assert_eq!(found, expected, "{what}");
        adds_up(&invoice, &findings);
    }
}

#[test]
fn what_is_found_says_both_amounts_and_which_rounding_makes_it() {
    let why = |from: &str, to: &str| {
        let findings = against(read(&honest().replacen(from, to, 1)).unwrap());
        findings.differences[0].why[0].text.clone()
    };
    assert_eq!(why("0.000100007", "0.000100008"), "asked 0.000100008, charged 0.000100007: 0.000000001 more");
    assert_eq!(
        why("0.000100007", "0.0001"),
        "asked 0.000100000, charged 0.000100007: 0.000000007 less, as rounding to 4 decimals makes it"
    );
    assert_eq!(
        why("0.000100007,CREDIT", "0.000100007,USD"),
        "it is asked in USD, and the record charges CREDIT"
    );
    assert_eq!(
        why("CREDIT,2026-11-22,small,50", "CREDIT,2026-11-20,small,50"),
        "it is dated 2026-11-20, and the act ran on 2026-11-22"
    );
}

const DAILY: &str = "day,sku,cost,currency,quantity\n2026-11-22,small,0.000600021,CREDIT,150\n2026-11-23,large,0.000400007,CREDIT,50\n";
const DAILY_COLUMNS: [&str; 5] =
    ["date=day", "model=sku", "amount=cost", "asset=currency", "quantity=quantity"];

#[test]
fn rows_without_acts_are_held_against_the_acts_of_their_day_and_model() {
    use Kind::{Differing, OursOnly, TheirsOnly};
    let read = |csv: &str| read_as(csv, &DAILY_COLUMNS).unwrap();
    let same = against(read(DAILY));
    assert_eq!((same.differences.len(), same.matched.acts, same.matched.groups), (0, 4, 2));
    type Expected<'a> = &'a [(Kind, &'a str, &'a [u64], &'a str, usize)];
    let rows: &[(&str, &str, Expected<'_>)] = &[
        ("0.000600021", "0.000600022", &[(Differing, "amount", &[2], "0.000000001 CREDIT", 3)]),
        ("0.000600021", "0.0006", &[(Differing, "rounding", &[2], "-0.000000021 CREDIT", 3)]),
        ("CREDIT,150", "CREDIT,149", &[(Differing, "quantity", &[2], "", 3)]),
        (
            "2026-11-22,small,0.000600021,CREDIT,150\n",
            "",
            &[(OursOnly, "not-asked", &[], "-0.000600021 CREDIT", 3)],
        ),
        (
            "2026-11-23,large",
            "2026-11-24,large",
            &[
                (TheirsOnly, "no-act", &[3], "0.000400007 CREDIT", 0),
                (OursOnly, "not-asked", &[], "-0.000400007 CREDIT", 1),
            ],
        ),
        (
            "0.000400007,CREDIT",
            "0.000400007,USD",
            &[
                (TheirsOnly, "no-act", &[3], "0.000400007 USD", 0),
                (OursOnly, "not-asked", &[], "-0.000400007 CREDIT", 1),
            ],
        ),
        ("2026-11-23,large", "2026-11-24,other,0.00,CREDIT,0\n2026-11-23,large", &[]),
    ];
    for (from, to, expected) in rows {
        let invoice = read(&DAILY.replacen(from, to, 1));
        let findings = against(invoice.clone());
        let found: Vec<_> = findings
            .differences
            .iter()
            .map(|found| {
                let Of::Group(_, _, acts) = &found.of else { panic!("{found:?}") };
                let (kind, codes, lines, money) = told(found);
                (kind, codes, lines, money, acts.len())
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(kind, code, lines, money, acts)| {
                (*kind, (*code).to_owned(), lines.to_vec(), (*money).to_owned(), *acts)
            })
            .collect();
        assert_eq!(found, expected, "{from} to {to}");
        adds_up(&invoice, &findings);
    }
}

#[test]
fn an_act_that_one_row_names_is_in_no_group_of_the_others() {
    let mixed = format!(
        "act,day,sku,cost,currency\n,2026-11-22,small,0.000400014,CREDIT\n{},,,0.000200007,CREDIT\n,2026-11-23,large,0.000400007,CREDIT\n",
        text(2)
    );
    let columns = ["act=act", "date=day", "model=sku", "amount=cost", "asset=currency"];
    let findings = against(read_as(&mixed, &columns).unwrap());
    assert_eq!(findings.differences, []);
    assert_eq!((findings.matched.acts, findings.matched.groups), (4, 2));
}

#[test]
fn a_row_that_cannot_be_read_is_told_with_its_line_and_column_and_what_to_do() {
    for (from, to, place, advice) in [
        ("0.000100007", "0,000100007", "line 2", "in quotation marks"),
        ("0.000300007", "\"1,234.50\"", "line 5, column `amount`", "without separators"),
        ("0.000300007", "", "line 5, column `amount`", "is no decimal"),
        ("0.000300007", "0.0000000000000000001", "line 5, column `amount`", "write it shorter"),
        ("0.000300007,CREDIT", "0.000300007,", "line 5, column `asset`", "name the asset"),
        (&text(3), "req_17", "line 5, column `act`", "countersign-act"),
        (
            &text(3),
            &text(3).to_uppercase().replace("019B0000", "019B000A"),
            "line 5, column `act`",
            "no act's id",
        ),
        ("2026-11-22T23:59:59Z", "22.11.2026", "line 3, column `date`", "write `2026-11-22`"),
        ("2026-11-22T23:59:59Z", "2026-11-31", "line 3, column `date`", "is no day"),
        ("small,50", "small,fifty", "line 2, column `quantity`", "is no decimal"),
        (&text(1), "", "", ""),
        (
            &format!("{},0.000100007,CREDIT,2026-11-22", text(1)),
            ",0.000100007,CREDIT,",
            "line 2, column `date`",
            "needs a day and a model",
        ),
        ("2026-11-22,small,50", "2026-11-22,small,50,more", "line 2", "the heads are 8"),
        ("large,1,Requests,", "large,1,Requests,\"cut off", "at its end", "see that the file is whole"),
        ("act,amount,", "act,cost,", "line 1", "no column is named `amount`"),
        ("act,amount,asset,", "act,amount,amount,", "line 1", "two columns are named `amount`"),
    ] {
        let csv = honest().replacen(from, to, 1);
        assert_ne!(csv, honest(), "{from}");
        let read = read(&csv);
        if place.is_empty() {
            assert!(read.is_ok(), "a row without an act is of its day and model");
            continue;
        }
        let error = format!("{:#}", read.unwrap_err());
        assert!(error.starts_with(place) && error.contains(advice), "{from} to {to}: {error}");
    }
    let bytes = [honest().as_bytes(), &[0xff, b'\n']].concat();
    let columns = Columns::of(None, &["act=act".parse().unwrap(), "amount=amount".parse().unwrap()]).unwrap();
    let error = format!("{:#}", Invoice::of(&*bytes, &columns, Some("CREDIT")).unwrap_err());
    assert!(error.contains("not UTF-8") || error.contains("values"), "{error}");
    let error = format!("{:#}", Invoice::of(honest().as_bytes(), &columns, None).unwrap_err());
    assert!(error.contains("`--asset`"), "{error}");
    assert!(Invoice::of(honest().as_bytes(), &columns, Some("CREDIT")).is_ok());
    let focus = Columns::of(Some(Form::Focus), &[]).unwrap();
    let text =
        "EffectiveCost,BillingCurrency,ChargePeriodStart,ResourceId\n1.0,XXX,2026-11-22T00:00:00Z,small\n";
    let error = format!("{:#}", Invoice::of(text.as_bytes(), &focus, None).unwrap_err());
    assert!(error.contains("line 2, column `BillingCurrency`: `XXX` is no currency"), "{error}");
}

#[test]
fn an_invoice_of_another_record_is_told_apart_from_one_that_differs() {
    let most = u32::try_from(DIFFERENCES_MAX).unwrap();
    let of = |count: u32| {
        let rows = (1..=count).map(|number| format!("{},1,USD\n", text(number + 100)));
        let csv = rows.fold("act,amount,asset\n".to_owned(), |csv, row| csv + &row);
        Matching::of(read_as(&csv, &["act=act", "amount=amount", "asset=asset"]).unwrap())
            .unwrap()
            .end(|_| None)
    };
    assert_eq!(of(most).unwrap().differences.len(), DIFFERENCES_MAX);
    let error = of(most + 1).unwrap_err();
    assert!(error.contains("see that the invoice is of this record"), "{error}");
}

#[test]
fn other_line_ends_a_byte_order_mark_and_units_that_are_not_counted_change_nothing_but_the_digest() {
    let plain = read(&honest()).unwrap();
    let foreign = honest().replace('\n', "\r\n").replacen("50,Tokens", "50,GB-Hours", 1);
    let other = read(&format!("\u{feff}{foreign}")).unwrap();
    assert_eq!((plain.uncounted, other.uncounted), (0, 1));
    assert_ne!(plain.digest, other.digest);
    assert_eq!(against(other).differences, []);
    assert_eq!(plain.digest, record::hash::sha256(honest().as_bytes()));
}
