//! What calls cost, in a table.

use jiff::civil::date;
use partnership::act::Usage;
use partnership::investment::tariff::{Tariff, UnitPrice};

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
        let charge = tariff.charge(used(tokens_in, 0, tokens_out)).unwrap();
        assert_eq!(charge.amount.minor(), charged, "{row}");
        assert_eq!(charge.remainder.numerator == 0, exact, "{row}");
    }
}

fn used(input_tokens: u64, cached_input_tokens: u64, output_tokens: u64) -> Usage {
    Usage { input_tokens, cached_input_tokens, output_tokens }
}

#[test]
fn cached_input_costs_its_own_price_and_is_reserved_as_if_it_were_not_cached() {
    let card = "cached_input = \"0.05 CREDIT\"\noutput = \"1.50 CREDIT\"";
    let text = SOUND.replace("output = \"1.50 CREDIT\"", card);
    let with = Tariff::on(&read(&text), "small", date(2026, 6, 1)).unwrap();
    let without = tariff("0.50", "1.50", "0", 1_000_000);
    // tokens in, of which cached, out | charged with a price for cached input, and without one
    let table = [
        (1000, 0, 100, 650_000, 650_000),
        (1000, 600, 100, 380_000, 650_000),
        (1000, 1000, 0, 50_000, 500_000),
        // More than there was is as much as there was.
        (1000, 2000, 0, 50_000, 500_000),
    ];
    for (input, cached, output, charged, uncached) in table {
        let row = format!("{input} in, {cached} cached, {output} out");
        assert_eq!(with.charge(used(input, cached, output)).unwrap().amount.minor(), charged, "{row}");
        assert_eq!(without.charge(used(input, cached, output)).unwrap().amount.minor(), uncached, "{row}");
        assert_eq!(with.reserve(input, output), without.reserve(input, output), "{row}");
    }
}

#[test]
fn a_unit_has_the_price_of_the_binding_card_that_began_last() {
    let card = |id: &str, force: &str, units: &str, from: &str| {
        format!(
            "\n```toml clause {id}\nkind = \"rate-card\"\nforce = \"{force}\"\nsource = \"signed\"\nunits = {{ {units} }}\nfrom = {from}\n```\n"
        )
    };
    let text = [
        SOUND.to_owned(),
        card("first", "binding", "\"gpu-hour:h100\" = \"2.50 USD\", gb-month = \"0.02 USD\"", "2026-01-01"),
        card("later", "binding", "\"gpu-hour:h100\" = \"2.25 USD\"", "2026-07-01"),
        card("meant", "non-binding", "\"gpu-hour:h100\" = \"1 USD\", cpu-hour = \"0.1 USD\"", "2026-08-01"),
    ];
    let memorandum = read(&text.concat());
    let table = [
        ("gpu-hour:h100", "2025-12-31", None),
        ("gpu-hour:h100", "2026-01-01", Some(("first", 250))),
        ("gpu-hour:h100", "2026-09-01", Some(("later", 225))),
        ("gb-month", "2026-09-01", Some(("first", 2))),
        ("cpu-hour", "2026-09-01", Some(("meant", 10))),
        ("gpu-hour:a100", "2026-09-01", None),
    ];
    for (unit, day, expected) in table {
        let price = UnitPrice::on(&memorandum, unit, day.parse().unwrap());
        let found = price.as_ref().map(|price| (price.clause.as_str(), price.price.numerator()));
        assert_eq!(found, expected, "{unit} on {day}");
    }
    assert_eq!(Tariff::on(&memorandum, "large", date(2026, 9, 1)), None, "a card of units prices no call");
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
