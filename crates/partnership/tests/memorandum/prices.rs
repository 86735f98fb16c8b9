//! What calls cost, in a table.

use jiff::civil::date;
use partnership::investment::tariff::Tariff;

use super::{SOUND, read};

fn tariff(input: &str, output: &str, request: &str, per: u64) -> Tariff {
    let card = format!(
        "input = \"{input} CREDIT\"\noutput = \"{output} CREDIT\"\nrequest = \"{request} CREDIT\"\nper = {per}\n"
    );
    let text = SOUND.replace("input = \"0.50 CREDIT\"\noutput = \"1.50 CREDIT\"\n", &card);
    Tariff::on(&read(&text), "small", date(2026, 6, 1)).unwrap()
}

#[test]
fn a_call_costs_what_the_table_says() {
    // input, output, request, per | tokens in, out | reserved, charged, remainder as a fraction of a minor unit (10^-9)
    let table = [
        ("0.50", "1.50", "0", 1_000_000, 1000, 100, 650_000, 650_000, true),
        ("0.50", "1.50", "0", 1_000_000, 1, 0, 500, 500, true),
        ("0.000001", "0", "0", 1_000_000, 1, 0, 1, 0, false),
        ("0.000001", "0", "0", 1_000_000, 999, 0, 1, 1, false),
        // Exactly one half of a minor unit goes to the even one, below or above.
        ("0.000000001", "0", "0", 2, 1, 0, 1, 0, false),
        ("0.000000001", "0", "0", 2, 3, 0, 2, 2, false),
        // Twelve decimals, three more than the asset has.
        ("0.000000000001", "0", "0", 1, 1000, 0, 1, 1, true),
        ("0.000000000001", "0", "0", 1, 1499, 0, 2, 1, false),
        // Each line for itself would be rounded to nothing; together they are one.
        ("0.000000000500", "0.000000000500", "0", 1, 1, 1, 1, 1, true),
        ("0", "0", "0.25", 1_000_000, 5, 5, 250_000_000, 250_000_000, true),
        ("0", "0", "0", 1_000_000, 5, 5, 0, 0, true),
    ];
    for (input, output, request, per, tokens_in, tokens_out, reserved, charged, exact) in table {
        let tariff = tariff(input, output, request, per);
        let row = format!("{input} {output} {request} per {per}: {tokens_in} in, {tokens_out} out");
        assert_eq!(tariff.reserve(tokens_in, tokens_out).unwrap().minor(), reserved, "{row}");
        let charge = tariff.charge(tokens_in, tokens_out).unwrap();
        assert_eq!(charge.amount.minor(), charged, "{row}");
        assert_eq!(charge.remainder.numerator == 0, exact, "{row}");
    }
}

#[test]
fn a_cost_that_cannot_be_counted_is_an_error() {
    let tariff = tariff("1000000000000000000000.0", "1", "0", 1);
    assert!(tariff.reserve(u64::MAX, 0).is_err());
}

#[test]
fn a_later_card_holds_from_its_day_and_a_named_one_before_all() {
    let card = |id: &str, models: &str, from: &str| {
        format!(
            "\n```toml clause {id}\nkind = \"rate-card\"\nsource = \"signed\"\nmodels = [\"{models}\"]\ninput = \"1 CREDIT\"\noutput = \"1 CREDIT\"\nfrom = {from}\n```\n"
        )
    };
    let text = SOUND.to_owned() + &card("later", "small", "2026-07-01") + &card("rest", "*", "2026-08-01");
    let memorandum = read(&text);
    let holds = |model, day| Tariff::on(&memorandum, model, day).map(|tariff| tariff.clause.to_string());
    let table = [
        ("small", date(2025, 12, 31), None),
        ("small", date(2026, 1, 1), Some("prices")),
        ("small", date(2026, 6, 30), Some("prices")),
        ("small", date(2026, 7, 1), Some("later")),
        ("small", date(2026, 9, 1), Some("later")),
        ("large", date(2026, 7, 31), None),
        ("large", date(2026, 8, 1), Some("rest")),
    ];
    for (model, day, clause) in table {
        assert_eq!(holds(model, day).as_deref(), clause, "{model} on {day}");
    }
}
